package object_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/object"
)

// call makes a call that refers to something.
func call(ref code.Ref) code.Insn {
	in := code.New(asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoCall, Constant: -1})
	in.Ref = ref
	return in
}

// insertAt puts code at the start of a function.
func insertAt(t testing.TB, u *code.Unit, name string, insns ...code.Insn) {
	t.Helper()
	e := code.NewEdit(function(t, u, name))
	e.Insert(0, insns...)
	e.Apply()
}

func funcIndex(t testing.TB, u *code.Unit, name string) int32 {
	t.Helper()
	for i, f := range u.Funcs {
		if f.Name == name {
			return int32(i)
		}
	}
	require.Fail(t, "no function "+name)
	return -1
}

func TestAddedReferences(t *testing.T) {
	f, u := parse(t, compile(t, "testdata/all.c", host))
	replaceExtern(t, u)
	address := code.New(asm.LoadImm(asm.R2, 0, asm.DWord))
	address.Ref = code.Ref{Kind: code.RefFunc, Index: funcIndex(t, u, "add")}
	insertAt(t, u, "second",
		code.New(asm.Mov.Reg(asm.R6, asm.R1)),
		code.New(asm.StoreImm(asm.RFP, -8, 0, asm.Word)),
		code.New(asm.Mov.Imm(asm.R1, 3)),
		address,
		code.New(asm.Mov.Reg(asm.R3, asm.RFP)),
		code.New(asm.Add.Imm(asm.R3, -8)),
		code.New(asm.Mov.Imm(asm.R4, 0)),
		code.New(asm.FnLoop.Call()),
		code.New(asm.Mov.Imm(asm.R1, 1)),
		call(code.Ref{Kind: code.RefFunc, Index: funcIndex(t, u, "grow")}),
		code.New(asm.Mov.Imm(asm.R1, 1)),
		call(code.Ref{Kind: code.RefFunc, Index: funcIndex(t, u, "weigh")}),
		code.New(asm.Mov.Reg(asm.R1, asm.R6)),
	)
	out := encode(t, f, u)
	_, again := parse(t, out)
	require.Equal(t, []string{"address of add", "call grow", "call weigh", "call weigh"}, references(again, "second"))
	t.Run("in the kernel", func(t *testing.T) {
		needKernel(t)
		spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(out))
		require.NoError(t, err)
		coll, err := ebpf.NewCollection(spec)
		require.NoError(t, err)
		coll.Close()
		bpftool := needTool(t, "bpftool", "loads with libbpf")
		run(t, bpftool, "prog", "loadall", save(t, out), pinDir(t))
	})
}

func TestAddedExterns(t *testing.T) {
	void := &btf.Void{}
	u32 := &btf.Int{Name: "unsigned int", Size: 4}
	proto := func(ret btf.Type, params ...btf.Type) *btf.FuncProto {
		p := &btf.FuncProto{Return: ret}
		for i, typ := range params {
			p.Params = append(p.Params, btf.FuncParam{Name: fmt.Sprintf("arg%d", i), Type: typ})
		}
		return p
	}
	pointer := &btf.Pointer{Target: void}
	cast := code.Extern{Name: "bpf_cast_to_kern_ctx", Type: &btf.Func{
		Name: "bpf_cast_to_kern_ctx", Type: proto(pointer, pointer), Linkage: btf.ExternFunc,
	}}
	rdonly := code.Extern{Name: "bpf_rdonly_cast", Type: &btf.Func{
		Name: "bpf_rdonly_cast", Type: proto(pointer, &btf.Pointer{Target: &btf.Const{Type: void}}, u32), Linkage: btf.ExternFunc,
	}}
	for _, source := range []string{"testdata/all.c", "testdata/externs.c"} {
		t.Run(source, func(t *testing.T) {
			f, u := parse(t, compile(t, source, host))
			name := "second"
			if source == "testdata/externs.c" {
				name = "prog"
			}
			e := code.NewEdit(function(t, u, name))
			for _, fn := range u.Funcs {
				own := e
				if fn.Name != name {
					own = code.NewEdit(fn)
				}
				for i, in := range fn.Insns {
					if in.Ref.Kind == code.RefExtern && u.Externs[in.Ref.Index].Name == "hintjit_rx" {
						own.Replace(i, code.New(asm.Mov.Imm(asm.R0, 0)))
					}
				}
				if own != e {
					own.Apply()
				}
			}
			n := int32(len(u.Externs))
			u.Externs = append(u.Externs, cast, rdonly)
			e.Insert(0,
				code.New(asm.Mov.Reg(asm.R6, asm.R1)),
				call(code.Ref{Kind: code.RefExtern, Index: n}),
				code.New(asm.Mov.Reg(asm.R1, asm.R6)))
			e.Apply()
			out := encode(t, f, u)
			_, again := parse(t, out)
			require.Contains(t, references(again, name), "call bpf_cast_to_kern_ctx")
			for _, x := range again.Externs {
				require.NotNil(t, x.Type, x.Name)
				require.NotEqual(t, "bpf_rdonly_cast", x.Name, "nobody refers to it")
			}
			t.Run("in the kernel", func(t *testing.T) {
				needKernel(t)
				bpftool := needTool(t, "bpftool", "loads with libbpf")
				run(t, bpftool, "prog", "loadall", save(t, out), pinDir(t))
				spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(out))
				require.NoError(t, err)
				coll, err := ebpf.NewCollection(spec)
				require.NoError(t, err)
				coll.Close()
			})
		})
	}
}

