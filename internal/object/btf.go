package object

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// Kinds of BTF types (linux/btf.h, 6.12).
const (
	kindInt       = 1
	kindPtr       = 2
	kindArray     = 3
	kindStruct    = 4
	kindUnion     = 5
	kindEnum      = 6
	kindFwd       = 7
	kindTypedef   = 8
	kindVolatile  = 9
	kindConst     = 10
	kindFunc      = 12
	kindFuncProto = 13
	kindVar       = 14
	kindDatasec   = 15
	kindDeclTag   = 17
	kindEnum64    = 19
	kindLast      = kindEnum64

	linkageStatic = 0
	linkageExtern = 2
)

const (
	btfMagic      = 0xeb9f
	btfHeaderSize = 24
	btfTypeSize   = 12 // struct btf_type: name, info, size or type
)

// btfParts takes .BTF apart.
func btfParts(data []byte, order byteOrder) (header, types, strs []byte, err error) {
	if len(data) < btfHeaderSize || order.Uint16(data) != btfMagic {
		return nil, nil, nil, errors.New("no header")
	}
	size := order.Uint32(data[4:])
	if size < btfHeaderSize || uint64(size) > uint64(len(data)) {
		return nil, nil, nil, fmt.Errorf("header of %d bytes in a section of %d", size, len(data))
	}
	header, data = data[:size], data[size:]
	part := func(at int) []byte {
		off, n := uint64(order.Uint32(header[at:])), uint64(order.Uint32(header[at+4:]))
		if off+n > uint64(len(data)) {
			err = fmt.Errorf("%d bytes at offset %d after the header, which %d follow", n, off, len(data))
			return nil
		}
		return data[off : off+n]
	}
	types, strs = part(8), part(16)
	return header, types, strs, err
}

// btfEdit changes .BTF without giving any type or string a new number: .BTF.ext,
// CO-RE records and the types themselves hold them.
type btfEdit struct {
	order   byteOrder
	header  []byte
	records [][]byte // of type 1 and on
	strings *stringTable
	added   map[btf.Type]uint32
}

func editBTF(data []byte, order byteOrder) (*btfEdit, error) {
	header, types, strs, err := btfParts(data, order)
	if err != nil {
		return nil, err
	}
	if len(header) != btfHeaderSize {
		return nil, fmt.Errorf("header of %d bytes, can only change one of %d", len(header), btfHeaderSize)
	}
	e := &btfEdit{order: order, header: header, strings: newStringTable(strs), added: make(map[btf.Type]uint32)}
	for len(types) > 0 {
		size := btfTypeSize
		if len(types) >= btfTypeSize {
			if size, err = recordSize(order.Uint32(types[4:])); err != nil {
				return nil, fmt.Errorf("type %d: %w", len(e.records)+1, err)
			}
		}
		if size > len(types) {
			return nil, fmt.Errorf("type %d: truncated, %d bytes of %d", len(e.records)+1, len(types), size)
		}
		e.records = append(e.records, types[:size:size])
		types = types[size:]
	}
	return e, nil
}

// recordSize is the size of a type from its info word.
func recordSize(info uint32) (int, error) {
	vlen := int(info & 0xffff)
	switch kind := info >> 24 & 0x1f; kind {
	case kindInt, kindVar, kindDeclTag:
		return btfTypeSize + 4, nil
	case kindArray:
		return btfTypeSize + 12, nil
	case kindStruct, kindUnion, kindDatasec, kindEnum64:
		return btfTypeSize + 12*vlen, nil
	case kindEnum, kindFuncProto:
		return btfTypeSize + 8*vlen, nil
	default:
		if kind == 0 || kind > kindLast {
			return 0, fmt.Errorf("unknown kind %d", kind)
		}
		return btfTypeSize, nil
	}
}

func (e *btfEdit) kind(id uint32) uint32 { return e.order.Uint32(e.records[id-1][4:]) >> 24 & 0x1f }
func (e *btfEdit) ref(id uint32) uint32  { return e.order.Uint32(e.records[id-1][8:]) }

func (e *btfEdit) name(id uint32) string {
	at := e.order.Uint32(e.records[id-1])
	if uint64(at) >= uint64(len(e.strings.data)) {
		return ""
	}
	name, _, _ := bytes.Cut(e.strings.data[at:], []byte{0})
	return string(name)
}

// record renders a type.
func (e *btfEdit) record(kind uint32, name string, vlen int, ref uint32, rest ...uint32) []byte {
	out := e.order.AppendUint32(nil, e.strings.add(name))
	out = e.order.AppendUint32(out, kind<<24|uint32(vlen))
	out = e.order.AppendUint32(out, ref)
	for _, v := range rest {
		out = e.order.AppendUint32(out, v)
	}
	return out
}

