package rewrite_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/object"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
	"github.com/hintjit/hintjit/verifier"
	"github.com/hintjit/hintjit/verifier/driver"
)

// A place where programs are tried: a NIC with a reach, and packets.
type ground struct {
	nic
	options rewrite.Options
	packets []sample
	kernel  *driver.Kernel // of a walk
}

// grounds are all NICs by the metadata area, and all walks, bound and portable. They are the same
// in each process, so that a file of testdata/fuzz stands for one program.
func grounds(t testing.TB) (out []ground) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range nics(t) {
		out = append(out, ground{nic: n, options: n.options(), packets: samples(rng, n.descriptor)})
	}
	for _, w := range walks(t, rng) {
		packets := worlds(rng, w.kernel)
		for _, types := range []*rewrite.Kernel{w.types, nil} {
			out = append(out, ground{nic: w.nic, kernel: w.kernel, packets: packets,
				options: rewrite.Options{Layout: w.layout, Descriptor: w.descriptor.Name, Reach: rewrite.Walk, Kernel: types}})
		}
	}
	return out
}

// Programs that no compiler has made: an error, or what was asked for. The bytes
// are the choices of an assembler.
func FuzzProgram(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 64 {
		f.Add(randomBytes(rng, 40+rng.IntN(400)))
	}
	all := grounds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &choices{data}
		g := all[c.n(len(all))]
		tryAssembly(t, g, c)
	})
}

// tryAssembly tells whether the program could be rewritten.
func tryAssembly(t *testing.T, g ground, c *choices) bool {
	t.Helper()
	order := []binary.ByteOrder{binary.LittleEndian, binary.BigEndian}[c.n(2)]
	first, step := c.n(len(g.packets)), 1+c.n(16)
	a := assemble(c, g.nic, order, false)
	raw, err := a.object()
	require.NoError(t, err)
	file, err := object.Parse(raw)
	require.NoError(t, err)
	before := file.Unit()
	var broken verifier.Violations
	if err := verifier.Check(before, verifier.Options{}); errors.As(err, &broken) {
		for _, v := range broken { // the one thing that an assembler does not look after
			require.Contains(t, []string{verifier.ChainStack, verifier.OldChainStack}, v.Invariant, "%v", err)
		}
		return false
	}

	out, report, err := rewrite.Object(raw, g.options)
	var refused *rewrite.UnsupportedError
	if errors.As(err, &refused) {
		return false
	}
	require.NoError(t, err, "%s %s\n%s%s", g.nic, order, a.declared(), listed(before))
	file, err = object.Parse(out)
	require.NoError(t, err)
	after := file.Unit()
	if err := verifier.Check(after, verifier.Options{Gone: []string{"hintjit_rx"}}); errors.As(err, &broken) {
		for _, v := range broken { // a warning of the report
			require.Equal(t, verifier.OldChainStack, v.Invariant, "%v", err)
		}
	}
	if g.kernel != nil {
		require.NoError(t, g.kernel.Answer(after))
	}
	given := g.descriptor
	if g.kernel != nil && g.options.Kernel == nil {
		given = portableHints(given, report)
	}
	a.answer(before, given)
	in := withTables(t, out, after)
	for i := range 6 {
		s := g.packets[(first+i*step)%len(g.packets)]
		hints := s.hints(order)
		maps.DeleteFunc(hints, func(name string, _ uint64) bool { return given.Hint(name) == nil })
		want, err := runAssembly(&interpreter{unit: before}, s, hints)
		require.NoError(t, err, "%s%s", a.declared(), listed(before)) // a fault of the assembler
		got, err := runAssembly(in, s, nil)
		if err != nil || !reflect.DeepEqual(want, got) {
			t.Fatalf("%s, %s: want %+v\ngot %+v, %v\nhints %v\n%s\nbefore\n%s\nafter\n%s",
				g.nic, order, want, got, err, hints, a.declared(), listed(before), listed(after))
		}
	}
	return true
}

// answer does what a loader would do with the records of the program, if there
// were a kernel with the hint struct.
func (a *assembly) answer(u *code.Unit, given *layouts.Descriptor) {
	for _, f := range u.Funcs {
		for _, x := range a.answers {
			if x.function != f.Name {
				continue
			}
			in := &f.Insns[x.insn]
			switch {
			case x.hint != "":
				in.Constant = int64(bit(given.Hint(x.hint) != nil))
			case in.OpCode.Class().IsLoad():
				in.Offset = int16(x.value)
			default:
				in.Constant = x.value
			}
		}
	}
}

// declared is the hint struct, for messages.
func (a *assembler) declared() string {
	var out bytes.Buffer
	for _, m := range a.members {
		fmt.Fprintf(&out, "%v %s: %d bits at bit %d\n", m.access, m.name, m.bits, m.offset)
	}
	return out.String()
}

// ran is what a run of an assembly leaves.
type ran struct {
	Ret          uint32
	Packet, Meta []byte
	Calls        []verifier.Call
}

