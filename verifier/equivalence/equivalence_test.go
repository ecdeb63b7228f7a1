package equivalence_test

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
	"github.com/hintjit/hintjit/verifier/equivalence"
)

// clean wants all programs to be verified.
func clean(t *testing.T, r *equivalence.Report, atLeast int) {
	t.Helper()
	require.NotEmpty(t, r.Programs)
	for _, p := range r.Programs {
		var text strings.Builder
		if p.Counterexample != nil {
			require.NoError(t, p.Counterexample.Write(&text))
		}
		require.Nil(t, p.Counterexample, "%s", &text)
		require.Empty(t, p.NotVerified)
		require.GreaterOrEqual(t, p.Comparable, atLeast)
		require.Zero(t, p.Faults, p.Fault)
	}
	require.True(t, r.Equivalent())
}

// The examples, for every NIC and reach and in both byte orders, of which each NIC has
// a few; walks by portable objects, which are refused where they have to be.
func TestExamples(t *testing.T) {
	how := equivalence.Options{Runs: 60, Seed: chance.Seed(t)}
	type compiled struct {
		name  string
		order binary.ByteOrder
	}
	var all []compiled
	for _, name := range examples {
		all = append(all, compiled{name, binary.LittleEndian}, compiled{name, binary.BigEndian})
	}
	for _, nic := range layouts.Names() {
		l, err := layouts.Shipped(nic)
		require.NoError(t, err)
		reaches := []rewrite.Reach{rewrite.Walk}
		if len(l.Descriptors[0].Bare().Hints) > 0 { // something that can lie in the metadata area
			reaches = append(reaches, rewrite.Meta)
		}
		for _, c := range chance.Some(nic, all, examplesPerNIC) {
			object := example(t, c.name, c.order)
			for _, reach := range reaches {
				t.Run(fmt.Sprintf("%s/%v/%s/%s", c.name, c.order, nic, reach), func(t *testing.T) {
					t.Parallel()
					r, err := rewrite.Verify(object, nil, rewrite.Options{Layout: l, Descriptor: l.Descriptors[0].Name, Reach: reach}, how)
					require.NoError(t, err)
					clean(t, r, 60)
					p := r.Programs[0]
					require.Equal(t, reach == rewrite.Walk && p.Inserted.OfInsns > 1, p.Refused > 0, "refused") // some have nothing to ask for
					// Some packets do not come to the walk.
					require.LessOrEqual(t, p.Refused, p.Refusals)
				})
			}
		}
	}
}

const examplesPerNIC = 3

// Objects for one kernel, on members where real kernels have them; with every guard.
func TestBound(t *testing.T) {
	how := equivalence.Options{Runs: 30, Seed: chance.Seed(t)}
	dirs, err := filepath.Glob("../../internal/kernel/testdata/debian-*")
	require.NoError(t, err)
	guards := []rewrite.Guard{rewrite.GuardOn, rewrite.GuardOff, rewrite.GuardStrict}
	verified := 0
	for _, dir := range dirs {
		kernel, err := rewrite.OpenKernel(dir)
		require.NoError(t, err)
		for _, nic := range layouts.Names() {
			l, err := layouts.Shipped(nic)
			require.NoError(t, err)
			r, err := rewrite.Verify(example(t, "af_xdp_meta", binary.LittleEndian), nil,
				rewrite.Options{Layout: l, Descriptor: l.Descriptors[0].Name, Reach: rewrite.Walk, Kernel: kernel, Guard: guards[verified%3]}, how)
			if err != nil {
				t.Logf("%s: %v", filepath.Base(dir), err)
				continue
			}
			clean(t, r, 8)
			verified++
		}
	}
	require.Greater(t, verified, 15)
}

