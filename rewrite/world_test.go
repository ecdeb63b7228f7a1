package rewrite_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/verifier"
)

// A randomKernel is one that has what a walk asks for, its members wherever
// chance put them: programs may count on no offset.
type randomKernel struct {
	descriptor *layouts.Descriptor
	walk       *layouts.Walk
	offsets    map[string]int // "i40e_ring.desc" -> bytes
	bits       map[string]int // of bit-fields: the first bit after the offset, in BTF's counting
	widths     map[string]int // of bit-fields
	forms      map[string]layouts.Integer
	sizes      map[string]int // of structs
	rng        *rand.Rand
	carrier    int64 // type id
	old        bool  // without memory that has no end
}

const (
	slot     = 1 << 14 // memory for each struct that a walk comes to
	slots    = 16
	embedded = 4096 // where structs in structs lie
	apart    = 2048 // and how far from each other
	wrapped  = 2048 // where members lie that are behind an xdp_buff
)

func newKernel(rng *rand.Rand, d *layouts.Descriptor, w *layouts.Walk) *randomKernel {
	k := &randomKernel{descriptor: d, walk: w, rng: rng, offsets: map[string]int{}, bits: map[string]int{}, widths: map[string]int{},
		forms: map[string]layouts.Integer{}, sizes: map[string]int{}}
	pointer := layouts.Integer{Bits: 64, Pointer: true}
	k.add(layouts.Member{Type: "xdp_buff", Path: []string{"rxq"}}, pointer)
	k.add(layouts.Member{Type: "xdp_rxq_info", Path: []string{"dev"}}, pointer)
	k.add(layouts.Member{Type: "xdp_rxq_info", Path: []string{"queue_index"}}, layouts.Integer{Bits: 32})
	k.add(layouts.Member{Type: "net_device", Path: []string{"_rx"}}, pointer)
	k.add(layouts.Member{Type: "xdp_buff", Path: []string{"data"}}, pointer)
	k.add(layouts.Member{Type: "xdp_buff", Path: []string{"data_end"}}, pointer)
	k.add(layouts.Member{Type: "xdp_buff", Path: []string{"flags"}}, layouts.Integer{Bits: 32})
	k.offsets["netdev_rx_queue.xdp_rxq"] = 64 * rng.IntN(2)
	k.sizes["netdev_rx_queue"] = 192 + 64*rng.IntN(2)
	for _, q := range w.Has {
		k.add(q.Member, q.Form)
	}
	for _, s := range w.Steps {
		for _, o := range []layouts.Operand{s.A, s.B} {
			if o.Kind >= layouts.MemberValue {
				k.add(o.Member, o.Int)
			}
		}
	}
	for _, s := range d.State {
		if typ, ok := w.TypeOf(s.At.Value); ok && s.At.Kind == layouts.MemberValue {
			k.add(layouts.Member{Type: typ, Path: s.At.Member.Path}, s.At.Int)
		}
	}
	return k
}

// add gives a member a place that no other has.
func (k *randomKernel) add(m layouts.Member, form layouts.Integer) {
	if k.sizes[m.Type] == 0 {
		k.sizes[m.Type] = 8192
	}
	name := m.String()
	if _, ok := k.offsets[name]; ok || len(m.Path) == 0 {
		return
	}
	taken := map[int]bool{}
	for other, off := range k.offsets {
		if strings.HasPrefix(other, m.Type+".") {
			taken[off/8] = true
		}
	}
	at := k.rng.IntN(120)
	for taken[at] {
		at = k.rng.IntN(120)
	}
	off := 8 * at
	switch {
	case form.Bits == 0: // apart: one may be the descriptor, or the queue with members of its own
		for other, form := range k.forms {
			if strings.HasPrefix(other, m.Type+".") && form.Bits == 0 {
				off += apart
			}
		}
		off += embedded
	case k.isWrapper(m.Type):
		off += wrapped
	}
	if form.Bits == 8 || form.BitField {
		off += k.rng.IntN(8)
	}
	k.offsets[name], k.forms[name] = off, form
	if form.BitField {
		k.bits[name], k.widths[name] = k.rng.IntN(9-form.Bits), form.Bits
	}
}

// isWrapper tells whether a struct begins with an xdp_buff.
func (k *randomKernel) isWrapper(typ string) bool {
	return slices.ContainsFunc(k.walk.Steps, func(s layouts.Step) bool {
		return s.Type == typ && s.Op == layouts.Copy && s.A.Kind == layouts.Named && s.A.Value == layouts.XDP
	})
}

