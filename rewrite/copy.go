package rewrite

import (
	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/layouts"
)

// buildCopy makes the struct in memory, as the program declares it, for a
// pointer that is used in other ways than by loads: padding and absent hints
// are 0.
func (p *plan) buildCopy(e *emitter) {
	for off := 0; off < int(p.main.size); off += 8 {
		e.zeroStack(p.copyAt + off)
	}
	done := map[string]bool{}
	for i := range p.main.members {
		m := &p.main.members[i]
		h, _ := p.t.hint(m)
		if h == nil || done[h.Name] {
			continue
		}
		done[h.Name] = true
		p.copyHint(e, h)
	}
}

// copyHint stores one hint and its presence bit, where the struct has them.
func (p *plan) copyHint(e *emitter, h *layouts.Hint) {
	if p.crowded && p.maskable(e.insn, h) {
		p.copyMasked(e, h)
		return
	}
	e.either(p.decision(e.insn, h), func(a *layouts.Alternative, untranslated int) {
		t, free := e.temp()
		if partial(a) || p.declares(h.Name) {
			e.value(t, h, a, slice{0, h.Decl.Bytes * 8}, untranslated)
		}
		p.eachMember(h.Name, func(m *member) { p.copyValue(e, p.copyAt+int(m.bit/8), t, h.Decl.Bytes) })
		p.eachMember(hasPrefix+h.Name, func(m *member) {
			e.op(asm.Mov.Imm(t, 1))
			p.copyBit(e, m, t)
		})
		free()
	})
}

// copyValue stores size bytes of r at r10 + off; in single bytes where a packed
// struct has them across a boundary, which the kernel does not take on the
// stack (kernel/bpf/verifier.c, check_ptr_alignment: strict for PTR_TO_STACK).
func (p *plan) copyValue(e *emitter, off int, r asm.Register, size int) {
	if off%size == 0 {
		e.op(asm.StoreMem(asm.R10, int16(off), r, sizeOf(size)))
		return
	}
	for i := 0; i < size; i++ {
		at := off + i
		if p.t.bigEndian() {
			at = off + size - 1 - i
		}
		e.op(asm.StoreMem(asm.R10, int16(at), r, asm.Byte))
		if i < size-1 {
			e.op(asm.RSh.Imm(r, 8))
		}
	}
}

func (p *plan) declares(name string) bool {
	for i := range p.main.members {
		if p.main.members[i].name == name {
			return true
		}
	}
	return false
}

// copyBit ors the bit 0 that is in r into a presence bit in memory.
func (p *plan) copyBit(e *emitter, m *member, r asm.Register) {
	at, bit := m.bit/8, m.bit%8
	if p.t.bigEndian() {
		last := m.bit + m.width - 1
		at, bit = last/8, 7-last%8
	}
	off := int16(p.copyAt + int(at))
	t, free := e.temp()
	defer free()
	if bit > 0 {
		e.op(asm.LSh.Imm(r, int32(bit)))
	}
	e.op(asm.LoadMem(t, asm.R10, off, asm.Byte))
	e.op(asm.Or.Reg(t, r))
	e.op(asm.StoreMem(asm.R10, off, t, asm.Byte))
}

// copyMasked is copyHint without a branch.
func (p *plan) copyMasked(e *emitter, h *layouts.Hint) {
	there, free := e.temp()
	defer free()
	e.present(there, h)
	p.eachMember(h.Name, func(m *member) {
		v, free := e.temp()
		defer free()
		e.value(v, h, &h.Alternatives[0], slice{0, h.Decl.Bytes * 8}, 0)
		e.op(asm.Neg.Imm(there, 0)) // all ones or none
		e.op(asm.And.Reg(v, there))
		e.op(asm.Neg.Imm(there, 0))
		p.copyValue(e, p.copyAt+int(m.bit/8), v, h.Decl.Bytes)
	})
	p.eachMember(hasPrefix+h.Name, func(m *member) { p.copyBit(e, m, there) })
}

// eachMember visits the members of that name: one, or none.
func (p *plan) eachMember(name string, do func(m *member)) {
	for i := range p.main.members {
		if p.main.members[i].name == name {
			do(&p.main.members[i])
			return
		}
	}
}
