package equivalence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/layouts"
)

// The names of the contract with programs, bpf/hintjit.h.
const (
	hintFunc  = "hintjit_rx"
	hasPrefix = "has_"
	flavour   = "___"
)

// meaning is what hintjit_rx gives to the original: memory that holds the struct
// as the program declares it, and behind it the struct's flavours, each as it is
// declared.
type meaning struct {
	order   binary.ByteOrder
	structs []*btf.Struct
	at      map[*btf.Struct]int
	size    int
}

// newMeaning finds the structs of a unit and answers its CO-RE records about
// them, as a loader would if a kernel had these types. Records about the kernel's
// own stay: the kernel's types are those of the program, whose compiler has put
// the numbers in.
func newMeaning(u *code.Unit, gives *layouts.Descriptor) (*meaning, error) {
	m := &meaning{order: u.Order, at: map[*btf.Struct]int{}}
	for _, x := range u.Externs {
		if s := returned(x); s != nil {
			m.add(s)
		}
	}
	for _, f := range u.Funcs {
		for i := range f.Insns {
			in := &f.Insns[i]
			s := hintStruct(in.CORE)
			if s == nil {
				continue
			}
			m.add(s)
			if err := m.answer(in, s, gives); err != nil {
				return nil, fmt.Errorf("%s: instruction %d: %w", f.Name, i, err)
			}
		}
	}
	return m, nil
}

// returned is the struct that hintjit_rx is declared to return a pointer to.
func returned(x code.Extern) *btf.Struct {
	if x.Name != hintFunc || x.Type == nil {
		return nil
	}
	proto, ok := x.Type.Type.(*btf.FuncProto)
	if !ok {
		return nil
	}
	ptr, ok := btf.As[*btf.Pointer](proto.Return)
	if !ok {
		return nil
	}
	s, _ := btf.As[*btf.Struct](ptr.Target)
	return s
}

// hintStruct is the hint struct that a record is about, nil when it is none.
func hintStruct(c *code.CORE) *btf.Struct {
	if c == nil || c.Type == nil {
		return nil
	}
	s, ok := btf.As[*btf.Struct](c.Type)
	if !ok || s.Name != hintFunc && !strings.HasPrefix(s.Name, hintFunc+flavour) {
		return nil
	}
	return s
}

func (m *meaning) add(s *btf.Struct) {
	if _, known := m.at[s]; known {
		return
	}
	m.structs = append(m.structs, s)
	m.at[s] = m.size
	m.size += (int(s.Size) + 7) &^ 7
}

// answer answers one record about a struct. What is not about a bit-field or about
// what there is stays: the types are the program's own.
func (m *meaning) answer(in *code.Insn, s *btf.Struct, gives *layouts.Descriptor) error {
	name, member, err := reached(s, in.CORE.Access)
	if err != nil {
		return err
	}
	kind := in.CORE.Kind
	if kind == code.FieldExists {
		in.Constant = 0
		if gives.Hint(strings.TrimPrefix(name, hasPrefix)) != nil {
			in.Constant = 1
		}
		return nil
	}
	class := in.OpCode.Class()
	accesses := class.IsLoad() && !in.OpCode.IsDWordLoad() || class.IsStore()
	if kind == code.FieldByteOffset && accesses {
		if size := btf.Bits(in.OpCode.Size().Sizeof()); member.BitfieldSize > 0 {
			in.Offset = int16(member.Offset / 8 / size * size)
		}
		in.Offset += int16(m.at[s])
		return nil
	}
	if member.BitfieldSize == 0 {
		if kind == code.FieldByteOffset {
			in.Constant += int64(m.at[s])
		}
		return nil
	}
	start, size, err := storage(member)
	if err != nil {
		return err
	}
	first := member.Offset - 8*start
	switch kind {
	case code.FieldByteOffset:
		in.Constant = int64(start) + int64(m.at[s])
	case code.FieldByteSize:
		in.Constant = int64(size)
	case code.FieldRShiftU64:
		in.Constant = int64(64 - member.BitfieldSize)
	case code.FieldLShiftU64:
		in.Constant = int64(64 - first - member.BitfieldSize)
		if m.order.Uint16([]byte{1, 0}) == 1<<8 {
			in.Constant = int64(64 - 8*size + first)
		}
	}
	return nil
}