// runAssembly runs the program on a packet. hints are what hintjit_rx returns.
func runAssembly(in *interpreter, s sample, hints map[string]uint64) (ran, error) {
	m := &verifier.Machine{Unit: in.unit, Packet: bytes.Clone(s.packet), Meta: bytes.Clone(s.meta), Now: 1, MapAt: in.mapAt,
		Externs: map[string]verifier.Extern{
			"hintjit_rx": func(m *verifier.Machine, _ [5]uint64) (uint64, error) { return in.hintjitRX(m, hints) },
		}}
	if s.world != nil {
		s.world.Attach(m)
	}
	ret, err := m.Run("prog")
	r := ran{Ret: ret, Packet: m.Packet, Meta: m.Meta}
	for _, c := range m.Calls {
		r.Calls = append(r.Calls, verifier.Call{Helper: c.Helper, Data: c.Data, Result: c.Result})
	}
	return r, err
}

// withTables is an interpreter of what was rewritten: all that it refers to are
// tables for hints.
func withTables(t *testing.T, raw []byte, u *code.Unit) *interpreter {
	t.Helper()
	const section = ".rodata.hintjit"
	in := &interpreter{unit: u, maps: map[string]*verifier.Map{}}
	f, err := elf.NewFile(bytes.NewReader(raw))
	require.NoError(t, err)
	s := f.Section(section)
	if s == nil {
		return in
	}
	data, err := s.Data()
	require.NoError(t, err)
	in.maps[section] = &verifier.Map{Name: section, KeySize: 4, ValueSize: len(data), MaxEntries: 1}
	in.maps[section].Set(make([]byte, 4), data)
	in.refs = references(t, raw, u)
	return in
}

// listed is the code of a unit, for messages.
func listed(u *code.Unit) string {
	var out bytes.Buffer
	for _, f := range u.Funcs {
		fmt.Fprintf(&out, "%s:\n", f.Name)
		for i := range f.Insns {
			in := &f.Insns[i]
			fmt.Fprintf(&out, "%4d: %v", i, in.Instruction)
			if in.IsBranch() {
				fmt.Fprintf(&out, " -> %d", in.Target)
			}
			if in.CORE != nil {
				fmt.Fprintf(&out, "  // %d %v", in.CORE.Kind, in.CORE.Access)
			}
			out.WriteString("\n")
		}
	}
	return out.String()
}

// A few programs of any bytes, in each test run.
func TestAssembled(t *testing.T) {
	rng := chance.Rand(t)
	all := grounds(t)
	accepted := 0
	const programs = 500
	var data []byte
	defer func() {
		if t.Failed() {
			t.Logf("as a file of testdata/fuzz/FuzzProgram:\ngo test fuzz v1\n[]byte(%q)", data)
		}
	}()
	for range programs {
		data = randomBytes(rng, 40+rng.IntN(400))
		c := &choices{data}
		if tryAssembly(t, all[c.n(len(all))], c) {
			accepted++
		}
	}
	require.Greater(t, accepted, programs*9/10, "what is refused shows nothing")
}

// The kernel takes what comes out, and does what the program did before.
func TestAssembledInKernel(t *testing.T) {
	needKernel(t)
	rng := chance.Rand(t)
	all := nics(t)
	for range 40 {
		n := all[rng.IntN(len(all))]
		a := assemble(&choices{randomBytes(rng, 40+rng.IntN(300))}, n, binary.LittleEndian, true)
		raw, err := a.object()
		require.NoError(t, err)
		out, _, err := rewrite.Object(raw, n.options())
		var refused *rewrite.UnsupportedError
		if errors.As(err, &refused) {
			continue
		}
		require.NoError(t, err)
		file, err := object.Parse(raw)
		require.NoError(t, err)
		before := file.Unit()
		a.answer(before, n.descriptor)
		spec, _ := loadSpec(t, out)
		coll, err := ebpf.NewCollection(spec)
		if errors.Is(err, syscall.E2BIG) {
			continue // a million instructions to verify: loops, and both ways of every branch
		}
		if err != nil {
			var log *ebpf.VerifierError
			errors.As(err, &log)
			t.Fatalf("%s: %+v\n%s%s", n, log, a.declared(), listed(before))
		}
		defer coll.Close()
		packets := samples(rng, n.descriptor)
		for range 8 {
			s := packets[rng.IntN(len(packets))]
			want, err := runAssembly(&interpreter{unit: before}, s, s.hints(a.order))
			require.NoError(t, err)
			got := runInKernel(t, coll.Programs["prog"], s)
			want.Calls = nil
			require.Equal(t, want, got, "%s, metadata %x\n%s%s", n, s.meta, a.declared(), listed(before))
		}
	}
}

func runInKernel(t *testing.T, p *ebpf.Program, s sample) ran {
	t.Helper()
	var md mdXDP
	opts := ebpf.RunOptions{
		Data:       append(bytes.Clone(s.meta), s.packet...),
		DataOut:    make([]byte, 1024),
		Context:    mdXDP{Data: uint32(len(s.meta)), DataEnd: uint32(len(s.meta) + len(s.packet))},
		ContextOut: &md,
	}
	ret, err := p.Run(&opts)
	require.NoError(t, err)
	return ran{Ret: ret, Meta: append([]byte(nil), opts.DataOut[:md.Data]...), Packet: opts.DataOut[md.Data:]}
}