// What Encode can not write is an error that says so.
func TestEncodeRefuses(t *testing.T) {
	extern := code.Extern{Name: "bpf_new"}
	for _, c := range []struct {
		name string
		edit func(u *code.Unit)
		want string
	}{
		{"function gone", func(u *code.Unit) { u.Funcs = nil }, "unit has 0 functions, the object 1"},
		{"function renamed", func(u *code.Unit) { u.Funcs[0].Name = "x" }, "function 0 is x in xdp, in the object l4lb in xdp"},
		{"function emptied", func(u *code.Unit) { u.Funcs[0].Insns = nil }, "function l4lb: no instructions"},
		{"extern gone", func(u *code.Unit) { u.Externs = nil }, "unit's externs do not start with the object's 1"},
		{"extern without type", func(u *code.Unit) { u.Externs = append(u.Externs, extern) }, "extern bpf_new: can not be declared without a type"},
		{"empty table", func(u *code.Unit) { u.Tables = []code.Table{{Name: "t"}} }, "table t: empty"},
		{"branch nowhere", func(u *code.Unit) { u.Funcs[0].Insns[0] = code.Goto(99999) }, "function l4lb: instruction 0"},
		{"reference nowhere", func(u *code.Unit) {
			u.Funcs[0].Insns[0] = call(code.Ref{Kind: code.RefFunc, Index: 7})
		}, "function l4lb: instruction 0 (Call): refers to number 7 of 1"},
		{"reference of a move", func(u *code.Unit) {
			in := code.New(asm.Mov.Imm(asm.R0, 0))
			in.Ref.Kind = code.RefFunc
			u.Funcs[0].Insns[0] = in
		}, "can not refer to"},
		{"origin", func(u *code.Unit) { u.Funcs[0].Insns[0].Origin = 99999 }, "comes from instruction 99999"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, u := parse(t, example(t))
			c.edit(u)
			out, err := f.Encode(u)
			require.ErrorContains(t, err, c.want)
			require.Nil(t, out)
		})
	}
}

// An object that has been through with tables can not go through again.
func TestTablesTwice(t *testing.T) {
	f, u := parse(t, compile(t, "testdata/all.c", host))
	u.Tables = []code.Table{{Name: "a", Data: []byte{1}}}
	f, u = parse(t, encode(t, f, u))
	u.Tables = []code.Table{{Name: "a", Data: []byte{1}}}
	_, err := f.Encode(u)
	require.ErrorContains(t, err, "section "+object.TableSection+": the object has one already")
}

// Encode changes neither the unit nor the file: it can be called again.
func TestEncodeLeavesItsInput(t *testing.T) {
	raw := compile(t, "testdata/all.c", host)
	before := bytes.Clone(raw)
	f, u := parse(t, raw)
	padOut(u, 2)
	first := encode(t, f, u)
	require.True(t, bytes.Equal(first, encode(t, f, u)))
	require.True(t, bytes.Equal(before, encode(t, f, f.Unit())))
	require.True(t, bytes.Equal(before, raw))
}

// big is an object of about n instructions with a source line on every fourth.
func big(t testing.TB, n int) []byte {
	t.Helper()
	f, u := parse(t, example(t))
	fn := u.Funcs[0]
	line := fn.Insns[0].Line
	insns := make([]code.Insn, n)
	for i := range insns {
		insns[i] = code.New(asm.Mov.Imm(asm.R0, int32(i)))
		if i%4 == 0 {
			insns[i].Line = line
		}
	}
	e := code.NewEdit(fn)
	e.Insert(0, insns...)
	e.Apply()
	return encode(t, f, u)
}

func BenchmarkParseAndEncode(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			raw := big(b, n)
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				f, u := parse(b, raw)
				e := code.NewEdit(u.Funcs[0])
				e.Insert(0, code.New(asm.Mov.Imm(asm.R0, 1)))
				e.Apply()
				encode(b, f, u)
			}
		})
	}
}
