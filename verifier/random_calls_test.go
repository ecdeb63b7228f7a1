package verifier

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/code"
)

// randomMaps are the maps of a random program, small so that they fill up. The one that
// evicts does not: whom the kernel evicts nobody can tell.
const randomMaps = `
.map array 2 4 8 3
.map percpu_array 6 4 8 3
.map hash 1 4 8 3
.map percpu_hash 5 4 8 3
.map lru 9 4 8 1024
.map trie 11 8 8 3
.map queue 22 0 8 3
.map stack 23 0 8 3
.map bloom 30 0 8 3
.map devices 14 4 4 4
.map records 27 0 0 4096
.map programs 3 4 4 4
`

// What of the stack below the random memory the actions use.
const (
	counterAt = randomMemory + 8
	keyAt     = randomMemory + 16
	valueAt   = randomMemory + 24
	resultsAt = randomMemory + 32 // what all of them returned
)

const tailRoom = 16 // bytes of packet beyond what is used, to be cut off

// An author writes a random program that calls: functions, helpers, other programs.
type author struct {
	r           *rand.Rand
	b           strings.Builder
	functions   strings.Builder
	labels      int
	subprograms int
	keyed       [2]string // the maps that it keeps to, so that there is something in them
	queue       string
}

func newAuthor(r *rand.Rand) *author {
	keyed := []string{"array", "percpu_array", "hash", "percpu_hash", "lru", "trie", "trie"}
	return &author{r: r, keyed: [2]string{pick(r, keyed...), pick(r, keyed...)}, queue: pick(r, "queue", "stack", "bloom")}
}

func (a *author) put(format string, args ...any) { fmt.Fprintf(&a.b, format+"\n", args...) }

func (a *author) label() string {
	a.labels++
	return fmt.Sprintf("a%d", a.labels)
}

// insns writes a few random instructions.
func (a *author) insns(n int) {
	for range n {
		a.put("%s", randomInsn(a.r))
	}
}

// actions leave a number in r0, and r1 to r5 to be set anew.
var actions = []func(a *author){
	(*author).callFunction, (*author).loop, (*author).loopByHelper,
	(*author).lookup, (*author).lookup, (*author).update, (*author).update, (*author).update, (*author).delete,
	(*author).pushOrPop, (*author).pushOrPop, (*author).each, (*author).record, (*author).redirect,
	(*author).checksum, (*author).adjust, (*author).copyBytes, (*author).mtu,
	func(a *author) { a.put("r1 = r9\ncall 188") },
}

// program writes main and what it calls.
func (a *author) program(n int) string {
	a.put("%s.program main\nr9 = r1\n*(u64 *)(r10 - %d) = 0%s", randomMaps, resultsAt, randomEntry())
	for range n {
		a.insns(a.r.IntN(4))
		if a.r.IntN(2) == 0 {
			continue
		}
		pick(a.r, actions...)(a)
		a.put("r1 = *(u64 *)(r10 - %d)\nr1 *= 31\nr1 += r0\n*(u64 *)(r10 - %d) = r1", resultsAt, resultsAt)
		for r := 1; r <= 5; r++ {
			a.put("r%d = *(u64 *)(r8 + %d)", r, 8*r)
		}
	}
	if a.r.IntN(2) == 0 {
		a.put("r3 = r7\nr3 &= 3\nr1 = r9\nr2 = &programs\ncall 12\nr0 = r6")
	}
	for r := 1; r <= 5; r++ {
		a.put("r%d = *(u64 *)(r8 + %d)", r, 8*r)
	}
	a.put("r7 = *(u64 *)(r10 - %d)\n%s", resultsAt, randomExit())
	return a.b.String() + a.functions.String() + tailPrograms
}

// tailPrograms are in the prog array at 1 and 2. The first goes on with itself for ever,
// counting: it ends because the kernel ends it.
const tailPrograms = `
.program again
r6 = r1
*(u32 *)(r10 - 4) = 0
r1 = &array
r2 = r10
r2 += -4
call 1
if r0 == 0 goto out
r1 = 1
lock *(u64 *)(r0 + 0) += r1
r1 = r6
r2 = &programs
r3 = 1
call 12
out:
r0 = 3
exit
.program after
r2 = *(u32 *)(r1 + 0)
r3 = *(u32 *)(r1 + 4)
r4 = r2
r4 += 2
r0 = 1
if r4 > r3 goto short
*(u16 *)(r2 + 0) = 0x55aa
r0 = 4
short:
exit
`

