package rewrite_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/netdev"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
	"github.com/hintjit/hintjit/verifier/driver"
	"github.com/hintjit/hintjit/verifier/equivalence"
)

// reader is a program that reads one hint, in a section and under a licence.
func reader(t *testing.T, section, licence string) []byte {
	t.Helper()
	return compileText(t, fmt.Sprintf(`struct xdp_md;
struct hintjit_rx { unsigned int rx_hash; } __attribute__((preserve_access_index));
extern const struct hintjit_rx *hintjit_rx(struct xdp_md *ctx) __attribute__((section(".ksyms")));
__attribute__((section("%s"))) int reader(struct xdp_md *ctx)
{
	return hintjit_rx(ctx)->rx_hash;
}
char LICENSE[] __attribute__((section("license"))) = "%s";
`, section, licence), runnable[2])
}

// What a program or a request is refused for before anything is rewritten: by
// both entries, with the place and a way out.
func TestWalkRefused(t *testing.T) {
	types, err := rewrite.OpenKernel(typesOf(t, driver.Random(chance.Rand(t), shipped(t, "i40e").Descriptors[0], shipped(t, "i40e").Walks[0]), false))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		section, licence string
		opts             rewrite.Options
		says             string
	}{
		"licence":          {"xdp", "Proprietary", rewrite.Options{NIC: "i40e"}, `generated.c:6: program reader: instruction 0: licence "Proprietary" is not GPL-compatible`},
		"devmap":           {"xdp/devmap", "GPL", rewrite.Options{NIC: "i40e"}, "a program that runs from a devmap"},
		"cpumap":           {"xdp.frags/cpumap", "GPL", rewrite.Options{NIC: "i40e"}, "a program that runs from a cpumap"},
		"other descriptor": {"xdp", "GPL", rewrite.Options{NIC: "i40e", Descriptor: "wb32"}, "uses descriptor wb16, and wb32 was asked for"},
		"other kernel":     {"xdp", "GPL", rewrite.Options{NIC: "veth", Kernel: types}, "veth: no way to the descriptor is known"},
		"meta of veth":     {"xdp", "GPL", rewrite.Options{NIC: "veth", Reach: rewrite.Meta}, "no descriptor that could lie in the metadata area"},
	} {
		t.Run(name, func(t *testing.T) {
			object := reader(t, c.section, c.licence)
			if c.opts.Kernel == nil {
				c.opts.Kernel = types
			}
			_, _, err := rewrite.Object(object, c.opts)
			var refused *rewrite.UnsupportedError
			require.ErrorAs(t, err, &refused)
			require.ErrorContains(t, err, c.says)
			require.NotEmpty(t, refused.Help)

			spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
			require.NoError(t, err)
			before := instructions(t, spec, runnable[2])
			_, err = rewrite.Collection(spec, c.opts)
			require.ErrorContains(t, err, c.says)
			require.Equal(t, before, instructions(t, spec, runnable[2]))
		})
	}
	t.Run("attach type", func(t *testing.T) {
		spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(reader(t, "xdp", "GPL")))
		require.NoError(t, err)
		p := spec.Programs["reader"]
		p.SectionName, p.AttachType = "", ebpf.AttachXDPCPUMap // as one made by hand
		_, err = rewrite.Collection(spec, rewrite.Options{NIC: "i40e", Kernel: types})
		require.ErrorContains(t, err, "a program that runs from a cpumap")
	})
	t.Run("guard bound", func(t *testing.T) {
		spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(reader(t, "xdp", "GPL")))
		require.NoError(t, err)
		opts := rewrite.Options{NIC: "i40e", Kernel: types, Guard: rewrite.GuardBound}
		_, err = rewrite.Collection(spec.Copy(), opts)
		require.ErrorContains(t, err, "program reader: guard bound, and the program is bound to no device")
		(&netdev.Interface{Index: 7}).Bind(spec.Programs["reader"])
		_, err = rewrite.Collection(spec, opts)
		require.NoError(t, err)
	})
	t.Run("guard", func(t *testing.T) {
		_, _, err := rewrite.Object(reader(t, "xdp", "GPL"), rewrite.Options{NIC: "i40e", Guard: "of"})
		var usage *rewrite.UsageError
		require.ErrorAs(t, err, &usage)
		require.EqualError(t, err, `no guard "of": want on, bound, off or strict`)
	})
}

