package rewrite_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

// A lowering is a layout's fields and hints with a program that reads them in a
// way which the shipped layouts do not call for.
type lowering struct {
	name, word, ready, fields, hints, maps string
	text                                   string // of the C file, without the struct
}

const declared = `#include "shapes.h"

struct hintjit_rx {
	__u64 rx_timestamp;
	__u32 rx_hash, ptype;
	__u16 vlan_tci, rx_queue;
	__u8 csum_status;
	__u32 has_rx_hash : 1, has_vlan_tci : 1;
};

`

var lowerings = []lowering{
	{
		name: "field_in_pieces_of_a_word", word: "le32", ready: "dd",
		fields: "{dd: 'w0[0]', ok: 'w0[1]', hash: 'w3[31:16] w3[15:0]'}",
		hints:  "{rx_hash: {from: hash, when: [ok]}}",
		text: `SEC("xdp") int program(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	if (!h->has_rx_hash)
		return XDP_DROP;
	out[0] = h->rx_hash;
	return XDP_PASS;
}
`,
	},
	{
		name: "ready_in_a_word_of_its_own", word: "le64", ready: "a == 1, b == 5",
		fields: "{a: 'w3[1:0]', b: 'w3[63:60]', ok: 'w0[1]', hash: 'w0[63:32]', tag: 'w1[15:0]'}",
		hints:  "{rx_hash: {from: hash, when: [ok]}, vlan_tci: {from: tag, when: [ok]}}",
		text: `SEC("xdp") int program(struct xdp_md *ctx)
{
	__u64 a = out[1], b = out[2], c = out[3];
	const struct hintjit_rx *h = hintjit_rx(ctx);

	HIDE(a);
	HIDE(b);
	HIDE(c);
	out[4] = h->vlan_tci;
	if (!h->has_rx_hash)
		return XDP_DROP;
	out[0] = h->rx_hash + a + b + c;
	return XDP_PASS;
}
`,
	},
	{
		name: "bytes_of_a_word_on_the_stack", word: "le32", ready: "dd",
		fields: "{dd: 'w0[0]', low: 'w1[15:0]', mid: 'w2[23:8]', high: 'w3[31:24]', all: w4}",
		hints:  "{vlan_tci: {from: low}, rx_queue: {from: mid}, csum_status: {from: high}, rx_hash: {from: all}}",
		text: `SEC("xdp") int program(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u64 a = out[1], b = out[2], c = out[3], d = out[4], e = out[5];

	bpf_ktime_get_ns();
	out[6] = h->rx_queue, out[7] = h->vlan_tci, out[8] = h->csum_status, out[9] = h->rx_hash;
	out[1] = b, out[2] = c, out[3] = d, out[4] = e, out[5] = a;
	return XDP_PASS;
}
`,
	},
	{
		name: "map_with_the_least_and_the_most", word: "be16", ready: "dd",
		fields: "{dd: 'w0[0]', kind: 'w1[2:0]', wide: 'w2[10:0]'}",
		hints:  "{rx_timestamp: {from: kind, map: ends}, ptype: {from: wide, map: few}, rx_hash: {from: kind, map: few}}",
		maps:   "{ends: {values: {0: 0, 1: 0xffffffffffffffff, 2: 0xfffffffffffffffe, 5: 1}}, few: {values: {0: 7, 3: 0}}}",
		text: `SEC("xdp") int program(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = h->rx_timestamp, out[1] = h->ptype, out[2] = h->rx_hash, out[3] = h->has_rx_hash;
	return XDP_PASS;
}
`,
	},
}

// What went wrong once, in the kernel and in the byte order it does not have.
func TestLowerings(t *testing.T) {
	rng := chance.Rand(t)
	for _, c := range lowerings {
		t.Run(c.name, func(t *testing.T) {
			n := c.nic(t)
			packets := samples(rng, n.descriptor)
			file := generated{text: declared + c.text, programs: map[string]string{"program": c.text}}
			for _, m := range slices.Concat(runnable, foreign) {
				t.Run(m.String(), func(t *testing.T) { agree(t, n, m, file, packets) })
			}
		})
	}
}

func (c lowering) nic(t *testing.T) nic {
	t.Helper()
	text := fmt.Sprintf("nic: directed\ndescriptors:\n  - {name: only, size: 64, word: %s, ready: [%s], fields: %s, hints: %s}\n",
		c.word, c.ready, c.fields, c.hints)
	if c.maps != "" {
		text += "maps: " + c.maps + "\n"
	}
	l, err := layouts.Load("directed.yaml", []byte(text))
	require.NoError(t, err)
	return nic{l, l.Descriptors[0]}
}

