package object_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/object"
)

// examples are the committed objects: there without a compiler.
func examples(t testing.TB) []string {
	paths, err := filepath.Glob("../../bpf/examples/*.o")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	return paths
}

func TestUnit(t *testing.T) {
	for _, to := range targets {
		t.Run(to.String(), func(t *testing.T) {
			_, u := parse(t, compile(t, "testdata/all.c", to))
			require.Equal(t, to.machine == "bpfel", u.Order == binary.ByteOrder(binary.LittleEndian))

			linkage := make(map[string]code.Linkage)
			sections := make(map[string]string)
			for _, f := range u.Funcs {
				linkage[f.Name], sections[f.Name] = f.Linkage, f.Section
				require.Equal(t, f.Name, f.Type.Name)
				require.NotNil(t, f.Insns[0].Line, f.Name)
			}
			require.Equal(t, map[string]code.Linkage{
				"first": code.Program, "second": code.Program, "third": code.Program,
				"grow": code.Global, "grow_twice": code.Global, "weigh": code.Static, "add": code.Static,
			}, linkage)
			require.Equal(t, "xdp.frags", sections["second"])
			require.Equal(t, ".text", sections["grow"])

			require.Len(t, u.Externs, 1)
			require.Equal(t, "hintjit_rx", u.Externs[0].Name)
			require.NotNil(t, u.Externs[0].Type)

			require.Equal(t, []string{"call hintjit_rx", "address of add", "call grow_twice", "call weigh"}, references(u, "first"))
			require.Equal(t, []string{"call weigh"}, references(u, "second"))
			require.Equal(t, []string{"call hintjit_rx", "call grow"}, references(u, "third"))
			require.Equal(t, []string{"call grow", "call weigh"}, references(u, "grow_twice"))

			var cores []*code.CORE
			for i, in := range function(t, u, "first").Insns {
				require.EqualValues(t, i, in.Origin)
				if in.CORE != nil {
					cores = append(cores, in.CORE)
				}
			}
			require.Len(t, cores, 1)
			require.Equal(t, code.FieldExists, cores[0].Kind)
			require.Equal(t, []int{0, 1}, cores[0].Access)
			require.Equal(t, "net_device", cores[0].Type.TypeName())
		})
	}
}

// references lists what a function refers to, in order.
func references(u *code.Unit, name string) []string {
	var out []string
	for _, f := range u.Funcs {
		if f.Name != name {
			continue
		}
		for i := range f.Insns {
			in := &f.Insns[i]
			what := "address of "
			if in.IsCall() {
				what = "call "
			}
			switch in.Ref.Kind {
			case code.RefFunc:
				out = append(out, what+u.Funcs[in.Ref.Index].Name)
			case code.RefExtern:
				out = append(out, what+u.Externs[in.Ref.Index].Name)
			}
		}
	}
	return out
}

func TestUnchangedIsTheSameBytes(t *testing.T) {
	same := func(t *testing.T, raw []byte) {
		f, u := parse(t, raw)
		require.True(t, bytes.Equal(raw, encode(t, f, u)))
		for _, fn := range u.Funcs {
			require.NoError(t, fn.Link(false)) // sets distances, which are no change
		}
		require.True(t, bytes.Equal(raw, encode(t, f, u)))
	}
	for _, path := range examples(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			same(t, raw)
		})
	}
	for _, to := range targets {
		t.Run(to.String(), func(t *testing.T) { same(t, compile(t, "testdata/all.c", to)) })
	}
}

// The new file, read again, says what the edited unit said: the same
// instructions with the same references, targets, lines and CO-RE records.
func TestChangedReadsBackTheSame(t *testing.T) {
	for _, to := range targets {
		for _, every := range []int{1, 2, 3, 7} {
			t.Run(to.String(), func(t *testing.T) {
				f, u := parse(t, compile(t, "testdata/all.c", to))
				padOut(u, every)
				g, again := parse(t, encode(t, f, u))
				requireSameUnit(t, u, again)
				require.True(t, bytes.Equal(encode(t, f, u), encode(t, g, again)))
			})
		}
	}
}

func requireSameUnit(t *testing.T, want, got *code.Unit) {
	t.Helper()
	require.Len(t, got.Funcs, len(want.Funcs))
	require.Equal(t, len(want.Externs), len(got.Externs))
	for i, w := range want.Funcs {
		g := got.Funcs[i]
		require.Equal(t, []any{w.Name, w.Section, w.Linkage, w.Type.Name}, []any{g.Name, g.Section, g.Linkage, g.Type.Name})
		require.Len(t, g.Insns, len(w.Insns), w.Name)
		for k := range w.Insns {
			a, b := w.Insns[k], g.Insns[k]
			require.Equal(t, a.Target, b.Target, "%s %d", w.Name, k)
			require.Equal(t, a.Ref, b.Ref, "%s %d", w.Name, k)
			require.Equal(t, a.Line, b.Line, "%s %d", w.Name, k)
			require.Equal(t, a.CORE == nil, b.CORE == nil, "%s %d", w.Name, k)
			if a.CORE != nil {
				require.Equal(t, a.CORE.TypeID, b.CORE.TypeID)
				require.Equal(t, a.CORE.Access, b.CORE.Access)
			}
			if a.Target == code.NoTarget && a.Ref.Kind != code.RefFunc {
				require.Equal(t, a.Instruction, b.Instruction, "%s %d", w.Name, k)
			}
		}
	}
}