// callFunction calls a function of five numbers, which may call another.
func (a *author) callFunction() {
	f := fmt.Sprintf("f%d", a.subprograms)
	a.subprograms++
	a.put("call %s", f)
	out := &a.functions
	fmt.Fprintf(out, ".static %s\nr0 = r1\n*(u64 *)(r10 - 8) = r2\n", f)
	for range 2 + a.r.IntN(6) {
		fmt.Fprintln(out, randomALU(a.r, 6))
	}
	fmt.Fprintf(out, "if r%d %s r%d goto done\n", a.r.IntN(6), pick(a.r, "==", "s<", ">"), a.r.IntN(6))
	if a.subprograms > 1 && a.r.IntN(2) == 0 {
		fmt.Fprintf(out, "call f%d\n", a.r.IntN(a.subprograms-1))
	}
	fmt.Fprintf(out, "r1 = *(u64 *)(r10 - 8)\nr0 += r1\ndone:\nexit\n")
}

func (a *author) loop() {
	again := a.label()
	a.put("*(u64 *)(r10 - %d) = 0\n%s:", counterAt, again)
	a.insns(1 + a.r.IntN(3))
	a.put("r0 = *(u64 *)(r10 - %d)\nr0 += 1\n*(u64 *)(r10 - %d) = r0\nif r0 < %d goto %s",
		counterAt, counterAt, 1+a.r.IntN(4), again)
}

func (a *author) loopByHelper() {
	f := fmt.Sprintf("back%d", a.subprograms)
	a.subprograms++
	a.put("r1 &= 3\nr2 = &%s\nr3 = r10\nr3 += -%d\nr4 = 0\ncall 181", f, randomMemory)
	fmt.Fprintf(&a.functions, `.static %s
r4 = *(u64 *)(r2 + 8)
r3 = r4
r3 *= 31
r3 += r1
*(u64 *)(r2 + 8) = r3
r0 = 0
if r4 & %d goto on
r0 = 1
on:
exit
`, f, 1<<a.r.IntN(4))
	// A function that is called is entered once more; its number is not to be called.
	fmt.Fprintf(&a.functions, ".static f%d\nr0 = r1\nr0 -= r5\nexit\n", a.subprograms-1)
	a.put("r6 ^= r0\nr1 = r6\nr2 = r6\nr3 = r6\nr4 = r6\nr5 = r7\ncall f%d", a.subprograms-1)
}

// key puts a key into the stack and gives it to r2; few keys, so that they meet again.
func (a *author) key(name string) {
	reg := 6 + a.r.IntN(2)
	if name == "trie" {
		a.put("*(u32 *)(r10 - %d) = %d", keyAt, pick(a.r, 0, 1, 7, 8, 9, 31, 32, 33))
		a.put("r1 = r%d\nr1 &= 0x80c0\n*(u32 *)(r10 - %d) = r1", reg, keyAt-4)
	} else {
		a.put("r1 = r%d\nr1 >>= %d\nr1 &= 3\n*(u32 *)(r10 - %d) = r1", reg, a.r.IntN(60), keyAt)
	}
	a.put("r1 = &%s\nr2 = r10\nr2 += -%d", name, keyAt)
}

func (a *author) lookup() {
	name, none := pick(a.r, a.keyed[:]...), a.label()
	a.key(name)
	call := 1
	if strings.HasPrefix(name, "percpu") && a.r.IntN(2) == 0 {
		call = 195
		a.put("r3 = %d", pick(a.r, 0, 0, 0, 4096))
	}
	a.put("call %d\nif r0 == 0 goto %s\nr1 = *(u64 *)(r0 + 0)\nr1 += r7\n*(u64 *)(r0 + 0) = r1\nr0 = r1\n%s:", call, none, none)
}

func (a *author) update() {
	a.put("*(u64 *)(r10 - %d) = r%d", valueAt, 6+a.r.IntN(2))
	a.key(pick(a.r, a.keyed[:]...))
	a.put("r3 = r10\nr3 += -%d\nr4 = %d\ncall 2", valueAt, pick(a.r, 0, 0, 0, 1, 2, 3))
}

func (a *author) delete() {
	a.key(pick(a.r, a.keyed[:]...))
	a.put("call 3")
}

func (a *author) pushOrPop() {
	a.put("*(u64 *)(r10 - %d) = r%d", valueAt, 6+a.r.IntN(2))
	name := a.queue
	call := pick(a.r, 87, 87, 88, 89)
	if name == "bloom" && call == 88 {
		call = 87
	}
	a.put("r1 = &%s\nr2 = r10\nr2 += -%d", name, valueAt)
	switch {
	case name == "bloom" && call == 89:
		// A filter may be mistaken: of a value that was pushed it is not.
		a.put("r3 = 0\ncall 87\nr6 ^= r0\nr1 = &bloom\nr2 = r10\nr2 += -%d", valueAt)
	case call == 87:
		a.put("r3 = %d", pick(a.r, 0, 0, 1, 2))
	}
	a.put("call %d\nr6 ^= r0\nr0 = *(u64 *)(r10 - %d)", call, valueAt)
}

