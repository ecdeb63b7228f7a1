package prove

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/bdd"
	"github.com/hintjit/hintjit/internal/code"
)

// answer is a function of the original with the CO-RE records about hint structs
// answered: whether a hint exists as the descriptor says, all else from the struct
// as it is declared, since that is what hintjit_rx is taken to return. Other
// records stay as compiled, in both programs.
func (s *side) answer(f *code.Func) ([]code.Insn, error) {
	insns := slices.Clone(f.Insns)
	for i := range insns {
		in := &insns[i]
		st := hintStruct(in.CORE)
		if st == nil {
			continue
		}
		m, bit, err := accessed(st, in.CORE.Access)
		if err != nil {
			return nil, fmt.Errorf("%s: instruction %d: %w", f.Name, i, err)
		}
		if in.CORE.Kind == code.FieldExists {
			name := strings.TrimPrefix(m.Name, "has_")
			in.Constant = int64(bdd.Bit(name == "" || s.meaning.Descriptor.Hint(name) != nil))
			continue
		}
		if m.BitfieldSize > 0 {
			s.answerBitField(in, m, bit)
		}
	}
	return insns, nil
}

// hintStruct is the hint struct that a record is about: hintjit_rx, or a flavour.
func hintStruct(c *code.CORE) *btf.Struct {
	if c == nil || c.Type == nil {
		return nil
	}
	st, ok := btf.As[*btf.Struct](c.Type)
	if name, _, _ := strings.Cut(c.Type.TypeName(), "___"); !ok || name != hintFunc {
		return nil
	}
	return st
}

// accessed is the member that a path leads to, the outermost that has a name, and
// at which bit of the struct it is.
func accessed(st *btf.Struct, path []int) (m btf.Member, bit btf.Bits, err error) {
	members := st.Members
	for _, i := range path[min(1, len(path)):] {
		if i < 0 || i >= len(members) {
			return m, 0, fmt.Errorf("struct %s has no member %v", st.Name, path)
		}
		m = members[i]
		bit += m.Offset
		if m.Name != "" {
			return m, bit, nil
		}
		switch t := btf.UnderlyingType(m.Type).(type) {
		case *btf.Struct:
			members = t.Members
		case *btf.Union:
			members = t.Members
		}
	}
	return m, bit, nil
}

// answerBitField says where a bit-field lies, as libbpf does (relo_core.c,
// bpf_core_calc_field_relo): in an integer of its type at a multiple of that one's
// size. A load of another size starts at a multiple of its own.
func (s *side) answerBitField(in *code.Insn, m btf.Member, bit btf.Bits) {
	n, err := btf.Sizeof(m.Type)
	if err != nil || n <= 0 {
		return
	}
	size := btf.Bits(n)
	class := in.OpCode.Class()
	if memory := class.IsLoad() || class.IsStore(); memory && !in.OpCode.IsDWordLoad() {
		size = btf.Bits(in.OpCode.Size().Sizeof())
		if in.CORE.Kind == code.FieldByteOffset {
			in.Offset = int16(bit / 8 / size * size)
		}
		return
	}
	for bit+m.BitfieldSize > (bit/8/size*size+size)*8 && size < 8 {
		size *= 2
	}
	start := bit / 8 / size * size
	switch in.CORE.Kind {
	case code.FieldByteOffset:
		in.Constant = int64(start)
	case code.FieldByteSize:
		in.Constant = int64(size)
	case code.FieldRShiftU64:
		in.Constant = int64(64 - m.BitfieldSize)
	case code.FieldLShiftU64:
		in.Constant = int64(64 - (bit + m.BitfieldSize - start*8))
		if s.big {
			in.Constant = int64((8-size)*8 + bit - start*8)
		}
	}
}

// flavoured lets an access through a flavour of the hint struct see that struct:
// its members have the names, and their own places.
func (s *side) flavoured(in *code.Insn, p *value) error {
	if !s.original || p.kind != pointer || p.region.kind != imageRegion || in.CORE == nil || in.CORE.Kind != code.FieldByteOffset {
		return nil
	}
	st := hintStruct(in.CORE)
	if st == nil || in.OpCode.Class().IsALU() && in.OpCode.ALUOp() != asm.Add {
		return nil
	}
	r, err := s.hintsOf(st)
	p.region = r
	return err
}
