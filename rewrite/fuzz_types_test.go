package rewrite_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
)

// Whatever struct hintjit_rx is declared to be (types that C can not say, and
// BTF can: members anywhere, bit-fields of any width, types that contain
// themselves), and whatever records name in it: an error, or an object that keeps
// the rules.
func FuzzTypes(f *testing.F) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 48 {
		f.Add(randomBytes(rng, 40+rng.IntN(200)))
	}
	all := grounds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &choices{data}
		g := all[c.n(len(all))]
		a := &typist{choices: c, nic: g.nic}
		a.order = []binary.ByteOrder{binary.LittleEndian, binary.BigEndian}[c.n(2)]
		raw, err := a.write()
		if err != nil {
			return // not even BTF
		}
		requireSound(t, raw, g.options)
	})
}

// A typist declares the hint struct by chance, and writes a program that reads it.
type typist struct {
	*choices
	assembly
	nic   nic
	known []btf.Type
}

func (a *typist) typ() btf.Type { return a.known[a.n(len(a.known))] }

func (a *typist) name() string {
	hints := a.nic.descriptor.Hints
	name := hints[a.n(len(hints))].Name
	return []string{name, "has_" + name, "", "hintjit_rx", "pkt_len", "has_", fmt.Sprintf("m%d", a.n(4))}[a.n(7)]
}

// width is a number of bits or bytes, mostly a sensible one.
func (a *typist) width() int {
	if a.n(4) > 0 {
		return 1 << a.n(7)
	}
	return a.n(1 << 16)
}

func (a *typist) members() (out []btf.Member) {
	at := 0
	for range a.n(8) {
		m := btf.Member{Name: a.name(), Type: a.typ(), Offset: btf.Bits(at)}
		switch a.n(6) {
		case 0:
			m.BitfieldSize = btf.Bits(1 + a.n(8))
		case 1:
			m.BitfieldSize = btf.Bits(a.n(256))
		case 2:
			m.Offset = btf.Bits(a.n(1 << 20))
		}
		at += 8 * a.n(9)
		out = append(out, m)
	}
	return out
}

func (a *typist) write() ([]byte, error) {
	rx := &btf.Struct{Name: "hintjit_rx", Size: uint32(a.width())}
	a.known = []btf.Type{rx, integer(1), integer(2), integer(4), integer(8), &btf.Void{}}
	var open []*btf.Struct
	for range a.n(10) {
		var t btf.Type
		switch a.n(12) {
		case 0:
			t = &btf.Int{Name: "i", Size: uint32(a.n(20)), Encoding: btf.IntEncoding(a.n(5))}
		case 1:
			t = &btf.Array{Index: integer(4), Type: a.typ(), Nelems: uint32(a.width())}
		case 2:
			t = &btf.Typedef{Name: "t", Type: a.typ()}
		case 3:
			t = &btf.Const{Type: a.typ()}
		case 4:
			t = &btf.Union{Size: uint32(a.width()), Members: a.members()}
		case 5:
			t = &btf.Enum{Name: "e", Size: uint32(1 << a.n(4)), Values: []btf.EnumValue{{Name: "v", Value: 1}}}
		case 6:
			t = &btf.Pointer{Target: a.typ()}
		case 7:
			t = &btf.Fwd{Name: "hintjit_rx"}
		case 8:
			t = &btf.Float{Name: "f", Size: 8}
		default:
			s := &btf.Struct{Name: []string{"", "", "hintjit_rx___own", "other"}[a.n(4)], Size: uint32(a.width())}
			open = append(open, s)
			t = s
		}
		a.known = append(a.known, t)
	}
	for _, s := range append(open, rx) { // with what was not known yet, and themselves
		s.Members = a.members()
	}
	result := []btf.Type{&btf.Pointer{Target: &btf.Const{Type: rx}}, &btf.Pointer{Target: rx}, &btf.Pointer{Target: a.typ()}, a.typ()}[a.n(4)]
	extern := &btf.Func{Name: "hintjit_rx", Linkage: btf.ExternFunc,
		Type: &btf.FuncProto{Return: result, Params: []btf.FuncParam{{Name: "ctx", Type: ctxPointer}}}}
	a.types = append([]btf.Type{&btf.Datasec{Name: ".ksyms", Vars: []btf.VarSecinfo{{Type: extern}}}}, a.known...)

	fn := &code.Func{Name: "prog", Section: "xdp", Linkage: code.Program, Type: &btf.Func{Name: "prog", Linkage: btf.GlobalFunc,
		Type: &btf.FuncProto{Return: u32Type, Params: []btf.FuncParam{{Name: "ctx", Type: ctxPointer}}}}}
	emit := func(in asm.Instruction) *code.Insn {
		fn.Insns = append(fn.Insns, code.New(in))
		return &fn.Insns[len(fn.Insns)-1]
	}
	emit(asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoCall, Constant: -1}).Ref = code.Ref{Kind: code.RefExtern}
	emit(asm.Mov.Reg(asm.R6, asm.R0))
	emit(asm.Mov.Imm(asm.R0, 0))
	for range 1 + a.n(6) {
		in := emit([]asm.Instruction{
			asm.LoadMem(asm.R1, asm.R6, int16(a.n(64)), sizes[a.n(4)]), asm.Mov.Imm(asm.R1, int32(a.n(256))), asm.LoadImm(asm.R1, 3, asm.DWord),
		}[a.n(3)])
		if a.n(3) > 0 {
			in.CORE = &code.CORE{Type: append(a.known[:1:1], a.typ())[a.n(2)], Kind: code.COREKind(a.n(13)), Access: []int{0}}
			for range a.n(4) {
				in.CORE.Access = append(in.CORE.Access, a.n(9))
			}
		}
		emit(asm.Add.Reg(asm.R0, asm.R1))
	}
	emit(asm.Return())
	a.funcs = []*code.Func{fn}
	return a.object()
}