// A licence that the kernel takes is no hindrance, and one that nobody walks with
// is no matter.
func TestWalkLicences(t *testing.T) {
	for _, licence := range []string{"GPL", "Dual BSD/GPL", "Dual MIT/GPL", "GPL v2"} {
		_, _, err := rewrite.Object(reader(t, "xdp", licence), rewrite.Options{NIC: "i40e"})
		require.NoError(t, err)
	}
	_, _, err := rewrite.Object(reader(t, "xdp", "Proprietary"), rewrite.Options{NIC: "i40e", Reach: rewrite.Meta})
	require.NoError(t, err)
}

// A kernel that can not be walked on is refused for what it lacks.
func TestKernelRefused(t *testing.T) {
	old := func(t *testing.T, edit func(b *btf.Builder)) *rewrite.Kernel {
		b, err := btf.NewBuilder(nil, nil)
		require.NoError(t, err)
		edit(b)
		raw, err := b.Marshal(nil, nil)
		require.NoError(t, err)
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "vmlinux"), raw, 0o600))
		k, err := rewrite.OpenKernel(dir)
		require.NoError(t, err)
		return k
	}
	add := func(b *btf.Builder, types ...btf.Type) {
		for _, typ := range types {
			_, err := b.Add(typ)
			require.NoError(t, err)
		}
	}
	function := func(name string) btf.Type {
		return &btf.Func{Name: name, Type: &btf.FuncProto{Return: &btf.Void{}}, Linkage: btf.GlobalFunc}
	}
	cast := []btf.Type{function("bpf_cast_to_kern_ctx"), function("bpf_rdonly_cast")}
	object := reader(t, "xdp", "GPL")
	for name, c := range map[string]struct {
		edit func(b *btf.Builder)
		says string
		help string
	}{
		"6.1":        {func(b *btf.Builder) { add(b, integer(4)) }, "has no bpf_rdonly_cast", "use --reach meta"},
		"no carrier": {func(b *btf.Builder) { add(b, cast...) }, "no struct that memory could be read as", "use --reach meta"},
		"no module": {func(b *btf.Builder) {
			add(b, append(cast, &btf.Struct{Name: "pt_regs", Size: 8, Members: []btf.Member{{Name: "r15", Type: integer(8)}}})...)
		}, "there is no i40e_ring.next_to_process", "load i40e, or name its BTF with --btf"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := rewrite.Object(object, rewrite.Options{NIC: "i40e", Kernel: old(t, c.edit)})
			var refused *rewrite.UnsupportedError
			require.ErrorAs(t, err, &refused)
			require.ErrorContains(t, err, c.says)
			require.Contains(t, refused.Help, c.help)
		})
	}
}

// Without bpf_dynptr_adjust a kernel may be too old for memory without an end,
// and what lies beyond the carrier is refused, not read elsewhere.
func TestCarrierEnds(t *testing.T) {
	rng := chance.Rand(t)
	l := shipped(t, "i40e")
	k := driver.Random(rng, l.Descriptors[0], l.Walks[0])
	types, err := rewrite.OpenKernel(typesOf(t, k, true))
	require.NoError(t, err)
	_, _, err = rewrite.Object(reader(t, "xdp", "GPL"), rewrite.Options{NIC: "i40e", Kernel: types})
	require.ErrorContains(t, err, "and pt_regs, as which memory is read on this kernel, has 16")
}

