package rewrite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/rewrite"
	"github.com/hintjit/hintjit/verifier"
	"github.com/hintjit/hintjit/verifier/prove"
)

// proveObject rewrites an object and proves each of its programs.
func proveObject(t *testing.T, object []byte, n nic) []prove.Result {
	t.Helper()
	rewritten, _, err := rewrite.Object(object, n.options())
	require.NoError(t, err)
	before, err := verifier.ReadObject(object)
	require.NoError(t, err)
	after, err := verifier.ReadObject(rewritten)
	require.NoError(t, err)
	results, err := prove.Rewrite(before, after, prove.Meaning{Descriptor: n.descriptor}, prove.Limits{})
	require.NoError(t, err)
	return results
}

// Every hint of every descriptor, for all descriptors that there can be.
func TestEveryHintProved(t *testing.T) {
	rng := chance.Rand(t)
	for _, n := range nics(t) {
		source := everyHintSource(t, rng, n.descriptor, hintPrograms(n.descriptor))
		t.Run(n.String(), func(t *testing.T) {
			for _, m := range []machine{runnable[2], foreign[0]} {
				t.Run(m.String(), func(t *testing.T) {
					for _, r := range proveObject(t, compileText(t, source, m), n) {
						require.True(t, r.Proved, "%v\n%+v", r, r.Counterexample)
					}
				})
			}
		})
	}
}

// Every hint over every walk, on a kernel whose members lie anywhere, for all that
// can be in a driver's memory.
func TestEveryHintWalkedProved(t *testing.T) {
	rng := chance.Rand(t)
	for i, w := range walks(t, rng) {
		source := everyHintSource(t, rng, w.descriptor, hintPrograms(w.descriptor))
		t.Run(w.String(), func(t *testing.T) {
			// One order of bytes with guards and the other without, by turns.
			for k, guard := range []rewrite.Guard{rewrite.GuardOn, rewrite.GuardOff} {
				m := []machine{runnable[2], foreign[2]}[(i+k)%2]
				object := compileText(t, source, m)
				rewritten, _, err := rewrite.Object(object, rewrite.Options{Layout: w.layout, Descriptor: w.descriptor.Name, Reach: rewrite.Walk, Kernel: w.types, Guard: guard})
				if w.layout.NIC == "walked" && err != nil {
					t.Skip(err) // it has more states than a program can keep at once
				}
				require.NoError(t, err)
				for _, r := range proveWalk(t, object, rewritten, w, guard) {
					require.True(t, r.Proved, "%s, guard %s: %v\n%+v", m, guard, r, r.Counterexample)
				}
			}
		})
	}
}

// proveWalk proves each program of an object that was rewritten for a walk.
func proveWalk(t *testing.T, object, rewritten []byte, w walked, guard rewrite.Guard) []prove.Result {
	t.Helper()
	before, err := verifier.ReadObject(object)
	require.NoError(t, err)
	after, err := verifier.ReadObject(rewritten)
	require.NoError(t, err)
	require.NoError(t, w.kernel.Answer(after.Unit))
	results, err := prove.Rewrite(before, after,
		prove.Meaning{Descriptor: w.descriptor, Kernel: w.kernel, Guarded: guard != rewrite.GuardOff}, prove.Limits{})
	require.NoError(t, err)
	return results
}

// conditions are what programs branch on, one each.
var conditions = []string{
	"h->ptype == 0x191", "(h->ptype & 0xf00) == 0x100", "(h->ptype & 0xf0) == 0x90", "h->ptype & 0xf000", "(h->ptype & 0xff0) == 0x190",
	"h->ptype == 0xabcdef", "!h->ptype", "(h->ptype & 0xf00) - 0x100 <= 0x100", "h->has_ptype && (h->ptype & 0xf00) == 0x200",
	"h->rx_hash_type & 8", "(h->rx_hash_type & 3) == 2", "h->has_rx_hash && h->rx_hash_type & 8", "h->has_rx_hash_type",
	"h->csum_status == 1", "h->csum_status == 2", "h->csum_status > 1", "!h->csum_status",
	"h->rx_hash == 0x81234567", "h->rx_hash == 0x1234567", "(h->rx_hash & 0x80000001) == 0x80000000", "!(h->rx_hash & 0xff000)",
	"h->vlan_tci == 100", "(h->vlan_tci & 0xfff) >= 0x800", "h->has_vlan_tci && !h->vlan_tci", "!h->vlan_tci",
	"h->vlan_proto == htons(0x8100)", "(h->vlan_proto & htons(0xff00)) == htons(0x8800)", "htons(h->dst_port) < 1024",
	"h->flow_mark & 0x30000", "h->rx_error", "h->rx_error & 4", "(h->rx_timestamp & 0x180000003) == 0x80000002",
	"h->has_rx_hash && h->has_flow_mark", "h->flow_mark && (h->rx_hash & 3) == 3",
	"h->has_rx_hash && h->has_vlan_tci && h->has_pkt_len", "(h->pkt_len & 0x2000) && h->has_rx_hash",
}

// Branches on hints, for all descriptors that there can be: no sample has a set of
// values that is one too large.
func TestBranchesProved(t *testing.T) {
	var source strings.Builder
	fmt.Fprintf(&source, `#include "shapes.h"
struct hintjit_rx {
	__u64 rx_timestamp;
	__u32 ptype, rx_hash, rx_hash_type, flow_mark, rx_error, pkt_len;
	__u16 vlan_tci;
	__be16 vlan_proto, dst_port;
	__u8 csum_status;
	__u8 has_ptype : 1, has_rx_hash : 1, has_rx_hash_type : 1, has_vlan_tci : 1, has_pkt_len : 1, has_flow_mark : 1;
} CORE;
`)
	for i, c := range conditions {
		fmt.Fprintf(&source, `SEC("xdp") int condition_%02d(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	return %s ? XDP_DROP : XDP_TX;
}
`, i, c)
	}
	for _, n := range nics(t) {
		t.Run(n.String(), func(t *testing.T) {
			for _, m := range []machine{runnable[2], foreign[0]} {
				for _, r := range proveObject(t, compileText(t, source.String(), m), n) {
					require.True(t, r.Proved, "%s: %v\n%+v", m, r, r.Counterexample)
				}
			}
		})
	}
}

// whereabouts matches where in a program something is: compilers move it.
var whereabouts = regexp.MustCompile(`\w+: instruction \d+( \([^)]*\))?: `)

// The examples for the invented NIC and those that the tables of costs have, and every
// shape for one of all NICs: which programs are proved, and what stands in the way of
// the others. testdata/proved.txt has the list; -update rewrites it.
func TestProved(t *testing.T) {
	all := nics(t)
	var list strings.Builder
	prove := func(object []byte, n nic) {
		for _, r := range proveObject(t, object, n) {
			says := "proved"
			if !r.Proved {
				says = whereabouts.ReplaceAllString(r.Reason, "")
			}
			fmt.Fprintf(&list, "%s %s: %s\n", r.Program, n, says)
		}
	}
	examples, err := filepath.Glob("../bpf/examples/*.el.o")
	require.NoError(t, err)
	require.NotEmpty(t, examples)
	for _, path := range examples {
		object, err := os.ReadFile(path)
		require.NoError(t, err)
		for i, n := range all {
			if i == 0 || readByHand(n) {
				prove(object, n)
			}
		}
	}
	for _, path := range sources(t, "shapes") {
		prove(compile(t, path, runnable[2]), chance.Pick(shapeName(path), all))
	}
	golden := filepath.Join("testdata", "proved.txt")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(list.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), list.String(), "run with -update and look at the difference")
}
