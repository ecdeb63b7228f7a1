package rewrite_test

import (
	"bytes"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/rewrite"
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
		_, err := rewrite.Collection(spec, rewrite.Options{NIC: "i40e"})
		require.NoError(t, err)
		loadKernel(t, spec)
	}
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
	_, err := rewrite.Collection(spec, rewrite.Options{NIC: "i40e"})
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
	_, err := rewrite.Collection(spec, rewrite.Options{NIC: "i40e"})
	require.ErrorContains(t, err, "program patched: its function asking is another")

	spec.Programs["patched"] = nil
	_, err = rewrite.Collection(spec, rewrite.Options{NIC: "i40e"})
	require.ErrorContains(t, err, "program patched")
}
