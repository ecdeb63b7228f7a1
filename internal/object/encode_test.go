package object_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// The address of a global function, for which cilium/ebpf looks at the offset and
// not at the symbol. (No kernel takes it as a callback.)
func TestAddedAddressOfGlobal(t *testing.T) {
	f, u := parse(t, compile(t, "testdata/all.c", host))
	address := code.New(asm.LoadImm(asm.R2, 0, asm.DWord))
	address.Ref = code.Ref{Kind: code.RefFunc, Index: funcIndex(t, u, "grow_twice")}
	insertAt(t, u, "second", address)
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(encode(t, f, u)))
	require.NoError(t, err)
	require.Equal(t, "grow_twice", spec.Programs["second"].Instructions[0].Reference())
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
			// void *, its prototype and function; const void and a pointer to it,
			// unsigned int, prototype and function
			require.Len(t, allTypes(t, again.Types), len(allTypes(t, u.Types))+3+5)
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

// A function's first instruction has a source line whatever was put there.
func TestFirstLine(t *testing.T) {
	f, u := parse(t, compile(t, "testdata/all.c", host))
	fn := function(t, u, "grow")
	lines := 0
	for _, in := range fn.Insns {
		if in.Line != nil {
			lines++
		}
	}
	require.Greater(t, lines, 1)
	fn.Insns[0].Line = nil
	_, again := parse(t, encode(t, f, u))
	require.NotNil(t, function(t, again, "grow").Insns[0].Line)
}

// An instruction in the place of another does not inherit its relocation.
func TestReplacedInPlace(t *testing.T) {
	f, u := parse(t, compile(t, "testdata/all.c", host))
	fn := function(t, u, "grow")
	replaced := false
	for i := range fn.Insns {
		if fn.Insns[i].OpCode.IsDWordLoad() {
			fn.Insns[i].Instruction = asm.Mov.Imm(fn.Insns[i].Dst, 0)
			replaced = true
		}
	}
	require.True(t, replaced)
	_, again := parse(t, encode(t, f, u))
	require.Equal(t, fn.Insns[0].Instruction, function(t, again, "grow").Insns[0].Instruction)
}

func TestAddedCORE(t *testing.T) {
	f, u := parse(t, compile(t, "testdata/all.c", host))
	var have *code.CORE
	for _, in := range function(t, u, "first").Insns {
		if in.CORE != nil {
			have = in.CORE
		}
	}
	fresh := code.New(asm.Mov.Imm(asm.R2, 1))
	fresh.CORE = &code.CORE{TypeID: have.TypeID, Access: []int{0, 0, 12}, Kind: code.FieldByteSize}
	insertAt(t, u, "second", fresh)
	_, again := parse(t, encode(t, f, u))
	got := function(t, again, "second").Insns[0].CORE
	require.NotNil(t, got)
	require.Equal(t, []int{0, 0, 12}, got.Access)
	require.Equal(t, code.FieldByteSize, got.Kind)
	require.Equal(t, have.TypeID, got.TypeID)
}

// Local symbols come first, and the table's header says how many they are;
// sections start where their alignment wants them.
func TestOrderAndAlignment(t *testing.T) {
	f, u := parse(t, compile(t, "testdata/all.c", host))
	u.Tables = []code.Table{{Name: "a_table", Data: []byte{1}}}
	out, err := elf.NewFile(bytes.NewReader(encode(t, f, u)))
	require.NoError(t, err)
	syms, err := out.Symbols()
	require.NoError(t, err)
	locals := 1 // the empty one, which debug/elf leaves out
	for i, s := range syms {
		if elf.ST_BIND(s.Info) == elf.STB_LOCAL {
			require.Equal(t, locals, i+1, s.Name)
			locals++
		}
	}
	require.EqualValues(t, locals, out.SectionByType(elf.SHT_SYMTAB).Info)
	for _, s := range out.Sections {
		require.Zero(t, s.Offset%max(s.Addralign, 1), s.Name)
	}
}

func TestOdd(t *testing.T) {
	raw := compile(t, "testdata/odd.c", host)
	f, u := parse(t, raw)
	require.Equal(t, code.Static, function(t, u, "hidden").Linkage)
	require.Equal(t, code.Global, function(t, u, "weak").Linkage)
	replaceExtern(t, u)
	padOut(u, 1)
	out := encode(t, f, u)
	_, again := parse(t, out)
	require.Equal(t, []string{"call hidden", "call weak"}, references(again, "prog"))
	symbols := func(raw []byte) string {
		return run(t, needTool(t, "llvm-readelf-19", "reads the symbols"), "-s", save(t, raw))
	}
	require.Contains(t, symbols(raw), "a_label")
	require.NotContains(t, symbols(out), "a_label")
	needKernel(t)
	bpftool, dir := needTool(t, "bpftool", "loads with libbpf"), pinDir(t)
	run(t, bpftool, "prog", "loadall", save(t, out), dir)
	// libbpf loads without .BTF, and so without lines, when the kernel refuses it.
	dump := run(t, bpftool, "prog", "dump", "xlated", "pinned", filepath.Join(dir, "prog"))
	require.Contains(t, dump, "; return hidden(got) + weak(got + 1);")
}

// A global symbol whose type says static is verified with its callers.
func TestStaticByType(t *testing.T) {
	p := newPatcher(t, compile(t, "testdata/all.c", host))
	btf := p.data(".BTF")
	strs := btf[24+binary.LittleEndian.Uint32(btf[16:]):]
	record := binary.LittleEndian.AppendUint32(nil, uint32(bytes.Index(strs, []byte("\x00grow\x00"))+1))
	record = binary.LittleEndian.AppendUint32(record, 12<<24|1)
	at := bytes.Index(btf, record)
	require.Positive(t, at)
	put32(btf[at+4:], 12<<24)
	_, u := parse(t, p.raw)
	require.Equal(t, code.Static, function(t, u, "grow").Linkage)
}

