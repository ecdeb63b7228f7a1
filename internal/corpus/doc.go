// Package corpus has no code, only tests: objects that nobody here wrote, and
// what a forced re-write leaves of them.
//
// They come from Debian's packages (scripts/corpus-fetch.sh), from the tests of
// cilium/ebpf, from C in the style of well-known programs (testdata), and from a
// generator where size is the matter. HINTJIT_CORPUS=all loads every object with
// bpftool, and not some of each source; -update writes docs/corpus.md.
package corpus
