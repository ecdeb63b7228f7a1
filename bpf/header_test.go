package bpf_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/bpf"
	"github.com/hintjit/hintjit/layouts"
)

// The header and the model name the same hints, in one order, with one type.
func TestHeaderDeclaresTheStandardHints(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		object, err := bpf.Example("ptype_count", order)
		require.NoError(t, err)
		types, err := btf.LoadSpecFromReader(bytes.NewReader(object))
		require.NoError(t, err)
		var rx *btf.Struct
		require.NoError(t, types.TypeByName("hintjit_rx", &rx))

		values, has := rx.Members[:len(layouts.StandardHints)], rx.Members[len(layouts.StandardHints):]
		require.Len(t, has, len(values))
		for i, hint := range layouts.StandardHints {
			require.Equal(t, hint.Name, values[i].Name)
			size, err := btf.Sizeof(values[i].Type)
			require.NoError(t, err)
			require.Equal(t, hint.Decl.Bytes, size, hint.Name)
			require.Equal(t, hint.Decl.Network, strings.HasPrefix(values[i].Type.TypeName(), "__be"), hint.Name)

			require.Equal(t, "has_"+hint.Name, has[i].Name)
			require.EqualValues(t, 1, has[i].BitfieldSize, hint.Name)
		}
	}
}

// The header goes with each of the headers that programs include, in any order,
// and can be had without its struct or in a program of user space.
func TestHeaderCompanions(t *testing.T) {
	const program = `
SEC("xdp") int p(struct xdp_md *ctx) { return hintjit_rx(ctx)->rx_hash; }
`
	const own = `
struct hintjit_rx { __u32 rx_hash; } HINTJIT_RECORD;
`
	for name, c := range map[string]struct {
		source   string
		vmlinux  bool
		compiler string
	}{
		"linux/bpf.h": {source: "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n#include <hintjit.h>" + program},
		"before bpf_helpers.h": {source: "#include <linux/bpf.h>\n#include <hintjit.h>\n" +
			"#include <bpf/bpf_helpers.h>" + program},
		"vmlinux.h": {vmlinux: true,
			source: "#include <vmlinux.h>\n#include <bpf/bpf_helpers.h>\n#include <hintjit.h>" + program},
		"own struct": {source: "#define HINTJIT_OWN_RX\n#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n" +
			"#include <hintjit.h>" + own + program},
		"user space": {compiler: "gcc", source: "#include <linux/types.h>\n#include <hintjit.h>\n" +
			"unsigned f(const struct hintjit_rx *h) { return h->has_ptype ? h->ptype : 0; }\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if c.vmlinux {
				vmlinux(t, filepath.Join(dir, "vmlinux.h"))
			}
			args := []string{"-Wall", "-Wextra", "-Werror", "-Wpadded", "-I", ".", "-isystem", dir, "-isystem", "include",
				"-x", "c", "-c", "-o", filepath.Join(dir, "out.o"), "-"}
			if c.compiler == "" {
				c.compiler = "clang-19"
				args = append([]string{"-target", "bpf", "-O2", "-g", "-nostdlibinc"}, args...)
			}
			if _, err := exec.LookPath(c.compiler); err != nil {
				t.Skipf("compiling: %v", err)
			}
			cmd := exec.Command(c.compiler, args...)
			cmd.Stdin = strings.NewReader(c.source)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
		})
	}
}

// vmlinux writes the running kernel's types as C.
func vmlinux(t *testing.T, path string) {
	t.Helper()
	const types = "/sys/kernel/btf/vmlinux"
	if _, err := os.Stat(types); err != nil {
		t.Skipf("the running kernel's types: %v", err)
	}
	if _, err := exec.LookPath("bpftool"); err != nil {
		t.Skipf("writing vmlinux.h: %v", err)
	}
	header, err := exec.Command("bpftool", "btf", "dump", "file", types, "format", "c").Output()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, header, 0o600))
}