// A question that the loader is to answer is not answered with what clang put
// there, not even on the way of a packet without a descriptor.
func TestForeignQuestionWithoutDescriptor(t *testing.T) {
	text := declared + `struct sk_buff___hintjit_shape {
	unsigned int no_such_member_in_any_kernel;
} CORE;

SEC("xdp") int program(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	struct sk_buff___hintjit_shape *skb = 0;

	if (!h->has_rx_hash) {
		if (field_exists(skb->no_such_member_in_any_kernel))
			out[0] = 1;
		else
			out[0] = 2;
		return XDP_PASS;
	}
	out[1] = h->rx_hash;
	return XDP_PASS;
}
`
	rng := chance.Rand(t)
	n := nics(t)[0]
	for _, m := range runnable {
		after := runner(t, compileText(t, text, m), n, m)
		require.EqualValues(t, 2, after("program", sample{packet: randomBytes(rng, 64), descriptor: n.descriptor}).Out[0], m)
	}
}

// Sets of words have room for 64.
func TestMoreWordsThanCanBeKept(t *testing.T) {
	var fields, hints, members, reads []string
	for i := range 22 {
		w := 1 + 3*i
		fields = append(fields, fmt.Sprintf("f%d: 'w%d w%d w%d'", i, w, w+1, w+2))
		hints = append(hints, fmt.Sprintf("own%d: {type: u64, about: invented, from: f%d}", i, i))
		members = append(members, fmt.Sprintf("\t__u64 own%d;\n", i))
		reads = append(reads, fmt.Sprintf("h->own%d", i))
	}
	l, err := layouts.Load("words.yaml", []byte(fmt.Sprintf("nic: words\ndescriptors:\n  - {name: only, size: 136, word: le16, ready: [dd], "+
		"fields: {dd: 'w0[0]', %s}, hints: {%s}}\n", strings.Join(fields, ", "), strings.Join(hints, ", "))))
	require.NoError(t, err)
	text := "#include \"shapes.h\"\n\nstruct hintjit_rx {\n" + strings.Join(members, "") + "};\n\n" +
		"SEC(\"xdp\") int program(struct xdp_md *ctx)\n{\n\tconst struct hintjit_rx *h = hintjit_rx(ctx);\n\n\tout[0] = " +
		strings.Join(reads, " + ") + ";\n\treturn XDP_PASS;\n}\n"
	_, _, err = rewrite.Object(compileText(t, text, runnable[2]), nic{l, l.Descriptors[0]}.options())
	require.ErrorContains(t, err, "take 67 words of the descriptor, and no more than 64 can be kept")
}

// A struct of many hints is filled without branches, which the kernel would
// follow both ways, one by one.
func TestManyHintsAtOnce(t *testing.T) {
	fields, hints := []string{"dd: 'w0[0]'"}, []string{}
	var members, bits []string
	for i := range 40 {
		fields = append(fields, fmt.Sprintf("ok%d: 'w%d[%d:%d]'", i, 1+i/16, i%16*2+1, i%16*2))
		if i < 20 { // a layout has 64 fields at most
			fields = append(fields, fmt.Sprintf("f%d: 'w%d[%d:%d]'", i, 4+i/4, i%4*8+7, i%4*8))
		}
		hints = append(hints, fmt.Sprintf("own%d: {type: u8, about: invented, from: f%d, when: [ok%d]}", i, i%20, i))
		members = append(members, fmt.Sprintf("\t__u8 own%d;\n", i))
		bits = append(bits, fmt.Sprintf("\t__u32 has_own%d : 1;\n", i))
	}
	l, err := layouts.Load("many.yaml", []byte(fmt.Sprintf("nic: many\ndescriptors:\n  - {name: only, size: 64, word: le32, ready: [dd], "+
		"fields: {%s}, hints: {%s}}\n", strings.Join(fields, ", "), strings.Join(hints, ", "))))
	require.NoError(t, err)
	n := nic{l, l.Descriptors[0]}
	file := generated{text: "#include \"shapes.h\"\n\nstruct hintjit_rx {\n" + strings.Join(members, "") + strings.Join(bits, "") + `};

SEC("xdp") int program(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	struct hintjit_rx copy;

	*(struct hintjit_rx *)&out[0] = *h;
	ESCAPE(h);
	copy = *h;
	ESCAPE(&copy);
	for (int i = 0; i < 3; i++)
		out[10 + i] = copy.own3 + copy.has_own17 + i;
	return XDP_PASS;
}
`, programs: map[string]string{"program": "it copies the struct"}}
	packets := samples(chance.Rand(t), n.descriptor)
	for _, m := range []machine{runnable[0], runnable[2], foreign[2]} {
		t.Run(m.String(), func(t *testing.T) { agree(t, n, m, file, packets) })
	}
}