// Each single change of an inserted instruction is found, and the line is named that
// asked for what went wrong, or the one at which the descriptor is fetched; but for
// changes that make no difference: what a word is while there is no descriptor, in a
// bit that no hint looks at.
func TestPlanted(t *testing.T) {
	for name, lines := range map[string][]int{"l4lb": {126, 128, 148, 154, 159}, "ptype_count": {27, 28}, "vlan_ts_log": {90, 94, 96, 107, 108, 109, 110}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := rewritten(t, example(t, name, binary.LittleEndian))
			p.after = equivalence.Aligned(p.before, p.after)
			clean(t, &equivalence.Report{Programs: []*equivalence.ProgramReport{p.check(t, equivalence.Options{Runs: 1500, Seed: chance.Seed(t)})}}, 1500)
			planted := 0
			for i, in := range p.after.Unit.Funcs[0].Insns {
				changed, ok := fault(in, i)
				if in.Origin >= 0 || !ok {
					continue
				}
				planted++
				m := p
				m.after = p.after.Clone()
				m.after.Unit.Funcs[0].Insns[i] = changed
				r := m.check(t, equivalence.Options{Runs: 1500, Seed: chance.Seed(t)})
				if r.Counterexample == nil && !isClear(in) { // the rarer ones
					r = m.check(t, equivalence.Options{Runs: 20_000, Seed: chance.Seed(t)})
				}
				if r.Counterexample == nil {
					require.True(t, isClear(in), "%v, changed to %v, is not found", in.Instruction, changed.Instruction)
					continue
				}
				require.Condition(t, func() bool {
					return slices.ContainsFunc(lines, func(n int) bool {
						return strings.HasPrefix(r.Counterexample.Line, fmt.Sprintf("%s.c:%d:", name, n))
					})
				}, "%v, changed to %v: %v at %s", in.Instruction, changed.Instruction, r.Counterexample.Difference, r.Counterexample.Line)
			}
			require.Greater(t, planted, 8)
		})
	}
}

// fault changes an instruction: a branch goes on, a constant has another bit, a load
// is of the byte behind.
func fault(in code.Insn, i int) (code.Insn, bool) {
	switch class := in.OpCode.Class(); {
	case in.IsBranch() && !in.IsGoto():
		in.Target = int32(i + 1)
	case class.IsALU() && in.OpCode.Source() == asm.ImmSource:
		in.Constant ^= 1
	case class == asm.LdXClass:
		in.Offset++
	default:
		return in, false
	}
	return in, true
}

func isClear(in code.Insn) bool {
	return in.OpCode.Class().IsALU() && in.OpCode.ALUOp() == asm.Mov && in.Constant == 0
}

// deep is a program that comes to its innermost line for one packet of very many.
const deep = `
struct { __uint(type, 2); __uint(max_entries, 1); __type(key, __u32); __type(value, __u32); } limit SEC(".maps");
struct { __uint(type, 1); __uint(max_entries, 16); __type(key, __u32); __type(value, __u64); } flows SEC(".maps");
SEC("xdp") int deep(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 zero = 0, hash = h->rx_hash, *l, k;
	__u64 *flow;
	if (!h->has_vlan_tci || h->vlan_tci != 0xabc)
		return 2;
	if (hash != 0xdeadbeef || data + 400 > end)
		return 2;
	if (*(__u32 *)(data + 300) != 0x12345678 || ctx->rx_queue_index != 77)
		return 2;
	l = lookup(&limit, &zero);
	if (!l || *l != 4242)
		return 2;
	k = *(__u32 *)(data + 20);
	flow = lookup(&flows, &k);
	if (!flow || *flow < 1000)
		return 2;
	return redirect(h->ptype >> 8, 0);
}
`

// What stands behind comparisons with numbers that chance does not hit is run: the
// numbers are put where they are looked for. A fault in there is found, and told with
// all that one needs to see it.
func TestSteered(t *testing.T) {
	p := rewritten(t, compile(t, deep))
	p.after = equivalence.Aligned(p.before, p.after)
	r := p.check(t, equivalence.Options{Runs: 4000, Seed: chance.Seed(t)})
	clean(t, &equivalence.Report{Programs: []*equivalence.ProgramReport{r}}, 4000)
	require.Equal(t, r.Own.OfInsns, r.Own.Insns)
	require.GreaterOrEqual(t, r.Own.Sides, r.Own.OfSides-1, "an array has its value always")
	require.Empty(t, r.Uncovered)

	f := p.after.Unit.Funcs[0]
	shift := -1
	for i, in := range f.Insns {
		if in.Origin < 0 && f.LineAt(i).Number == 23 {
			shift = i // the last of those that make ptype
		}
	}
	require.Positive(t, shift, "no code makes ptype")
	f.Insns[shift] = code.New(asm.Mov.Imm(f.Insns[shift].Dst, 0x600))
	r = p.check(t, equivalence.Options{Runs: 40_000, Seed: chance.Seed(t)}) // it ends with the first that differs
	require.NotNil(t, r.Counterexample)
	var text strings.Builder
	require.NoError(t, r.Counterexample.Write(&text))
	for _, part := range []string{"differs     call 3, bpf_redirect: argument 1", "parts at    prog.c:23",
		"descriptor  ", "rx_hash = 0xdeadbeef", "vlan_tci = 0xabc", "78563412", "map limit, key 00000000: 92100000",
		"rx_queue_index 77", "original", "rewritten"} {
		require.Contains(t, text.String(), part)
	}
}

