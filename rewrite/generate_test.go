package rewrite_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/hintjit/hintjit/layouts"
)

// A generator writes C files whose programs use hints at random, in all the ways
// that can be rewritten: the grammar is the list of methods that end in
// Statement and Expression. Everything a program depends on is in the packet,
// its metadata and its hints, so that two runs of it can be compared.
type generator struct {
	rng     *rand.Rand
	samples []sample
	records bool     // the struct has preserve_access_index
	members []member // of the struct
	present []string // hints that have a has_ member
	size    int      // of the struct at least

	helpers  []string // functions of the file that take h and a number
	text     strings.Builder
	depth    int  // of nested blocks
	budget   int  // statements that may still be written
	context  bool // ctx may be used here
	hints    bool // h may be used here
	touching bool // the programs of the file move and overwrite the metadata area
	asking   bool // there are functions that call hintjit_rx, to call where ctx may be used
}

// member is a hint that the struct declares.
type member struct {
	name  string
	bytes int
}

// prelude is what the programs of a generated file share. What lies outside the
// packet reads as 0 and is not written. A member of the context is read in
// assembly, so that clang does not take it for the 32 bits that it is declared to
// be, which the kernel can not follow.
const prelude = `#include "shapes.h"

#define ALWAYS static __attribute__((always_inline)) inline
#define WORD(p) (*(volatile __u64 *)(p))
#define HALF(p) (*(volatile __u32 *)(p))

ALWAYS void *context(struct xdp_md *ctx, int member)
{
	void *p;

	asm volatile("%0 = *(u32 *)(%1 + %2)" : "=r"(p) : "r"(ctx), "i"(member));
	return p;
}

#define DATA context(ctx, 0)
#define DATA_END context(ctx, 4)
#define DATA_META context(ctx, 8)

ALWAYS void *within(void *p, void *end, int at, int size)
{
	return p + at + size <= end ? p + at : 0;
}

ALWAYS __u64 peek(struct xdp_md *ctx, int at)
{
	void *p = within(DATA, DATA_END, at, 8);

	return p ? WORD(p) : 0;
}

ALWAYS void poke(struct xdp_md *ctx, int at, __u64 v)
{
	void *p = within(DATA, DATA_END, at, 8);

	if (p)
		WORD(p) = v;
}

ALWAYS __u64 peek_meta(struct xdp_md *ctx, int at)
{
	void *p = within(DATA_META, DATA, at, 4);

	return p ? HALF(p) : 0;
}

ALWAYS void poke_meta(struct xdp_md *ctx, int at, __u64 v)
{
	void *p = within(DATA_META, DATA, at, 4);

	if (p)
		HALF(p) = v;
}

`

// publishers copy the struct to where the packet is read.
const publishers = `ALWAYS void to_packet(struct xdp_md *ctx, const struct hintjit_rx *h)
{
	struct hintjit_rx *to = within(DATA, DATA_END, 2, sizeof(*to));

	if (to)
		*to = *h;
}

ALWAYS void to_packet_by_bytes(struct xdp_md *ctx, const struct hintjit_rx *h)
{
	void *to = within(DATA, DATA_END, 1, sizeof(*h));

	if (to)
		__builtin_memcpy(to, h, sizeof(*h));
}

ALWAYS void to_meta(struct xdp_md *ctx, const struct hintjit_rx *h)
{
	struct hintjit_rx *to;

	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*to)))
		return;
	to = within(DATA_META, DATA, 0, sizeof(*to));
	if (to)
		*to = *h;
}

`

// generated is a C file and its programs one by one, for messages.
type generated struct {
	text     string
	programs map[string]string
}

// plain is the file without CO-RE records on loads: the same program, and clang
// itself says where every bit-field is.
func (g generated) plain() string {
	return strings.Replace(g.text, "\n} CORE;\n", "\n};\n", 1)
}