// types is the kernel's BTF.
func (k *randomKernel) types(t *testing.T) string {
	t.Helper()
	b, err := btf.NewBuilder(nil, nil)
	require.NoError(t, err)
	structs := map[string]*btf.Struct{}
	for name, size := range k.sizes {
		structs[name] = &btf.Struct{Name: name, Size: uint32(size)}
	}
	structs["bpf_raw_tracepoint_args"] = &btf.Struct{Name: "bpf_raw_tracepoint_args",
		Members: []btf.Member{{Name: "args", Type: &btf.Array{Index: integer(4), Type: integer(8)}}}}
	for _, name := range slices.Sorted(maps.Keys(k.offsets)) {
		path := strings.Split(name, ".")
		s := structs[path[0]]
		for _, step := range path[1 : len(path)-1] {
			s = inside(s, step)
		}
		s.Members = append(s.Members, k.member(name, path[len(path)-1]))
	}
	functions := []string{"bpf_cast_to_kern_ctx", "bpf_rdonly_cast", "bpf_dynptr_adjust"}
	if k.old {
		functions = functions[:2]
		structs["pt_regs"] = &btf.Struct{Name: "pt_regs", Size: 24,
			Members: []btf.Member{{Name: "r15", Type: integer(8)}, {Name: "r14", Type: integer(8), Offset: 64}, {Name: "cs", Type: integer(2), Offset: 128}}}
	}
	for _, name := range slices.Sorted(maps.Keys(structs)) {
		_, err := b.Add(structs[name])
		require.NoError(t, err)
	}
	for _, name := range functions {
		_, err := b.Add(&btf.Func{Name: name, Type: &btf.FuncProto{Return: &btf.Void{}}, Linkage: btf.GlobalFunc})
		require.NoError(t, err)
	}
	raw, err := b.Marshal(nil, nil)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "vmlinux"), raw, 0o600))
	return dir
}

func integer(size int) *btf.Int {
	return &btf.Int{Name: fmt.Sprintf("u%d", 8*size), Size: uint32(size)}
}

// inside is a struct in a struct, made when there is none. It lies where the outer
// one starts: members have their places in that.
func inside(s *btf.Struct, name string) *btf.Struct {
	for _, m := range s.Members {
		if m.Name == name {
			return m.Type.(*btf.Struct)
		}
	}
	in := &btf.Struct{Size: 8192}
	s.Members = append(s.Members, btf.Member{Name: name, Type: in})
	return in
}

func (k *randomKernel) member(name, last string) btf.Member {
	m := btf.Member{Name: last, Offset: btf.Bits(8 * k.offsets[name])}
	switch form := k.forms[name]; {
	case form.BitField:
		m.Type, m.BitfieldSize, m.Offset = integer(1), btf.Bits(form.Bits), m.Offset+btf.Bits(k.bits[name])
	case form.Bits == 0:
		m.Type = &btf.Struct{Size: 64}
	case form.Pointer:
		m.Type = &btf.Pointer{Target: &btf.Void{}}
	default:
		m.Type = integer(form.Bits / 8)
	}
	return m
}

// A world is the driver's memory while it hands over one packet.
type world struct {
	kernel *randomKernel
	record []byte // the descriptor and what lies beside it
	breaks int    // the check that does not hold, by its step; -1 none
	// generic: the queue is one of the device's own, as in generic mode.
	generic bool
	length  uint64 // of the packet, data_end - data
	other   bool   // it is not the descriptor's
	seed    uint64
}

// guarded tells whether the check that fails is one that --guard off leaves out.
func (w *world) guarded() bool {
	return w.breaks >= 0 && w.kernel.walk.Steps[w.breaks].Strict != layouts.Always
}

func (w *world) hints(d *layouts.Descriptor, order binary.ByteOrder) map[string]uint64 {
	if w.breaks >= 0 || w.generic || w.other {
		return map[string]uint64{}
	}
	return d.Decode(w.record, order)
}