// What can not be run is never said to be the same.
func TestNotVerified(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"helper": {`static long (*strtol)(const char *text, __u32 size, __u64 flags, long *n) = (void *)105;
SEC("xdp") int prog(struct xdp_md *ctx) { long n; char p[8] = "1234"; return hintjit_rx(ctx)->rx_hash == 3 ? strtol(p, 8, 0, &n) : 2; }`,
			"calls helper bpf_strtol, which is not modelled"},
		"kernel function": {`extern int bpf_strange(struct xdp_md *ctx) SEC(".ksyms");
SEC("xdp") int prog(struct xdp_md *ctx) { return hintjit_rx(ctx)->rx_hash == 3 ? bpf_strange(ctx) : 2; }`,
			"uses the kernel's bpf_strange, which is not modelled"},
		"always faults": {`SEC("xdp") int prog(struct xdp_md *ctx) { return *(volatile __u32 *)(long)(ctx->data_end + 16) + hintjit_rx(ctx)->rx_hash; }`,
			"no run could be compared"},
	} {
		t.Run(name, func(t *testing.T) {
			p := rewritten(t, compile(t, c.text))
			r := equivalence.Check(p.before, p.after, p.target, equivalence.Options{Runs: 50, Seed: chance.Seed(t)})
			require.False(t, r.Equivalent())
			require.Contains(t, strings.Join(r.Programs[0].NotVerified, "\n"), c.says)
		})
	}
}

// One seed, one result.
func TestRepeats(t *testing.T) {
	run := func() string {
		p := rewritten(t, example(t, "l4lb", binary.LittleEndian))
		return fmt.Sprintf("%+v", *p.check(t, equivalence.Options{Runs: 300, Seed: 7}))
	}
	require.Equal(t, run(), run())
}

// What one run does not find the proof does: it shows an input, on which the
// programs then really differ. A program without a fault is proved.
func TestProof(t *testing.T) {
	p := rewritten(t, example(t, "ptype_count", binary.LittleEndian))
	p.after = equivalence.Aligned(p.before, p.after)
	one := equivalence.Options{Runs: 1, Seed: chance.Seed(t), Prove: true}
	right := p.check(t, one)
	require.True(t, right.Proved(), "%v", right.Proofs)
	require.Nil(t, right.Counterexample)
	planted, shown := 0, 0
	for i, in := range p.after.Unit.Funcs[0].Insns {
		changed, ok := fault(in, i)
		if in.Origin >= 0 || !ok || isClear(in) {
			continue
		}
		planted++
		m := p
		m.after = p.after.Clone()
		m.after.Unit.Funcs[0].Insns[i] = changed
		r := m.check(t, one)
		require.False(t, r.Proved(), "%v, changed to %v", in.Instruction, changed.Instruction)
		require.NotNil(t, r.Counterexample, "%v, changed to %v: %v", in.Instruction, changed.Instruction, r.Proofs)
		if r.Refuted() {
			shown++
		}
	}
	require.Greater(t, planted, 8)
	require.Positive(t, shown) // the others that one run has shown already
}

// A length that the program has to have says nothing that could be proved.
func TestProofOfStrictGuard(t *testing.T) {
	p := rewritten(t, example(t, "ptype_count", binary.LittleEndian))
	p.target.Strict = true
	r := p.check(t, equivalence.Options{Runs: 1, Seed: chance.Seed(t), Prove: true})
	require.False(t, r.Proved())
	require.Contains(t, r.Proofs[0].Reason, "strict")
}
