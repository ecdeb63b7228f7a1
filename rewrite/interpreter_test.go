package rewrite_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/object"
	"github.com/hintjit/hintjit/rewrite"
	"github.com/hintjit/hintjit/verifier"
)

// uninterpreted are shapes that need more than the interpreter: a loader.
var uninterpreted = map[string]string{
	"core_foreign": "its CO-RE records against a kernel type are for a loader to answer",
}

// unmodelled are shapes that the models' own struct can not stand for.
var unmodelled = map[string]string{
	"flavour": "one pointer to structs of two layouts has a meaning only after rewriting",
}

// Every shape for some NICs in the byte order that the kernel here does not
// have, run by the interpreter, at the CPU levels that differ most.
func TestShapesInterpreted(t *testing.T) {
	rng := chance.Rand(t)
	all := nics(t)
	packets := make(map[string][]sample)
	for _, n := range all {
		packets[n.String()] = samples(rng, n.descriptor)
	}
	for _, path := range sources(t, "shapes") {
		tried := make(map[string][]sample)
		for _, n := range all {
			tried[n.String()] = some(rng, packets[n.String()], shapeName(path))
		}
		t.Run(shapeName(path), func(t *testing.T) {
			if why := uninterpreted[shapeName(path)]; why != "" {
				t.Skip(why)
			}
			t.Parallel()
			for _, m := range []machine{foreign[0], foreign[3]} {
				original := compile(t, path, m)
				for _, n := range few(shapeOn(path, m), all, nicsPerShape) {
					t.Run(m.String()+"/"+n.String(), func(t *testing.T) {
						rewritten, _, err := rewrite.Object(original, n.options())
						require.NoError(t, err)
						interpretAll(t, newInterpreter(t, rewritten, m.order()), n, tried[n.String()])
					})
				}
			}
		})
	}
}

// fewPackets are tried by the interpreter, which is no CPU, on a shape that is
// about something else than what hints are made of. The shape header reads all
// hints, and gets all packets.
const fewPackets = 8

func some(rng *rand.Rand, packets []sample, shape string) []sample {
	if shape == "header" {
		return packets
	}
	out := make([]sample, fewPackets)
	for i := range out {
		out[i] = packets[rng.IntN(len(packets))]
	}
	return out
}

// The models are right, which no rewriting has a part in: the shapes as they
// were compiled, with a hintjit_rx that returns a struct filled from the truth.
func TestModels(t *testing.T) {
	rng := chance.Rand(t)
	n := nics(t)[0]
	packets := samples(rng, n.descriptor)
	for _, path := range sources(t, "shapes") {
		t.Run(shapeName(path), func(t *testing.T) {
			if why := uninterpreted[shapeName(path)] + unmodelled[shapeName(path)]; why != "" {
				t.Skip(why)
			}
			t.Parallel()
			for _, m := range []machine{runnable[0], runnable[3], foreign[0], foreign[3]} {
				t.Run(m.String(), func(t *testing.T) {
					in := newInterpreter(t, compile(t, path, m), m.order())
					in.answerRecords(t, n)
					interpretAll(t, in, n, packets)
				})
			}
		})
	}
}

// interpretAll runs all programs of an object and compares with their models.
func interpretAll(t *testing.T, in *interpreter, n nic, packets []sample) {
	t.Helper()
	for _, program := range slices.Sorted(maps.Keys(in.spec.Programs)) {
		model := models[program]
		require.NotNil(t, model, "program %s has no model", program)
		for _, s := range packets {
			w := expect(s, n, in.unit.Order)
			model(w)
			got, err := in.run(program, s)
			require.NoError(t, err, "program %s, descriptor %x", program, s.meta)
			compare(t, program, s, w, got)
		}
	}
}

// An interpreter runs the programs of an object.
type interpreter struct {
	unit *code.Unit
	spec *ebpf.CollectionSpec
	maps map[string]*verifier.Map // by name, ".bss" among them
	refs map[place]reference      // what wide loads refer to
}

// place is an instruction of a function.
type place struct {
	function string
	insn     int
}

// reference is a map, or with value set, the value of a map that is global data.
type reference struct {
	name  string
	value bool
}

func newInterpreter(t *testing.T, raw []byte, order binary.ByteOrder) *interpreter {
	t.Helper()
	file, err := object.Parse(raw)
	require.NoError(t, err)
	in := &interpreter{unit: file.Unit(), maps: make(map[string]*verifier.Map)}
	require.Equal(t, order, in.unit.Order)
	in.spec, _ = loadSpec(t, raw)
	for name, m := range in.spec.Maps {
		mp := &verifier.Map{Name: name, Type: m.Type, KeySize: int(m.KeySize), ValueSize: int(m.ValueSize),
			MaxEntries: int(m.MaxEntries)}
		if strings.HasPrefix(name, ".rodata") {
			mp.ReadOnly = true
			mp.Set(make([]byte, 4), m.Contents[0].Value.([]byte))
		}
		if m.Type == ebpf.ProgramArray {
			one := make([]byte, 4)
			order.PutUint32(one, 1)
			mp.SetProgram(one, "tail_target")
		}
		in.maps[name] = mp
	}
	in.refs = references(t, raw, in.unit)
	return in
}

