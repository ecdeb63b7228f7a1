package rewrite_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

// Types of real kernels: scripts/kernel-types.sh makes them.
const kernelTypes = "../internal/kernel/testdata"

// reached is a descriptor that a shipped layout has walks to.
type reached struct {
	*layouts.Layout
	descriptor *layouts.Descriptor
}

func (r reached) String() string {
	if r.descriptor == r.Descriptors[0] {
		return r.NIC
	}
	return r.NIC + ", descriptor " + r.descriptor.Name
}

// descriptorsWithWalks lists them all.
func descriptorsWithWalks(t *testing.T) (out []reached) {
	t.Helper()
	for _, name := range layouts.Names() {
		l, err := layouts.Shipped(name)
		require.NoError(t, err)
		for _, d := range l.Descriptors {
			if len(l.WalksTo(d)) > 0 {
				out = append(out, reached{l, d})
			}
		}
	}
	return out
}

// builds tells whether the kernel has a driver, by the list of its network modules,
// which says nothing of what layouts there are: a driver that it has and whose types
// nobody made is missed.
func builds(t *testing.T, kernel, module string) bool {
	t.Helper()
	list, err := os.ReadFile(filepath.Join(kernel, "modules.txt"))
	require.NoError(t, err)
	return slices.Contains(strings.Fields(string(list)), module)
}

// Which walk each driver's layout takes on each kernel, and what it lacks there.
// What a driver moved or named otherwise shows here: -update writes the table
// anew, to be read.
func TestWalkOnKernels(t *testing.T) {
	kernels, err := filepath.Glob(filepath.Join(kernelTypes, "*"))
	require.NoError(t, err)
	require.NotEmpty(t, kernels)
	var table strings.Builder
	for _, l := range descriptorsWithWalks(t) {
		fmt.Fprintln(&table, l)
		for _, path := range kernels {
			if !builds(t, path, l.Module) {
				if !strings.HasSuffix(path, "-arm64") { // those have what amd64 lacks
					fmt.Fprintf(&table, "  %s: not built\n", filepath.Base(path))
				}
				continue
			}
			k, err := rewrite.OpenKernel(path)
			require.NoError(t, err)
			require.NoError(t, k.Module(l.Module), "no types of %s in %s: scripts/kernel-types.sh makes them", l.Module, path)
			walk, missing, err := rewrite.WalkOn(l.Layout, l.descriptor, k)
			if err != nil {
				walk = strings.ReplaceAll(err.Error(), path, "the kernel")
			}
			if len(missing) > 0 {
				walk += ", without " + strings.Join(missing, " ")
			}
			fmt.Fprintf(&table, "  %s: %s\n", filepath.Base(path), walk)
		}
	}
	golden := filepath.Join("testdata", "kernels.txt")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(table.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), table.String(), "go test ./rewrite -run WalkOnKernels -update writes it anew")
}

// Programs become walks for each of these kernels.
func TestRewriteForKernels(t *testing.T) {
	objects, err := filepath.Glob("../bpf/examples/*.el.o")
	require.NoError(t, err)
	kernels, err := filepath.Glob(filepath.Join(kernelTypes, "*"))
	require.NoError(t, err)
	for _, path := range kernels {
		k, err := rewrite.OpenKernel(path)
		require.NoError(t, err)
		for _, l := range descriptorsWithWalks(t) {
			if !builds(t, path, l.Module) {
				continue
			}
			if _, _, err := rewrite.WalkOn(l.Layout, l.descriptor, k); err != nil {
				continue // TestWalkOnKernels has it
			}
			for _, object := range objects {
				in, err := os.ReadFile(object)
				require.NoError(t, err)
				for _, guard := range []rewrite.Guard{rewrite.GuardOn, rewrite.GuardOff} {
					out, report, err := rewrite.Object(in, rewrite.Options{
						Layout: l.Layout, Descriptor: l.descriptor.Name, Reach: rewrite.Walk, Kernel: k, Guard: guard})
					require.NoError(t, err, "%s, %s, %s, guard %s", path, l, object, guard)
					require.NotEmpty(t, report.Programs)
					require.NotEqual(t, in, out)
				}
			}
		}
	}
}

