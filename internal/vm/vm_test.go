package vm

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/vm/job"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

// object is what is loaded, with each of the loaders.
type object struct {
	driver string
	module string // of the driver, where its name is another
	name   string
	bytes  func(t *testing.T) []byte
	// rewrite are arguments of "hintjit rewrite", which is run in the guest before:
	// for what is to be bound to the kernel that it runs on.
	rewrite []string
}

func (o object) caseName(loader string) string { return o.driver + "/" + o.name + "/" + loader }

// load is the object's loading, with the files for it.
func (o object) load(t *testing.T, loader string, files initramfs) job.Load {
	t.Helper()
	path := "/" + o.driver + "." + strings.ReplaceAll(o.name, " ", "_") + ".o"
	if files[path] == nil {
		files[path] = o.bytes(t)
	}
	if o.rewrite == nil {
		return job.Load{Name: o.caseName(loader), Object: path, Loader: loader}
	}
	command, err := hintjit()
	require.NoError(t, err)
	files["/hintjit"] = command
	const out = "/rewritten.o"
	return job.Load{Name: o.caseName(loader), Object: out, Loader: loader,
		Prepare: append([]string{"/hintjit", "rewrite", path, "-o", out}, o.rewrite...)}
}

// subject is an object that records hints of a NIC.
type subject struct {
	object
	wrong bool // planted: the checks have to find it
}

// subjects go through the same checks. The first of a NIC is what the others are
// compared with.
var subjects = []subject{
	{object: object{driver: "virtio_net", name: "by hand", bytes: compiled("virtio_net.c")}},
	{object: object{driver: "vmxnet3", name: "by hand", bytes: compiled("vmxnet3.c")}},
	{object: object{driver: "igb", name: "by hand", bytes: compiled("igb.c")}},
	{object: object{driver: "igb", name: "off by one", bytes: compiled("igb.c", "-DOFF_BY_ONE")}, wrong: true},
	{object: object{driver: "igb", name: "layout off by one", bytes: offByOne}, wrong: true},
	portable("virtio_net"), forItself("virtio_net"),
	portable("vmxnet3"), forItself("vmxnet3"),
	portable("igb"), forItself("igb"),
}

// portable is the program rewritten for a NIC and any kernel.
func portable(driver string) subject {
	return subject{object: object{driver: driver, name: "portable", bytes: func(t *testing.T) []byte {
		t.Helper()
		rewritten, _, err := rewrite.Object(compiled("hints.c")(t), rewrite.Options{NIC: driver})
		require.NoError(t, err)
		return rewritten
	}}}
}

// offByOne is the program rewritten by a layout of igb that walks to the descriptor
// behind the packet's.
func offByOne(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../../layouts/igb.yaml")
	require.NoError(t, err)
	const right = "- desc = ring.desc + ring.next_to_clean:u16 * 16"
	require.Contains(t, string(text), right)
	planted := strings.ReplaceAll(string(text), right, "- packet = ring.desc + ring.next_to_clean:u16 * 16\n      - desc = packet + 16")
	layout, err := layouts.Load("igb.yaml", []byte(planted))
	require.NoError(t, err)
	rewritten, _, err := rewrite.Object(compiled("hints.c")(t), rewrite.Options{Layout: layout})
	require.NoError(t, err)
	return rewritten
}

// forItself is the program rewritten in the guest, for the kernel that runs there.
func forItself(driver string) subject {
	return subject{object: object{driver: driver, name: "for this kernel", bytes: compiled("hints.c"),
		rewrite: []string{"--nic", driver, "--btf", "/sys/kernel/btf"}}}
}

var loaders = []string{job.Cilium, job.Libbpf}