// With a carrier that is large enough an object for an old kernel runs there: it knows
// the kernel by that struct, whichever it is.
func TestOldCarrier(t *testing.T) {
	l := shipped(t, "i40e")
	k := driver.Random(chance.Rand(t), l.Descriptors[0], l.Walks[0])
	k.Sizes["linux_mib"] = 1 << 14
	types, err := rewrite.OpenKernel(typesOf(t, k, true))
	require.NoError(t, err)
	carrier, err := types.Carrier()
	require.NoError(t, err)
	require.Equal(t, "linux_mib", carrier.Type)
	r, err := rewrite.Verify(reader(t, "xdp", "GPL"), nil, rewrite.Options{NIC: "i40e", Kernel: types}, equivalence.Options{Runs: 50})
	require.NoError(t, err)
	require.Nil(t, r.Programs[0].Counterexample)
	require.True(t, r.Equivalent(), "%v", r.Programs[0].NotVerified)
}

// A member that lies farther than a load's offset can say is not read elsewhere.
func TestMemberTooFar(t *testing.T) {
	l := shipped(t, "i40e")
	k := driver.Random(chance.Rand(t), l.Descriptors[0], l.Walks[0])
	far := k.Places["i40e_ring.desc"]
	far.Offset = 1 << 16
	k.Places["i40e_ring.desc"], k.Sizes["i40e_ring"] = far, 1<<17
	types, err := rewrite.OpenKernel(typesOf(t, k, false))
	require.NoError(t, err)
	_, _, err = rewrite.Object(reader(t, "xdp", "GPL"), rewrite.Options{NIC: "i40e", Kernel: types})
	require.ErrorContains(t, err, "i40e_ring.desc lies 65536 bytes into its struct, and a load reaches 32767")
}

// Which of several descriptors a device has can not be known, so there is no default:
// with the wrong one every hint would be absent. Any reach leads to it.
func TestDeviceDecides(t *testing.T) {
	for nic, names := range map[string][]string{"gve": {"gqi", "dqo"}, "mtk_soc_eth": {"rxd", "rxd_v2"}} {
		for _, reach := range []rewrite.Reach{rewrite.Auto, rewrite.Walk, rewrite.Meta} {
			_, _, err := rewrite.Object(reader(t, "xdp", "GPL"), rewrite.Options{NIC: nic, Reach: reach})
			var usage *rewrite.UsageError
			require.ErrorAs(t, err, &usage)
			for _, name := range names {
				require.ErrorContains(t, err, name+" (")
				_, report, err := rewrite.Object(reader(t, "xdp", "GPL"), rewrite.Options{NIC: nic, Reach: reach, Descriptor: name})
				require.NoError(t, err)
				require.Equal(t, name, report.Descriptor)
			}
		}
	}
}

func shipped(t testing.TB, nic string) *layouts.Layout {
	t.Helper()
	l, err := layouts.Shipped(nic)
	require.NoError(t, err)
	return l
}

// An enumerator that no instruction can hold, or shift by, is refused with its name.
func TestEnumeratorTooHigh(t *testing.T) {
	l, err := layouts.LoadFile(filepath.Join("testdata", "walked.yaml"))
	require.NoError(t, err)
	d, err := l.Descriptor("cqe")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		n    uint64
		says string
	}{
		"walked_format.NEW":  {1 << 31, "walked_format.NEW is 2147483648 in this kernel"},
		"walked_flag.STAMPS": {64, "walked_flag.STAMPS is 64 in this kernel"},
	} {
		k := driver.Random(chance.Rand(t), d, l.WalksTo(d)[0])
		k.Enums[name] = c.n
		types, err := rewrite.OpenKernel(typesOf(t, k, false))
		require.NoError(t, err)
		_, _, err = rewrite.Object(compile(t, "shapes/header.c", runnable[2]),
			rewrite.Options{Layout: l, Descriptor: "cqe", Reach: rewrite.Walk, Kernel: types})
		require.ErrorContains(t, err, c.says)
	}
}
