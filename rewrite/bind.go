package rewrite

import (
	"fmt"
	"math"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/kernel"
	"github.com/hintjit/hintjit/layouts"
)

// binder tells where the kernel's structs have their members.
type binder interface {
	// member returns where m lies; its form says how it is to be read. An error
	// says that this kernel has no such member, or none that can be read so.
	member(m layouts.Member, form layouts.Integer) (spot, error)
	// exists answers whether the kernel has what q asks for: at once, or by a record that the
	// loader answers.
	exists(q layouts.Question) (answer bool, record *code.CORE)
	// size is a struct's.
	size(typ string) (spot, error)
	// address tells where a member lies whose address is taken; its form says of what
	// it is the address.
	address(m layouts.Member, form layouts.Integer) (spot, error)
	// enumerator is the number of one.
	enumerator(m layouts.Member) (spot, error)
	// carrier is the type id of the struct that memory is read as.
	carrier() spot
}

// spot is a number that an instruction needs about a struct.
type spot struct {
	n      int
	record *code.CORE // the loader puts the number in; n is what it has to find there
	size   int        // bytes to load
	// A bit-field is shifted down by low; or left and then right by what the
	// loader finds.
	low           int
	left, right   *code.CORE
	leftN, rightN int
	// On big-endian machines the shift left is one of the bytes of the bit-field's
	// declared type, which are the first of those loaded: as many as this finds.
	declared  *code.CORE
	declaredN int
}

// known are a kernel's types: every question is answered at once.
type known struct {
	kernel *kernel.Types
	module string
	ptr    kernel.Carrier
	big    bool
}

func (k *known) member(m layouts.Member, form layouts.Integer) (spot, error) {
	p, err := k.kernel.Member(k.module, m.Type, m.Path...)
	if err != nil {
		return spot{}, err
	}
	s := spot{n: p.Offset, size: p.Size}
	switch {
	case p.Bits > 0 && p.Enum != form.Enum:
		return s, fmt.Errorf("%v is not what the layout says: %v", m, form)
	case p.Bits > 0:
		if s.size > 8 || s.size&(s.size-1) != 0 {
			return s, fmt.Errorf("bit-field %v lies across %d bytes", m, s.size)
		}
		s.low = p.Bit
		if k.big {
			s.low = p.Size*8 - p.Bit - p.Bits
		}
		if p.Bits != form.Bits {
			return s, fmt.Errorf("bit-field %v has %d bits, the layout says %d", m, p.Bits, form.Bits)
		}
	case form.BitField || !p.Integer || p.Size > 8 || p.Enum != form.Enum: // as it has to be for a portable object
		return s, fmt.Errorf("%v is not what the layout says: %v", m, form)
	case form.Order != layouts.HostOrder && p.Size*8 != form.Bits:
		return s, fmt.Errorf("%v has %d bytes, the layout says %v", m, p.Size, form)
	}
	if s.n > farthest {
		return s, fmt.Errorf("%v lies %d bytes into its struct, and a load reaches %d", m, s.n, farthest)
	}
	if k.ptr.Size > 0 && s.n+s.size > k.ptr.Size && !typed[m.Type] {
		return s, fmt.Errorf("%v lies %d bytes into its struct, and %s, as which memory is read on this kernel, has %d",
			m, s.n, k.ptr.Type, k.ptr.Size)
	}
	return s, nil
}

func (k *known) exists(q layouts.Question) (bool, *code.CORE) {
	_, err := k.kernel.Member(k.module, q.Type, q.Path...)
	return err == nil, nil
}

func (k *known) size(typ string) (spot, error) {
	p, err := k.kernel.Member(k.module, typ)
	return spot{n: p.Size}, err
}

func (k *known) address(m layouts.Member, form layouts.Integer) (spot, error) {
	p, err := k.kernel.Member(k.module, m.Type, m.Path...)
	if err == nil && (p.Array != form.Array || !p.Array && p.Integer != (form.Bits > 0)) { // as it has to be for a portable object
		err = fmt.Errorf("%v is not of the kind that the layout says", m)
	}
	return spot{n: p.Offset, size: p.Size}, err
}

func (k *known) enumerator(m layouts.Member) (spot, error) {
	n, err := k.kernel.Enumerator(k.module, m.Type, m.Path[0])
	if err == nil && n > math.MaxInt32 { // an instruction would make a negative number of it
		err = fmt.Errorf("%v is %d in this kernel, which no walk can compare with", m, n)
	}
	return spot{n: int(n)}, err
}

func (k *known) carrier() spot { return spot{n: int(k.ptr.ID)} }

// typed are the structs of vmlinux that the verifier follows by itself from the
// context on: they are read without a cast.
var typed = map[string]bool{"xdp_buff": true, "xdp_rxq_info": true, "net_device": true}

