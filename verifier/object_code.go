package verifier

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
)

// slotAt is an instruction of 8 bytes as the file has it.
type slotAt struct {
	op       uint8
	src      uint8
	offset   int16
	constant int32
	regs     uint8
}

func (m *image) slotAt(a *codeImage, i int) slotAt {
	b := a.data[i*slot:]
	s := slotAt{op: b[0], regs: b[1], src: b[1] >> 4, offset: int16(m.order.Uint16(b[2:])), constant: int32(m.order.Uint32(b[4:]))}
	if m.order == binary.ByteOrder(binary.BigEndian) { // the fields of the byte are the other way round
		s.src = b[1] & 0xf
	}
	return s
}

// Parts of opcodes (Documentation/bpf/standardization/instruction-set.rst, 6.12).
const (
	classMask  = 7
	classLdx   = 1
	classSt    = 2
	classStx   = 3
	classALU   = 4
	classJmp   = 5
	classJmp32 = 6
	classALU64 = 7
	opMask     = 0xf0
	opCall     = 0x80
	opExit     = 0x90
	opJa       = 0x00
	sourceReg  = 8
	modeMask   = 0xe0
	modeMem    = 0x60
	modeMemSX  = 0x80
	pseudoCall = 1
)

func (s slotAt) class() uint8 { return s.op & classMask }

func (s slotAt) isCall() bool { return s.class() == classJmp && s.op&opMask == opCall }

// jump returns how many slots a branch goes from the instruction after it.
func (s slotAt) jump() (distance int, ok bool) {
	switch class := s.class(); {
	case class != classJmp && class != classJmp32, s.op&opMask == opCall, s.op&opMask == opExit:
		return 0, false
	case class == classJmp32 && s.op&opMask == opJa:
		return int(s.constant), true
	}
	return int(s.offset), true
}

// patchable tells whether loaders can put an answer into the instruction
// (bpf_core_patch_insn in libbpf's relo_core.c).
func (s slotAt) patchable() bool {
	switch s.class() {
	case classALU, classALU64:
		return s.op&sourceReg == 0
	case classLdx, classSt, classStx:
		return s.op&modeMask == modeMem || s.op&modeMask == modeMemSX
	}
	return s.op == wideLoad && s.src == 0
}

// checkCode: sections decode to their end, and branches and calls land on
// instructions: a branch in its function, a call on the start of one.
func (c *objectChecker) checkCode() {
	for _, n := range c.codeSections() {
		a := c.code[n]
		if len(a.data)%slot != 0 {
			c.report("instruction", "section "+a.name, "%d bytes are no whole number of instructions", len(a.data))
		}
		relocated := c.relocated(n)
		var f *symbolFunc
		for i := range a.start {
			if !a.start[i] {
				continue
			}
			if at := uint64(i * slot); f == nil || at >= f.end {
				f = a.function(at)
			}
			c.checkSlot(a, f, i, relocated)
		}
	}
}

// relocated are the slots of a section that have a relocation.
func (c *objectChecker) relocated(n int) map[int]bool {
	out := map[int]bool{}
	for i, s := range c.sections {
		if s.Type == elf.SHT_REL && int(s.Info) == n {
			for _, r := range c.relocs(i) {
				out[int(r.offset/slot)] = true
			}
		}
	}
	return out
}

func (c *objectChecker) checkSlot(a *codeImage, f *symbolFunc, i int, relocated map[int]bool) {
	if f == nil { // between functions, where nothing runs
		return
	}
	in := c.slotAt(a, i)
	where := func() string { return fmt.Sprintf("section %s: byte %d", a.name, i*slot) }
	if in.op == wideLoad {
		if uint64(i+1)*slot >= f.end {
			c.report("instruction", where(), "is a wide load without its second half")
		} else if second := c.slotAt(a, i+1); second.op != 0 || second.regs != 0 || second.offset != 0 {
			c.report("instruction", where(), "is a wide load whose second half is an instruction")
		}
		return
	}
	if distance, ok := in.jump(); ok {
		to := (i + 1 + distance) * slot
		if to < int(f.start) || to >= int(f.end) || !a.starts(uint64(to)) {
			c.report("jump", where(), "leads to byte %d, function %s has %d to %d", to, f.name, f.start, f.end-1)
		}
	}
	if in.isCall() && in.src == pseudoCall && !relocated[i] {
		if to := (i + 1 + int(in.constant)) * slot; !a.startsFunction(to) {
			c.report("jump", where(), "calls what is at byte %d, where no function starts", to)
		}
	}
}

func (a *codeImage) startsFunction(at int) bool {
	if at < 0 {
		return false
	}
	f := a.function(uint64(at))
	return f != nil && f.start == uint64(at)
}

// Relocation types (Documentation/bpf/llvm_reloc.rst, 6.12).
const (
	relWide = 1
	relCall = 10
)

// checkRelocations: each is on an instruction that can take it, which has one
// only, and names a symbol.
func (c *objectChecker) checkRelocations() {
	taken := map[[2]uint64]bool{} // section, offset
	for i, s := range c.sections {
		if s.Type != elf.SHT_REL {
			continue
		}
		if int(s.Info) >= len(c.sections) {
			c.report("relocation", s.Name, "is about section %d of %d", s.Info, len(c.sections))
			continue
		}
		target := c.sections[s.Info]
		for n, r := range c.relocs(i) {
			where := fmt.Sprintf("section %s: relocation %d", s.Name, n)
			switch sym := c.symbol(r.symbol); {
			case sym == nil:
				c.report("relocation", where, "symbol %d of %d", r.symbol, len(c.symbols))
			case r.offset >= target.Size:
				c.report("relocation", where, "is at byte %d of %d", r.offset, target.Size)
			case taken[[2]uint64{uint64(s.Info), r.offset}]:
				c.report("relocation", where, "is the second one at byte %d", r.offset)
			case c.code[int(s.Info)] != nil:
				c.checkReference(where, c.code[int(s.Info)], r, sym)
			}
			taken[[2]uint64{uint64(s.Info), r.offset}] = true
		}
	}
}

// checkReference: a relocation of code fits its instruction, and a function that
// it leads to starts there.
func (c *objectChecker) checkReference(where string, a *codeImage, r reloc, sym *elf.Symbol) {
	if !a.starts(r.offset) {
		c.report("relocation", where, "is at byte %d, where no instruction starts", r.offset)
		return
	}
	in := c.slotAt(a, int(r.offset/slot))
	to := int64(sym.Value)
	switch {
	case r.kind == relWide && in.op == wideLoad:
		to += int64(uint32(in.constant))
	case r.kind == relCall && in.isCall():
		to += (int64(in.constant) + 1) * slot
	default:
		c.report("relocation", where, "type %d at opcode %#x", r.kind, in.op)
		return
	}
	section := int(sym.Section)
	switch code := c.code[section]; {
	case sym.Section == elf.SHN_UNDEF || section >= len(c.sections):
	case code != nil && (to > int64(len(code.data)) || !code.startsFunction(int(to))):
		c.report("relocation", where, "leads to byte %d of section %s, where no function starts", to, code.name)
	case code == nil && in.isCall():
		c.report("relocation", where, "calls %q, which is no code", sym.Name)
	case c.sections[section].Name == tableSection && to >= int64(c.sections[section].Size):
		c.report("relocation", where, "leads to byte %d of %d in section %s", to, c.sections[section].Size, tableSection)
	}
}
