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

// forms are the descriptors with an oracle.
var forms = []struct{ nic, descriptor string }{
	{"fbnic", "buff"},
	{"fbnic", "meta"},
	{"fsl_enetc", "rxbd"},
	{"atlantic", "wb"},
	{"fsl_dpa", "ic"},
	{"fsl_dpaa2_eth", "hwa"},
	{"bnxt_en", "rx_cmp"},
	{"ena", "cdesc"},
	{"gve", "dqo"},
	{"gve", "gqi"},
	{"hv_netvsc", "rsc"},
	{"i40e", "wb16"},
	{"i40e", "wb32"},
	{"ice", "flex"},
	{"idpf", "splitq"},
	{"igb", "adv"},
	{"igc", "adv"},
	{"ionic", "rxq_comp"},
	{"ixgbe", "adv"},
	{"ixgbevf", "adv"},
	{"mlx4_en", "cqe"},
	{"lan966x_switch", "ifh"},
	{"mana", "oob"},
	{"mlx5_core", "cqe64"},
	{"st_gmac", "gmac4"},
	{"st_xgmac", "xgmac"},
	{"mtk_soc_eth", "rxd"},
	{"mtk_soc_eth", "rxd_v2"},
	{"nfp", "rxd"},
	{"qede", "cqe"},
	{"rvu_nicpf", "cqe"},
	{"sfc", "prefix"},
	{"tsnep", "inline"},
	{"mvneta", "rxd"},
	{"mvpp2", "pp22"},
	{"netsec", "de"},
	{"veth", "skb"},
	{"vif", "rsp"},
	{"virtio_net", "hdr"},
	{"vmxnet3", "rcd"},
}