// Kernels that there are no types of, by the members of which their drivers'
// sources tell: each has exactly the walk that is sound there.
func TestWalkByMembers(t *testing.T) {
	const refused = ""
	for _, c := range []struct {
		nic, kernel, structs, walk string
	}{
		{"ice", "6.1.176", "ice_rx_ring: desc netdev rx_buf xdp_rxq{} q_index:16 count:16 next_to_clean:16 xsk_pool xdp{} skb cached_phctime:64", refused},
		{"ice", "6.2", "ice_rx_ring: desc netdev rx_buf xdp_rxq{} q_index:16 count:16 next_to_clean:16 xsk_pool cached_phctime:64", "next_to_clean"},
		{"ice", "6.5", "ice_rx_ring: desc netdev q_index:16 count:16 rx_buf xdp{} next_to_clean:16 first_desc:16 xsk_pool cached_phctime:64 xdp_rxq{}", "first_desc"},
		{"ice", "6.8", "ice_rx_ring: desc netdev q_index:16 count:16 rx_buf xdp_ext{} xdp{} cached_phctime:64 vlan_proto:16 next_to_clean:16 " +
			"first_desc:16 xsk_pool xdp_rxq{}; ice_xdp_buff: xdp_buff{} eop_desc pkt_ctx", "eop_desc"},
		// idpf has libeth's struct.
		{"ice", "6.18 with idpf", "ice_rx_ring: desc netdev q_index:16 count:16 rx_buf xdp_ext{} xdp{} cached_phctime:64 vlan_proto:16 next_to_clean:16 " +
			"first_desc:16 xsk_pool xdp_rxq{}; ice_xdp_buff: xdp_buff{} eop_desc pkt_ctx; libeth_xdp_buff: base{} desc", "eop_desc"},
		{"ice", "6.5 with it", "ice_rx_ring: desc netdev q_index:16 rx_buf xdp{} next_to_clean:16 first_desc:16 xsk_pool cached_phctime:64 xdp_rxq{}; " +
			"libeth_xdp_buff: base{} desc", "first_desc"},
		{"ice", "6.19", "ice_rx_ring: desc pp netdev q_index:16 count:16 rx_fqes xdp{} xsk cached_phctime:64 vlan_proto:16 next_to_clean:16 xsk_pool " +
			"xdp_rxq{}; libeth_xdp_buff: base{} desc", "libeth"},
		{"ice", "one to come", "ice_rx_ring: desc pp netdev q_index:16 count:16 fqes cached_phctime:64 next_to_clean:16 xsk_pool xdp_rxq{}", refused},
		{"mlx5_core", "6.2", "mlx5e_rq: netdev tstamp state:64 ix:32 xdp_rxq{}; hwtstamp_config: rx_filter:32", refused},
		{"mlx5_core", "6.5", "mlx5e_rq: netdev cqd{title{}} tstamp state:64 ix:32 xdp_rxq{}; hwtstamp_config: rx_filter:32; " +
			"mlx5e_xdp_buff: xdp{} cqe rq", "tstamp"},
		{"mlx5_core", "7.3", "mlx5e_rq: netdev cqd{title{}} hwtstamp_config state:64 ix:32 xdp_rxq{}; kernel_hwtstamp_config: rx_filter:32; " +
			"mlx5e_xdp_buff: xdp{} cqe rq", "hwtstamp_config"},
	} {
		t.Run(c.nic+" "+c.kernel, func(t *testing.T) {
			l, err := layouts.Shipped(c.nic)
			require.NoError(t, err)
			walk, _, err := rewrite.WalkOn(l, l.Descriptors[0], madeKernel(t, c.structs))
			if c.walk != refused {
				require.NoError(t, err)
				require.Equal(t, c.walk, walk)
				return
			}
			for _, w := range l.Walks {
				if w.Refuse != "" {
					require.ErrorContains(t, err, w.Refuse)
				}
			}
		})
	}
}

// madeKernel is a kernel whose drivers, built in, have these structs: a name, and
// members that are pointers, integers of so many bits, or structs with pointers.
func madeKernel(t *testing.T, structs string) *rewrite.Kernel {
	t.Helper()
	void := &btf.Pointer{Target: &btf.Void{}}
	types := []btf.Type{
		structOf(t, kernelEndless, "args:64"),
		structOf(t, "xdp_buff", "rxq"), structOf(t, "xdp_rxq_info", "dev queue_index:32"), structOf(t, "net_device", "_rx"),
	}
	for _, fn := range []string{"bpf_cast_to_kern_ctx", "bpf_rdonly_cast", "bpf_dynptr_adjust"} {
		types = append(types, &btf.Func{Name: fn, Type: &btf.FuncProto{Return: void}, Linkage: btf.StaticFunc})
	}
	for text := range strings.SplitSeq(structs, ";") {
		name, members, _ := strings.Cut(strings.TrimSpace(text), ":")
		types = append(types, structOf(t, name, members))
	}
	b, err := btf.NewBuilder(types, nil)
	require.NoError(t, err)
	raw, err := b.Marshal(nil, &btf.MarshalOptions{Order: binary.NativeEndian})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "vmlinux")
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	k, err := rewrite.OpenKernel(path)
	require.NoError(t, err)
	return k
}

const kernelEndless = "bpf_raw_tracepoint_args"

func structOf(t *testing.T, name, members string) *btf.Struct {
	t.Helper()
	s := &btf.Struct{Name: name}
	for _, text := range strings.Fields(members) {
		member, bits, integer := strings.Cut(text, ":")
		m := btf.Member{Name: member, Type: &btf.Pointer{Target: &btf.Void{}}, Offset: btf.Bits(8 * s.Size)}
		if inner, ok := strings.CutSuffix(member, "}"); ok {
			var of string
			m.Name, of, _ = strings.Cut(inner, "{")
			m.Type = structOf(t, "", of)
		}
		if integer {
			n, err := strconv.Atoi(bits)
			require.NoError(t, err)
			m.Type = &btf.Int{Name: "u" + bits, Size: uint32(n / 8)}
		}
		s.Members = append(s.Members, m)
		s.Size += 8
	}
	return s
}
