package rewrite_test

import (
	"bytes"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/rewrite"
	"github.com/hintjit/hintjit/verifier"
)

// readSpec is the collection of a C text.
func readSpec(t *testing.T, text string, m machine) *ebpf.CollectionSpec {
	t.Helper()
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(compileText(t, text, m)))
	require.NoError(t, err)
	return spec
}

// A function whose last call went with a dead branch is not in the program any
// more: the kernel takes no function that nothing calls.
func TestCollectionUncalled(t *testing.T) {
	needKernel(t)
	for _, m := range runnable {
		spec := readSpec(t, `#include "shapes.h"
			struct hintjit_rx { __u32 rx_hash; } CORE;
			static __noinline __u32 software(struct xdp_md *ctx) { out[1]++; return ctx->ingress_ifindex; }
			SEC("xdp") int asking(struct xdp_md *ctx)
			{
				const struct hintjit_rx *h = hintjit_rx(ctx);

				out[0] = field_exists(h->rx_hash) ? h->rx_hash : software(ctx);
				return XDP_PASS;
			}`, m)
		_, err := rewrite.Collection(spec, rewrite.Options{NIC: "i40e", Reach: rewrite.Meta})
		require.NoError(t, err)
		loadKernel(t, spec)
	}
}

// clang passes values instead of a pointer to them, and drops what is not used,
// from -O3 on, and leaves the function's BTF as it was: what a call looks at is
// told by the code.
func TestPromotedArguments(t *testing.T) {
	needKernel(t)
	n := nics(t)[0]
	text := `#include "shapes.h"
		struct hintjit_rx { __u32 rx_hash, ptype, pkt_len, flow_mark; } CORE;
		struct two { __u64 a, b; };
		static __noinline __u64 weigh(struct two *s, struct two *t) { return s->a * 3 + s->b + (t->a << 1) + t->b; }
		SEC("xdp") int promoted(struct xdp_md *ctx)
		{
			const struct hintjit_rx *h = hintjit_rx(ctx);
			struct two s = {h->rx_hash, h->ptype}, t = {h->pkt_len, h->flow_mark};

			out[0] = weigh(&s, &t);
			s.a++;
			out[1] = weigh(&s, &t);
			return XDP_PASS;
		}`
	for _, m := range runnable {
		object := compileText(t, text, m, "-O3")
		rewritten, report, err := rewrite.Object(object, n.options())
		require.NoError(t, err)
		require.Equal(t, []string{"flow_mark", "pkt_len", "ptype", "rx_hash"}, report.Programs[0].Hints)
		spec, _ := loadSpec(t, rewritten)
		coll := loadKernel(t, spec)
		for _, s := range samples(chance.Rand(t), n.descriptor) {
			w := expect(s, n, m.order())
			sum := 3*w.v("rx_hash") + w.v("ptype") + w.v("pkt_len")<<1 + w.v("flow_mark")
			w.out(sum, sum+3)
			compare(t, "promoted", s, w, run(t, coll, "promoted", s))
		}
	}
}

// A program that would run off its end on the way that is left is no reason to
// fall over.
func TestCollectionOffTheEnd(t *testing.T) {
	spec := readSpec(t, `#include "shapes.h"
		struct hintjit_rx { __u32 rx_hash; } CORE;
		SEC("xdp") int asking(struct xdp_md *ctx) { out[0] = hintjit_rx(ctx)->rx_hash; return XDP_PASS; }`, runnable[2])
	p := spec.Programs["asking"]
	p.Instructions = append(p.Instructions[:1:1], asm.JEq.Imm(asm.R0, 0, "asking"))
	_, err := rewrite.Collection(spec, rewrite.Options{NIC: "i40e", Reach: rewrite.Meta})
	require.ErrorContains(t, err, "runs off the end")
}

// What has neither BTF nor hints is none of our business: labels that are called
// are functions, others are not.
func TestCollectionWithoutBTF(t *testing.T) {
	insns := asm.Instructions{
		asm.JEq.Imm(asm.R1, 0, "end"),
		asm.Call.Label("sub"),
		asm.Mov.Imm(asm.R0, 2).WithSymbol("end"),
		asm.Return(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("sub"),
		asm.Return(),
	}
	spec := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"plain": {Type: ebpf.XDP, Instructions: insns}}}
	_, err := rewrite.Collection(spec, rewrite.Options{NIC: "i40e", Reach: rewrite.Meta})
	require.NoError(t, err)
	require.Equal(t, insns, spec.Programs["plain"].Instructions)
}

// Two programs of one collection may call one function, but not two of one name:
// the second would get the code of the first.
func TestCollectionSameName(t *testing.T) {
	spec := readSpec(t, `#include "shapes.h"
		struct hintjit_rx { __u32 rx_hash; } CORE;
		SEC("xdp") int asking(struct xdp_md *ctx) { out[0] = hintjit_rx(ctx)->rx_hash; return XDP_PASS; }`, runnable[2])
	other := spec.Programs["asking"].Copy()
	last := len(other.Instructions) - 2
	require.Equal(t, int64(xdpPass), other.Instructions[last].Constant)
	other.Instructions[last].Constant = xdpDrop
	spec.Programs["patched"] = other
	_, err := rewrite.Collection(spec, rewrite.Options{NIC: "i40e", Reach: rewrite.Meta})
	require.ErrorContains(t, err, "program patched: its function asking is another")

	spec.Programs["patched"] = nil
	_, err = rewrite.Collection(spec, rewrite.Options{NIC: "i40e", Reach: rewrite.Meta})
	require.ErrorContains(t, err, "program patched")
}

// A specification made by hand may say what it is by its type alone.
func TestCollectionOtherType(t *testing.T) {
	spec := readSpec(t, `#include "shapes.h"
		struct hintjit_rx { __u32 rx_hash; } CORE;
		SEC("xdp") int asking(struct xdp_md *ctx) { out[0] = hintjit_rx(ctx)->rx_hash; return 2; }`, runnable[2])
	spec.Programs["asking"].Type, spec.Programs["asking"].SectionName = ebpf.SchedCLS, ""
	before := spec.Copy()
	_, err := rewrite.Collection(spec, rewrite.Options{NIC: "i40e", Reach: rewrite.Meta})
	var refused *rewrite.UnsupportedError
	require.ErrorAs(t, err, &refused)
	require.ErrorContains(t, err, "SchedCLS")
	require.Equal(t, before.Programs["asking"].Instructions, spec.Programs["asking"].Instructions)
}

// A program may ask what the NIC gives, and read nothing of it.
func TestOnlyAsked(t *testing.T) {
	object := compileText(t, `#include "shapes.h"
		struct hintjit_rx { __u32 rx_hash, src_ip4; } CORE;
		SEC("xdp") int asking(struct xdp_md *ctx)
		{
			const struct hintjit_rx *h = 0;

			return field_exists(h->rx_hash) + 2 * field_exists(h->src_ip4);
		}`, runnable[2])
	rewritten, _, err := rewrite.Object(object, rewrite.Options{NIC: "i40e", Reach: rewrite.Meta})
	require.NoError(t, err)
	m := &verifier.Machine{Unit: newInterpreter(t, rewritten, runnable[2].order()).unit, Packet: make([]byte, 64)}
	ret, err := m.Run("asking")
	require.NoError(t, err)
	require.EqualValues(t, 1, ret, "i40e gives a hash and no address")
}
