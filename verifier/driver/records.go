package driver

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/kernel"
)

// ownFlavour marks the structs by which a portable object asks for members that
// its walks need. A loader drops the flavour and looks for the name before it.
const ownFlavour = "___walk"

// Answer puts what this kernel says into the CO-RE records of a unit that are
// about walks, as libbpf does (src/relo_core.c of 1.1). What the kernel lacks
// stays as it is: a loader poisons it, and whoever comes by is refused. The
// answered records are gone.
func (k *Kernel) Answer(u *code.Unit) error {
	big := u.Order.Uint16([]byte{1, 0}) == 1<<8
	for _, f := range u.Funcs {
		for i := range f.Insns {
			if err := k.answer(&f.Insns[i], big); err != nil {
				return fmt.Errorf("%s: instruction %d: %w", f.Name, i, err)
			}
		}
	}
	return nil
}

func (k *Kernel) answer(in *code.Insn, big bool) error {
	if in.CORE == nil || in.CORE.Type == nil {
		return nil
	}
	typ, own := strings.CutSuffix(in.CORE.Type.TypeName(), ownFlavour)
	if !own {
		return nil
	}
	name, err := recordName(typ, in.CORE)
	if err != nil {
		return err
	}
	p, there := k.Places[name]
	size, known := k.Sizes[typ]
	at, first, declared := storage(p)
	n := int64(at)
	switch in.CORE.Kind {
	case code.FieldByteOffset:
	case code.FieldByteSize:
		n = int64(declared)
	case code.FieldExists:
		n, there = number(there), true
	case code.TypeExists:
		n, there = number(known), true
	case code.TypeSize:
		n, there = int64(size), known
	case code.TypeIDTarget:
		n, there = k.Carriers[typ]
	case code.EnumvalValue:
		var value uint64
		value, there = k.Enums[name]
		n = int64(value)
	case code.FieldLShiftU64:
		n = int64(64 - first - p.Bits)
		if big {
			n = int64(8*(8-declared) + first)
		}
	case code.FieldRShiftU64:
		n = int64(64 - p.Bits)
	default:
		return fmt.Errorf("a CO-RE record of kind %d about %s, which no walk asks", in.CORE.Kind, name)
	}
	if !there {
		return nil
	}
	in.CORE = nil
	if !in.OpCode.Class().IsLoad() || in.OpCode.IsDWordLoad() {
		in.Constant = n
		return nil
	}
	if int64(int16(n)) != n {
		return fmt.Errorf("%s lies %d bytes into its struct, too far for a load", name, n)
	}
	in.Offset = int16(n)
	return nil
}

// storage is what a bit-field's bytes are taken for: of a type of four bytes, or of
// eight where the bits lie across two of these. first is its first bit there, in
// BTF's counting. All else is where it is.
func storage(p kernel.Place) (at, first, size int) {
	if p.Bits == 0 {
		return p.Offset, 0, p.Size
	}
	for size = 4; ; size *= 2 {
		at = p.Offset &^ (size - 1)
		if first = 8*(p.Offset-at) + p.Bit; first+p.Bits <= 8*size {
			return at, first, size
		}
	}
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// recordName is what a record is about: "i40e_ring.desc", the struct's own name,
// or an enum's and the name of a number in it.
func recordName(typ string, c *code.CORE) (string, error) {
	if c.Kind == code.EnumvalValue {
		e, ok := c.Type.(*btf.Enum)
		if !ok || len(c.Access) != 1 || c.Access[0] < 0 || c.Access[0] >= len(e.Values) {
			return "", fmt.Errorf("a CO-RE record about a number that enum %s has not", typ)
		}
		return typ + "." + e.Values[c.Access[0]].Name, nil
	}
	if c.Kind >= code.TypeIDLocal {
		return typ, nil
	}
	names := []string{typ}
	at := btf.UnderlyingType(c.Type)
	for _, i := range c.Access[min(1, len(c.Access)):] {
		s, ok := at.(*btf.Struct)
		if !ok || i < 0 || i >= len(s.Members) {
			return "", fmt.Errorf("a CO-RE record about %s, which has no member %d", strings.Join(names, "."), i)
		}
		names = append(names, s.Members[i].Name)
		at = btf.UnderlyingType(s.Members[i].Type)
	}
	return strings.Join(names, "."), nil
}
