package rewrite_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

const clang = "clang-19"

// machine is what a C file is compiled for.
type machine struct {
	cpu string // -mcpu
	big bool
}

func (m machine) order() binary.ByteOrder {
	if m.big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func (m machine) String() string {
	if m.big {
		return m.cpu + "eb"
	}
	return m.cpu
}

// runnable are the machines whose code this kernel can run, if it is
// little-endian; foreign are those it can not.
var (
	runnable = []machine{{cpu: "v1"}, {cpu: "v2"}, {cpu: "v3"}, {cpu: "v4"}}
	foreign  = []machine{{"v1", true}, {"v2", true}, {"v3", true}, {"v4", true}}
)

// compiled caches objects: the same one serves every NIC and several tests.
var compiled sync.Map // "path machine" -> func() ([]byte, error)

// compile returns the object of testdata/path.
func compile(t testing.TB, path string, m machine) []byte {
	t.Helper()
	if _, err := exec.LookPath(clang); err != nil {
		t.Skipf("compiling %s: %v", path, err)
	}
	once, _ := compiled.LoadOrStore(path+" "+m.String(), sync.OnceValues(func() ([]byte, error) {
		return runClang(path, m)
	}))
	object, err := once.(func() ([]byte, error))()
	require.NoError(t, err)
	return object
}

func runClang(path string, m machine) ([]byte, error) {
	dir, file := filepath.Split(path)
	cmd := clangFor(m, "-Wall", "-Werror", "-I../shapes", file)
	cmd.Dir = filepath.Join("testdata", dir)
	return output(cmd)
}

// compileText returns the object of a generated C file, which may include what
// is in testdata/shapes. A generator writes what no person would: no warnings.
func compileText(t testing.TB, text string, m machine, flags ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(clang); err != nil {
		t.Skipf("compiling generated programs: %v", err)
	}
	cmd := clangFor(m, append(flags, "-w", "-x", "c", "-")...)
	cmd.Dir = filepath.Join("testdata", "shapes")
	cmd.Stdin = strings.NewReader("#line 1 \"generated.c\"\n" + text)
	object, err := output(cmd)
	require.NoError(t, err, "%s", text)
	return object
}

func clangFor(m machine, args ...string) *exec.Cmd {
	target := "bpfel"
	if m.big {
		target = "bpfeb"
	}
	return exec.Command(clang, append([]string{"-target", target, "-mcpu=" + m.cpu, "-O2", "-g",
		"-fno-ident", "-c", "-o", "-"}, args...)...)
}

func output(cmd *exec.Cmd) ([]byte, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, &stderr)
	}
	return out, nil
}

// sources lists the C files of a folder of testdata, as compile takes them.
func sources(t testing.TB, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.c"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for i := range files {
		files[i], err = filepath.Rel("testdata", files[i])
		require.NoError(t, err)
	}
	return files
}

// A nic is a layout and one of its descriptors.
type nic struct {
	layout     *layouts.Layout
	descriptor *layouts.Descriptor
}

func (n nic) String() string { return n.layout.NIC + "." + n.descriptor.Name }

func (n nic) options() rewrite.Options {
	return rewrite.Options{Layout: n.layout, Descriptor: n.descriptor.Name, Reach: rewrite.Meta}
}

// nics are all descriptors of the NICs that are supported, and an invented one
// that gives every hint.
func nics(t testing.TB) []nic {
	t.Helper()
	invented, err := layouts.LoadFile(filepath.Join("testdata", "invented.yaml"))
	require.NoError(t, err)
	all := []*layouts.Layout{invented}
	for _, name := range layouts.Names() {
		l, err := layouts.Shipped(name)
		require.NoError(t, err)
		all = append(all, l)
	}
	var out []nic
	for _, l := range all {
		for _, d := range l.Descriptors {
			if bare := d.Bare(); len(bare.Hints) > 0 { // it can lie in the metadata area
				out = append(out, nic{l, bare})
			}
		}
	}
	return out
}

// few picks of all NICs, or of all walks, those that a test of one of many programs is
// about: the invented one, which comes first and gives every hint, and n-1 others, by
// the program's name (chance.Some). Tests of hints go through all of them.
func few[T any](program string, all []T, n int) []T {
	return append(slices.Clone(all[:1]), chance.Some(program, all[1:], n-1)...)
}

// How many are picked for each shape on each machine. TestFewAreEnough has what comes
// of it.
const (
	nicsPerShape  = 6
	walksPerShape = 12
)

