package rewrite

import (
	"math/bits"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// emitter puts together the code that goes to one place. Registers are lent to
// it: temp hands out those that are free there, and when none is, one that is
// in use, saved on the stack before the code and restored after it.
type emitter struct {
	p        *plan
	insn     int // what the code stands in for, -1: a fetch
	code     []code.Insn
	labels   []int          // position of each label, -1 not placed yet
	jumps    map[int]int    // instruction -> label
	free     registers      // may be overwritten
	lent     registers      // handed out
	avoid    registers      // must keep their values: operands of this code
	borrowed []asm.Register // saved and restored
	zeroes   bool           // a value that is absent leaves 0 in its register
	slots    int            // of the stack below the plan's, taken by this code
	context  home           // where a fetch finds the context
	busy     registers      // of r0 to r5, those that a fetch may not lose although it calls
	spend    uint64         // words that a comparison may mask where they are kept: its last use
}

func newEmitter(p *plan, avoid registers) *emitter {
	return &emitter{p: p, insn: -1, code: make([]code.Insn, 0, 16), jumps: map[int]int{}, avoid: avoid}
}

func (e *emitter) op(ins asm.Instruction) { e.code = append(e.code, code.New(ins)) }

func (e *emitter) label() int {
	e.labels = append(e.labels, -1)
	return len(e.labels) - 1
}

// at places a label here.
func (e *emitter) at(label int) { e.labels[label] = len(e.code) }

// outside makes a label for an instruction of the function.
func (e *emitter) outside(target int32) int {
	e.labels = append(e.labels, -2-int(target))
	return len(e.labels) - 1
}

func (e *emitter) jump(in code.Insn, label int) {
	e.jumps[len(e.code)] = label
	e.code = append(e.code, in)
}

func (e *emitter) goTo(label int) { e.jump(code.Goto(code.NoTarget), label) }

// fallTo places a label here. A goto that leads nowhere else is dropped.
func (e *emitter) fallTo(label int) {
	last := len(e.code) - 1
	if to, ok := e.jumps[last]; ok && to == label && e.code[last].IsGoto() {
		delete(e.jumps, last)
		e.code = e.code[:last]
		for l := range e.labels {
			e.labels[l] = min(e.labels[l], last)
		}
	}
	e.at(label)
}

func (e *emitter) ifImm(op asm.JumpOp, r asm.Register, k int32, label int) {
	e.jump(code.IfImm(op, r, k, code.NoTarget), label)
}

func (e *emitter) ifReg(op asm.JumpOp, a, b asm.Register, label int) {
	e.jump(code.IfReg(op, a, b, code.NoTarget), label)
}

// temp lends a register until done is called.
func (e *emitter) temp() (r asm.Register, done func()) {
	set := e.free &^ e.lent
	if set == 0 {
		set = e.borrow()
	}
	r = asm.Register(bits.TrailingZeros16(uint16(set)))
	e.lent |= regset(r)
	return r, func() { e.lent &^= regset(r) }
}

// borrow frees a register by saving it on the stack. There should be one: words
// and the destination are in seven at most (see maxHomes), and no code holds
// more than three temporaries at a time.
func (e *emitter) borrow() registers {
	for r := asm.R9; r <= asm.R9; r-- {
		if x := regset(r); (e.avoid|e.lent|e.free)&x == 0 {
			e.borrowed = append(e.borrowed, r)
			e.free |= x
			return x
		}
	}
	e.p.short = true
	return regset(asm.R0)
}

// slot takes 8 bytes of stack for this code.
func (e *emitter) slot() int {
	e.slots++
	e.p.borrowed = max(e.p.borrowed, e.slots)
	return -e.p.bottom - 8*e.slots
}

// spare tells whether temp has a register that need not be saved.
func (e *emitter) spare() bool { return e.free&^e.lent != 0 }

// scratch lists the registers that are not in keep. Those come first that no
// call saves, and before all those in which no hint is computed later: the
// branch that finds no descriptor may then set the others (cleaner.thread).
func (e *emitter) scratch(keep registers) (out []asm.Register) {
	for _, later := range []bool{false, true} {
		for _, r := range []asm.Register{asm.R2, asm.R3, asm.R4, asm.R5, asm.R1, asm.R0} {
			if !keep.has(r) && e.p.results.has(r) == later {
				out = append(out, r)
			}
		}
	}
	for r := asm.R9; r >= asm.R6; r-- {
		if !keep.has(r) {
			out = append(out, r)
		}
	}
	return out
}

// finish resolves the labels and returns the code. Labels placed at its end
// mean whatever runs next. Registers that were borrowed are saved before it and
// restored on every way out.
func (e *emitter) finish() []code.Insn {
	var save, restore []code.Insn
	for _, r := range e.borrowed {
		slot := int16(e.slot())
		save = append(save, code.New(asm.StoreMem(asm.R10, slot, r, asm.DWord)))
		restore = append(restore, code.New(asm.LoadMem(r, asm.R10, slot, asm.DWord)))
	}
	body := len(e.code)
	e.code = append(e.code, restore...)
	if len(restore) > 0 {
		e.restoreOutside(restore)
	}
	for at, label := range e.jumps {
		if pos := e.labels[label]; pos <= -2 {
			e.code[at].Target = int32(-2 - pos)
		} else {
			e.code[at].Target = code.Here(pos + len(save))
		}
	}
	if len(save) == 0 {
		return e.code[:body]
	}
	return append(save, e.code...)
}

// restoreOutside sends the branches that leave the code by a landing of their
// own behind it, which restores what was borrowed.
func (e *emitter) restoreOutside(restore []code.Insn) {
	landings := map[int]int{}
	var outside []int
	for at := range e.code {
		label, ok := e.jumps[at]
		if !ok || e.labels[label] > -2 {
			continue
		}
		if _, ok := landings[label]; !ok {
			landings[label] = e.label()
			outside = append(outside, label)
		}
		e.jumps[at] = landings[label]
	}
	if len(outside) == 0 {
		return
	}
	end := e.label()
	e.goTo(end)
	for _, label := range outside {
		e.at(landings[label])
		e.code = append(e.code, restore...)
		e.goTo(label)
	}
	e.at(end)
}

// each visits the words of a set.
func (e *emitter) each(words uint64, do func(w *word)) {
	for ; words != 0; words &= words - 1 {
		do(&e.p.words[bits.TrailingZeros64(words)])
	}
}

// register is the home as a set: empty when it is on the stack.
func (h home) register() registers {
	if h.slot != 0 {
		return 0
	}
	return regset(h.reg)
}

// spends tells whether a comparison may overwrite the word.
func (e *emitter) spends(w *word) bool {
	for i := range e.p.words {
		if &e.p.words[i] == w {
			return e.spend>>i&1 != 0
		}
	}
	return false
}

// put stores a register into a home.
func (e *emitter) put(h home, r asm.Register) {
	switch {
	case h.slot != 0:
		e.op(asm.StoreMem(asm.R10, int16(h.slot), r, asm.DWord))
	case h.reg != r:
		e.op(asm.Mov.Reg(h.reg, r))
	}
}

// get loads what is at home into a register.
func (e *emitter) get(h home, r asm.Register) {
	switch {
	case h.slot != 0:
		e.op(asm.LoadMem(r, asm.R10, int16(h.slot), asm.DWord))
	case h.reg != r:
		e.op(asm.Mov.Reg(r, h.reg))
	}
}

// clear makes a word 0.
func (e *emitter) clear(w *word) {
	if w.home.slot != 0 {
		e.zeroStack(w.home.slot)
		return
	}
	e.op(asm.Mov.Imm(w.home.reg, 0))
}

// zeroStack stores 0 in 8 bytes at r10 + off. cilium/ebpf's StoreImm refuses 8
// bytes, since the constant has only 4; for 0 they are the same.
func (e *emitter) zeroStack(off int) {
	op := asm.OpCode(asm.StClass).SetMode(asm.MemMode).SetSize(asm.DWord)
	e.op(asm.Instruction{OpCode: op, Dst: asm.R10, Offset: int16(off)})
}

// bring loads a word from the descriptor at base + at and puts it into its home, in
// the machine's byte order. through may be overwritten.
func (e *emitter) bring(w *word, base asm.Register, at int, through asm.Register) {
	r := through
	if w.home.slot == 0 {
		r = w.home.reg
	}
	e.op(asm.LoadMem(r, base, int16(at+w.off), sizeOf(w.size)))
	if w.swap {
		e.op(e.swap(r, w.size))
	}
	if w.home.slot != 0 {
		e.op(asm.StoreMem(asm.R10, int16(w.home.slot), r, asm.DWord))
	}
}

// swap converts size bytes in r between the machine's byte order and the other
// one; what is above them becomes 0.
func (e *emitter) swap(r asm.Register, size int) asm.Instruction {
	to := asm.BE
	if e.p.t.bigEndian() {
		to = asm.LE
	}
	return asm.HostTo(to, r, sizeOf(size))
}

func sizeOf(n int) asm.Size {
	switch n {
	case 1:
		return asm.Byte
	case 2:
		return asm.Half
	case 4:
		return asm.Word
	}
	return asm.DWord
}

// copyTo makes dst a copy of the word, or of its bits [low, low+width) alone
// where they can be loaded alone. The kernel reads the stack at multiples of
// the size only (see copyValue).
func (e *emitter) copyTo(dst asm.Register, w *word, low, width int) (alone bool) {
	switch {
	case w.home.slot == 0:
		if dst != w.home.reg {
			e.op(asm.Mov.Reg(dst, w.home.reg))
		}
		return false
	case (width == 8 || width == 16 || width == 32) && low%width == 0:
		at := low / 8
		if e.p.t.bigEndian() {
			at = 8 - low/8 - width/8
		}
		e.op(asm.LoadMem(dst, asm.R10, int16(w.home.slot+at), sizeOf(width/8)))
		return true
	}
	e.op(asm.LoadMem(dst, asm.R10, int16(w.home.slot), asm.DWord))
	return false
}

// take makes dst the bits [low, low+width) of the word.
func (e *emitter) take(dst asm.Register, w *word, low, width int) {
	if e.copyTo(dst, w, low, width) {
		return
	}
	if low > 0 {
		e.op(asm.RSh.Imm(dst, int32(low)))
	}
	if low+width < w.size*8 {
		e.keepLow(dst, width)
	}
}

// keepLow clears all but the low n bits of r.
func (e *emitter) keepLow(r asm.Register, n int) {
	switch {
	case n >= 64:
	case n < 32:
		e.op(asm.And.Imm(r, int32(ones(n))))
	case n == 32:
		e.op(asm.Mov.Reg32(r, r))
	default:
		e.op(asm.LSh.Imm(r, int32(64-n)))
		e.op(asm.RSh.Imm(r, int32(64-n)))
	}
}
