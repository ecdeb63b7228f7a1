package rewrite

import (
	"strings"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/kernel"
)

// Kernel is the BTF of the kernel that a program is going to run on.
type Kernel = kernel.Types

// RunningKernel is the kernel that this process runs on. A driver's module has
// to be loaded when its types are wanted.
func RunningKernel() (*Kernel, error) { return kernel.Running() }

// OpenKernel reads a kernel's BTF from files and directories: vmlinux and the
// modules beside it, raw as in /sys/kernel/btf or as ELF files that have it.
func OpenKernel(paths ...string) (*Kernel, error) { return kernel.Open(paths...) }

// gplCompatible are the licences with which the kernel lets a program call
// bpf_rdonly_cast (include/linux/license.h, license_is_gpl_compatible).
var gplCompatible = map[string]bool{"GPL": true, "GPL v2": true, "GPL and additional rights": true,
	"Dual BSD/GPL": true, "Dual MIT/GPL": true, "Dual MPL/GPL": true}

// checkWalkable refuses programs that may not walk, or have nothing to walk to.
func checkWalkable(u *code.Unit) error {
	for _, f := range u.Funcs {
		at := hintCall(u, f)
		if at < 0 {
			continue
		}
		if kind, ok := onCopiedFrame(f.Section); ok {
			return refuse(f, at, "read the hints in the XDP program and hand them on in the metadata area",
				"a program that runs from a %s gets a frame without its receive descriptor", kind)
		}
	}
	for _, f := range u.Funcs {
		if at := hintCall(u, f); at >= 0 && u.License != "" && !gplCompatible[u.License] {
			return refuse(f, at, `declare one: char LICENSE[] SEC("license") = "GPL"; or use --reach meta`,
				"licence %q is not GPL-compatible, and the kernel lets no other program read a driver's memory", u.License)
		}
	}
	return nil
}

// hintCall is the first call of hintjit_rx in f, -1 when there is none.
func hintCall(u *code.Unit, f *code.Func) int {
	for i := range f.Insns {
		if r := f.Insns[i].Ref; r.Kind == code.RefExtern && u.Externs[r.Index].Name == hintFunc {
			return i
		}
	}
	return -1
}

// onCopiedFrame tells sections of programs that run where a frame is sent on: on
// an xdp_buff of the map's own (kernel/bpf/devmap.c dev_map_bpf_prog_run,
// cpumap.c cpu_map_bpf_prog_run_xdp).
func onCopiedFrame(section string) (kind string, ok bool) {
	base, kind, ok := strings.Cut(strings.TrimPrefix(section, "?"), "/")
	return kind, ok && (base == "xdp" || base == "xdp.frags") && (kind == "devmap" || kind == "cpumap")
}