// storage is the integer that a bit-field is read by: of its declared type, or
// larger where it lies across two of these (bpf_core_calc_field_relo in libbpf's
// relo_core.c).
func storage(member btf.Member) (start, size btf.Bits, err error) {
	n, err := btf.Sizeof(member.Type)
	for size = btf.Bits(n); err == nil && size > 0 && size <= 8; size *= 2 {
		if start = member.Offset / 8 / size * size; member.Offset+member.BitfieldSize <= 8*(start+size) {
			return start, size, nil
		}
	}
	return 0, 0, fmt.Errorf("bit-field %s is wider than any load", member.Name)
}

// reached is the member that a record's access leads to, with its offset in the
// whole struct.
func reached(s *btf.Struct, access []int) (string, btf.Member, error) {
	var typ btf.Type = s
	var at btf.Bits
	var last btf.Member
	for _, i := range access[min(1, len(access)):] {
		members := membersOf(typ)
		if i < 0 || i >= len(members) {
			return "", last, fmt.Errorf("a CO-RE record leads nowhere in struct %s", s.Name)
		}
		last = members[i]
		at += last.Offset
		typ = last.Type
	}
	last.Offset = at
	return last.Name, last, nil
}

func membersOf(t btf.Type) []btf.Member {
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		return t.Members
	case *btf.Union:
		return t.Members
	}
	return nil
}

// memory lays out what hintjit_rx points to.
func (m *meaning) memory(hints map[string]uint64) []byte {
	data := make([]byte, m.size)
	for _, s := range m.structs {
		m.fill(data[m.at[s]:], s.Members, 0, hints)
	}
	return data
}

// fill writes the members of a struct that stands at a bit offset.
func (m *meaning) fill(data []byte, members []btf.Member, base btf.Bits, hints map[string]uint64) {
	for _, member := range members {
		at := base + member.Offset
		t, ok := btf.UnderlyingType(member.Type).(*btf.Int)
		if !ok {
			m.fill(data, membersOf(member.Type), at, hints)
			continue
		}
		v, present := hints[member.Name]
		if hint, ok := strings.CutPrefix(member.Name, hasPrefix); ok {
			_, present = hints[hint]
			v = 1
		}
		if !present {
			continue // in a union a 0 would clear another member
		}
		size := member.BitfieldSize
		if size == 0 {
			size = btf.Bits(8 * t.Size)
		}
		m.setBits(data, at, size, v)
	}
}

// setBits writes a number of that many bits, over zeros. BTF counts bits from the
// end of a byte that the byte order starts with.
func (m *meaning) setBits(data []byte, at, size btf.Bits, v uint64) {
	big := m.order.Uint16([]byte{1, 0}) == 1<<8
	for i := range size {
		bit := byte(v>>i&1) << ((at + i) % 8)
		if big {
			bit = byte(v>>(size-1-i)&1) << (7 - (at+i)%8)
		}
		if int((at+i)/8) < len(data) {
			data[(at+i)/8] |= bit
		}
	}
}

// declares lists the hints that the structs have members for.
func (m *meaning) declares() map[string]bool {
	out := map[string]bool{}
	var note func(members []btf.Member)
	note = func(members []btf.Member) {
		for _, member := range members {
			if member.Name != "" {
				out[strings.TrimPrefix(member.Name, hasPrefix)] = true
			}
			note(membersOf(member.Type))
		}
	}
	for _, s := range m.structs {
		note(s.Members)
	}
	return out
}

var errNoStruct = errors.New("calls hintjit_rx, and its types do not tell what that returns")

// check says why the original has no meaning.
func (m *meaning) check(u *code.Unit) error {
	for _, f := range u.Funcs {
		for i := range f.Insns {
			in := &f.Insns[i]
			called := in.Ref.Kind == code.RefExtern && int(in.Ref.Index) < len(u.Externs) && u.Externs[in.Ref.Index].Name == hintFunc
			if called && len(m.structs) == 0 {
				return errNoStruct
			}
			if called && in.OpCode.IsDWordLoad() && in.Src != asm.R0 {
				return errors.New("takes the address of hintjit_rx")
			}
		}
	}
	return nil
}