func (a *author) each() {
	a.put("r1 = &%s\nr2 = &each\nr3 = r10\nr3 += -%d\nr4 = 0\ncall 164", pick(a.r, "array", "percpu_array", "hash", "percpu_hash", "lru"), randomMemory)
	if !strings.Contains(a.functions.String(), ".static each\n") {
		// What it does comes to the same in whatever order.
		fmt.Fprint(&a.functions, `.static each
r5 = *(u32 *)(r2 + 0)
r0 = *(u64 *)(r3 + 0)
r0 += r5
*(u64 *)(r3 + 0) = r0
r5 = *(u64 *)(r4 + 0)
r0 *= 31
r5 ^= r0
*(u64 *)(r4 + 0) = r5
r0 = 0
exit
`)
	}
}

func (a *author) record() {
	none := a.label()
	switch a.r.IntN(3) {
	case 0:
		a.put("r1 = &records\nr2 = r10\nr2 += -%d\nr3 = 16\nr4 = %d\ncall 130", randomMemory, a.r.IntN(5))
	case 1:
		a.put("r1 = &records\nr2 = 1\ncall 134") // BPF_RB_RING_SIZE
	default:
		a.put("r1 = &records\nr2 = %d\nr3 = 0\ncall 131\nif r0 == 0 goto %s", pick(a.r, 8, 12, 5000), none)
		a.put("*(u64 *)(r0 + 0) = r7\nr1 = r0\nr2 = 0\ncall %d\nr0 = 5\n%s:", pick(a.r, 132, 133), none)
	}
}

func (a *author) redirect() {
	if a.r.IntN(2) == 0 {
		a.put("r1 = 1\nr2 = r7\nr2 &= 1\ncall 23")
		return
	}
	a.put("r1 = &devices\nr2 = r7\nr2 &= 7\nr3 = r6\nr3 &= %d\ncall 51", pick(a.r, 3, 31, 63))
}

func (a *author) checksum() {
	from, to := 4*a.r.IntN(9), 4*a.r.IntN(9)
	a.put("r5 = r7\nr1 = r10\nr1 += -%d\nr2 = %d\nr3 = r10\nr3 += -%d\nr4 = %d\ncall 28", randomMemory, from, randomMemory/2, to)
}

// adjust moves one end of the packet, and looks again where it is.
func (a *author) adjust() {
	a.put("r1 = r9\nr2 = %d\ncall %d\nr6 ^= r0", pick(a.r, -8, -3, 4, 5, 16, 4000, -4000), pick(a.r, 44, 54, 65))
	a.put("r8 = *(u32 *)(r9 + 0)\nr2 = *(u32 *)(r9 + 4)\nr3 = r8\nr3 += %d\nif r3 > r2 goto short\nr0 = r6", randomPacket)
}

// copyBytes copies from or to the packet, often just to its end or just beyond.
func (a *author) copyBytes() {
	n, off := 1+a.r.IntN(randomMemory), fmt.Sprintf("r2 = r7\nr2 &= 0x%x", pick(a.r, 0x1f, 0xff, 0x1ffff))
	if a.r.IntN(2) == 0 {
		off = fmt.Sprintf("r2 = %d", randomPacket+tailRoom-n+a.r.IntN(3)-1)
	}
	a.put("r1 = r9\n%s\nr3 = r10\nr3 += -%d\nr4 = %d\ncall %d", off, randomMemory, n, pick(a.r, 189, 190))
}

// mtu asks whether a packet fits, often one that just does or just does not: lo has an
// MTU of 65536 unless somebody has set another.
func (a *author) mtu() {
	difference := "r4 = r7\nr4 <<= 48\nr4 s>>= 48"
	if a.r.IntN(2) == 0 {
		difference = "r4 = 0"
	}
	a.put("r1 = r9\nr2 = 0\n*(u32 *)(r10 - %d) = %d\nr3 = r10\nr3 += -%d\n%s\nr5 = %d\ncall 163",
		valueAt, pick(a.r, 0, 0, 1000, 65536, 65537), valueAt, difference, pick(a.r, 0, 0, 0, 1))
	a.put("r6 = r0\nr0 = *(u32 *)(r10 - %d)\nr0 += r6", valueAt)
}

// only is a unit with one of the programs and all that it calls, in the order that the
// kernel wants.
func only(u *code.Unit, program string) *code.Unit {
	part := &code.Unit{Order: u.Order}
	numbers := map[int32]int32{}
	var add func(i int32)
	add = func(i int32) {
		if _, ok := numbers[i]; ok {
			return
		}
		numbers[i] = int32(len(part.Funcs))
		f := *u.Funcs[i]
		f.Insns = slices.Clone(f.Insns)
		part.Funcs = append(part.Funcs, &f)
		for k := range f.Insns {
			if ref := &f.Insns[k].Ref; ref.Kind == code.RefFunc {
				add(ref.Index)
				ref.Index = numbers[ref.Index]
			}
		}
	}
	add(int32(slices.IndexFunc(u.Funcs, func(f *code.Func) bool { return f.Name == program })))
	return part
}