// generate writes a file of so many programs for a NIC.
func generate(rng *rand.Rand, n nic, samples []sample, programs int) generated {
	g := &generator{rng: rng, samples: samples, records: rng.IntN(4) > 0, touching: rng.IntN(2) == 0}
	g.structure(n.descriptor)
	for i := range 2 {
		g.helperFunction(fmt.Sprintf("static_%d", i), false)
		g.helperFunction(fmt.Sprintf("global_%d", i), true)
	}
	g.askingFunction("asking", "static __attribute__((used)) ") // used: what it returns is returned
	g.askingFunction("global_asking", "")
	g.asking = true
	out := generated{programs: make(map[string]string)}
	for i := range programs {
		start := g.text.Len()
		name := fmt.Sprintf("random_%d", i)
		g.program(name)
		out.programs[name] = g.text.String()[start:]
	}
	out.text = g.text.String()
	return out
}

func (g *generator) printf(format string, args ...any) { fmt.Fprintf(&g.text, format, args...) }

// chance is true once in n times.
func (g *generator) chance(n int) bool { return g.rng.IntN(n) == 0 }

// oneOf calls one of some functions.
func oneOf[T any](rng *rand.Rand, fs ...func() T) T { return fs[rng.IntN(len(fs))]() }

// structure declares some hints of the NIC and some that it may not have, in any
// order, the presence bits anywhere between them.
func (g *generator) structure(d *layouts.Descriptor) {
	g.members = []member{{"rx_hash", 4}} // for an alignment of 4 at least
	known := map[string]bool{"rx_hash": true}
	add := func(name string, decl layouts.Declaration) {
		if !known[name] && !g.chance(3) {
			known[name] = true
			g.members = append(g.members, member{name, decl.Bytes})
		}
	}
	for _, h := range d.Hints {
		add(h.Name, h.Decl)
	}
	for _, h := range layouts.StandardHints {
		if g.chance(3) {
			add(h.Name, h.Decl)
		}
	}
	row := g.records // as in hintjit.h: scattered ones clang reads by computed addresses
	var lines, bits []string
	for _, m := range g.members {
		lines = append(lines, fmt.Sprintf("\t__u%d %s;\n", 8*m.bytes, m.name))
		g.size += m.bytes
		if g.chance(4) && len(g.present) > 0 {
			continue
		}
		g.present = append(g.present, m.name)
		if row {
			bits = append(bits, fmt.Sprintf("\t__u32 has_%s : 1;\n", m.name))
		} else {
			lines = append(lines, fmt.Sprintf("\t__u%d has_%s : 1;\n", 8<<g.rng.IntN(4), m.name))
		}
	}
	g.rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	if row {
		at := g.rng.IntN(len(lines) + 1)
		bits = append(append([]string{"\t__u64 : 0;\n"}, bits...), "\t__u64 : 0;\n")
		lines = slices.Insert(lines, at, bits...)
	}
	attribute := ""
	if g.records {
		attribute = " CORE"
	}
	g.printf("%sstruct hintjit_rx {\n%s}%s;\n\n%s", prelude, strings.Join(lines, ""), attribute, publishers)
}

// helperFunction writes a function that is handed the pointer.
func (g *generator) helperFunction(name string, global bool) {
	g.hints, g.context, g.budget = true, false, 5
	linkage := "static "
	if global {
		linkage = ""
	}
	g.printf("%s__noinline __u64 %s(const struct hintjit_rx *h, __u64 v0)\n{\n", linkage, name)
	g.printf("\t__u64 v1 = v0 >> 3, v2 = 1, v3 = ~v0;\n")
	if global { // HIDE: else clang leaves an argument that is not used undefined, which the kernel refuses
		g.printf("\n\tHIDE(v0);\n\tHIDE(h);\n\tif (!h)\n\t\treturn 0;\n")
	}
	g.block(1 + g.rng.IntN(4))
	g.printf("\treturn %s;\n}\n\n", g.expression(2))
	g.helpers = append(g.helpers, name)
}

// askingFunction writes a function that calls hintjit_rx itself.
func (g *generator) askingFunction(name, linkage string) {
	g.hints, g.context, g.budget = true, true, 5
	g.printf("%s__noinline __u64 %s(struct xdp_md *ctx, __u64 v0)\n{\n", linkage, name)
	g.printf("\t__u64 v1 = v0 >> 3, v2 = 1, v3 = ~v0;\n\tvolatile __u64 slots[1] = {};\n")
	g.printf("\tconst struct hintjit_rx *h = hintjit_rx(ctx), *volatile kept = h;\n\n\tHIDE(v0);\n")
	touching := g.touching
	g.touching = false // for its caller may call it again, and then it would be too late
	g.block(1 + g.rng.IntN(4))
	g.touching = touching
	g.printf("\treturn %s;\n}\n\n", g.expression(2))
}