func (e *btfEdit) add(kind uint32, name string, vlen int, ref uint32, rest ...uint32) uint32 {
	e.records = append(e.records, e.record(kind, name, vlen, ref, rest...))
	return uint32(len(e.records))
}

// section finds a DATASEC, 0: none.
func (e *btfEdit) section(name string) uint32 {
	for id := uint32(1); id <= uint32(len(e.records)); id++ {
		if e.kind(id) == kindDatasec && e.name(id) == name {
			return id
		}
	}
	return 0
}

// dropExterns takes declarations of functions and variables out of .ksyms and
// .kconfig. libbpf insists on a symbol for every entry of those, the kernel on
// entries in every DATASEC, and on no FUNC or VAR that is extern
// (kernel/bpf/btf.c, btf_datasec_check_meta, btf_func_check_meta, 6.12): what
// is left over becomes a pointer to what it was declared as, which is valid
// everywhere and means nothing.
func (e *btfEdit) dropExterns(names map[string]bool) {
	gone := make(map[uint32]bool)
	for _, name := range []string{".ksyms", ".kconfig"} {
		sec := e.section(name)
		if sec == 0 {
			continue
		}
		rec := e.records[sec-1]
		left := append([]byte(nil), rec[:btfTypeSize]...)
		for at := btfTypeSize; at < len(rec); at += 12 {
			id := e.order.Uint32(rec[at:])
			if id != 0 && id <= uint32(len(e.records)) && names[e.name(id)] {
				gone[id] = true
				continue
			}
			left = append(left, rec[at:at+12]...)
		}
		vlen := (len(left) - btfTypeSize) / 12
		if vlen == 0 {
			left = e.record(kindPtr, "", 0, 0)
		} else {
			e.order.PutUint32(left[4:], kindDatasec<<24|uint32(vlen))
		}
		e.records[sec-1] = left
	}
	for id := uint32(1); id <= uint32(len(e.records)); id++ {
		switch {
		case gone[id]:
			e.records[id-1] = e.record(kindPtr, "", 0, e.ref(id))
		case e.kind(id) == kindDeclTag && gone[e.ref(id)]:
			e.records[id-1] = e.record(kindPtr, "", 0, 0)
		}
	}
}

// addExtern declares a kernel function in .ksyms.
func (e *btfEdit) addExtern(fn *btf.Func, spec *btf.Spec) error {
	proto, err := e.addType(fn.Type, spec)
	if err != nil {
		return fmt.Errorf("function %s: %w", fn.Name, err)
	}
	id := e.add(kindFunc, fn.Name, linkageExtern, proto)
	entry := []uint32{id, 0, 0} // clang leaves size and offset to the loader
	sec := e.section(".ksyms")
	if sec == 0 {
		e.add(kindDatasec, ".ksyms", 1, 0, entry...)
		return nil
	}
	rec := append([]byte(nil), e.records[sec-1]...)
	e.order.PutUint32(rec[4:], e.order.Uint32(rec[4:])+1)
	for _, v := range entry {
		rec = e.order.AppendUint32(rec, v)
	}
	e.records[sec-1] = rec
	return nil
}

// addType adds what prototypes of kernel functions are made of. A type of the
// object's own is found, not added.
func (e *btfEdit) addType(t btf.Type, spec *btf.Spec) (uint32, error) {
	if _, ok := t.(*btf.Void); ok {
		return 0, nil
	}
	if id, ok := e.added[t]; ok {
		return id, nil
	}
	if id, err := spec.TypeID(t); err == nil {
		return uint32(id), nil
	}
	var id uint32
	var err error
	switch t := t.(type) {
	case *btf.Int:
		id = e.add(kindInt, t.Name, 0, t.Size, uint32(t.Encoding)<<24|t.Size*8)
	case *btf.Pointer:
		id, err = e.addModifier(kindPtr, "", t.Target, spec)
	case *btf.Const:
		id, err = e.addModifier(kindConst, "", t.Type, spec)
	case *btf.Volatile:
		id, err = e.addModifier(kindVolatile, "", t.Type, spec)
	case *btf.Typedef:
		id, err = e.addModifier(kindTypedef, t.Name, t.Type, spec)
	case *btf.Struct:
		if len(t.Members) == 0 { // known by name, as a declaration in C would be
			id = e.add(kindFwd, t.Name, 0, 0)
		} else { // loaders compare a function's types with the kernel's, and a declaration is another kind
			id, err = e.addStruct(t)
		}
	case *btf.FuncProto:
		id, err = e.addProto(t, spec)
	default:
		return 0, fmt.Errorf("can not add type %v to .BTF, declare the function in the program", t)
	}
	e.added[t] = id
	return id, err
}