// references finds what wide loads refer to by their relocations, and adds the
// place of a variable in its section to the load.
func references(t *testing.T, raw []byte, unit *code.Unit) map[place]reference {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(raw))
	require.NoError(t, err)
	symbols, err := f.Symbols()
	require.NoError(t, err)
	at := make(map[string]elf.Symbol) // "section offset" of an instruction
	for _, s := range f.Sections {
		if s.Type != elf.SHT_REL || !strings.HasPrefix(s.Name, ".rel") {
			continue
		}
		data, err := s.Data()
		require.NoError(t, err)
		for ; len(data) >= 16; data = data[16:] {
			offset, info := f.ByteOrder.Uint64(data), f.ByteOrder.Uint64(data[8:])
			at[fmt.Sprint(strings.TrimPrefix(s.Name, ".rel"), offset)] = symbols[info>>32-1]
		}
	}
	refs := make(map[place]reference)
	for _, fn := range unit.Funcs {
		i := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == fn.Name })
		require.NotEqual(t, -1, i, "symbol %s", fn.Name)
		offset := symbols[i].Value
		for k := range fn.Insns {
			insn := &fn.Insns[k]
			sym, ok := at[fmt.Sprint(fn.Section, offset)]
			offset += insn.Size()
			if !ok || !insn.OpCode.IsDWordLoad() {
				continue
			}
			ref := reference{name: sym.Name}
			if section := f.Sections[sym.Section].Name; section != ".maps" {
				ref = reference{section, true}
				insn.Constant += int64(sym.Value)
			}
			refs[place{fn.Name, k}] = ref
		}
	}
	return refs
}

// mapAt is verifier.Machine.MapAt.
func (in *interpreter) mapAt(f *code.Func, i int) (mp *verifier.Map, value bool) {
	ref := in.refs[place{f.Name, i}]
	return in.maps[ref.name], ref.value
}

// run runs a program once.
func (in *interpreter) run(program string, s sample) (outcome, error) {
	zero := make([]byte, 4)
	in.maps[".bss"].Set(zero, make([]byte, 8*outWords))
	m := &verifier.Machine{
		Unit:   in.unit,
		Packet: bytes.Clone(s.packet),
		Meta:   bytes.Clone(s.meta),
		Now:    1,
		MapAt:  in.mapAt,
		Externs: map[string]verifier.Extern{
			"hintjit_rx": func(m *verifier.Machine, _ [5]uint64) (uint64, error) { return in.hintjitRX(m, s.hints(in.unit.Order)) },
		},
	}
	if s.world != nil {
		s.world.Attach(m)
	}
	ret, err := m.Run(program)
	if err != nil {
		return outcome{}, err
	}
	o := outcome{Ret: ret, Meta: m.Meta, Packet: m.Packet}
	o.Out = make([]uint64, outWords)
	if _, err := binary.Decode(in.maps[".bss"].Value(zero), in.unit.Order, o.Out); err != nil {
		return outcome{}, err
	}
	if mp := in.maps["copies"]; mp != nil {
		o.Copies = mp.Value(zero)
	}
	for _, c := range m.Calls {
		if c.Helper == asm.FnRingbufOutput {
			o.Events = append(o.Events, c.Data...)
		}
	}
	return o, nil
}

// hintjitRX stands for the function that no kernel has: it returns the program's
// own struct, filled from the truth.
func (in *interpreter) hintjitRX(m *verifier.Machine, hints map[string]uint64) (uint64, error) {
	var st *btf.Struct
	if err := in.unit.Types.TypeByName("hintjit_rx", &st); err != nil {
		return 0, err
	}
	w := &want{order: in.unit.Order, hints: hints}
	data := make([]byte, st.Size)
	fill(data, st.Members, 0, w)
	return m.ReadOnly("struct hintjit_rx", data)
}

// fill writes the members of a struct that stands at a bit offset.
func fill(data []byte, members []btf.Member, base btf.Bits, w *want) {
	for _, member := range members {
		at := base + member.Offset
		switch t := btf.UnderlyingType(member.Type).(type) {
		case *btf.Struct:
			fill(data, t.Members, at, w)
		case *btf.Union:
			fill(data, t.Members, at, w)
		case *btf.Int:
			v := w.v(member.Name)
			if hint, ok := strings.CutPrefix(member.Name, "has_"); ok {
				v = w.has(hint)
			}
			if v == 0 {
				continue // in a union it would clear another member
			}
			if member.BitfieldSize > 0 {
				setBits(data, at, member.BitfieldSize, v, w.order)
				continue
			}
			b := w.pack(v)
			if w.order == binary.BigEndian {
				b = b[8-t.Size:]
			}
			copy(data[at/8:], b[:t.Size])
		}
	}
}

// setBits writes a bit-field, in zeros. BTF counts bits from the end of a byte
// that the byte order starts with.
func setBits(data []byte, at, size btf.Bits, v uint64, order binary.ByteOrder) {
	for i := range size {
		bit := byte(v>>i&1) << ((at + i) % 8)
		if order == binary.BigEndian {
			bit = byte(v>>(size-1-i)&1) << (7 - (at+i)%8)
		}
		data[(at+i)/8] |= bit
	}
}

// answerRecords does what a loader does for a type that is as it was compiled,
// and answers the questions whether a hint is there.
func (in *interpreter) answerRecords(t *testing.T, n nic) {
	t.Helper()
	for _, f := range in.unit.Funcs {
		for i := range f.Insns {
			insn := &f.Insns[i]
			if insn.CORE == nil {
				continue
			}
			st, ok := insn.CORE.Type.(*btf.Struct)
			require.True(t, ok, "CO-RE record against %v", insn.CORE.Type)
			switch insn.CORE.Kind {
			case code.FieldByteOffset:
				member := st.Members[insn.CORE.Access[1]]
				if size := btf.Bits(insn.OpCode.Size().Sizeof()); member.BitfieldSize > 0 &&
					(insn.OpCode.Class().IsLoad() || insn.OpCode.Class().IsStore()) {
					insn.Offset = int16(member.Offset / 8 / size * size)
				}
			case code.FieldExists:
				hint := strings.TrimPrefix(st.Members[insn.CORE.Access[1]].Name, "has_")
				insn.Constant = int64(bit(n.descriptor.Hint(hint) != nil))
			}
		}
	}
}