func TestWalk(t *testing.T) {
	for _, k := range kernels(t) {
		for _, w := range []wire{hub, taps} {
			t.Run(k.series+"/"+w.name, func(t *testing.T) {
				w.need(t)
				r := bootSubjects(t, k, w)
				for _, s := range subjects {
					for _, loader := range loaders {
						t.Run(s.caseName(loader), func(t *testing.T) {
							result := r.results[s.caseName(loader)]
							require.NotNil(t, result, "the guest said nothing about it")
							if !k.walks() {
								missing := "bpf_cast_to_kern_ctx" // as a loader says it
								if s.rewrite != nil {
									missing = "has no bpf_rdonly_cast"
								}
								require.Contains(t, result.Err, missing, "it loads, or is refused for another reason")
								return
							}
							require.Empty(t, result.Err)
							s.verify(t, w, r, result)
						})
					}
				}
			})
		}
	}
}

// bootSubjects has all subjects loaded and tried, with both loaders, in one machine.
func bootSubjects(t *testing.T, k kernel, w wire) *report {
	t.Helper()
	work := &job.Job{SKB: "/skb.o", Frames: jobFrames()}
	files := initramfs{"/skb.o": compiled("skb.c")(t)}
	require.NoError(t, files.addTool("/bpftool", "bpftool"))
	for _, s := range subjects {
		for _, loader := range loaders {
			l := s.load(t, loader, files)
			if k.walks() {
				work.Cases = append(work.Cases, job.Case{Driver: s.driver, Load: l})
			} else {
				work.Loads = append(work.Loads, l) // there, vmxnet3 has no XDP to attach to either
			}
		}
	}
	drivers := []string{"virtio_pci"}
	for _, n := range w.nics {
		drivers = append(drivers, n.driver)
	}
	return boot(t, k, w, drivers, work, files)
}

// verify checks each frame, and holds the subject against the first of its NIC.
func (s subject) verify(t *testing.T, w wire, r *report, result *job.Result) {
	t.Helper()
	n := w.nics[slices.IndexFunc(w.nics, func(n nic) bool { return n.driver == s.driver })]
	first := subjects[slices.IndexFunc(subjects, func(o subject) bool { return o.driver == s.driver })]
	reference := r.results[first.caseName(loaders[0])]
	require.NotNil(t, reference)
	require.Len(t, reference.Frames, len(frames), "of %s, which is compared with", reference.Name)
	require.Len(t, result.Frames, len(frames))
	found := 0
	for i, f := range frames {
		problems := check(n, r.booted.RSSKey, f, result.Frames[i])
		different, err := differences(reference.Frames[i].XDP, result.Frames[i].XDP)
		require.NoError(t, err)
		problems = append(problems, different...)
		found += len(problems)
		if !s.wrong {
			t.Run(f.name, func(t *testing.T) {
				assert.Empty(t, problems, "recorded: %+v", result.Frames[i])
			})
		}
	}
	if s.wrong {
		require.GreaterOrEqual(t, found, len(frames), "the checks pass a walk that reads another packet's descriptor")
		t.Logf("%d problems found, as there should be", found)
	}
}

// compiled compiles a program of testdata.
func compiled(source string, flags ...string) func(t *testing.T) []byte {
	return compiledAt(filepath.Join("testdata", source), flags...)
}

func compiledAt(source string, flags ...string) func(t *testing.T) []byte {
	return func(t *testing.T) []byte {
		t.Helper()
		_, err := exec.LookPath("clang-19")
		require.NoError(t, err, "it compiles the programs under test; make deps installs it")
		out := filepath.Join(t.TempDir(), filepath.Base(source)+".o")
		args := append([]string{"-target", "bpfel", "-mcpu=v3", "-O2", "-g", "-Wall", "-Wextra", "-Werror",
			"-nostdlibinc", "-isystem", "../../bpf/include", "-c", source, "-o", out}, flags...)
		text, err := exec.Command("clang-19", args...).CombinedOutput()
		require.NoError(t, err, "%s", text)
		object, err := os.ReadFile(out)
		require.NoError(t, err)
		return object
	}
}
