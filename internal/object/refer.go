package object

import (
	"debug/elf"
	"fmt"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// refer makes an instruction refer to what it should from its new place: by its
// constant, and by a relocation where one is needed (kind 0: none).
func (e *encoder) refer(fn int, in *code.Insn, offset uint64) (reloc, error) {
	before := e.f.unit.Funcs[fn].Insns
	if in.Origin >= 0 && int(in.Origin) >= len(before) {
		return reloc{}, fmt.Errorf("comes from instruction %d, the function had %d", in.Origin, len(before))
	}
	if in.Ref.Kind == code.RefNone && !refers(in) {
		return reloc{}, nil
	}
	var old reloc
	same := false
	if in.Origin >= 0 {
		old = e.f.functions[fn].relocs[in.Origin]
		was := &before[in.Origin]
		same = was.OpCode == in.OpCode && was.Ref == in.Ref
	}
	r := reloc{offset: offset, kind: old.kind, symbol: old.symbol}
	if in.Ref.Kind == code.RefNone {
		if !same {
			r.kind = 0
		}
		return r, nil
	}
	switch {
	case in.OpCode.IsDWordLoad():
		r.kind = relWide
	case in.IsCall() && in.Ref.Kind != code.RefTable:
		r.kind = relCall
	default:
		return reloc{}, fmt.Errorf("can not refer to %v", in.Ref)
	}
	if in.Ref.Index < 0 || int(in.Ref.Index) >= e.count(in.Ref.Kind) {
		return reloc{}, fmt.Errorf("refers to number %d of %d", in.Ref.Index, e.count(in.Ref.Kind))
	}
	switch in.Ref.Kind {
	case code.RefFunc:
		if same && old.kind == 0 {
			setDistance(in, int64(e.starts[in.Ref.Index])-int64(offset))
			return reloc{}, nil
		}
		if !same || e.unused[old.symbol] {
			r.symbol = e.functionSymbol(int(in.Ref.Index), in.IsCall())
			in.Src = pseudoCall(in)
		}
		setAddend(in, int64(e.starts[in.Ref.Index])-int64(e.elf.symbols[r.symbol].value))
	case code.RefExtern:
		r.symbol = e.externs[in.Ref.Index]
		if !same {
			in.Src = pseudoCall(in)
			setAddend(in, 0)
		}
	case code.RefTable:
		r.symbol = e.tableSymbol
		in.Src = 0
		in.Constant += int64(e.tables[in.Ref.Index].offset)
	}
	return r, nil
}

// refers tells whether an instruction is one of those that may refer to something,
// and have a relocation.
func refers(in *code.Insn) bool { return in.IsCall() || in.OpCode.IsDWordLoad() }

func (e *encoder) count(kind code.RefKind) int {
	switch kind {
	case code.RefFunc:
		return len(e.linked)
	case code.RefExtern:
		return len(e.externs)
	case code.RefTable:
		return len(e.tables)
	}
	return 0
}

// pseudoCall is the source register that tells a call of a function or kfunc
// from one of a helper. Addresses get theirs from the loader.
func pseudoCall(in *code.Insn) asm.Register {
	if in.IsCall() {
		return asm.PseudoCall
	}
	return 0
}

// setDistance is for a call within the section that no relocation describes.
func setDistance(in *code.Insn, bytes int64) { in.Constant = bytes/slotSize - 1 }

// setAddend says how far behind its symbol a function is: in slots from the one
// after the call, or in bytes.
func setAddend(in *code.Insn, bytes int64) {
	if in.IsCall() {
		setDistance(in, bytes)
		return
	}
	in.Constant = bytes
}

// functionSymbol is the symbol by which to refer to a function. cilium/ebpf takes
// local functions and all addresses by their section only.
func (e *encoder) functionSymbol(fn int, call bool) int {
	own := e.f.functions[fn].symbol
	if call && e.elf.symbols[own].bind() != elf.STB_LOCAL {
		return own
	}
	return e.sectionSymbol(elf.SectionIndex(e.f.functions[fn].section.index))
}