// program writes an entry point. hintjit_rx is called at its start, or after it
// did something else.
func (g *generator) program(name string) {
	g.hints, g.context, g.budget = false, true, 24
	g.printf("SEC(\"xdp\") int %s(struct xdp_md *ctx)\n{\n", name)
	g.printf("\t__u64 v0 = peek(ctx, 0), v1 = peek(ctx, 9), v2 = peek(ctx, 32), v3 = 0;\n")
	g.printf("\tvolatile __u64 slots[%d];\n", 1+g.rng.IntN(12))
	g.printf("\tconst struct hintjit_rx *h, *volatile kept;\n\n\tslots[0] = v1;\n")
	if g.chance(3) {
		g.block(3)
	}
	g.printf("\th = kept = hintjit_rx(ctx);\n")
	g.hints = true
	g.block(4 + g.rng.IntN(12))
	g.printf("\tout[28] = v0, out[29] = v1, out[30] = v2, out[31] = v3 + slots[0];\n")
	g.printf("\treturn %s & 3;\n}\n\n", g.expression(1))
}

// block writes statements.
func (g *generator) block(n int) {
	g.depth++
	for range n {
		if g.budget > 0 {
			g.budget--
			g.statement()
		}
	}
	g.depth--
}

func (g *generator) indent() { g.printf("%s", strings.Repeat("\t", g.depth)) }

func (g *generator) variable() string { return fmt.Sprintf("v%d", g.rng.IntN(4)) }

// outAt is an element of out that statements may write.
func (g *generator) outAt() int { return g.rng.IntN(28) }

func (g *generator) statement() {
	some := []func(){g.assignment, g.assignment, g.outStatement, g.outStatement, g.ifStatement, g.ifStatement, g.hideStatement}
	if g.depth < 3 {
		some = append(some, g.loopStatement, g.switchStatement)
	}
	if g.context {
		some = append(some, g.packetStatement, g.helperStatement, g.slotStatement)
		if g.touching {
			some = append(some, g.metaStatement, g.adjustStatement)
		}
	}
	if g.hints {
		some = append(some, g.copyStatement, g.publishStatement)
		if g.context {
			some = append(some, g.callStatement, g.callStatement, g.againStatement)
		}
	}
	some[g.rng.IntN(len(some))]()
}

func (g *generator) assignment() {
	g.indent()
	g.printf("%s %s %s;\n", g.variable(), []string{"=", "+=", "^="}[g.rng.IntN(3)], g.expression(3))
}

func (g *generator) outStatement() {
	g.indent()
	g.printf("out[%d] %s %s;\n", g.outAt(), []string{"=", "+=", "^="}[g.rng.IntN(3)], g.expression(2))
}

func (g *generator) ifStatement() {
	g.indent()
	g.printf("if (%s) {\n", g.condition(2))
	g.block(1 + g.rng.IntN(3))
	if g.chance(2) {
		g.indent()
		g.printf("} else {\n")
		g.block(1 + g.rng.IntN(2))
	}
	g.indent()
	g.printf("}\n")
}

func (g *generator) switchStatement() {
	g.indent()
	g.printf("switch (%s & 7) {\n", g.expression(1))
	for _, label := range []string{"case 0:", "case 1:", "case 5:", "default:"} {
		g.indent()
		g.printf("%s\n", label)
		g.block(1)
		g.depth++
		g.indent()
		g.printf("break;\n")
		g.depth--
	}
	g.indent()
	g.printf("}\n")
}

func (g *generator) loopStatement() {
	if g.chance(2) {
		g.printf("#pragma clang loop unroll(disable)\n")
	}
	g.indent()
	g.printf("for (int i = 0; i < %d; i++) {\n", 2+g.rng.IntN(2))
	g.depth++ // no loop in a loop: the verifier goes each way through both
	g.block(1 + g.rng.IntN(2))
	g.depth--
	g.indent()
	g.printf("}\n")
}

func (g *generator) hideStatement() {
	g.indent()
	g.printf("HIDE(%s);\n", g.variable())
}

