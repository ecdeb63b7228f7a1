package object_test

import (
	"bytes"
	"debug/elf"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/code"
)

// Records that a pass makes bring their types along, whole: a struct in a struct,
// a pointer, a bit-field. The program's own structs of that name are not touched.
func TestAddsRecords(t *testing.T) {
	byteType := &btf.Int{Name: "unsigned char", Size: 1}
	flags := &btf.Struct{Name: "net_device___mine", Size: 8, Members: []btf.Member{
		{Name: "flag", Type: byteType, BitfieldSize: 3}}}
	nested := &btf.Struct{Name: "ring___mine", Size: 8, Members: []btf.Member{
		{Name: "comp", Type: &btf.Struct{Size: 8, Members: []btf.Member{{Name: "base", Type: &btf.Pointer{Target: (*btf.Void)(nil)}}}}}}}
	records := []*code.CORE{
		{Type: flags, Access: []int{0, 0}, Kind: code.FieldRShiftU64},
		{Type: nested, Access: []int{0, 0, 0}, Kind: code.FieldByteOffset},
		{Type: nested, Access: []int{0}, Kind: code.TypeIDTarget},
	}
	for _, to := range targets {
		t.Run(to.String(), func(t *testing.T) {
			f, u := parse(t, compile(t, "testdata/all.c", to))
			u.Externs = append(u.Externs, code.Extern{Name: "no_kernel_has_it", Weak: true,
				Type: &btf.Func{Name: "no_kernel_has_it", Type: &btf.FuncProto{Return: &btf.Void{}}, Linkage: btf.ExternFunc}})
			call := code.New(asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall, Constant: -1})
			call.Ref = code.Ref{Kind: code.RefExtern, Index: int32(len(u.Externs) - 1)}
			inserted := []code.Insn{call}
			for _, r := range records {
				in := code.New(asm.Mov.Imm(asm.R0, 0))
				in.CORE = r
				inserted = append(inserted, in)
			}
			fn := function(t, u, "second")
			e := code.NewEdit(fn)
			e.Enter(inserted...)
			e.Apply()
			out := encode(t, f, u)

			spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(out))
			require.NoError(t, err)
			insns := spec.Programs["second"].Instructions
			require.Equal(t, "no_kernel_has_it", insns[0].Reference())
			for i, want := range []string{
				`CORERelocation(rshift_u64, Struct:"net_device___mine"[0:0], local_id=`,
				`CORERelocation(byte_off, Struct:"ring___mine"[0:0:0], local_id=`,
				`CORERelocation(target_type_id, Struct:"ring___mine"[0], local_id=`,
			} {
				require.Contains(t, btf.CORERelocationMetadata(&insns[1+i]).String(), want)
			}
			var got *btf.Struct
			require.NoError(t, spec.Types.TypeByName("net_device___mine", &got))
			require.Equal(t, flags.Members, got.Members)
			require.NoError(t, spec.Types.TypeByName("ring___mine", &got))
			require.Equal(t, nested.Members, got.Members)
			id, err := spec.Types.TypeID(got)
			require.NoError(t, err)
			require.EqualValues(t, id, insns[3].Constant, "loaders compare it with the record")

			symbols, err := elf.NewFile(bytes.NewReader(out))
			require.NoError(t, err)
			list, err := symbols.Symbols()
			require.NoError(t, err)
			found := false
			for _, s := range list {
				if s.Name == "no_kernel_has_it" {
					found = true
					require.Equal(t, elf.STB_WEAK, elf.ST_BIND(s.Info))
				}
			}
			require.True(t, found)
		})
	}
}
