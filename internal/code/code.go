// Package code holds BPF functions the way the passes see them: instructions
// whose branches name their destination by index, and edits that move
// instructions without breaking one. It knows the instruction set and nothing
// of hints, files or kernels.
//
// Facts about an instruction (source line, CO-RE record, what it refers to)
// ride on the instruction, so that inserting code can not desynchronise a side
// table.
package code

import (
	"encoding/binary"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// Unit is everything that is rewritten together: the functions of one object
// file or of one CollectionSpec.
type Unit struct {
	Order   binary.ByteOrder // of the machine the code is for
	V4      bool             // it was read with instructions that only -mcpu=v4 has, see HasV4
	Funcs   []*Func
	Types   *btf.Spec // the unit's own BTF; nil when it has none
	License string    // of its programs; "" when it is not known
	Externs []Extern  // functions that a loader is to find in the kernel
	Tables  []Table   // read-only data that passes added
}

// Extern is a function the unit declares and does not have (__ksym in C).
type Extern struct {
	Name string
	Type *btf.Func // nil without BTF
	Weak bool      // of those that passes added: a kernel may lack it where it is not called
}

// Table is constant data that inserted code reads through a wide load of its
// address (RefTable). The writer makes a read-only array map of it.
type Table struct {
	Name string // C identifier
	Data []byte
}

// Linkage says how a function is entered.
type Linkage uint8

const (
	Program Linkage = iota // an entry point: the kernel or a loader calls it
	Global                 // called from other functions, verified on its own
	Static                 // called from other functions, verified with them
)

// Func is one function.
type Func struct {
	Name    string
	Section string // where it stands in an object: "xdp", ".text"
	Linkage Linkage
	Type    *btf.Func // nil without BTF
	Args    int       // how many of r1 to r5 a call hands it, once a pass has found out
	Insns   []Insn
}

// NoTarget is the Target of an instruction that does not branch.
const NoTarget = -1

// Insn is one instruction. A wide load (lddw) is one Insn and two slots.
type Insn struct {
	asm.Instruction
	// Target is, for a branch, the index of its destination in Func.Insns; the
	// instruction's own distance (Offset, or Constant for gotol) is meaningless
	// until Encode sets it. NoTarget for all else.
	//
	// In code that is handed to an Edit, Here(k) names the k-th instruction of
	// that code and Here(len) the one after it.
	Target int32
	// Origin is the index of this instruction in the function as it was read, -1
	// for an inserted one. What a file says about the instruction (its
	// relocation) is found by it.
	Origin int32
	Ref    Ref
	CORE   *CORE // its CO-RE record, nil: none, or answered
	Line   *Line // set where the source line changes, nil: as the one before
	For    *Purpose
}

// Purpose is what an inserted instruction is for, in the words of the pass that
// made it: people ask when a kernel refuses it.
type Purpose struct {
	Does  string   // "reads the descriptor for"
	Names []string // what it does that for
}

// Ref is what an instruction refers to beyond itself.
type Ref struct {
	Kind  RefKind
	Index int32 // into Unit.Funcs, Unit.Externs or Unit.Tables
}

// RefKind tells what Ref.Index counts.
type RefKind uint8

const (
	RefNone   RefKind = iota // nothing, or what only the file knows: a map, global data
	RefFunc                  // a call of, or the address of, Unit.Funcs[Index]
	RefExtern                // a call of, or the address of, Unit.Externs[Index]
	RefTable                 // the address of Unit.Tables[Index]
)

// Line is a place in the user's source.
type Line struct {
	File           string
	Number, Column uint32
	Text           string
	FileOff        uint32 // .BTF string offsets, when read from an object
	TextOff        uint32
	Source         *btf.Line // when read from a CollectionSpec
}

// CORE is a CO-RE record (struct bpf_core_relo in linux/bpf.h).
type CORE struct {
	// TypeID is 0 in a record that a pass made: the writer adds Type to the unit's.
	TypeID    btf.TypeID
	Type      btf.Type // TypeID resolved, typedefs and qualifiers not stripped; nil if the unit has no such type
	Access    []int    // "0:3:1"
	Kind      COREKind
	AccessOff uint32 // .BTF string offset, when read from an object
}

// COREKind is enum bpf_core_relo_kind.
type COREKind uint32

const (
	FieldByteOffset COREKind = iota
	FieldByteSize
	FieldExists
	FieldSigned
	FieldLShiftU64
	FieldRShiftU64
	TypeIDLocal
	TypeIDTarget
	TypeExists
	TypeSize
	EnumvalExists
	EnumvalValue
	TypeMatches
)
