package vm

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/vm/job"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

// acceptance is an object and what the kernel is to say of it.
type acceptance struct {
	object
	refused string // matches the error, for one that is not to be loaded
}

// loads are objects that have to get past the verifier where a driver's module is
// loaded: for the NICs that nobody emulates.
var loads = []acceptance{
	{object: object{driver: "i40e", name: "ring", bytes: compiled("ring.c", "-DRING=i40e_ring")}},
	{object: object{driver: "ice", name: "ring", bytes: compiled("ring.c", "-DRING=ice_rx_ring")}},
	{object: object{driver: "ixgbe", name: "ring", bytes: compiled("ring.c", "-DRING=ixgbe_ring")}},
	{object: object{driver: "igc", name: "ring", bytes: compiled("ring.c", "-DRING=igc_ring")}},
	{object: object{driver: "i40e", name: "no such ring", bytes: compiled("ring.c", "-DRING=no_such_ring")}, refused: "CO-RE"},
	{object: object{driver: "i40e", name: "from metadata", bytes: compiled("hints.c"),
		rewrite: []string{"--nic", "i40e", "--reach", "meta"}}},
	{object: object{driver: "i40e", name: "not rewritten", bytes: compiled("hints.c")}, refused: "hintjit_rx"},
}

// elsewhere are drivers whose modules, or what they need, give up where their
// hypervisor is not.
var elsewhere = map[string]bool{"hv_netvsc": true, "xen_netfront": true}

// rewrites are, for each NIC whose driver the kernel has, and each descriptor that
// there are walks to, a program with all hints, rewritten on the host for any kernel,
// and in the guest for its own. Where there is no way to the descriptor, it has to be
// refused.
func rewrites(t *testing.T, k kernel) (out []acceptance) {
	t.Helper()
	modules, err := k.moduleFiles()
	require.NoError(t, err)
	types := k.types(t, modules)
	for _, nic := range layouts.Names() {
		l, err := layouts.Shipped(nic)
		require.NoError(t, err)
		if elsewhere[l.Module] {
			t.Logf("%s: module %s loads on its own hypervisor only", nic, l.Module)
			continue
		}
		if modules[l.Module] == "" {
			t.Logf("%s: kernel %s has no module %s", nic, k.series, l.Module)
			continue
		}
		for _, d := range l.Descriptors {
			if len(l.WalksTo(d)) == 0 {
				continue
			}
			noWay := refusal(t, l, d, types)
			portable, bound := "", ""
			if noWay != "" {
				portable, bound = "unknown kfunc|call not eliminated in verifier pass", regexp.QuoteMeta(noWay) // cilium/ebpf, libbpf
			}
			source, form := everyHint(t, l, d), ""
			if d != l.Descriptors[0] {
				form = ", " + d.Name
			}
			out = append(out,
				acceptance{object{driver: nic, module: l.Module, name: "portable" + form, bytes: func(t *testing.T) []byte {
					rewritten, _, err := rewrite.Object(source(t), rewrite.Options{NIC: nic, Descriptor: d.Name, Strict: true})
					require.NoError(t, err)
					return rewritten
				}}, portable},
				acceptance{object{driver: nic, module: l.Module, name: "for this kernel" + form, bytes: source,
					rewrite: []string{"--nic", nic, "--descriptor", d.Name, "--btf", "/sys/kernel/btf"}}, bound})
		}
	}
	require.NotEmpty(t, out)
	return out
}

// refusal is why there is no way to a descriptor on a kernel, "" where there is one.
func refusal(t *testing.T, l *layouts.Layout, d *layouts.Descriptor, types *rewrite.Kernel) string {
	t.Helper()
	ways, err := rewrite.Ways(l, types)
	require.NoError(t, err)
	for _, w := range ways {
		if w.Lacks == "" && l.LeadsTo(w.Walk) == d {
			return w.Walk.Refuse
		}
	}
	return "no way"
}

// types are those of vmlinux and of the modules of all layouts.
func (k kernel) types(t *testing.T, modules map[string]string) *rewrite.Kernel {
	t.Helper()
	dir := t.TempDir()
	for _, nic := range layouts.Names() {
		l, err := layouts.Shipped(nic)
		require.NoError(t, err)
		if path := modules[l.Module]; path != "" {
			data, err := unpack(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, l.Module+".ko"), data, 0o600))
		}
	}
	types, err := rewrite.OpenKernel(k.vmlinux(), dir)
	require.NoError(t, err)
	return types
}

// everyHint compiles a program that reads all hints of a descriptor.
func everyHint(t *testing.T, l *layouts.Layout, d *layouts.Descriptor) func(t *testing.T) []byte {
	t.Helper()
	var members, reads strings.Builder
	for _, h := range d.Hints {
		fmt.Fprintf(&members, "\t__u%d %s;\n\t__u32 has_%s : 1;\n", 8*h.Decl.Bytes, h.Name, h.Name)
		fmt.Fprintf(&reads, "\tsum += h->has_%s ? h->%s : 1;\n", h.Name, h.Name)
	}
	path := filepath.Join(t.TempDir(), l.NIC+"."+d.Name+".c")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct hintjit_rx {
%s} __attribute__((preserve_access_index));

extern const struct hintjit_rx *hintjit_rx(struct xdp_md *ctx) __ksym;

SEC("xdp") int every_hint(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u64 sum = 0;

%s	return sum %% 5;
}

char LICENSE[] SEC("license") = "GPL";
`, members.String(), reads.String()), 0o600))
	return compiledAt(path)
}

func TestLoad(t *testing.T) {
	for _, k := range kernels(t) {
		if !k.walks() {
			continue // TestWalk has what is to happen there
		}
		t.Run(k.series, func(t *testing.T) {
			files := initramfs{}
			require.NoError(t, files.addTool("/bpftool", "bpftool"))
			work := &job.Job{}
			var drivers []string
			all := slices.Concat(loads, rewrites(t, k))
			for _, l := range all {
				drivers = append(drivers, cmp.Or(l.module, l.driver))
				for _, loader := range loaders {
					work.Loads = append(work.Loads, l.load(t, loader, files))
				}
			}
			r := boot(t, k, wire{port: hub.port}, drivers, work, files)
			for _, l := range all {
				for _, loader := range loaders {
					name := l.caseName(loader)
					t.Run(name, func(t *testing.T) {
						require.Contains(t, r.results, name, "the guest said nothing about it")
						if l.refused != "" {
							require.Regexp(t, l.refused, r.results[name].Err)
							return
						}
						require.Empty(t, r.results[name].Err)
					})
				}
			}
		})
	}
}