func (g *generator) packetStatement() {
	g.indent()
	g.printf("poke(ctx, %d, %s);\n", g.rng.IntN(80), g.expression(2))
}

func (g *generator) slotStatement() {
	g.indent()
	if g.chance(2) {
		g.printf("slots[0] = %s;\n", g.expression(2))
		return
	}
	g.printf("%s += slots[0];\n", g.variable())
}

// helperStatement calls the kernel: r1 to r5 are lost, and with SPILL_ALL all
// other registers too.
func (g *generator) helperStatement() {
	g.indent()
	g.printf("%s%s\n", []string{"", "SPILL_ALL; "}[g.rng.IntN(2)],
		[]string{"bpf_ktime_get_ns();", "bpf_get_smp_processor_id();"}[g.rng.IntN(2)])
}

func (g *generator) metaStatement() {
	g.indent()
	if g.chance(2) {
		g.printf("%s += peek_meta(ctx, %d);\n", g.variable(), 4*g.rng.IntN(20))
		return
	}
	g.printf("poke_meta(ctx, %d, %s);\n", 4*g.rng.IntN(20), g.expression(1))
}

// adjustStatement moves an end of the packet or of the metadata, and writes what
// was not the program's to read before.
func (g *generator) adjustStatement() {
	g.indent()
	g.printf("%s\n", []string{
		"if (!bpf_xdp_adjust_meta(ctx, -8)) poke_meta(ctx, 0, v0), poke_meta(ctx, 4, v1);",
		"v2 += bpf_xdp_adjust_meta(ctx, 4);",
		"v3 += bpf_xdp_adjust_meta(ctx, DATA - DATA_META);",
		"if (!bpf_xdp_adjust_head(ctx, -8)) poke(ctx, 0, v2);",
		"v1 -= bpf_xdp_adjust_head(ctx, 6);",
		"v0 -= bpf_xdp_adjust_tail(ctx, -3);",
	}[g.rng.IntN(6)])
}

// copyStatement reads from a copy of the struct.
func (g *generator) copyStatement() {
	g.indent()
	m := g.member()
	g.printf("{ struct hintjit_rx c = *h, *q = &c; ESCAPE(q); %s += q->%s", g.variable(), m.name)
	if g.chance(2) {
		g.printf(" + (q->has_%s << %d)", g.presentHint(), g.rng.IntN(31))
	}
	g.printf("; }\n")
}

// publishStatement copies the struct to memory that others read.
func (g *generator) publishStatement() {
	g.indent()
	switch {
	case !g.context || g.chance(3):
		g.printf("*(struct hintjit_rx *)&out[32] = *h;\n")
	case g.touching && g.chance(2):
		g.printf("to_meta(ctx, h);\n")
	case g.chance(3):
		g.printf("to_packet_by_bytes(ctx, h);\n")
	default:
		g.printf("to_packet(ctx, h);\n")
	}
}

func (g *generator) callStatement() {
	g.indent()
	if g.asking && !g.touching && g.chance(2) {
		g.printf("%s += %s(ctx, %s);\n", g.variable(), []string{"asking", "global_asking"}[g.rng.IntN(2)], g.expression(1))
		return
	}
	g.printf("%s %s %s(h, %s);\n", g.variable(), []string{"=", "+="}[g.rng.IntN(2)],
		g.helpers[g.rng.IntN(len(g.helpers))], g.expression(1))
}

// againStatement has the pointer from another call, from memory, or one of two.
func (g *generator) againStatement() {
	g.indent()
	g.printf("%s\n", []string{
		"h = hintjit_rx(ctx);",
		"h = kept;",
		"kept = h;",
		"HIDE(h);",
		"if (" + g.condition(1) + ") h = hintjit_rx(ctx);",
		"if (!h) " + g.variable() + "++;",
	}[g.rng.IntN(6)])
}

func (g *generator) member() member { return g.members[g.rng.IntN(len(g.members))] }

func (g *generator) presentHint() string { return g.present[g.rng.IntN(len(g.present))] }

// constant is a number that a hint may well have, or any.
func (g *generator) constant(hint string) string {
	v, ok := g.samples[g.rng.IntN(len(g.samples))].hints(binary.LittleEndian)[hint]
	if !ok {
		v = g.rng.Uint64() >> g.rng.IntN(64)
	}
	return fmt.Sprintf("%#xULL", v)
}