// Every NIC meets many shapes, and so does every walk.
func TestFewAreEnough(t *testing.T) {
	met := map[string]int{}
	shapes, nics, walks := sources(t, "shapes"), nics(t), walks(t, chance.Rand(t))
	var names []string
	for _, n := range nics {
		names = append(names, n.String())
	}
	for _, w := range walks {
		names = append(names, w.String())
	}
	for _, path := range shapes {
		for _, m := range []machine{runnable[2], foreign[3]} {
			for _, n := range few(shapeOn(path, m), nics, nicsPerShape) {
				met[n.String()]++
			}
		}
		for _, w := range few(shapeOn(path, foreign[2]), walks, walksPerShape) {
			met[w.String()]++
		}
	}
	for _, name := range names {
		t.Logf("%s: %d", name, met[name])
		require.Greater(t, met[name], len(shapes)/16, name)
	}
}

// shapeOn names a shape on a machine.
func shapeOn(path string, m machine) string { return shapeName(path) + "/" + m.String() }

// needKernel skips a test where programs can not be run.
var needKernel = func() func(testing.TB) {
	probe := sync.OnceValue(func() error {
		if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
			return errors.New("objects are compiled for a little-endian kernel")
		}
		m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
		if err == nil {
			m.Close()
		}
		return err
	})
	return func(t testing.TB) {
		t.Helper()
		if err := probe(); err != nil {
			t.Skipf("running programs in the kernel: %v", err)
		}
	}
}()

// loadSpec parses an object. Programs that replace another program's function
// are taken out, they can not be loaded without that program.
func loadSpec(t testing.TB, object []byte) (spec *ebpf.CollectionSpec, replacing []*ebpf.ProgramSpec) {
	t.Helper()
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	require.NoError(t, err)
	for name, p := range spec.Programs {
		if p.Type == ebpf.Extension {
			replacing = append(replacing, p)
			delete(spec.Programs, name)
		}
	}
	return spec, replacing
}

// loadKernel loads what loadSpec returned.
func loadKernel(t testing.TB, spec *ebpf.CollectionSpec) *ebpf.Collection {
	t.Helper()
	coll, err := ebpf.NewCollection(spec)
	var refused *ebpf.VerifierError
	if errors.As(err, &refused) {
		t.Fatalf("%+v", refused)
	}
	require.NoError(t, err)
	t.Cleanup(coll.Close)
	return coll
}

// mdXDP is struct xdp_md. In BPF_PROG_RUN data is the length of the metadata, at
// the head of the input, and data_end the length of it all
// (xdp_convert_md_to_buff in net/bpf/test_run.c, 6.12).
type mdXDP struct {
	Data, DataEnd, DataMeta                     uint32
	IngressIfindex, RxQueueIndex, EgressIfindex uint32
}

// An outcome is all that one run of a program leaves behind.
type outcome struct {
	Ret    uint32
	Out    []uint64 // the shapes' global variable, zeros left out at the end or not
	Meta   []byte
	Packet []byte
	Copies []byte // the only element of the map named copies
	Events [][]byte
}

// outWords is the size of the shapes' out.
const outWords = 64

// run runs a loaded program once.
func run(t testing.TB, coll *ebpf.Collection, program string, s sample) outcome {
	t.Helper()
	bss := coll.Maps[".bss"]
	require.NotNil(t, bss, "shapes write what they find to the global variable out")
	require.NoError(t, bss.Put(uint32(0), make([]byte, 8*outWords)))

	var md mdXDP
	opts := ebpf.RunOptions{
		Data:       append(bytes.Clone(s.meta), s.packet...),
		DataOut:    make([]byte, 1024),
		Context:    mdXDP{Data: uint32(len(s.meta)), DataEnd: uint32(len(s.meta) + len(s.packet))},
		ContextOut: &md,
	}
	ret, err := coll.Programs[program].Run(&opts)
	require.NoError(t, err)

	o := outcome{Ret: ret, Meta: opts.DataOut[:md.Data], Packet: opts.DataOut[md.Data:]}
	o.Out = make([]uint64, outWords)
	require.NoError(t, bss.Lookup(uint32(0), o.Out))
	if m := coll.Maps["copies"]; m != nil {
		o.Copies, err = m.LookupBytes(uint32(0))
		require.NoError(t, err)
	}
	if m := coll.Maps["events"]; m != nil {
		o.Events = drain(t, m)
	}
	return o
}

// drain takes all records out of a ring buffer.
func drain(t testing.TB, m *ebpf.Map) [][]byte {
	t.Helper()
	rd, err := ringbuf.NewReader(m)
	require.NoError(t, err)
	defer rd.Close()
	rd.SetDeadline(time.Now())
	var events [][]byte
	for {
		r, err := rd.Read()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return events
		}
		require.NoError(t, err)
		events = append(events, r.RawSample)
	}
}