// What llvm-objdump shows of the new file, without the inserted instructions, is
// what it shows of the old one.
func TestChangedInObjdump(t *testing.T) {
	objdump := needTool(t, "llvm-objdump-19", "is the second opinion")
	for _, to := range targets {
		t.Run(to.String(), func(t *testing.T) {
			raw := compile(t, "testdata/all.c", to)
			f, u := parse(t, raw)
			padOut(u, 3)
			view := func(raw []byte) string {
				return withoutAddresses(run(t, objdump, "-dr", "--no-show-raw-insn", "--no-print-imm-hex", save(t, raw)))
			}
			require.Equal(t, view(raw), view(encode(t, f, u)))
		})
	}
}

var (
	dumpNoop    = regexp.MustCompile(`^\s*\d+:\s+goto \+0\b`)
	dumpAddress = regexp.MustCompile(`^\s*[0-9a-f]+:\s+`)
	dumpTarget  = regexp.MustCompile(`(goto|gotol) [+-]\d+.*`)
	dumpCall    = regexp.MustCompile(`call -?\d+$`)
	dumpHeader  = regexp.MustCompile(`^[0-9a-f]{16} `)
	dumpText    = regexp.MustCompile(`r\d = \d+ ll$`)
)

// withoutAddresses takes out of a disassembly what an insertion changes. A call
// within the section keeps its name: objdump shows it as <name>.
func withoutAddresses(dump string) string {
	var out []string
	for _, line := range strings.Split(dump, "\n") {
		if strings.Contains(line, "file format") || dumpNoop.MatchString(line) {
			continue
		}
		line = dumpHeader.ReplaceAllString(line, "")
		line = dumpAddress.ReplaceAllString(line, "")
		line = dumpTarget.ReplaceAllString(line, "$1")
		line = dumpCall.ReplaceAllString(line, "call")
		line = dumpText.ReplaceAllString(line, "ll")
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// replaceExtern does what a rewrite does to the calls of hintjit_rx.
func replaceExtern(t testing.TB, u *code.Unit) {
	t.Helper()
	replaced := 0
	for _, f := range u.Funcs {
		e := code.NewEdit(f)
		for i, in := range f.Insns {
			if in.Ref.Kind == code.RefExtern {
				e.Replace(i, code.New(asm.Mov.Imm(asm.R0, 0)))
				replaced++
			}
		}
		e.Apply()
	}
	require.NotZero(t, replaced)
}

func TestReplacedExternIsGone(t *testing.T) {
	for _, to := range targets {
		t.Run(to.String(), func(t *testing.T) {
			f, u := parse(t, compile(t, "testdata/all.c", to))
			replaceExtern(t, u)
			out := encode(t, f, u)
			_, again := parse(t, out)
			require.Empty(t, again.Externs)
			require.Len(t, allTypes(t, again.Types), len(allTypes(t, u.Types)), "types keep their numbers")
			for _, typ := range allTypes(t, again.Types) {
				switch typ := typ.(type) {
				case *btf.Func:
					require.NotEqual(t, btf.ExternFunc, typ.Linkage, typ.Name)
				case *btf.Datasec:
					require.NotEqual(t, ".ksyms", typ.Name)
				}
			}
			if readelf := needTool(t, "llvm-readelf-19", "reads the symbols"); readelf != "" {
				require.NotContains(t, run(t, readelf, "-s", save(t, out)), "hintjit_rx")
			}
			_, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(out))
			require.NoError(t, err)
		})
	}
}

func allTypes(t testing.TB, spec *btf.Spec) []btf.Type {
	t.Helper()
	var types []btf.Type
	for typ, err := range spec.All() {
		require.NoError(t, err)
		types = append(types, typ)
	}
	return types
}

func TestOneOfTwoExternsGone(t *testing.T) {
	f, u := parse(t, compile(t, "testdata/externs.c", host))
	require.Len(t, u.Externs, 3)
	fn := function(t, u, "prog")
	e := code.NewEdit(fn)
	for i, in := range fn.Insns {
		if in.Ref.Kind == code.RefExtern && u.Externs[in.Ref.Index].Name == "hintjit_rx" {
			e.Replace(i, code.New(asm.Mov.Imm(asm.R0, 0)))
		}
	}
	e.Apply()
	_, again := parse(t, encode(t, f, u))
	require.Len(t, again.Externs, 2)
	require.Equal(t, []string{"call bpf_rcu_read_lock", "call bpf_rcu_read_unlock"}, references(again, "prog"))
}

func TestTables(t *testing.T) {
	for _, to := range targets {
		t.Run(to.String(), func(t *testing.T) {
			f, u := parse(t, compile(t, "testdata/all.c", to))
			replaceExtern(t, u)
			addTables(t, u)
			out := encode(t, f, u)
			spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(out))
			require.NoError(t, err)
			table := spec.Maps[object.TableSection]
			require.NotNil(t, table)
			require.Equal(t, []byte{1, 2, 3, 0, 0, 0, 0, 0, 40, 41}, table.Contents[0].Value)
			var found []int64
			for _, in := range spec.Programs["second"].Instructions {
				if in.Reference() == object.TableSection {
					found = append(found, in.Constant>>32)
				}
			}
			require.Equal(t, []int64{9}, found)
		})
	}
}

// addTables makes second return what is in the second byte of the second table.
func addTables(t testing.TB, u *code.Unit) {
	t.Helper()
	u.Tables = []code.Table{{Name: "hintjit_a", Data: []byte{1, 2, 3}}, {Name: "hintjit_b", Data: []byte{40, 41}}}
	load := code.New(asm.LoadImm(asm.R1, 1, asm.DWord))
	load.Ref = code.Ref{Kind: code.RefTable, Index: 1}
	fn := function(t, u, "second")
	e := code.NewEdit(fn)
	for i := range fn.Insns {
		if fn.Insns[i].IsExit() {
			e.Insert(i, load, code.New(asm.LoadMem(asm.R0, asm.R1, 0, asm.Byte)))
		}
	}
	e.Apply()
}