// condition is a C expression that is true or false.
func (g *generator) condition(depth int) string {
	plain := func() string { return fmt.Sprintf("%s %s %s", g.variable(), g.comparison(), g.constant("")) }
	some := []func() string{plain, func() string { return g.expression(depth-1) + " & 1" }}
	if depth > 0 {
		some = append(some, func() string {
			return fmt.Sprintf("(%s) %s (%s)", g.condition(depth-1), []string{"&&", "||"}[g.rng.IntN(2)], g.condition(depth-1))
		}, func() string { return fmt.Sprintf("!(%s)", g.condition(depth-1)) })
	}
	if g.hints {
		has := func() string { return "h->has_" + g.presentHint() }
		equal := func() string {
			m := g.member()
			return fmt.Sprintf("h->%s %s %s", m.name, g.comparison(), g.constant(m.name))
		}
		some = append(some, has, has, has, equal, equal)
	}
	return oneOf(g.rng, some...)
}

func (g *generator) comparison() string {
	return []string{"==", "!=", "<", ">", ">="}[g.rng.IntN(5)]
}

// expression is a C expression of 64 bits without a sign.
func (g *generator) expression(depth int) string {
	some := []func() string{g.variable, g.variable, func() string { return g.constant("") }}
	if g.context {
		some = append(some, func() string { return fmt.Sprintf("peek(ctx, %d)", g.rng.IntN(80)) })
	}
	if g.hints {
		some = append(some, g.hintExpression, g.hintExpression, g.hintExpression, g.presenceExpression, g.presenceExpression,
			g.partExpression, g.chosenExpression, g.bytesExpression)
		if g.records {
			some = append(some, g.existsExpression)
		}
	}
	if depth > 0 {
		some = append(some, func() string { return g.operation(depth) }, func() string { return g.operation(depth) },
			func() string { return fmt.Sprintf("(__u64)(%s)", g.condition(depth-1)) },
			func() string {
				return fmt.Sprintf("(%s ? %s : %s)", g.condition(depth-1), g.expression(depth-1), g.expression(depth-1))
			})
	}
	return oneOf(g.rng, some...)
}

func (g *generator) operation(depth int) string {
	a := g.expression(depth - 1)
	switch g.rng.IntN(3) {
	case 0:
		return fmt.Sprintf("(%s %s %d)", a, []string{"<<", ">>"}[g.rng.IntN(2)], g.rng.IntN(64))
	case 1:
		return fmt.Sprintf("(%s %s %d)", a, []string{"/", "%"}[g.rng.IntN(2)], 1+g.rng.IntN(1000))
	}
	return fmt.Sprintf("(%s %s %s)", a, []string{"+", "-", "*", "&", "|", "^"}[g.rng.IntN(6)], g.expression(depth-1))
}

func (g *generator) hintExpression() string { return "(__u64)h->" + g.member().name }

func (g *generator) presenceExpression() string { return "(__u64)h->has_" + g.presentHint() }

// partExpression is a part of a member, or its sign.
func (g *generator) partExpression() string {
	m := g.member()
	return fmt.Sprintf("(__u64)(__%c%d)(h->%s >> %d)", "su"[g.rng.IntN(2)], 8<<g.rng.IntN(3), m.name, g.rng.IntN(8*m.bytes))
}

// chosenExpression reads one of two members of a size, by way of a pointer.
func (g *generator) chosenExpression() string {
	m := g.member()
	for _, other := range g.members {
		if other.bytes == m.bytes && other != m {
			return fmt.Sprintf("(__u64)*(%s & 1 ? &h->%s : &h->%s)", g.variable(), m.name, other.name)
		}
	}
	return fmt.Sprintf("(__u64)*&h->%s", m.name)
}

// bytesExpression reads the struct's memory, whatever is there.
func (g *generator) bytesExpression() string {
	bytes := 1 << g.rng.IntN(3)
	return fmt.Sprintf("(__u64)((volatile const __u%d *)h)[%d]", 8*bytes, g.rng.IntN(max(1, g.size/bytes)))
}

func (g *generator) existsExpression() string {
	return fmt.Sprintf("(__u64)field_exists(h->%s)", g.member().name)
}