// portable leaves every question to the loader, as CO-RE records. Each is about
// a struct of its own that has the one member that is asked for, at its start:
// that is all a record needs to find it by name.
type portable struct {
	big     bool
	structs map[asked]*btf.Struct
	enums   map[string]*btf.Enum
}

// asked is a member and how it is read.
type asked struct {
	typ, path string
	form      layouts.Integer
}

// ownFlavour tells the structs that are made here from the program's.
const ownFlavour = flavour + "walk"

func (p *portable) record(kind code.COREKind, m layouts.Member, form layouts.Integer) *code.CORE {
	key := asked{m.Type, strings.Join(m.Path, "."), form}
	s := p.structs[key]
	if s == nil {
		s = &btf.Struct{Name: m.Type + ownFlavour, Size: 8}
		s.Members = []btf.Member{p.local(m.Path, form)}
		p.structs[key] = s
	}
	access := make([]int, 1+len(m.Path))
	return &code.CORE{Type: s, Access: access, Kind: kind}
}

var (
	anyEnum   = &btf.Enum{Size: 4, Values: []btf.EnumValue{{Name: "hintjit_any"}}}
	bytePtr   = &btf.Pointer{Target: &btf.Void{}}
	unsigneds = map[int]*btf.Int{8: {Name: "unsigned char", Size: 1}, 16: {Name: "unsigned short", Size: 2},
		32: {Name: "unsigned int", Size: 4}, 64: {Name: "unsigned long long", Size: 8}}
)

// local declares the member that a path leads to. Its type has to be like the
// kernel's: a struct, an integer, or a pointer.
func (p *portable) local(path []string, form layouts.Integer) btf.Member {
	if len(path) == 0 {
		return btf.Member{Name: "size", Type: unsigneds[64]}
	}
	m := btf.Member{Name: path[0]}
	switch {
	case len(path) > 1:
		m.Type = &btf.Struct{Size: 8, Members: []btf.Member{p.local(path[1:], form)}}
	case form.BitField:
		m.Type, m.BitfieldSize = unsigneds[8], btf.Bits(form.Bits)
		if form.Enum {
			m.Type = anyEnum
		}
	case form.Array:
		form.Array = false
		m.Type = &btf.Array{Index: unsigneds[32], Type: p.local(path, form).Type, Nelems: 1}
	case form.Bits == 0:
		m.Type = &btf.Struct{Size: 8}
	case form.Pointer:
		m.Type = bytePtr
	case form.Enum: // one without a name is like every other (libbpf's relo_core.c, bpf_core_fields_are_compat)
		m.Type = anyEnum
	default:
		m.Type = unsigneds[form.Bits]
	}
	return m
}

func (p *portable) member(m layouts.Member, form layouts.Integer) (spot, error) {
	s := spot{record: p.record(code.FieldByteOffset, m, form), size: form.Bits / 8}
	if form.BitField {
		// The shifts are those for as many bytes as the field's type has, of which a
		// little-endian machine may read more (libbpf's relo_core.c, bpf_core_calc_field_relo).
		s.size = 8
		s.left, s.right = p.record(code.FieldLShiftU64, m, form), p.record(code.FieldRShiftU64, m, form)
		s.leftN, s.rightN = 64-form.Bits, 64-form.Bits
		s.declaredN = 1
		if form.Enum {
			s.declaredN = int(anyEnum.Size)
		}
		if p.big {
			s.leftN, s.declared = 64-8*s.declaredN, p.record(code.FieldByteSize, m, form)
		}
	}
	return s, nil
}

func (p *portable) exists(q layouts.Question) (bool, *code.CORE) {
	if len(q.Path) == 0 {
		return true, p.record(code.TypeExists, q.Member, layouts.Integer{})
	}
	return true, p.record(code.FieldExists, q.Member, q.Form)
}

func (p *portable) size(typ string) (spot, error) {
	return spot{n: 8, record: p.record(code.TypeSize, layouts.Member{Type: typ}, layouts.Integer{})}, nil
}

func (p *portable) address(m layouts.Member, form layouts.Integer) (spot, error) {
	return spot{record: p.record(code.FieldByteOffset, m, form)}, nil
}

func (p *portable) enumerator(m layouts.Member) (spot, error) {
	const local = 1 // what it is in the enum made here, and not in the kernel's
	e := p.enums[m.String()]
	if e == nil {
		e = &btf.Enum{Name: m.Type + ownFlavour, Size: 4, Values: []btf.EnumValue{{Name: m.Path[0], Value: local}}}
		p.enums[m.String()] = e
	}
	return spot{n: local, record: &code.CORE{Type: e, Access: []int{0}, Kind: code.EnumvalValue}}, nil
}

func (p *portable) carrier() spot {
	return spot{record: p.record(code.TypeIDTarget, layouts.Member{Type: kernel.Endless}, layouts.Integer{})}
}
