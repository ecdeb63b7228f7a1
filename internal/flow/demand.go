package flow

import (
	"math/bits"
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// Bits says, for each register r0..r10, which of its bits something later
// looks at. A register with none is free.
type Bits [11]uint64

const all = ^uint64(0)

// low32 are the bits that a 32-bit operation reads and writes.
const low32 = uint64(1)<<32 - 1

// Step turns the bits demanded after instruction i into those demanded before
// it. It returns false when it has nothing to say of i, and Step of the
// instruction set applies.
type Step func(i int, d *Bits) bool

// Visit is shown an instruction with the bits demanded after it.
type Visit func(i int, after *Bits)

// Demand holds the demanded bits of a function at the start of every block.
type Demand struct {
	g     *Graph
	step  Step
	arity func(*code.Insn) int
	floor uint64
	start []Bits // of blocks that are reached
	now   Bits   // where a walk is: one for all of them, as blocks are many
}

// NewDemand solves the demanded bits of g: one backward data flow over the
// blocks. step may replace the effect of single instructions, for those that a
// pass is going to change; arity says how many arguments a call takes. visit, if
// not nil, sees all instructions that are reached, block by block as with Walk.
func NewDemand(g *Graph, step Step, arity func(*code.Insn) int, visit Visit) *Demand {
	d := &Demand{g: g, step: step, arity: arity, floor: 1}
	d.keep(visit)
	return d
}

// Demanded is NewDemand for who wants to see the instructions once and nothing more.
func Demanded(g *Graph, arity func(*code.Insn) int, visit Visit) {
	(&Demand{g: g, arity: arity, floor: 1}).show(visit)
}

// Looks is Demanded without liveness: what only dead instructions read has no bits.
// The bits are those that make a difference, and no others.
func Looks(g *Graph, arity func(*code.Insn) int, visit Visit) {
	(&Demand{g: g, arity: arity}).show(visit)
}

// keep takes each block after all that it leads to, where there is no loop: what
// visit is shown is the last word then.
func (d *Demand) keep(visit Visit) {
	g := d.g
	d.start = make([]Bits, len(g.Blocks))
	if g.Loops() {
		d.settle()
		if visit == nil {
			return
		}
		for _, b := range g.Order {
			d.Walk(b, visit)
		}
		return
	}
	for _, b := range slices.Backward(g.Order) {
		d.leave(b)
		d.start[b] = *d.walk(b, visit)
	}
}

// Again solves anew, where step has other things to say of the blocks that changed
// tells of, or the graph has lost edges there. visit sees those and the blocks at
// whose ends other bits are demanded by that; in a graph with loops, all.
func (d *Demand) Again(changed func(b int32) bool, visit Visit) {
	g := d.g
	if g.Loops() {
		d.keep(visit)
		return
	}
	differs := make([]bool, len(g.Blocks)) // what is demanded at the start
	for _, b := range slices.Backward(g.Order) {
		again := changed(b)
		for _, s := range g.Blocks[b].Succ {
			again = again || differs[s]
		}
		if !again {
			continue
		}
		d.leave(b)
		start := d.walk(b, visit)
		differs[b], d.start[b] = *start != d.start[b], *start
	}
}

// show is keep of what is still asked for only: a block tells those that lead to it
// what it demands, and the one that was told last has it no more.
func (d *Demand) show(visit Visit) {
	g := d.g
	if g.Loops() {
		d.keep(visit)
		return
	}
	var idle []*Bits
	ends := make([]*Bits, len(g.Blocks)) // nil: nothing is demanded there, or no more will be asked
	for _, b := range slices.Backward(g.Order) {
		d.now = Bits{}
		if ends[b] != nil {
			d.now = *ends[b]
			idle, ends[b] = append(idle, ends[b]), nil
		}
		d.walk(b, visit)
		for _, p := range g.Blocks[b].Pred {
			if last := len(idle) - 1; ends[p] != nil {
				ends[p].add(&d.now)
				continue
			} else if last >= 0 {
				ends[p], idle = idle[last], idle[:last]
			} else {
				ends[p] = new(Bits)
			}
			*ends[p] = d.now
		}
	}
}

// settle goes over the blocks until nothing changes.
func (d *Demand) settle() {
	g := d.g
	settled := make([]bool, len(g.Blocks))
	for again := true; again; {
		again = false
		for _, b := range slices.Backward(g.Order) {
			if settled[b] {
				continue
			}
			settled[b] = true
			d.leave(b)
			if !d.start[b].add(d.walk(b, nil)) {
				continue
			}
			for _, p := range g.Blocks[b].Pred {
				settled[p] = false
				again = again || g.Back(p, b)
			}
		}
	}
}

// add joins in what is demanded on another way.
func (b *Bits) add(o *Bits) (more bool) {
	for r, m := range o {
		more = more || m&^b[r] != 0
		b[r] |= m
	}
	return more
}

// before turns the bits demanded after instruction i into those before it.
func (d *Demand) before(i int) {
	if d.step != nil && d.step(i, &d.now) {
		return
	}
	in, args := &d.g.F.Insns[i], 0
	if in.IsCall() {
		args = d.arity(in)
	}
	before(in, &d.now, args, d.floor)
}

// Walk visits the instructions of block b from its end to its start with the
// bits demanded after each, and returns those demanded before the first. They are
// good until the next walk.
func (d *Demand) Walk(b int32, visit Visit) (start *Bits) {
	d.leave(b)
	return d.walk(b, visit)
}

// Start returns the bits demanded at the start of block b, which is reached.
func (d *Demand) Start(b int32) Bits { return d.start[b] }

// walk is Walk from what is demanded now. visit may be nil.
func (d *Demand) walk(b int32, visit Visit) (start *Bits) {
	for i := d.g.Blocks[b].End - 1; i >= d.g.Blocks[b].Start; i-- {
		if visit != nil {
			visit(i, &d.now)
		}
		d.before(i)
	}
	return &d.now
}

// leave starts a walk with what is demanded at the end of block b.
func (d *Demand) leave(b int32) {
	d.now = Bits{}
	for _, s := range d.g.Blocks[b].Succ {
		for r, m := range &d.start[s] {
			d.now[r] |= m
		}
	}
}

// Before turns the bits demanded after in into those demanded before it. A
// result that nobody looks at still makes its operands live, by one bit: the
// instruction stays, and the kernel wants what it reads to be initialised.
func Before(in *code.Insn, d *Bits, args int) { before(in, d, args, 1) }

// before is Before, with floor for the bits that an operand has when none of
// them is looked at.
func before(in *code.Insn, d *Bits, args int, floor uint64) {
	switch class := in.OpCode.Class(); {
	case class.IsALU():
		beforeALU(in, d, floor)
	case class == asm.LdXClass:
		d[in.Dst] = 0
		d[in.Src] = all
	case class == asm.StClass:
		d[in.Dst] = all
	case class == asm.StXClass:
		beforeStore(in, d)
	case class == asm.LdClass && in.OpCode.IsDWordLoad():
		d[in.Dst] = 0
	case class == asm.LdClass: // legacy packet loads: r6 and r0-r5, not in XDP
		for r := asm.R0; r <= asm.R6; r++ {
			d[r] = all
		}
	case in.IsCall():
		for r := asm.R0; r <= asm.R5; r++ {
			d[r] = 0
		}
		for r := asm.R1; int(r) <= args; r++ {
			d[r] = all
		}
	case in.IsExit():
		*d = Bits{asm.R0: all}
	case in.IsBranch() && !in.IsGoto() && !in.IsMayGoto():
		beforeCompare(in, d, floor)
	}
}

func beforeStore(in *code.Insn, d *Bits) {
	size := all
	if n := in.OpCode.Size().Sizeof() * 8; n < 64 {
		size = 1<<n - 1
	}
	atomic := in.OpCode.Mode() == asm.AtomicMode
	if r, ok := Fetched(in); ok && atomic {
		d[r] = 0
	}
	if atomic && in.OpCode.AtomicOp() == loadAcquire {
		d[in.Src] = all
		return
	}
	if atomic && in.OpCode.AtomicOp() == asm.CmpXchg {
		d[asm.R0] = size
	}
	d[in.Dst] = all
	d[in.Src] |= size
}

// Atomic operations that cilium/ebpf keeps to itself (linux/bpf.h, 6.15).
const (
	fetch       asm.AtomicOp = 0x0100  // the old value goes to the source register
	loadAcquire asm.AtomicOp = 0x10000 // a load, though of the class of stores
)

// Fetched is the register that an atomic operation writes, if there is one.
func Fetched(in *code.Insn) (asm.Register, bool) {
	switch op := in.OpCode.AtomicOp(); op {
	case asm.CmpXchg:
		return asm.R0, true
	case loadAcquire:
		return in.Dst, true
	default:
		return in.Src, op&fetch != 0
	}
}

// Reads is the registers that an atomic operation reads.
func Reads(in *code.Insn) []asm.Register {
	switch in.OpCode.AtomicOp() {
	case asm.CmpXchg:
		return []asm.Register{asm.R0, in.Dst, in.Src}
	case loadAcquire:
		return []asm.Register{in.Src}
	}
	return []asm.Register{in.Dst, in.Src}
}

func beforeCompare(in *code.Insn, d *Bits, floor uint64) {
	m := all
	if in.OpCode.Class() == asm.Jump32Class {
		m = low32
	}
	if in.OpCode.Source() == asm.RegSource {
		d[in.Dst] |= m
		d[in.Src] |= m
		return
	}
	switch op, k := in.OpCode.JumpOp(), in.Constant; {
	case op == asm.JSet:
		if m &= uint64(k); m == 0 { // never taken, and yet it reads
			m = floor
		}
	case (op == asm.JSLT || op == asm.JSGE) && k == 0, (op == asm.JSGT || op == asm.JSLE) && k == -1:
		m &^= m >> 1 // the sign decides
	}
	d[in.Dst] |= m
}

// upTo fills the bits below m's highest: what carries can come from.
func upTo(m uint64) uint64 {
	if m == 0 {
		return 0
	}
	return all >> (64 - bits.Len64(m))
}

func beforeALU(in *code.Insn, d *Bits, floor uint64) {
	op, reg := in.OpCode.ALUOp(), in.OpCode.Source() == asm.RegSource
	width := all
	if in.OpCode.Class() == asm.ALUClass {
		width = low32
	}
	m := d[in.Dst] & width
	if m == 0 {
		m = floor
	}
	k := uint(in.Constant)
	dst, src := all&width, all&width // what the operation reads, unless told better below
	switch op {
	case asm.Mov:
		dst, src = 0, m
	case asm.MovSX8:
		dst, src = 0, signed(m, 8)
	case asm.MovSX16:
		dst, src = 0, signed(m, 16)
	case asm.MovSX32:
		dst, src = 0, signed(m, 32)
	case asm.And:
		dst, src = m, m
		if !reg {
			dst = m & uint64(in.Constant)
		}
	case asm.Or:
		dst, src = m, m
		if !reg {
			dst = m &^ uint64(in.Constant)
		}
	case asm.Xor:
		dst, src = m, m
	case asm.LSh:
		if !reg && k < 64 {
			dst = m >> k
		}
	case asm.RSh:
		if !reg && k < 64 {
			dst = m << k & width
		}
	case asm.ArSh:
		if !reg && k < 64 {
			dst = m << k & width
			if m&^(width>>k) != 0 {
				dst |= width &^ (width >> 1)
			}
		}
	case asm.Add, asm.Sub, asm.Mul, asm.Neg:
		dst, src = upTo(m), upTo(m)
	case asm.Swap:
		dst, reg = all, false
		if k < 64 {
			dst = 1<<k - 1
		}
	}
	if dst == 0 && op != asm.Mov && op != asm.MovSX8 && op != asm.MovSX16 && op != asm.MovSX32 {
		dst = floor
	}
	d[in.Dst] = dst
	if reg {
		d[in.Src] |= src
	}
}

// signed is what a sign-extension from n bits reads when m is looked at.
func signed(m uint64, n uint) uint64 {
	low := m & (1<<n - 1)
	if m>>(n-1) != 0 {
		low |= 1 << (n - 1)
	}
	return low
}