// onOneCPU keeps this test on the first CPU, whose values of per-CPU maps are compared.
func onOneCPU(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // for good: the thread goes with the test
	var set unix.CPUSet
	set.Set(0)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		t.Skipf("can not stay on the first CPU: %v", err)
	}
}

// Programs that call functions, helpers and other programs end the same in the kernel
// and here, and leave the same in their maps.
func TestRandomCallsAsKernel(t *testing.T) {
	needKernel(t)
	onOneCPU(t)
	lo, err := net.InterfaceByIndex(1)
	require.NoError(t, err)
	r := chance.Rand(t)
	zero, other := map[asm.BuiltinFunc]int{}, map[asm.BuiltinFunc]int{}
	for range 300 {
		text := newAuthor(r).program(40)
		a := assembleAll(t, binary.LittleEndian, text)
		require.NoError(t, Check(a.unit, Options{}), text)
		fillRandomMaps(a)
		maps := inKernel(t, a.maps)
		prog := loadKernel(t, only(a.unit, "main"), maps...)
		for i, name := range []string{"again", "after"} {
			tail := loadKernel(t, only(a.unit, name), maps...)
			require.NoError(t, a.kernelMap(maps, "programs").Put(uint32(1+i), tail))
		}
		m := machineWith(a)
		m.MTU, m.CPU = lo.MTU, 0
		for range 3 {
			packet := append(randomInput(r, a.unit.Order), make([]byte, tailRoom)...)
			want, got := runKernel(t, prog, packet), runMachine(t, m, packet)
			if diff := differs(want, got); diff != "" {
				t.Fatalf("packet %x: %s\n%s", packet, diff, text)
			}
			for _, c := range m.Calls {
				if c.Result == 0 {
					zero[c.Helper]++
				} else {
					other[c.Helper]++
				}
			}
		}
		for i, mp := range a.maps {
			require.Equal(t, contents(t, maps[i], mp), machineContents(mp), "map %s\n%s", mp.Name, text)
		}
	}
	for fn := range helpers {
		if _, called := zero[fn]; called && !slices.Contains(oneResult, fn) {
			require.Greater(t, min(zero[fn], other[fn]), 3, "%v: too few results of both kinds to say anything", fn)
		}
	}
}

// oneResult are helpers that return 0 always, or never.
var oneResult = []asm.BuiltinFunc{asm.FnRingbufSubmit, asm.FnRingbufDiscard, asm.FnRingbufQuery, asm.FnXdpGetBuffLen, asm.FnCsumDiff}

func (a *assembler) mapNamed(name string) *Map {
	return a.maps[slices.IndexFunc(a.maps, func(mp *Map) bool { return mp.Name == name })]
}

func (a *assembler) kernelMap(maps []*ebpf.Map, name string) *ebpf.Map {
	return maps[slices.Index(a.maps, a.mapNamed(name))]
}

func fillRandomMaps(a *assembler) {
	key := func(n uint32) []byte { return a.unit.Order.(binary.AppendByteOrder).AppendUint32(nil, n) }
	a.mapNamed("devices").Set(key(1), key(1))
	a.mapNamed("devices").Set(key(2), key(1))
	a.mapNamed("programs").SetProgram(key(1), "again")
	a.mapNamed("programs").SetProgram(key(2), "after")
}

// comparable are the maps whose contents a program can change and everyone can see.
func comparable(mp *Map) bool { return mapTraits[mp.Type].changes }

// contents are the values of a map in the kernel, by key; of per-CPU maps those of the
// first CPU.
func contents(t *testing.T, m *ebpf.Map, mp *Map) map[string]uint64 {
	t.Helper()
	values := map[string]uint64{}
	if !comparable(mp) {
		return values
	}
	key := make([]byte, mp.KeySize)
	put := func(v uint64) {
		if v != 0 || !mapTraits[mp.Type].full { // an array is full of zeros
			values[string(key)] = v
		}
	}
	it := m.Iterate()
	var one uint64
	var each []uint64
	if m.Type() == ebpf.PerCPUArray || m.Type() == ebpf.PerCPUHash {
		for it.Next(&key, &each) {
			put(each[0])
		}
	} else {
		for it.Next(&key, &one) {
			put(one)
		}
	}
	require.NoError(t, it.Err())
	return values
}

func machineContents(mp *Map) map[string]uint64 {
	values := map[string]uint64{}
	if !comparable(mp) {
		return values
	}
	for _, key := range mp.Keys() {
		if v := binary.LittleEndian.Uint64(mp.Value(key)); v != 0 || !mapTraits[mp.Type].full {
			values[string(key)] = v
		}
	}
	return values
}
