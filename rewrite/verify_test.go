package rewrite_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/bpf"
	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/rewrite"
	"github.com/hintjit/hintjit/verifier/driver"
	"github.com/hintjit/hintjit/verifier/equivalence"
)

// A collection's programs are run side by side, too, in both byte orders; and one
// that can not be run is an error that leaves the collection as it was.
func TestCollectionVerified(t *testing.T) {
	rng := chance.Rand(t)
	i40e := shipped(t, "i40e")
	kernel, err := rewrite.OpenKernel(typesOf(t, driver.Random(rng, i40e.Descriptors[0], i40e.Walks[0]), false))
	require.NoError(t, err)
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, reach := range []rewrite.Reach{rewrite.Meta, rewrite.Walk} {
			for _, name := range []string{"af_xdp_meta", "l4lb", "vlan_ts_log"} {
				object, err := bpf.Example(name, order)
				require.NoError(t, err)
				spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
				require.NoError(t, err)
				report, err := rewrite.Collection(spec, rewrite.Options{Layout: i40e, Reach: reach, Kernel: kernel,
					Verify: &equivalence.Options{Runs: 150, Seed: rng.Uint64()}})
				require.NoError(t, err)
				require.Len(t, report.Verified.Programs, 1)
				p := report.Verified.Programs[0]
				require.Equal(t, 150, p.Comparable)
				require.NotZero(t, p.Inserted.Insns)
			}
		}
	}

	object := compileText(t, `#include "shapes.h"
struct hintjit_rx { __u32 rx_hash; } CORE;
extern const struct hintjit_rx *hintjit_rx(struct xdp_md *ctx) __ksym;
static long (*strtol)(const char *text, __u32 size, __u64 flags, long *n) = (void *)105;
SEC("xdp") int prog(struct xdp_md *ctx)
{
	long n;
	char p[8] = "1234";
	return hintjit_rx(ctx)->rx_hash == 3 ? strtol(p, 8, 0, &n) : 2;
}
char LICENSE[] SEC("license") = "GPL";
`, runnable[2])
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	require.NoError(t, err)
	before := instructions(t, spec, runnable[2])
	_, err = rewrite.Collection(spec, rewrite.Options{NIC: "i40e", Reach: rewrite.Meta, Verify: &equivalence.Options{Runs: 20}})
	var differ *rewrite.NotEquivalentError
	require.ErrorAs(t, err, &differ)
	require.ErrorContains(t, err, "program prog: not verified: calls helper bpf_strtol, which is not modelled")
	require.Equal(t, before, instructions(t, spec, runnable[2]))
}