// answer stands for the kernel's functions.
func (w *world) answer(m *verifier.Machine) {
	var at uint64
	var b *memory
	m.Externs["bpf_cast_to_kern_ctx"] = func(m *verifier.Machine, _ [5]uint64) (uint64, error) {
		if at != 0 {
			b.moveTo(m.Head())
			return at, nil
		}
		b = &memory{world: w, rng: rand.New(rand.NewPCG(w.seed, 0)), at: map[string]uint64{}, order: m.Unit.Order}
		b.mem = slices.Clone(noise()) // what is read without being meant is no zero
		base, err := m.ReadOnly("the driver's memory", b.mem)
		if err != nil {
			return 0, err
		}
		b.base = base
		at = b.build()
		if b.data == 0 { // no step has asked
			b.data = b.order.Uint64(b.mem[at+uint64(w.kernel.offsets["xdp_buff.data"])-b.base:])
		}
		b.moveTo(m.Head())
		return at, nil
	}
	m.Externs["bpf_rdonly_cast"] = func(m *verifier.Machine, args [5]uint64) (uint64, error) {
		if args[0] < 4096 { // faults, and a load that faults gives 0
			return m.ReadOnly("page 0", make([]byte, 8192))
		}
		return args[0], nil
	}
}

// memory lays a world out in memory: it goes through the steps of the walk and
// makes each come to what the record says.
type memory struct {
	*world
	rng   *rand.Rand
	order binary.ByteOrder
	mem   []byte
	base  uint64
	slots int
	at    map[string]uint64 // values
	data  uint64            // where the packet started
}

// moveTo is what bpf_xdp_adjust_head does to the xdp_buff.
func (b *memory) moveTo(head int) {
	b.put(layouts.XDP, layouts.Member{Type: "xdp_buff", Path: []string{"data"}}, layouts.Integer{Bits: 64}, b.data+uint64(head))
}

// noise fills a driver's memory, and is made once.
var noise = sync.OnceValue(func() []byte { return randomBytes(rand.New(rand.NewPCG(0, 0)), slots*slot) })

// room is memory for another struct, in its slot's middle: a walk may go to
// either side of it.
func (b *memory) room() uint64 {
	if b.slots++; b.slots > slots {
		panic("a walk comes to more structs than there is room for")
	}
	return b.base + uint64((b.slots-1)*slot+slot/4)
}

func (b *memory) store(at uint64, size int, v uint64, big bool) {
	order := b.order
	if big {
		order = binary.BigEndian
	}
	raw := make([]byte, 8)
	if order == binary.BigEndian {
		binary.BigEndian.PutUint64(raw, v<<(64-8*size))
	} else {
		binary.LittleEndian.PutUint64(raw, v)
	}
	copy(b.mem[at-b.base:][:size], raw)
}

// put writes a member of the struct at a value.
func (b *memory) put(value string, m layouts.Member, form layouts.Integer, v uint64) {
	if b.at[value] == 0 {
		return // at NULL is nothing
	}
	k, name := b.kernel, m.String()
	at := b.at[value] + uint64(k.offsets[name])
	if form.BitField {
		shift := k.bits[name]
		if b.order == binary.BigEndian {
			shift = 8 - shift - form.Bits
		}
		mask := byte(1<<form.Bits-1) << shift
		p := &b.mem[at-b.base]
		*p = *p&^mask | byte(v)<<shift&mask
		return
	}
	if form.Order == layouts.LittleEndian && b.order == binary.BigEndian {
		raw := make([]byte, 8)
		binary.LittleEndian.PutUint64(raw, v)
		copy(b.mem[at-b.base:][:form.Bits/8], raw)
		return
	}
	b.store(at, form.Bits/8, v, form.Order == layouts.BigEndian)
}

// wanted is what the record says of a state, by where the layout has it.
func (b *memory) wanted(at string) (uint64, bool) {
	d := b.kernel.descriptor
	for i, s := range d.State {
		if s.At.String() == at {
			return binary.BigEndian.Uint64(b.record[d.Size+8*i:]), true
		}
	}
	return 0, false
}

