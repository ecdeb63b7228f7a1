package flow_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/flow"
	"github.com/hintjit/hintjit/verifier"
)

func arity(in *code.Insn) int { return flow.HelperArgs(in.Constant) }

// before returns the bits demanded before each instruction.
func before(f *code.Func) []flow.Bits {
	g := flow.NewGraph(f)
	shown := make(map[int]flow.Bits)
	d := flow.NewDemand(g, nil, arity, func(i int, after *flow.Bits) {
		if _, again := shown[i]; again {
			panic("an instruction is shown twice")
		}
		shown[i] = *after
	})
	seen := 0
	flow.Demanded(g, arity, func(i int, after *flow.Bits) {
		if seen++; shown[i] != *after {
			panic("what is kept is not what is shown")
		}
	})
	if seen != len(shown) {
		panic("not all instructions are shown")
	}
	all := make([]flow.Bits, len(f.Insns))
	for b := range g.Blocks {
		d.Walk(int32(b), func(i int, after *flow.Bits) {
			all[i] = *after
			if bits, ok := shown[i]; ok && bits != *after || ok != g.Reached(int32(b)) {
				panic("what is shown is not what there is in the end")
			}
			flow.Before(&f.Insns[i], &all[i], arity(&f.Insns[i]))
		})
	}
	return all
}

// Bits of a register that are not demanded can be turned over wherever the
// program comes by, and nobody can tell. Random programs, every point of them.
func TestDemandRandomly(t *testing.T) {
	rng := chance.Rand(t)
	free, needed, seen := 0, 0, 0
	for range 400 {
		p := newProgram(rng)
		f := &code.Func{Name: "main", Insns: p.insns}
		want, err := execute(f)
		require.NoError(t, err, listing(f))
		demanded := before(f)
		for range 60 {
			i := p.points[rng.IntN(len(p.points))]
			r, bit := asm.Register(rng.IntN(registers)), rng.IntN(64)
			got, err := execute(flipped(f, i, r, bit))
			require.NoError(t, err)
			switch {
			case demanded[i][r]>>bit&1 == 0:
				free++
				if got != want {
					require.Equal(t, want, got, "bit %d of %v before instruction %d is not demanded in\n%v", bit, r, i, listing(f))
				}
			case got != want:
				seen++
				fallthrough
			default:
				needed++
			}
		}
	}
	t.Logf("%d bits are not demanded; of %d that are, %d decide the outcome", free, needed, seen)
	// Else the above says little. The programs are random, the proportions are not.
	require.Greater(t, free, needed/4)
	require.Greater(t, seen, needed/4)
}

// registers is how many the random programs use: r0 to r7. r8 counts a loop, r9
// turns bits over.
const registers = 8

// program is a random one.
type program struct {
	rng    *rand.Rand
	insns  []code.Insn
	points []int // where every register can be read
}

// stackWords is how much of the stack it uses, in 8 bytes each.
const stackWords = 4

func newProgram(rng *rand.Rand) *program {
	p := &program{rng: rng}
	for i := range stackWords {
		p.add(asm.LoadImm(asm.R0, int64(rng.Uint64()), asm.DWord))
		p.add(asm.StoreMem(asm.R10, int16(-8*(i+1)), asm.R0, asm.DWord))
	}
	for r := range asm.Register(registers) {
		p.add(asm.LoadImm(r, int64(rng.Uint64()), asm.DWord))
	}
	p.add(asm.Mov.Imm(asm.R8, 3))
	loop := len(p.insns)
	for range 10 + rng.IntN(30) {
		p.points = append(p.points, len(p.insns))
		p.random()
	}
	// Branches that led further than to here lead to here.
	for i := range p.insns {
		p.insns[i].Target = min(p.insns[i].Target, int32(len(p.insns)))
	}
	p.add(asm.Sub.Imm(asm.R8, 1))
	p.insns = append(p.insns, code.IfImm(asm.JNE, asm.R8, 0, int32(loop)))
	// Everything is looked at in the end that r0 was not made of.
	p.points = append(p.points, len(p.insns))
	for r := asm.R1; rng.IntN(4) > 0 && r < registers; r++ {
		p.add(asm.Xor.Reg(asm.R0, r))
	}
	p.add(asm.Mov.Reg(asm.R1, asm.R0))
	p.add(asm.RSh.Imm(asm.R1, 32))
	p.add(asm.Xor.Reg(asm.R0, asm.R1)) // a verdict has 32 bits
	p.insns = append(p.insns, ret())
	return p
}