// Records that are longer than those we know keep their ends.
func TestLongRecords(t *testing.T) {
	p := newPatcher(t, example(t))
	ext := p.data(".BTF.ext")
	le := binary.LittleEndian
	start := le.Uint32(ext[4:])
	lines := ext[start+le.Uint32(ext[16:]):][:le.Uint32(ext[20:])]
	long := le.AppendUint32(nil, 20)
	long = append(long, lines[4:12]...) // the one section's name and count
	for i := 12; i < len(lines); i += 16 {
		long = append(append(long, lines[i:i+16]...), 0xde, 0xad, byte(i), byte(i>>8))
	}
	put32(ext[16:], uint32(len(ext))-start)
	put32(ext[20:], uint32(len(long)))
	ext = append(bytes.Clone(ext), long...)
	put64(p.header(".BTF.ext")[32:], uint64(len(ext)))
	put64(p.header(".BTF.ext")[24:], uint64(len(p.raw)))
	p.raw = append(p.raw, ext...)

	f, u := parse(t, p.raw)
	require.True(t, bytes.Equal(p.raw, encode(t, f, u)))
	insertAt(t, u, "l4lb", code.Goto(code.Here(1)))
	out := newPatcher(t, encode(t, f, u))
	got := out.extPart(1)
	require.EqualValues(t, 20, le.Uint32(got))
	require.Equal(t, long[4:8], got[4:8])
	n := int(le.Uint32(got[8:]))
	require.EqualValues(t, le.Uint32(long[8:]), n)
	for i := range n {
		require.Equal(t, long[12+20*i+4:12+20*(i+1)], got[12+20*i+4:12+20*(i+1)], "record %d", i)
	}
}

// Code of weak functions that another object overrides is in no function. It and
// what describes it go when code moves: cilium/ebpf and libbpf do not agree on how
// to count it.
func TestOverridden(t *testing.T) {
	bpftool := needTool(t, "bpftool", "links objects")
	linked := filepath.Join(t.TempDir(), "linked.o")
	run(t, bpftool, "gen", "object", linked,
		save(t, compile(t, "testdata/weak.c", host)), save(t, compile(t, "testdata/weak.c", host, "-DSECOND")))
	raw, err := os.ReadFile(linked)
	require.NoError(t, err)
	size := func(raw []byte) uint64 {
		f, err := elf.NewFile(bytes.NewReader(raw))
		require.NoError(t, err)
		return f.Section(".text").Size
	}
	f, u := parse(t, raw)
	require.True(t, bytes.Equal(raw, encode(t, f, u)))
	kept := uint64(0)
	for _, fn := range u.Funcs {
		e := code.NewEdit(fn)
		e.Insert(0, code.Goto(code.Here(1)))
		e.Apply()
		if fn.Section == ".text" {
			kept += 8 * uint64(fn.Slots()[len(fn.Insns)])
		}
	}
	out := encode(t, f, u)
	require.Greater(t, size(raw), kept, "nothing was overridden")
	require.Equal(t, kept, size(out))
	_, again := parse(t, out)
	require.Equal(t, []string{"call in_first", "call in_second"}, references(again, "first"))
	require.Equal(t, []string{"call in_first"}, references(again, "in_second"))
	needKernel(t)
	run(t, bpftool, "prog", "loadall", save(t, out), pinDir(t))
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(out))
	require.NoError(t, err)
	coll, err := ebpf.NewCollection(spec)
	require.NoError(t, err)
	coll.Close()
}

// clang 9's .BTF.ext has a header with one part more, which is empty.
func TestEmptyPart(t *testing.T) {
	p := newPatcher(t, example(t))
	le := binary.LittleEndian
	ext := p.data(".BTF.ext")
	start := le.Uint32(ext[4:])
	long := slices.Concat(ext[:start], le.AppendUint64(nil, 0x3e0), ext[start:])
	put32(long[4:], start+8)
	put64(p.header(".BTF.ext")[32:], uint64(len(long)))
	put64(p.header(".BTF.ext")[24:], uint64(len(p.raw)))
	p.raw = append(p.raw, long...)
	f, u := parse(t, p.raw)
	insertAt(t, u, "l4lb", code.Goto(code.Here(1)))
	got := newPatcher(t, encode(t, f, u)).data(".BTF.ext")
	require.EqualValues(t, start+8, le.Uint32(got[4:]))
	require.Zero(t, le.Uint64(got[start:]))

	// The same with a part that is not empty.
	put32(p.raw[len(p.raw)-len(long)+int(start)+4:], 8)
	f, u = parse(t, p.raw)
	insertAt(t, u, "l4lb", code.Goto(code.Here(1)))
	_, err := f.Encode(u)
	require.ErrorContains(t, err, "section .BTF.ext: header of 40 bytes names parts that are not known")
}

func TestAddressOfCodeInData(t *testing.T) {
	raw := compile(t, "testdata/pointer.c", host)
	f, u := parse(t, raw)
	require.True(t, bytes.Equal(raw, encode(t, f, u)))
	padOut(u, 1)
	_, err := f.Encode(u)
	require.ErrorContains(t, err, "section .data: refers into section .text by address at offset 0; make the function global")
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
	var insns [][]code.Insn
	for _, fn := range u.Funcs {
		insns = append(insns, slices.Clone(fn.Insns))
	}
	first := encode(t, f, u)
	for i, fn := range u.Funcs {
		require.Equal(t, insns[i], fn.Insns, fn.Name)
	}
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