// build lays everything out and returns the address of the xdp_buff.
func (b *memory) build() uint64 {
	steps := b.kernel.walk.Steps
	b.at[layouts.XDP], b.at[layouts.Dev] = b.room(), b.room()
	b.placeQueue(steps)
	pointer := layouts.Integer{Bits: 64, Pointer: true}
	b.put(layouts.XDP, layouts.Member{Type: "xdp_buff", Path: []string{"rxq"}}, pointer, b.at[layouts.RXQ])
	b.put(layouts.RXQ, layouts.Member{Type: "xdp_rxq_info", Path: []string{"dev"}}, pointer, b.at[layouts.Dev])
	index, wanted := b.wanted("rxq.queue_index:u32")
	if !wanted {
		index = b.rng.Uint64N(64)
	}
	b.put(layouts.RXQ, layouts.Member{Type: "xdp_rxq_info", Path: []string{"queue_index"}}, layouts.Integer{Bits: 32}, index)
	queues := b.room()
	if b.generic {
		queues = b.at[layouts.RXQ] - index*uint64(b.kernel.sizes["netdev_rx_queue"]) - uint64(b.kernel.offsets["netdev_rx_queue.xdp_rxq"])
	}
	b.put(layouts.Dev, layouts.Member{Type: "net_device", Path: []string{"_rx"}}, pointer, queues)
	for i := range steps {
		b.step(&steps[i], i == b.breaks)
	}
	// XDP_FLAGS_HAS_FRAGS is bit 0 (include/net/xdp.h).
	b.put(layouts.XDP, layouts.Member{Type: "xdp_buff", Path: []string{"flags"}}, layouts.Integer{Bits: 32}, b.rng.Uint64N(8)<<1)
	data := layouts.Member{Type: "xdp_buff", Path: []string{"data"}}
	if off := b.at[layouts.XDP] + b.offset(data) - b.base; b.length != 0 {
		b.put(layouts.XDP, layouts.Member{Type: "xdp_buff", Path: []string{"data_end"}}, pointer, b.order.Uint64(b.mem[off:])+b.length)
	}
	d := b.kernel.descriptor
	for i, s := range d.State {
		typ, ok := b.kernel.walk.TypeOf(s.At.Value)
		if ok && s.At.Kind == layouts.MemberValue && b.at[s.At.Value] != 0 {
			b.put(s.At.Value, layouts.Member{Type: typ, Path: s.At.Member.Path}, s.At.Int, binary.BigEndian.Uint64(b.record[d.Size+8*i:]))
		}
	}
	if d.Size > 0 {
		copy(b.mem[b.at[layouts.Desc]-b.base:], b.record[:d.Size])
	}
	return b.at[layouts.XDP]
}

func (b *memory) offset(m layouts.Member) uint64 { return uint64(b.kernel.offsets[m.String()]) }

// placeQueue puts the xdp_rxq_info into the struct that a step takes it to be a
// member of, and what two steps find to be the same into one place.
func (b *memory) placeQueue(steps []layouts.Step) {
	b.at[layouts.RXQ] = b.room()
	for i, s := range steps {
		switch {
		case s.Op == layouts.ContainerOf && s.A.Value == layouts.RXQ:
			b.at[s.Name] = b.room()
			b.at[layouts.RXQ] = b.at[s.Name] + b.offset(s.B.Member)
		case s.Op == layouts.Require && s.A.Kind == layouts.MemberAddress && s.B.Value == layouts.RXQ:
			b.at[s.A.Value] = b.room()
			if i != b.breaks {
				b.at[layouts.RXQ] = b.at[s.A.Value] + b.offset(s.A.Member)
			}
		case s.Op == layouts.Same && s.B.Kind == layouts.MemberAddress:
			if same, ok := b.wanted(s.Name); ok && same != 0 {
				b.at[s.A.Value] = b.at[s.B.Value] + b.offset(s.B.Member)
			}
		}
	}
}

// number chooses what a member of that form is, and puts it there.
func (b *memory) number(o layouts.Operand) uint64 {
	switch o.Kind {
	case layouts.Number:
		return o.N
	case layouts.Named:
		return b.at[o.Value]
	case layouts.MemberAddress:
		return b.at[o.Value] + b.offset(o.Member)
	case layouts.SizeOf:
		return (uint64(b.kernel.sizes[o.Member.Type]) + o.N - 1) &^ (o.N - 1)
	}
	switch o.String() {
	case "rxq.dev":
		return b.at[layouts.Dev]
	case "xdp.rxq":
		return b.at[layouts.RXQ]
	case "xdp.data":
		if b.data == 0 {
			b.data = b.room()
			b.put(o.Value, o.Member, o.Int, b.data)
		}
		return b.data
	}
	v, ok := b.wanted(o.String())
	if !ok {
		v = b.rng.Uint64N(100)
	}
	b.put(o.Value, o.Member, o.Int, v)
	return v
}

