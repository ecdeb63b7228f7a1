package corpus

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/nstest"
)

func needKernel(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loading programs needs root")
	}
	if err := features.HaveProgramType(ebpf.XDP); err != nil {
		t.Skipf("the kernel loads no XDP programs: %v", err)
	}
}

// loaded is what became of an object in cilium/ebpf.
type loaded struct {
	collections []*ebpf.Collection // one, or when it does not load as a whole, one for each program that does
	outcome     map[string]string  // of each program: "", or why it was refused
}

func (l *loaded) close() {
	for _, c := range l.collections {
		c.Close()
	}
}

// load loads an object with cilium/ebpf.
func load(raw []byte) *loaded {
	l := &loaded{outcome: make(map[string]string)}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		l.outcome["object"] = refusal(err)
		return l
	}
	for _, m := range spec.Maps {
		m.Pinning = ebpf.PinNone
		if m.MaxEntries == 0 { // left to the program that loads it
			m.MaxEntries = 16
		}
		if fillable[m.Type] { // bpftool makes them as large as the object says
			m.MaxEntries = min(m.MaxEntries, 1024)
		}
	}
	coll, err := ebpf.NewCollection(spec.Copy())
	if err == nil {
		l.collections = append(l.collections, coll)
		for name := range spec.Programs {
			l.outcome[name] = ""
		}
		return l
	}
	for name := range spec.Programs {
		coll, err := ebpf.NewCollection(only(spec, name))
		if l.outcome[name] = ""; err != nil {
			l.outcome[name] = refusal(err)
			continue
		}
		l.collections = append(l.collections, coll)
	}
	return l
}

// fillable are the maps whose size is a matter of how much is put into them.
var fillable = map[ebpf.MapType]bool{
	ebpf.Hash: true, ebpf.PerCPUHash: true, ebpf.LRUHash: true, ebpf.LRUCPUHash: true, ebpf.StackTrace: true,
}

// only is an object with one of its programs.
func only(spec *ebpf.CollectionSpec, program string) *ebpf.CollectionSpec {
	spec = spec.Copy()
	maps.DeleteFunc(spec.Programs, func(name string, _ *ebpf.ProgramSpec) bool { return name != program })
	for _, m := range spec.Maps {
		if m.Type == ebpf.ProgramArray {
			m.Contents = nil
		}
	}
	return spec
}

// refusal is why something was not loaded, without numbers: instructions have
// others when some were inserted. Of the verifier's log it is the last sentence.
func refusal(err error) string {
	text := gist(err)
	var log *ebpf.VerifierError
	if errors.As(err, &log) {
		text = log.Cause.Error() + ": " + sentence(log.Log)
	}
	return text
}

// sentence is the verifier's last word before it counts.
func sentence(log []string) string {
	last := ""
	for _, line := range log {
		if !strings.HasPrefix(line, "processed ") && strings.TrimSpace(line) != "" {
			last = line
		}
	}
	return details.ReplaceAllString(last, "*")
}

// An object with no-ops in it is loaded by cilium/ebpf where the object is, and
// does the same.
func TestCilium(t *testing.T) {
	needKernel(t)
	rng := chance.Rand(t)
	seed := rng.Uint64()
	eachOf(t, sample(t), func(t *testing.T, s subject) {
		f := parse(t, s)
		before := load(s.raw)
		defer before.close()
		good := 0
		for _, why := range before.outcome {
			if why == "" {
				good++
			}
		}
		result(s, "cilium/ebpf", fmt.Sprintf("%d of %d", good, len(before.outcome)))
		want := behaviour(t, before, seed)
		for _, v := range variants {
			out := v.make(t, f, rng)
			if out == nil {
				result(s, "cilium/ebpf", "no program")
				return
			}
			after := load(out)
			require.Equal(t, before.outcome, after.outcome, v.name)
			got := behaviour(t, after, seed)
			after.close()
			if !slices.Equal(want, got) {
				other := load(s.raw)
				once, twice := want, behaviour(t, other, seed)
				other.close()
				if slices.Equal(once, twice) {
					require.Equal(t, want, got, v.name)
				}
				result(s, "run", "not the same twice by itself")
				return
			}
		}
		if n := runs(want); n > 0 {
			result(s, "run", fmt.Sprintf("same, %d programs", n))
		}
	})
}

// perSource is how many objects of a source are loaded unless all are asked for.
const perSource = 6

// sample is the objects that are loaded: of every source some, evenly chosen, and
// those that had something to tell before.
func sample(t *testing.T) []subject {
	t.Helper()
	bySource := make(map[string]int)
	var all []subject
	for _, s := range subjects(t) {
		if !s.bigEndian() && refused[s.name] == "" {
			bySource[s.source]++
			all = append(all, s)
		}
	}
	if os.Getenv("HINTJIT_CORPUS") == "all" {
		return all
	}
	seen := make(map[string]int)
	return slices.DeleteFunc(all, func(s subject) bool {
		every := (bySource[s.source] + perSource - 1) / perSource
		seen[s.source]++
		return seen[s.source]%every != 0 && s.name != linked
	})
}

// An object with no-ops in it is loaded by bpftool, and so by libbpf, where the
// object is, and refused for the same reason where it is not.
func TestBpftool(t *testing.T) {
	if _, err := exec.LookPath("bpftool"); err != nil {
		t.Skip("bpftool is not installed, it loads with libbpf")
	}
	all := sample(t)
	rng := chance.Rand(t)
	nstest.Isolate(t) // no subtests: they would be other threads
	dir := t.TempDir()
	for i, s := range all {
		f := parse(t, s)
		want := bpftool(t, dir, s.raw)
		result(s, "bpftool", map[bool]string{true: "loads", false: "refused"}[want == ""])
		v := variants[i%len(variants)]
		if out := v.make(t, f, rng); out != nil {
			assert.Equal(t, want, bpftool(t, dir, out), "%s, %s", s, v.name)
		}
	}
}

// bpftool loads an object, and returns what it says when it does not.
func bpftool(t *testing.T, dir string, raw []byte) string {
	t.Helper()
	path, pins := filepath.Join(dir, "object.o"), filepath.Join(nstest.BPFFS, "corpus")
	require.NoError(t, os.WriteFile(path, raw, 0o644))
	out, err := exec.Command("bpftool", "prog", "loadall", path, pins).CombinedOutput()
	require.NoError(t, os.RemoveAll(pins))
	if err == nil {
		return ""
	}
	return complaint(string(out))
}

// complaint is what libbpf says, without the log of the verifier but for its last
// sentence.
func complaint(text string) string {
	var said, log []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "libbpf: elf: skipping "): // sections for a debugger, which Encode leaves out
		case strings.HasPrefix(line, "libbpf: ") || strings.HasPrefix(line, "Error: "):
			said = append(said, details.ReplaceAllString(line, "*"))
		default:
			log = append(log, line)
		}
	}
	return strings.Join(append(said, sentence(log[:max(0, len(log)-3)])), "\n")
}
