package kernellog

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"github.com/stretchr/testify/require"
)

// childEnv names the refusal that this process, a child of the test, is to load
// with the capabilities it was left.
const childEnv = "HINTJIT_KERNELLOG_CHILD"

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		for i := range refusals {
			if refusals[i].name == name {
				fmt.Print(refusals[i].load())
			}
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// load returns what cilium/ebpf says when it loads the program, with the whole log;
// "" when it is loaded.
func (r *refusal) load() string {
	coll, err := ebpf.NewCollection(r.spec())
	if err == nil {
		coll.Close()
		return ""
	}
	text := err.Error() + "\n"
	var refused *ebpf.VerifierError
	if errors.As(err, &refused) {
		text += strings.Join(refused.Log, "\n") + "\n"
	}
	return text
}

// loadWithout is load in a process that has the capabilities caps and no others.
func (r *refusal) loadWithout(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command("/proc/self/fd/3") // where a user without rights may not look
	file, err := os.Open(exe)
	require.NoError(t, err)
	defer file.Close()
	cmd.ExtraFiles = []*os.File{file}
	cmd.Env = []string{childEnv + "=" + r.name}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: r.caps}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func needKernel(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loading programs needs root")
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Skipf("this kernel has no BPF: %v", err)
	}
}

// printEnv has the logs printed, for internal/vm, which keeps them in testdata/logs.
const printEnv = "HINTJIT_KERNELLOG_PRINT"

// TestRefused lets the kernel here refuse programs, each for a reason of its own, and
// reads what it says.
func TestRefused(t *testing.T) {
	needKernel(t)
	for i := range refusals {
		r := &refusals[i]
		t.Run(r.name, func(t *testing.T) {
			if r.spec() == nil {
				t.Skipf("the kernel has no %s", r.kfunc)
			}
			if r.long && testing.Short() {
				t.Skip("takes the kernel long")
			}
			var text string
			if r.caps == nil {
				text = r.load()
			} else {
				text = r.loadWithout(t)
			}
			require.NotEmpty(t, text, "the kernel takes it")
			if os.Getenv(printEnv) != "" && !r.long {
				fmt.Printf("LOG %s %q\n", r.name, text)
			}
			r.check(t, text)
		})
	}
}