func (b *memory) step(s *layouts.Step, broken bool) {
	switch s.Op {
	case layouts.Copy:
		b.copyStep(s)
	case layouts.ContainerOf:
		if b.at[s.Name] == 0 {
			b.at[s.Name] = b.at[s.A.Value] - b.offset(s.B.Member)
		}
	case layouts.AddScaled:
		n := b.number(s.B) * s.Scale
		if s.A.Kind != layouts.MemberValue {
			b.at[s.Name] = b.number(s.A) + n
			return
		}
		b.at[s.Name] = b.room()
		b.put(s.A.Value, s.A.Member, s.A.Int, b.at[s.Name]-n)
	case layouts.Sub64:
		from := b.number(s.A)
		v, ok := b.wanted(s.Name)
		if ok && s.B.Kind == layouts.MemberValue {
			b.put(s.B.Value, s.B.Member, s.B.Int, from-v)
		} else {
			v = from - b.number(s.B)
		}
		b.at[s.Name] = v
	case layouts.Previous:
		count := 2 + b.rng.Uint64N(63)
		i := b.rng.Uint64N(count)
		if b.rng.IntN(3) == 0 {
			i = 0
		}
		b.put(s.A.Value, s.A.Member, s.A.Int, i)
		b.put(s.B.Value, s.B.Member, s.B.Int, count)
		b.at[s.Name] = (i + count - 1) % count
	case layouts.Same:
		if same, ok := b.wanted(s.Name); ok && s.A.Kind == layouts.MemberValue {
			b.put(s.A.Value, s.A.Member, s.A.Int, b.number(s.B)+1-same)
		}
	case layouts.Require, layouts.Differ:
		if s.A.Kind == layouts.MemberValue {
			v := b.number(s.B)
			if broken != (s.Op == layouts.Differ) {
				v += 1 + b.rng.Uint64N(1<<7)
			}
			b.put(s.A.Value, s.A.Member, s.A.Int, v)
		}
	}
}

func (b *memory) copyStep(s *layouts.Step) {
	switch {
	case s.A.Kind != layouts.MemberValue:
		b.at[s.Name] = b.number(s.A)
		return
	case !s.A.Int.Pointer:
		v, ok := b.wanted(s.Name)
		if b.at[s.Name] = v; !ok {
			b.at[s.Name] = b.number(s.A)
		}
		b.put(s.A.Value, s.A.Member, s.A.Int, b.at[s.Name])
		return
	}
	if v, ok := b.wanted(s.Name); ok && v == 0 {
		b.at[s.Name] = 0
	} else if b.at[s.Name] == 0 {
		b.at[s.Name] = b.room()
	}
	b.put(s.A.Value, s.A.Member, s.A.Int, b.at[s.Name])
}

// settle makes a record say of values what values can be: of a comparison 0 or 1.
func settle(d *layouts.Descriptor, w *layouts.Walk, record []byte) {
	for i, s := range d.State {
		at := record[d.Size+8*i:][:8]
		for _, step := range w.Steps {
			if s.At.Kind != layouts.Named || step.Name != s.At.Value {
				continue
			}
			most := ^uint64(0)
			switch {
			case step.Op == layouts.Same:
				most = 1
			case step.Op == layouts.Sub64: // bytes of a buffer
				most = 1<<11 - 1
			case step.A.Kind == layouts.MemberValue && !step.A.Int.Pointer:
				most = 1<<step.A.Int.Bits - 1
			}
			binary.BigEndian.PutUint64(at, binary.BigEndian.Uint64(at)&most)
		}
		if _, ok := w.TypeOf(s.At.Value); !ok { // not on this way
			clear(at)
		}
	}
}

// worlds makes packets as a driver hands them over: with each hint there and
// not, and with each check of the walk failing.
func worlds(rng *rand.Rand, k *randomKernel) []sample {
	var out []sample
	d := k.descriptor
	add := func(record []byte, breaks int, generic bool) {
		settle(d, k.walk, record)
		out = append(out, sample{nil, randomBytes(rng, 64+rng.IntN(64)), d,
			&world{kernel: k, record: record, breaks: breaks, generic: generic, seed: rng.Uint64()}})
	}
	for _, h := range d.Hints {
		for _, a := range h.Alternatives {
			add(met(rng, d, a), -1, false)
			missed := met(rng, d, a)
			if len(a.When) > 0 {
				meet(rng, d, missed, opposite(a.When[rng.IntN(len(a.When))]))
			}
			add(missed, -1, false)
		}
	}
	for _, c := range d.Ready {
		missed := met(rng, d, d.Hints[0].Alternatives[0])
		meet(rng, d, missed, opposite(c))
		add(missed, -1, false)
	}
	for range 3 {
		add(randomRecord(rng, d), -1, false)
		some := func() []byte {
			h := d.Hints[rng.IntN(len(d.Hints))]
			return met(rng, d, h.Alternatives[rng.IntN(len(h.Alternatives))])
		}
		proved := false
		for i, s := range k.walk.Steps {
			if s.Name == "" {
				add(some(), i, false)
				proved = proved || s.Strict == layouts.Own
			}
		}
		if !proved {
			add(some(), -1, true)
		}
	}
	return out
}
