# What each target does: make help.

GO ?= go
NIC ?= i40e

# The committed objects come from this compiler and no other: another version
# gives other bytes, and then nobody can tell a change in the source from one in
# the compiler.
CLANG ?= clang-19
STRIP ?= llvm-strip-19
CLANG_VERSION := 19.1.7

# Version 2.15.0 is of October 2026; it needs Go 1.26.
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# -mcpu=v3: what every kernel since 5.1 takes. Headers of our own, no compiler's
# name and no absolute path: the same bytes on every machine and in every folder.
# (In a recipe's shell $$PWD is the folder it went to.)
WARNINGS := -Wall -Wextra -Werror
BPF_FLAGS := -O2 -g -mcpu=v3 $(WARNINGS) -nostdlibinc -isystem ../include \
	-fno-ident -ffile-prefix-map="$$PWD"=

SOURCES := $(wildcard bpf/examples/*.c bpf/selftest/*.c)
OBJECTS := $(SOURCES:.c=.el.o) $(SOURCES:.c=.eb.o)
HEADERS := bpf/hintjit.h $(wildcard bpf/include/*/*.h)

.PHONY: help run test corpus test-vm test-vm-all fuzz mutate objects bench lint lint-go lint-c check fresh-objects deps clang-version
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help:
	@echo 'make run       show what hintjit does to an example (NIC=$(NIC))'
	@echo 'make test      all tests; what can not run here is skipped and listed'
	@echo 'make test-vm   boot kernel 6.12 in QEMU and hold hints against what its drivers see'
	@echo 'make test-vm-all  the same on every kernel of docs/vm.md'
	@echo 'make fuzz      run every fuzz target, each for FUZZTIME=$(FUZZTIME)'
	@echo 'make mutate    plant faults in the passes and see that hintjit verify finds each'
	@echo 'make objects   rebuild bpf/*/*.o with clang $(CLANG_VERSION)'
	@echo 'make bench     the benchmarks'
	@echo 'make lint      gofmt, go vet, golangci-lint, and the C sources'
	@echo 'make check     all that CI runs'
	@echo 'make corpus    fetch the Debian packages whose BPF objects tests use'
	@echo 'make deps      install the Debian packages that tests use'

run:
	@$(GO) run ./cmd/hintjit demo --nic $(NIC)

test: deps corpus
	@$(GO) vet ./...
	@$(GO) run ./scripts/gotest -timeout 40m ./...

# docs/corpus.md. The packages are fetched once.
corpus:
	@scripts/corpus-fetch.sh

# docs/vm.md. The kernels are fetched once.
VM_KERNELS := 6.1 6.12 6.17 6.18 7
# Of all kernels: two minutes for each are usual, twice that on a busy machine.
VM_TIMEOUT := 40m

test-vm: deps
	@scripts/vm-fetch.sh 6.12
	@HINTJIT_VM=6.12 $(GO) run ./scripts/gotest -timeout $(VM_TIMEOUT) ./internal/vm

test-vm-all: deps
	@scripts/vm-fetch.sh $(VM_KERNELS)
	@HINTJIT_VM=all $(GO) run ./scripts/gotest -timeout $(VM_TIMEOUT) ./internal/vm

# Of each target; what CI spends on one is below.
FUZZTIME ?= 30s
check: FUZZTIME := 5s

fuzz:
	@GO="$(GO)" scripts/fuzz.sh $(FUZZTIME)

# docs/trust.md. Half an hour on two cores, so not a part of check; that the faults
# have their places still is a test.
mutate: deps
	@$(GO) run ./scripts/mutate

# docs/performance.md is what these say; with BENCH=REGEXP only some.
BENCH ?= .
bench: deps
	HINTJIT_PERFORMANCE="$$PWD/docs/performance.md" $(GO) test -p 1 -run '^$$' -bench '$(BENCH)' -benchmem -timeout 60m ./...

# The tests last: their summary closes what CI prints.
check: deps lint fresh-objects run fuzz test-vm test

deps:
	@scripts/install-deps.sh

objects: $(OBJECTS)

# In its own folder, so that a source is named "l4lb.c" in what it is compiled to.
bpf/%.el.o: bpf/%.c $(HEADERS) | clang-version
	cd $(@D) && $(CLANG) -target bpfel $(BPF_FLAGS) -c $(<F) -o $(@F) && $(STRIP) -g $(@F)

bpf/%.eb.o: bpf/%.c $(HEADERS) | clang-version
	cd $(@D) && $(CLANG) -target bpfeb $(BPF_FLAGS) -c $(<F) -o $(@F) && $(STRIP) -g $(@F)

clang-version:
	@have=$$($(CLANG) -dumpversion) && [ "$$have" = $(CLANG_VERSION) ] || { \
		echo "objects: $(CLANG) is version $${have:-unknown}, and the objects are built with $(CLANG_VERSION):" \
			"nothing written (make objects CLANG=... STRIP=... takes another)" >&2; exit 1; }

# The committed objects are what the sources give.
fresh-objects:
	@$(MAKE) --always-make --no-print-directory objects
	@git diff --stat --exit-code -- bpf/examples bpf/selftest || \
		{ echo 'check: objects differ from their sources: run make objects and commit them' >&2; exit 1; }

lint: lint-go lint-c

lint-go:
	@test -z "$$(gofmt -l .)" || { echo "gofmt: not formatted:" $$(gofmt -l .) >&2; exit 1; }
	$(GO) vet ./...
	$(GO) run $(GOLANGCI_LINT) run ./...

# The same with the system's headers: that is how a user compiles them.
SYSTEM_FLAGS := -target bpf -O2 -g $(WARNINGS) -I/usr/include/$(shell gcc -print-multiarch 2>/dev/null)

lint-c:
	@for source in $(SOURCES); do $(CLANG) $(SYSTEM_FLAGS) -fsyntax-only $$source || exit 1; done