func (p *program) add(in asm.Instruction) { p.insns = append(p.insns, code.New(in)) }

func pick[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

func (p *program) register() asm.Register { return asm.Register(p.rng.IntN(registers)) }

// constant has few bits set, or few not: many of each are not demanded then.
func (p *program) constant() int32 {
	return pick(p.rng, int32(1)<<p.rng.IntN(32), ^(int32(1) << p.rng.IntN(32)), int32(p.rng.Uint32()>>p.rng.IntN(32)), int32(p.rng.Uint32()))
}

func (p *program) random() {
	rng := p.rng
	size := pick(rng, asm.Byte, asm.Half, asm.Word, asm.DWord)
	slot := int16(-size.Sizeof() * (1 + rng.IntN(8*stackWords/size.Sizeof())))
	switch rng.IntN(16) {
	case 0, 1:
		load := asm.LoadMem
		if size != asm.DWord {
			load = pick(rng, asm.LoadMem, asm.LoadMemSX)
		}
		p.add(load(p.register(), asm.R10, slot, size))
	case 2:
		p.add(asm.StoreMem(asm.R10, slot, p.register(), size))
	case 3:
		p.add(asm.StoreImm(asm.R10, -8*stackWords, int64(p.constant()), pick(rng, asm.Byte, asm.Half, asm.Word)))
	case 4:
		p.atomic()
	case 5:
		p.call()
	case 6, 7:
		p.branch()
	default:
		p.alu()
	}
}

func (p *program) alu() {
	rng, dst, src := p.rng, p.register(), p.register()
	switch rng.IntN(12) {
	case 0:
		p.add(asm.HostTo(pick(rng, asm.BE, asm.LE), dst, pick(rng, asm.Half, asm.Word, asm.DWord)))
		return
	case 1:
		p.add(asm.BSwap(dst, pick(rng, asm.Half, asm.Word, asm.DWord)))
		return
	case 2:
		p.add(pick(rng, asm.MovSX8, asm.MovSX16, asm.MovSX32).Reg(dst, src))
		return
	case 3:
		p.add(pick(rng, asm.MovSX8, asm.MovSX16).Reg32(dst, src))
		return
	case 4:
		p.add(pick(rng, asm.Neg.Imm(dst, 0), asm.Neg.Imm32(dst, 0)))
		return
	case 5, 6: // what masks and shifts hide is what this is about
		p.add(pick(rng, asm.And.Imm(dst, p.constant()), asm.Or.Imm(dst, p.constant()), asm.And.Imm32(dst, p.constant())))
		return
	case 7:
		p.add(pick(rng, asm.LSh, asm.RSh, asm.ArSh).Imm(dst, int32(rng.IntN(64))))
		return
	case 8:
		p.add(pick(rng, asm.LSh, asm.RSh, asm.ArSh).Imm32(dst, int32(rng.IntN(32))))
		return
	}
	op := pick(rng, asm.Add, asm.Sub, asm.Mul, asm.Div, asm.SDiv, asm.Mod, asm.SMod, asm.And, asm.Or, asm.Xor,
		asm.LSh, asm.RSh, asm.ArSh, asm.Mov)
	k := p.constant() | 1 // nobody divides by the constant 0
	if op == asm.LSh || op == asm.RSh || op == asm.ArSh {
		k &= 31
	}
	p.add(pick(rng, op.Reg(dst, src), op.Reg32(dst, src), op.Imm(dst, k), op.Imm32(dst, k)))
}

func (p *program) branch() {
	rng := p.rng
	op := pick(rng, asm.JEq, asm.JNE, asm.JGT, asm.JGE, asm.JLT, asm.JLE, asm.JSGT, asm.JSGE, asm.JSLT, asm.JSLE, asm.JSet, asm.JSet)
	in := code.New(pick(rng, op.Imm(p.register(), p.constant(), ""), op.Imm32(p.register(), p.constant(), ""),
		op.Reg(p.register(), p.register(), ""), op.Reg32(p.register(), p.register(), "")))
	in.Target = int32(len(p.insns) + 1 + rng.IntN(4))
	p.insns = append(p.insns, in)
}

func (p *program) atomic() {
	rng, src := p.rng, p.register()
	size := pick(rng, asm.Word, asm.DWord)
	slot := int16(-8 * (1 + rng.IntN(stackWords)))
	op := pick(rng, asm.AddAtomic, asm.AndAtomic, asm.OrAtomic, asm.XorAtomic, asm.FetchAdd, asm.FetchAnd, asm.FetchOr,
		asm.FetchXor, asm.Xchg, asm.CmpXchg)
	p.add(op.Mem(asm.R10, src, size, slot))
}

// call leaves numbers in the registers that a call leaves undefined. Nothing
// leads into the middle of it.
func (p *program) call() {
	for i := range p.insns {
		p.insns[i].Target = min(p.insns[i].Target, int32(len(p.insns)))
	}
	p.add(pick(p.rng, asm.FnKtimeGetNs, asm.FnGetPrandomU32).Call())
	for r := asm.R1; r <= asm.R5; r++ {
		p.add(asm.LoadImm(r, int64(p.rng.Uint64()), asm.DWord))
	}
}

// flipped is f with one bit turned over before instruction i.
func flipped(f *code.Func, i int, r asm.Register, bit int) *code.Func {
	g := &code.Func{Name: f.Name, Insns: slices.Clone(f.Insns)}
	e := code.NewEdit(g)
	e.Insert(i, code.New(asm.LoadImm(asm.R9, int64(uint64(1)<<bit), asm.DWord)), code.New(asm.Xor.Reg(r, asm.R9)))
	e.Apply()
	return g
}

func execute(f *code.Func) (uint32, error) {
	m := verifier.Machine{Unit: &code.Unit{Order: binary.LittleEndian, Funcs: []*code.Func{f}}, Packet: make([]byte, 64), Now: 12345}
	return m.Run(f.Name)
}

func listing(f *code.Func) (text string) {
	for i, in := range f.Insns {
		text += fmt.Sprintf("%3d: %v", i, in.Instruction)
		if in.IsBranch() {
			text += fmt.Sprintf(" to %d", in.Target)
		}
		text += "\n"
	}
	return text
}

// What an instruction reads is live, though it makes no difference: the kernel
// wants it to be initialised.
func TestReadIsLive(t *testing.T) {
	for _, in := range []asm.Instruction{
		asm.JSet.Imm(asm.R5, 0, ""), asm.JSet.Imm32(asm.R5, 0, ""), asm.And.Imm(asm.R5, 0), asm.Or.Imm(asm.R5, -1),
		asm.RSh.Imm32(asm.R5, 31), asm.Mov.Reg(asm.R6, asm.R5), asm.Mul.Imm(asm.R5, 0),
	} {
		read := code.New(in)
		var d flow.Bits
		flow.Before(&read, &d, 0)
		require.NotZero(t, d[asm.R5], "%v", in)
	}
}

// What is solved again where something changed is what is solved anew.
func TestAgainRandomly(t *testing.T) {
	rng := chance.Rand(t)
	for round := range 500 {
		f := &code.Func{Name: "main", Insns: newProgram(rng).insns}
		for i := range f.Insns {
			if in := &f.Insns[i]; round%4 > 0 && in.IsBranch() && int(in.Target) <= i {
				in.Target = int32(i + 1) // no loop
			}
		}
		g := flow.NewGraph(f)
		gone := make([]bool, len(f.Insns))
		step := func(i int, _ *flow.Bits) bool { return gone[i] }
		d := flow.NewDemand(g, step, arity, nil)
		for range 3 {
			changed := make([]bool, len(g.Blocks))
			for range 1 + rng.IntN(3) {
				i := rng.IntN(len(gone))
				gone[i], changed[g.Of[i]] = !gone[i], true
			}
			d.Again(func(b int32) bool { return changed[b] }, nil)
			want := flow.NewDemand(g, step, arity, nil)
			for _, b := range g.Order {
				require.Equal(t, want.Start(b), d.Start(b), "block %d of\n%v", b, listing(f))
			}
		}
	}
}