func TestOracle(t *testing.T) {
	for _, form := range forms {
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

func TestEveryLayoutHasAnOracle(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	require.NoError(t, err)
	var have, want []string
	for _, form := range forms {
		have = append(have, form.nic+"/"+form.descriptor)
	}
	for _, file := range files {
		l, err := LoadFile(file)
		require.NoError(t, err)
		for _, d := range l.Descriptors {
			want = append(want, l.NIC+"/"+d.Name)
		}
	}
	require.ElementsMatch(t, want, have)
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
	for _, rest := range [][]Alternative{nil, others, nil, others} {
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

// compared lists the numbers that the hints' conditions and maps compare a field
// compared lists the numbers that conditions and maps compare a field
// with, those beside them, and those that differ from them in the last bit there is.
// compared lists the numbers that conditions and maps compare a field with, those
// beside them, and those that differ from them in the last bit there is.
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

// TestOracleSeesMistakes makes every small mistake a layout can have, one at a
// time, and requires the oracle to contradict each, or the checks on loading to
// refuse it.
func TestOracleSeesMistakes(t *testing.T) {
	for _, form := range forms {
		t.Run(form.nic+"/"+form.descriptor, func(t *testing.T) {
			l, d := loadForm(t, form.nic, form.descriptor)
			descs := samples(d, chance.Rand(t))
			want := askOracle(t, form.nic, d, descs)

			seen := 0
			var refused, survivors []string
			for _, m := range mistakes(d) {
				undo := m.make()
				switch {
				case contradicted(d, m.hints, descs, want):
					seen++
				case refuses(l):
					refused = append(refused, m.name)
				default:
					survivors = append(survivors, m.name)
				}
				undo()
			}
			t.Logf("%d mistakes contradicted, %d refused: %q", seen, len(refused), refused)
			require.Empty(t, survivors, "mistakes nobody sees")
			require.Greater(t, seen, 5*len(d.Hints))
		})
	}
}

// refuses tells whether the layout would not have been loaded.
func refuses(l *Layout) bool {
	var errs Errors
	check(l, &errs)
	return errs.orNil() != nil
}

// contradicted tells whether the layout and the oracle differ in one of these
// hints of one of the descriptors.
func contradicted(d *Descriptor, hints []*Hint, descs [][]byte, want []map[string]uint64) bool {
	part := *d
	part.Hints = hints
	for i, desc := range descs {
		got := part.Decode(desc, binary.NativeEndian)
		for _, h := range hints {
			g, inGot := got[h.Name]
			w, inWant := want[i][h.Name]
			if g != w || inGot != inWant {
				return true
			}
		}
	}
	return false
}

// mistake is one change to a descriptor in memory and the hints it can show in.
type mistake struct {
	name  string
	hints []*Hint
	make  func() (undo func())
}

// change is a mistake that sets one variable.
func change[T any](name string, hints []*Hint, at *T, to T) mistake {
	return mistake{name, hints, func() func() {
		was := *at
		*at = to
		return func() { *at = was }
	}}
}

func mistakes(d *Descriptor) []mistake {
	var all []mistake
	for _, f := range d.Fields {
		all = append(all, fieldMistakes(d, f)...)
	}
	all = append(all, conditionMistakes("ready", d.Hints, &d.Ready)...)
	seen := map[*ValueMap]bool{}
	for _, h := range d.Hints {
		hints := []*Hint{h}
		for i := range h.Alternatives {
			a := &h.Alternatives[i]
			name := fmt.Sprintf("%s, alternative %d", h.Name, i+1)
			all = append(all, conditionMistakes(name, hints, &a.When)...)
			all = append(all, valueMistakes(name, hints, a)...)
			all = append(all, change(name+" left out", hints, &h.Alternatives,
				slices.Delete(slices.Clone(h.Alternatives), i, i+1)))
			if a.Map != nil && !seen[a.Map] {
				seen[a.Map] = true
				all = append(all, mapMistakes(d, a.Map)...)
			}
		}
	}
	return all
}

// fieldMistakes moves, widens and narrows each range of a field by one bit, and
// joins its ranges in another order.
func fieldMistakes(d *Descriptor, f *Field) []mistake {
	var all []mistake
	hints := users(d, func(x *Field, _ *ValueMap) bool { return x == f })
	if len(hints) == 0 {
		return nil // inherited, and of no use here
	}
	for i, r := range f.Bits {
		for _, by := range []BitRange{{0, 1, 1}, {0, -1, -1}, {0, 1, 0}, {0, 0, -1}, {0, -1, 0}, {0, 0, 1}} {
			to := BitRange{r.Word, r.MSB + by.MSB, r.LSB + by.LSB}
			width := d.Word.Bits
			if state := d.StateOf(r.Word); state != nil {
				width = state.At.Int.Bits
			}
			if to.LSB < 0 || to.MSB >= width || to.MSB < to.LSB {
				continue
			}
			name := fmt.Sprintf("field %s: %v instead of %v", f.Name, to, r)
			all = append(all, change(name, hints, &f.Bits[i], to))
		}
	}
	if len(f.Bits) > 1 {
		turned := slices.Clone(f.Bits)
		slices.Reverse(turned)
		all = append(all, change("field "+f.Name+": joined the other way", hints, &f.Bits, turned))
	}
	return all
}

// conditionMistakes leaves out each condition, turns it round, and changes or
// leaves out each of its constants.
func conditionMistakes(name string, hints []*Hint, conditions *[]Condition) []mistake {
	var all []mistake
	for i := range *conditions {
		c := &(*conditions)[i]
		name := fmt.Sprintf("%s: %v", name, *c)
		all = append(all,
			change(name+" left out", hints, conditions, slices.Delete(slices.Clone(*conditions), i, i+1)),
			change(name+" turned round", hints, &c.Not, !c.Not))
		for k, v := range c.Values {
			for _, to := range []uint64{v + 1, v - 1} {
				if to>>c.Field.Width() == 0 && !slices.Contains(c.Values, to) {
					all = append(all, change(fmt.Sprintf("%s: %d instead of %d", name, to, v), hints, &c.Values[k], to))
				}
			}
			if len(c.Values) > 1 {
				all = append(all, change(fmt.Sprintf("%s: without %d", name, v), hints, &c.Values,
					slices.Delete(slices.Clone(c.Values), k, k+1)))
			}
		}
	}
	return all
}

// valueMistakes changes an alternative's constant and its conversions.
func valueMistakes(name string, hints []*Hint, a *Alternative) []mistake {
	var all []mistake
	if a.From == nil {
		all = append(all, change(name+": another constant", hints, &a.Value, a.Value+1))
	}
	for i := range a.Convert {
		c := &a.Convert[i]
		if c.Op.hasArg() {
			all = append(all, change(fmt.Sprintf("%s: one more than %v", name, *c), hints, &c.Arg, c.Arg+1))
		}
		all = append(all,
			change(fmt.Sprintf("%s: without %v", name, *c), hints, &a.Convert,
				slices.Delete(slices.Clone(a.Convert), i, i+1)))
	}
	return all
}

// mapMistakes changes and leaves out each entry of a map, and gives its value to
// the next key as well.
func mapMistakes(d *Descriptor, m *ValueMap) []mistake {
	var all []mistake
	hints := users(d, func(_ *Field, x *ValueMap) bool { return x == m })
	entry := func(what string, key uint64, edit func(map[uint64]uint64)) {
		edited := maps.Clone(m.Values)
		edit(edited)
		all = append(all, change(fmt.Sprintf("map %s: %d %s", m.Name, key, what), hints, &m.Values, edited))
	}
	for _, k := range slices.Sorted(maps.Keys(m.Values)) {
		entry("changed", k, func(v map[uint64]uint64) { v[k]++ })
		entry("left out", k, func(v map[uint64]uint64) { delete(v, k) })
		if _, taken := m.Values[k+1]; !taken {
			entry("added", k+1, func(v map[uint64]uint64) { v[k+1] = v[k] })
		}
	}
	return all
}

// users are the hints that depend on what uses picks, all of them when Ready
// does.
func users(d *Descriptor, uses func(*Field, *ValueMap) bool) []*Hint {
	reads := func(c Condition) bool { return uses(c.Field, nil) }
	if slices.ContainsFunc(d.Ready, reads) {
		return d.Hints
	}
	var hints []*Hint
	for _, h := range d.Hints {
		if slices.ContainsFunc(h.Alternatives, func(a Alternative) bool {
			return uses(a.From, a.Map) || slices.ContainsFunc(a.When, reads)
		}) {
			hints = append(hints, h)
		}
	}
	return hints
}
