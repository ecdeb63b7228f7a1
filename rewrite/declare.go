package rewrite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
)

// The names of the contract with programs, bpf/hintjit.h.
const (
	hintFunc   = "hintjit_rx"
	hintStruct = "hintjit_rx"
	flavour    = "___" // hintjit_rx___anything, as in CO-RE
	hasPrefix  = "has_"
)

// declaration is a struct hintjit_rx as one program declares it: its own
// choice of members, in its own order.
type declaration struct {
	typ     *btf.Struct
	size    uint32 // bytes
	members []member
	number  int32 // its place in declarations.list, from 1 on
	visited int   // members looked at, anonymous ones among them
}

// member is one member of a declaration, anonymous structs and unions opened.
type member struct {
	name string
	// bit is where it starts and width how many bits it has, in BTF's counting:
	// from the struct's start, in memory order of bytes, and inside a byte from
	// the least significant bit on little-endian machines, from the most
	// significant on big-endian ones.
	bit, width uint32
	integer    bool // false: an array, a struct, a pointer ...
}

// has tells whether m is a presence bit, and of which hint.
func (m *member) has() (hint string, ok bool) { return strings.CutPrefix(m.name, hasPrefix) }

// position returns where the member's bits come to lie in a register that
// loads n bytes at off: shifted left by shift bits (right when negative).
func (m *member) position(off int64, n int, order binary.ByteOrder) (shift int) {
	rel := int(m.bit) - int(off)*8
	if order == binary.LittleEndian {
		return rel
	}
	return n*8 - rel - int(m.width)
}

// isHintStruct tells whether name is the hint struct's or a flavour of it.
func isHintStruct(name string) bool {
	return name == hintStruct || strings.HasPrefix(name, hintStruct+flavour)
}

// asHintStruct strips typedefs and qualifiers and returns the hint struct that
// t is, nil when it is none.
func asHintStruct(t btf.Type) *btf.Struct {
	if t == nil {
		return nil
	}
	s, ok := btf.As[*btf.Struct](t)
	if !ok || !isHintStruct(s.Name) {
		return nil
	}
	return s
}

// declarations finds and keeps the hint structs of a unit.
type declarations struct {
	byType map[*btf.Struct]*declaration
	main   *declaration // what hintjit_rx returns a pointer to; nil: never called
	list   []*declaration
}

// declare reads the hint struct that extern hintjit_rx is declared to return.
func declare(u *code.Unit) (*declarations, error) {
	ds := &declarations{byType: map[*btf.Struct]*declaration{}}
	for _, x := range u.Externs {
		if x.Name != hintFunc {
			continue
		}
		s, err := returned(x.Type)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", hintFunc, err)
		}
		ds.main = ds.of(s)
	}
	return ds, nil
}

var errPrototype = errors.New(
	"declared otherwise than `const struct hintjit_rx *hintjit_rx(struct xdp_md *ctx)`: include bpf/hintjit.h or copy its prototype")

func returned(f *btf.Func) (*btf.Struct, error) {
	if f == nil {
		return nil, errors.New("the object has no BTF that tells its type: compile with -g")
	}
	proto, ok := f.Type.(*btf.FuncProto)
	if !ok {
		return nil, errPrototype
	}
	ptr, ok := btf.As[*btf.Pointer](proto.Return)
	if !ok || len(proto.Params) != 1 {
		return nil, errPrototype
	}
	s := asHintStruct(ptr.Target)
	if s == nil {
		return nil, errPrototype
	}
	return s, nil
}

// of returns the declaration for s, reading it the first time.
func (ds *declarations) of(s *btf.Struct) *declaration {
	if d, ok := ds.byType[s]; ok {
		return d
	}
	d := &declaration{typ: s, size: s.Size}
	d.open(s.Members, 0, 0)
	ds.byType[s] = d
	ds.list = append(ds.list, d)
	d.number = int32(len(ds.list))
	return d
}

// maxNesting bounds anonymous structs in structs, which BTF could make endless;
// maxMembers what there is in all, for a few of them nested make any number.
const (
	maxNesting = 8
	maxMembers = 1024
)

func (d *declaration) open(members []btf.Member, base uint32, depth int) {
	for _, m := range members {
		if d.visited++; d.visited > maxMembers {
			return
		}
		bit := base + uint32(m.Offset)
		if m.Name == "" && depth < maxNesting {
			switch t := btf.UnderlyingType(m.Type).(type) {
			case *btf.Struct:
				d.open(t.Members, bit, depth+1)
				continue
			case *btf.Union:
				d.open(t.Members, bit, depth+1)
				continue
			}
		}
		d.members = append(d.members, declaredMember(m, bit))
	}
}

func declaredMember(m btf.Member, bit uint32) member {
	out := member{name: m.Name, bit: bit}
	switch t := btf.UnderlyingType(m.Type).(type) {
	case *btf.Int:
		out.width, out.integer = t.Size*8, true
	case *btf.Enum:
		out.width, out.integer = t.Size*8, true
	default:
		if n, err := btf.Sizeof(m.Type); err == nil {
			out.width = uint32(n) * 8
		}
	}
	if m.BitfieldSize > 0 {
		out.width = uint32(m.BitfieldSize)
	}
	return out
}

// accessed returns the name of the member that a CO-RE access path ends at: the
// outermost named one.
func accessed(s *btf.Struct, access []int) (string, error) {
	members := s.Members
	if len(access) < 2 || access[0] != 0 {
		return "", fmt.Errorf("access %v into struct %s is not to one of its members", access, s.Name)
	}
	for _, i := range access[1:] {
		if i < 0 || i >= len(members) {
			return "", fmt.Errorf("access %v: struct %s has no such member", access, s.Name)
		}
		if members[i].Name != "" {
			return members[i].Name, nil
		}
		switch t := btf.UnderlyingType(members[i].Type).(type) {
		case *btf.Struct:
			members = t.Members
		case *btf.Union:
			members = t.Members
		default:
			return "", nil // an unnamed bit-field: padding
		}
	}
	return "", nil // the anonymous struct itself
}
