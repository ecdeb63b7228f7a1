package layouts

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
)

// A layout that is wrong still agrees with itself: code made from it and the
// decoder that reads it share the mistake. So each layout is held against an
// oracle, a C program in testdata/oracle that takes a descriptor apart the way
// the driver does and never sees the layout.

// form is a descriptor of a shipped layout, each of which has an oracle.
type form struct{ nic, descriptor string }

func forms(t *testing.T) (all []form) {
	t.Helper()
	for _, nic := range Names() {
		l, err := Shipped(nic)
		require.NoError(t, err)
		for _, d := range l.Descriptors {
			all = append(all, form{nic, d.Name})
		}
	}
	return all
}

func TestOracle(t *testing.T) {
	for _, form := range forms(t) {
		t.Run(form.nic+"/"+form.descriptor, func(t *testing.T) {
			_, d := loadForm(t, form.nic, form.descriptor)
			descs := samples(d, chance.Rand(t))
			want := askOracle(t, form.nic, d, descs)

			for i, desc := range descs {
				if got := d.Decode(desc, binary.NativeEndian); !maps.Equal(got, want[i]) {
					require.Equal(t, want[i], got, "descriptor %x: the oracle's hints, the layout's", desc)
				}
			}
			requireBothWays(t, d, want)
		})
	}
}

// requireBothWays fails unless every hint was seen present and, where anything
// but Ready decides on it, absent from a descriptor that is ready.
func requireBothWays(t *testing.T, d *Descriptor, hints []map[string]uint64) {
	t.Helper()
	present, ready := map[string]int{}, 0
	for _, h := range hints {
		if len(h) > 0 {
			ready++
		}
		for name := range h {
			present[name]++
		}
	}
	t.Logf("%d descriptors, %d ready, hints present in: %v", len(hints), ready, present)
	require.Positive(t, len(hints)-ready, "no descriptor was not ready")
	for _, h := range d.Hints {
		require.Positive(t, present[h.Name], "%s was never present", h.Name)
		if !always(h) {
			require.Positive(t, ready-present[h.Name], "%s was never absent", h.Name)
		}
	}
}

// always tells whether a hint is in every ready descriptor.
func always(h *Hint) bool {
	return slices.ContainsFunc(h.Alternatives, func(a Alternative) bool { return len(a.When) == 0 && a.Map == nil })
}

func loadForm(t *testing.T, nic, name string) (*Layout, *Descriptor) {
	t.Helper()
	l, err := LoadFile(nic + ".yaml")
	require.NoError(t, err)
	d, err := l.Descriptor(name)
	require.NoError(t, err)
	return l, d
}

// askOracle compiles the NIC's oracle and returns the hints it sees in each
// descriptor.
func askOracle(t *testing.T, nic string, d *Descriptor, descs [][]byte) []map[string]uint64 {
	t.Helper()
	program := filepath.Join(t.TempDir(), nic)
	source := filepath.Join("testdata", "oracle", nic+".c")
	out, err := exec.Command(compiler(t), "-O1", "-o", program, source).CombinedOutput()
	require.NoError(t, err, "compiling %s:\n%s", source, out)

	cmd := exec.Command(program, d.Name, strconv.Itoa(d.RecordSize()))
	cmd.Stdin = bytes.NewReader(bytes.Join(descs, nil))
	cmd.Stderr = os.Stderr
	out, err = cmd.Output()
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	require.Len(t, lines, len(descs))

	hints := make([]map[string]uint64, len(lines))
	for i, line := range lines {
		hints[i] = map[string]uint64{}
		for _, word := range strings.Fields(line) {
			name, hex, _ := strings.Cut(word, "=")
			v, err := strconv.ParseUint(hex, 16, 64)
			require.NoError(t, err, "the oracle printed %q", word)
			require.NotContains(t, hints[i], name, "the oracle printed a hint twice")
			hints[i][name] = v
		}
	}
	return hints
}

func compiler(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"cc", "gcc", "clang", "clang-19"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no C compiler (cc, gcc, clang) to build the oracles with")
	return ""
}

// samples makes descriptors that meet every condition of d both ways. Random
// bytes seldom meet a conjunction, so each alternative of each hint is met on
// purpose, then failed in one condition at a time, and narrow fields take every
// value they have.
func samples(d *Descriptor, rnd *rand.Rand) [][]byte {
	s := &sampler{d: d, rnd: rnd}
	for range 500 {
		s.add(func([]byte) {})
	}
	for _, h := range d.Hints {
		for i := range h.Alternatives {
			s.alternative(h, i)
		}
	}
	for range 20 {
		for i := range d.Ready {
			s.vary(d.Ready[i].Field, slices.Delete(slices.Clone(d.Ready), i, i+1), nil)
		}
	}
	// In any order, so that a search for a difference ends early.
	rnd.Shuffle(len(s.descs), func(i, j int) { s.descs[i], s.descs[j] = s.descs[j], s.descs[i] })
	return s.descs
}

