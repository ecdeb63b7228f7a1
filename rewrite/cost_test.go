package rewrite_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hintjit/hintjit/bpf"
	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

// A pair is a program for one NIC, rewritten and written by hand.
type pair struct {
	program           string
	nic               nic
	rewritten, byHand *ebpf.CollectionSpec // with nothing but this program
}

func (p *pair) String() string { return p.program + ", " + p.nic.String() }

// examples are the programs of bpf/examples; testdata/cost has the same by hand.
var examples = []string{"af_xdp_meta", "l4lb", "ptype_count", "vlan_ts_log"}

// inCost is what testdata/cost is compiled for: what the examples are.
var inCost = machine{cpu: "v3"}

// pairs are the examples and the programs of testdata/cost/programs.c for every
// descriptor that is read by hand, but for those none of whose hints a NIC gives:
// they are the same by hand.
func pairs(t testing.TB) []*pair {
	t.Helper()
	objects := map[string][]byte{"programs": compile(t, "cost/programs.c", inCost)}
	for _, name := range examples {
		var err error
		objects[name], err = bpf.Example(name, inCost.order())
		require.NoError(t, err)
	}
	var out []*pair
	for _, n := range nics(t) {
		if !readByHand(n) {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(objects)) {
			rewritten, report, err := rewrite.Object(objects[name], n.options())
			require.NoError(t, err)
			byHand := compileByHand(t, name, n)
			for _, r := range report.Programs {
				if len(r.Hints) > 0 {
					out = append(out, &pair{r.Name, n, alone(t, rewritten, r.Name), alone(t, byHand, r.Name)})
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *pair) int { return strings.Compare(a.program, b.program) })
	return out
}

// readByHand tells whether there is C that reads the NIC's descriptor: a few NICs show
// what code costs, and tables of them can be read.
func readByHand(n nic) bool {
	_, err := os.Stat(filepath.Join("testdata", "cost", n.layout.NIC+".h"))
	return err == nil
}

// compileByHand returns the object of testdata/cost/NAME.c that reads n's
// descriptor as the driver does. What the NIC's numbers mean comes from the layout,
// as lists of E(number, meaning).
func compileByHand(t testing.TB, name string, n nic) []byte {
	t.Helper()
	flags := []string{"-Wall", "-Werror", "-I../shapes", "-isystem", "../../../bpf/include",
		fmt.Sprintf("-DNIC=%q", n.layout.NIC+".h"), "-DFORM_" + n.descriptor.Name}
	for _, m := range valueMaps(n.descriptor) {
		entries := fmt.Sprintf("-DMAP_%s=", m.Name)
		for _, number := range slices.Sorted(maps.Keys(m.Values)) {
			entries += fmt.Sprintf("E(%#x, %#x) ", number, m.Values[number])
		}
		flags = append(flags, entries)
	}
	once, _ := compiled.LoadOrStore("by hand "+name+" "+n.String(), sync.OnceValues(func() ([]byte, error) {
		cmd := clangFor(inCost, append(flags, name+".c")...)
		cmd.Dir = filepath.Join("testdata", "cost")
		return output(cmd)
	}))
	object, err := once.(func() ([]byte, error))()
	require.NoError(t, err)
	return object
}

func valueMaps(d *layouts.Descriptor) []*layouts.ValueMap {
	var out []*layouts.ValueMap
	for _, h := range d.Hints {
		for _, a := range h.Alternatives {
			if a.Map != nil && !slices.Contains(out, a.Map) {
				out = append(out, a.Map)
			}
		}
	}
	return out
}

// alone takes one program out of an object, with its maps as they are to be.
func alone(t testing.TB, object []byte, program string) *ebpf.CollectionSpec {
	t.Helper()
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	require.NoError(t, err)
	require.Contains(t, spec.Programs, program)
	maps.DeleteFunc(spec.Programs, func(name string, _ *ebpf.ProgramSpec) bool { return name != program })
	if config := spec.Maps["config"]; config != nil { // l4lb: two backends, any key
		config.Contents = []ebpf.MapKV{{Key: uint32(0), Value: [5]uint32{0x6d5a56da, 0x255b0ec2, 0x4167253d, 0x43a38fb0, 2}}}
	}
	return spec
}

// A comparison with something that gives other answers would be none.
func TestByHand(t *testing.T) {
	needKernel(t)
	rng := chance.Rand(t)
	packets := map[string][]sample{}
	for _, p := range pairs(t) {
		if packets[p.nic.String()] == nil {
			packets[p.nic.String()] = samples(rng, p.nic.descriptor)
		}
		t.Run(p.String(), func(t *testing.T) {
			rewritten, byHand := loadKernel(t, p.rewritten), loadKernel(t, p.byHand)
			for i, s := range packets[p.nic.String()] {
				if i%2 == 0 {
					s.packet = segment()
				}
				require.Equal(t, trace(t, byHand, p.program, s, 1), trace(t, rewritten, p.program, s, 1), "metadata %x", s.meta)
			}
		})
	}
}

// trace is all that so many runs over one packet leave behind: the last verdict, the
// packet with its metadata, and what is in the maps that programs write to.
func trace(t *testing.T, coll *ebpf.Collection, program string, s sample, runs uint32) map[string]any {
	t.Helper()
	opts := s.input()
	opts.Repeat = runs
	opts.DataOut = make([]byte, 1024)
	verdict, err := coll.Programs[program].Run(&opts)
	require.NoError(t, err)
	left := map[string]any{"verdict": verdict, "packet": opts.DataOut}
	for name, m := range coll.Maps {
		switch {
		case name == ".bss":
			out, err := m.LookupBytes(uint32(0))
			require.NoError(t, err)
			left[name] = out
		case m.Type() == ebpf.PerCPUArray:
			for k := range m.MaxEntries() {
				var counts []uint64
				require.NoError(t, m.Lookup(k, &counts))
				sum := uint64(0) // a run may come to another CPU than the one before
				for _, n := range counts {
					sum += n
				}
				left[fmt.Sprintf("%s[%d]", name, k)] = sum
			}
		case m.Type() == ebpf.RingBuf:
			left[name] = withoutKernelTime(drain(t, m))
		}
	}
	return left
}

// withoutKernelTime clears the time in records of vlan_ts_log (its struct record)
// that have it from the kernel.
func withoutKernelTime(records [][]byte) [][]byte {
	const clock, kernel = 23, 0
	for _, r := range records {
		if r[clock] == kernel {
			clear(r[:8])
		}
	}
	return records
}

// input is the sample as BPF_PROG_RUN takes it.
func (s sample) input() ebpf.RunOptions {
	return ebpf.RunOptions{
		Data:    slices.Concat(s.meta, s.packet),
		Context: mdXDP{Data: uint32(len(s.meta)), DataEnd: uint32(len(s.meta) + len(s.packet))},
	}
}

// segment is a packet that l4lb balances: TCP over IPv4, without payload.
func segment() []byte {
	p := make([]byte, 64)
	binary.BigEndian.PutUint16(p[12:], 0x0800)
	p[14], p[23] = 0x45, 6
	copy(p[26:], []byte{192, 0, 2, 1, 198, 51, 100, 7}) // RFC 5737
	binary.BigEndian.PutUint16(p[34:], 40000)
	binary.BigEndian.PutUint16(p[36:], 443)
	return p
}

// How long a rewritten object is, beside the same by hand, is a table in the
// repository, so that a change that makes code longer is seen in review.
func TestCost(t *testing.T) {
	needClang(t)
	table := costTable("instructions of the object, a wide load being two", pairs(t), func(spec *ebpf.ProgramSpec, _ *ebpf.CollectionSpec) []int {
		n := 0
		for _, ins := range spec.Instructions {
			n += int(ins.Size() / asm.InstructionSize)
		}
		return []int{n}
	})
	compareTable(t, "cost.txt", table)
}

// What a kernel makes of it is a table of each kernel and architecture that
// somebody measured on; elsewhere, the test is skipped. Machine code differs with
// the CPU too: mitigations are in every return and call. So the table begins with
// what they make of a program that does nothing else.
func TestCostInKernel(t *testing.T) {
	needKernel(t)
	needClang(t)
	kernel := "linux-" + release(t) + "-" + runtime.GOARCH
	file := "cost." + kernel + ".txt"
	title := fmt.Sprintf("instructions after verification and bytes of machine code, %s, where a call and a return take %d bytes",
		kernel, size(t, callAndReturn()).machineCode)
	if was, err := os.ReadFile(filepath.Join("testdata", file)); !*update && !bytes.HasPrefix(was, []byte(title)) {
		t.Skipf("%s is not of such a machine (%v): go test ./rewrite -run CostInKernel -update writes it for %q", file, err, title)
	}
	table := costTable(title, pairs(t), func(_ *ebpf.ProgramSpec, spec *ebpf.CollectionSpec) []int {
		s := size(t, spec)
		return []int{s.verified, s.machineCode}
	})
	compareTable(t, file, table)
}

// needClang skips a test of what only one compiler gives.
func needClang(t *testing.T) {
	version, err := exec.Command(clang, "-dumpversion").Output()
	if have := strings.TrimSpace(string(version)); err != nil || have != objectsFrom {
		t.Skipf("the table is of clang %s, not %q (%v)", objectsFrom, have, err)
	}
}

// costTable has a line a pair: each number of the rewritten program, and that of
// the one by hand. The last line is of all together.
func costTable(title string, pairs []*pair, numbers func(*ebpf.ProgramSpec, *ebpf.CollectionSpec) []int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%-16s%-18s %s\n", title, "program", "NIC", "rewritten, by hand")
	line := func(program, nic string, rewritten, byHand []int) {
		fmt.Fprintf(&b, "%-16s%-18s", program, nic)
		for i := range rewritten {
			fmt.Fprintf(&b, " %6d %6d", rewritten[i], byHand[i])
		}
		fmt.Fprintln(&b)
	}
	var rewritten, byHand []int
	for _, p := range pairs {
		x, y := numbers(p.rewritten.Programs[p.program], p.rewritten), numbers(p.byHand.Programs[p.program], p.byHand)
		line(p.program, p.nic.String(), x, y)
		rewritten, byHand = plus(rewritten, x), plus(byHand, y)
	}
	line("all", "", rewritten, byHand)
	return b.String()
}

func plus(sum, more []int) []int {
	if sum == nil {
		sum = make([]int, len(more))
	}
	for i := range more {
		sum[i] += more[i]
	}
	return sum
}

func compareTable(t *testing.T, file, table string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(table), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), table, "go test ./rewrite -run Cost -update writes it anew; longer code wants a reason")
}

// loadedSize is a program's in the kernel.
type loadedSize struct{ verified, machineCode int }

func size(t testing.TB, spec *ebpf.CollectionSpec) loadedSize {
	t.Helper()
	coll, err := ebpf.NewCollection(spec)
	require.NoError(t, err)
	defer coll.Close()
	var s loadedSize
	for _, p := range coll.Programs {
		info, err := p.Info()
		require.NoError(t, err)
		verified, err := info.TranslatedSize()
		require.NoError(t, err)
		machineCode, err := info.JitedSize()
		require.NoError(t, err)
		s = loadedSize{verified / asm.InstructionSize, int(machineCode)}
	}
	return s
}

func callAndReturn() *ebpf.CollectionSpec {
	return &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"call": {
		Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{asm.FnKtimeGetNs.Call(), asm.Return()},
	}}}
}

// release is the running kernel's, to the second number.
func release(t testing.TB) string {
	t.Helper()
	var uts unix.Utsname
	require.NoError(t, unix.Uname(&uts))
	parts := strings.SplitN(unix.ByteSliceToString(uts.Release[:]), ".", 3)
	return strings.Join(parts[:2], ".")
}