// addDeclared adds a type with all that it is made of, for a CO-RE record of a
// pass. It is not looked for among the object's own, whose structs of that name
// may be declared otherwise.
func (e *btfEdit) addDeclared(t btf.Type) (uint32, error) {
	if _, ok := t.(*btf.Void); ok {
		return 0, nil
	}
	if id, ok := e.added[t]; ok {
		return id, nil
	}
	var id uint32
	switch t := t.(type) {
	case *btf.Int:
		id = e.add(kindInt, t.Name, 0, t.Size, uint32(t.Encoding)<<24|t.Size*8)
	case *btf.Pointer:
		target, err := e.addDeclared(t.Target)
		if err != nil {
			return 0, err
		}
		id = e.add(kindPtr, "", 0, target)
	case *btf.Struct:
		var err error
		if id, err = e.addStruct(t); err != nil {
			return 0, err
		}
	case *btf.Array:
		element, err := e.addDeclared(t.Type)
		if err != nil {
			return 0, err
		}
		index, err := e.addDeclared(t.Index)
		if err != nil {
			return 0, err
		}
		id = e.add(kindArray, "", 0, 0, element, index, t.Nelems)
	case *btf.Enum:
		var values []uint32
		for _, v := range t.Values {
			values = append(values, e.strings.add(v.Name), uint32(v.Value))
		}
		id = e.add(kindEnum, t.Name, len(t.Values), t.Size, values...)
	default:
		return 0, fmt.Errorf("can not add type %v to .BTF", t)
	}
	e.added[t] = id
	return id, nil
}

// structBitFields says in a struct's info that its members' offsets hold the
// width of bit-fields (BTF_INFO_KFLAG in linux/btf.h).
const structBitFields = 1 << 31

func (e *btfEdit) addStruct(t *btf.Struct) (uint32, error) {
	var members []uint32
	kind := uint32(kindStruct)
	for _, m := range t.Members {
		id, err := e.addDeclared(m.Type)
		if err != nil {
			return 0, err
		}
		at := uint32(m.Offset)
		if m.BitfieldSize > 0 {
			kind |= structBitFields >> 24
			at |= uint32(m.BitfieldSize) << 24
		}
		members = append(members, e.strings.add(m.Name), id, at)
	}
	return e.add(kind, t.Name, len(t.Members), t.Size, members...), nil
}

func (e *btfEdit) addModifier(kind uint32, name string, of btf.Type, spec *btf.Spec) (uint32, error) {
	ref, err := e.addType(of, spec)
	if err != nil {
		return 0, err
	}
	return e.add(kind, name, 0, ref), nil
}

func (e *btfEdit) addProto(t *btf.FuncProto, spec *btf.Spec) (uint32, error) {
	ret, err := e.addType(t.Return, spec)
	if err != nil {
		return 0, err
	}
	var params []uint32
	for _, p := range t.Params {
		id, err := e.addType(p.Type, spec)
		if err != nil {
			return 0, err
		}
		params = append(params, e.strings.add(p.Name), id)
	}
	return e.add(kindFuncProto, "", len(t.Params), ret, params...), nil
}

// addTables declares byte arrays in a data section, as C would declare
// static const unsigned char name[size].
func (e *btfEdit) addTables(section string, tables []placedTable, size uint64) {
	byteType := e.add(kindInt, "unsigned char", 0, 1, 8)
	indexType := e.add(kindInt, "__ARRAY_SIZE_TYPE__", 0, 4, 32)
	var entries []uint32
	for _, t := range tables {
		n := uint32(len(t.Data))
		array := e.add(kindArray, "", 0, 0, byteType, indexType, n)
		v := e.add(kindVar, t.Name, 0, array, linkageStatic)
		entries = append(entries, v, uint32(t.offset), n)
	}
	e.add(kindDatasec, section, len(tables), uint32(size), entries...)
}

// bytes puts .BTF together.
func (e *btfEdit) bytes() []byte {
	var types []byte
	for _, r := range e.records {
		types = append(types, r...)
	}
	out := append([]byte(nil), e.header...)
	for i, v := range []int{0, len(types), len(types), len(e.strings.data)} {
		e.order.PutUint32(out[8+4*i:], uint32(v))
	}
	return append(append(out, types...), e.strings.data...)
}

// accessString is what clang writes into a CO-RE record.
func accessString(access []int) string {
	parts := make([]string, len(access))
	for i, a := range access {
		parts[i] = fmt.Sprint(a)
	}
	return strings.Join(parts, ":")
}