type sampler struct {
	d     *Descriptor
	rnd   *rand.Rand
	descs [][]byte
}

// add makes one descriptor: random bytes, then what set does to them.
func (s *sampler) add(set func(desc []byte)) {
	desc := make([]byte, s.d.RecordSize())
	for i := range desc {
		desc[i] = byte(s.rnd.Uint32())
	}
	for k := range s.d.State { // integers are as wide as they are said to be
		at := desc[s.d.Size+8*k:][:8]
		clear(at[:8-(s.d.State[k].At.Int.Bits+7)/8])
		if n := s.d.State[k].At.Int.Bits % 8; n != 0 {
			at[7] &= 1<<n - 1
		}
	}
	set(desc)
	s.descs = append(s.descs, desc)
}

func (s *sampler) alternative(h *Hint, n int) {
	a := &h.Alternatives[n]
	before := s.d.Ready
	if a.Map != nil { // most values of a field may have no translation
		before = append([]Condition{{Field: a.From, Values: slices.Sorted(maps.Keys(a.Map.Values))}}, before...)
	}
	conditions := slices.Concat(before, a.When)
	for range 20 {
		s.add(func(desc []byte) { s.meet(desc, conditions) })
	}
	// Another alternative may give the same, and hide what is wrong with this one.
	others := slices.Delete(slices.Clone(h.Alternatives), n, n+1)
	for _, rest := range [][]Alternative{nil, others, others, others, others, nil, others, others, others, others} {
		for i := range a.When {
			s.vary(a.When[i].Field, slices.Concat(before, slices.Delete(slices.Clone(a.When), i, i+1)), rest)
		}
	}
	if a.Map != nil || len(a.Convert) > 0 {
		s.vary(a.From, conditions, others)
	}
}

// vary adds a descriptor for each value the field can have, or for the edges of
// a wide one and what any condition compares it with, with the conditions met and
// the others failed.
func (s *sampler) vary(f *Field, conditions []Condition, others []Alternative) {
	values := append(s.compared(f), 0, 1, 1<<(f.Width()-1), 1<<f.Width()-1, s.rnd.Uint64())
	if f.Width() <= 10 {
		values = values[:0]
		for v := range uint64(1) << f.Width() {
			values = append(values, v)
		}
	}
	for _, v := range values {
		s.add(func(desc []byte) {
			s.meet(desc, conditions)
			s.fail(desc, others, append(slices.Clone(conditions), Condition{Field: f}))
			put(s.d, f, desc, v)
		})
	}
}

// fail makes one condition of each alternative fail, when there is one that can
// and is of no field in keep.
func (s *sampler) fail(desc []byte, alternatives []Alternative, keep []Condition) {
	for _, a := range alternatives {
		free := slices.DeleteFunc(slices.Clone(a.When), func(c Condition) bool {
			return len(c.Values)>>c.Field.Width() != 0 || slices.ContainsFunc(keep, func(k Condition) bool { return k.Field == c.Field })
		})
		if len(free) > 0 {
			c := free[s.rnd.IntN(len(free))]
			c.Not = !c.Not
			s.meet(desc, []Condition{c})
		}
	}
}

// compared lists the numbers that conditions and maps compare a field
// with, those beside them, and those that differ from them in the last bit there is.
func (s *sampler) compared(f *Field) []uint64 {
	var values []uint64
	note := func(v uint64) { values = append(values, v-1, v, v+1, v^1<<(f.Width()-1)) }
	noteAll := func(conditions []Condition) {
		for _, c := range conditions {
			if c.Field == f {
				for _, v := range c.Values {
					note(v)
				}
			}
		}
	}
	noteAll(s.d.Ready)
	for _, h := range s.d.Hints {
		for _, a := range h.Alternatives {
			noteAll(a.When)
			if a.From == f && a.Map != nil {
				for _, v := range slices.Sorted(maps.Keys(a.Map.Values)) {
					note(v)
				}
			}
		}
	}
	return values
}

// meet makes the conditions hold.
func (s *sampler) meet(desc []byte, conditions []Condition) {
	for _, c := range conditions {
		v := c.Values[s.rnd.IntN(len(c.Values))]
		for c.Not && slices.Contains(c.Values, v) {
			v = s.rnd.Uint64() & (1<<c.Field.Width() - 1)
		}
		put(s.d, c.Field, desc, v)
	}
}

// put writes a field's value, the inverse of Field.Value.
func put(d *Descriptor, f *Field, desc []byte, v uint64) {
	size := d.Word.Bits / 8
	for _, r := range slices.Backward(f.Bits) {
		for bit := r.LSB; bit <= r.MSB; bit++ {
			i := bit / 8
			if d.Word.BigEndian {
				i = size - 1 - i
			}
			at := &desc[(r.Word*size+i)%len(desc)]
			if d.StateOf(r.Word) != nil {
				at = &desc[d.Size+8*(r.Word-FirstState)+7-bit/8]
			}
			*at = *at&^(1<<(bit%8)) | byte(v&1)<<(bit%8)
			v >>= 1
		}
	}
}
