package vm

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/vm/job"
)

// limit is for one machine, from start to end. It takes some ten seconds, with
// commands a minute, and several times that on a machine that is busy with
// other things. To load an object takes seconds where many modules are: loaders
// look for its members in the types of all of them.
func limit(work *job.Job) time.Duration {
	if work.Command != nil || work.OnNICs != nil {
		return 6 * time.Minute
	}
	return 2*time.Minute + time.Duration(len(work.Loads))*5*time.Second
}

// injectorAddress is the hardware address of the NIC that frames are sent from.
const injectorAddress = "52:54:00:00:00:01"

// report is what came back from a guest.
type report struct {
	booted  *job.Booted
	results map[string]*job.Result // by the name of a case or load
	ended   map[string]*job.Ended  // by the name of an OnNIC
	output  []byte                 // of the command
	exit    *int                   // how it ended
}

// boot runs a machine with the NICs of a wire, and one to send from, and gives it a
// job and the files that the job names.
func boot(t *testing.T, k kernel, w wire, drivers []string, work *job.Job, files initramfs) *report {
	t.Helper()
	guest, err := guestInit()
	require.NoError(t, err)
	files["/init"] = guest
	modules, err := k.modules(drivers...)
	require.NoError(t, err)
	for _, m := range modules {
		at := "/modules/" + m.name + ".ko"
		files[at] = m.data
		work.Modules = append(work.Modules, at)
	}
	work.Injector = injectorAddress
	files[job.Path], err = json.Marshal(work)
	require.NoError(t, err)

	initrd := filepath.Join(t.TempDir(), "initrd")
	require.NoError(t, os.WriteFile(initrd, files.pack(), 0o600))
	start := time.Now()
	cmd := qemu(t, k, w, initrd)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Start())
	limit := limit(work)
	late := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	err = cmd.Wait()
	require.True(t, late.Stop(), "the machine did not end within %v; its console:\n%s", limit, &stdout)
	require.NoError(t, err, "QEMU: %s", &stderr)
	console := stdout.Bytes()
	r, err := readReport(console)
	require.NoError(t, err, "the machine's console:\n%s", console)
	t.Logf("kernel %s: init after %.1f s, all in %.1f s", r.booted.Release, r.booted.Uptime, time.Since(start).Seconds())
	return r
}

// qemu is the command with what was found to boot fastest without KVM: an
// unpacked kernel, qboot for firmware, and none of the kernel's tests of its
// cryptography. PCI Express, because igb needs it.
func qemu(t *testing.T, k kernel, w wire, initrd string) *exec.Cmd {
	t.Helper()
	program, share, env := "qemu-system-x86_64", "/usr/share/qemu", []string(nil)
	if fetched := filepath.Join(cache(t), "qemu", "usr"); isDir(fetched) {
		lib := filepath.Join(fetched, "lib/x86_64-linux-gnu")
		program, share = filepath.Join(fetched, "bin", program), filepath.Join(fetched, "share/qemu")
		env = []string{"LD_LIBRARY_PATH=" + lib, "QEMU_MODULE_DIR=" + filepath.Join(lib, "qemu")}
	}
	args := []string{
		"-accel", "tcg", "-machine", "q35,hpet=off", "-cpu", "qemu64", "-m", "512",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio",
		"-L", share, "-bios", filepath.Join(share, "qboot.rom"), "-kernel", k.vmlinux(), "-initrd", initrd,
		// GOMEMLIMIT goes to init: what the kernel does not know becomes environment.
		"-append", "console=ttyS0 panic=-1 reboot=t quiet mitigations=off tsc=reliable no_timer_check " +
			"lpj=4000000 cryptomgr.notests GOMEMLIMIT=300MiB",
	}
	for n, dev := range append([]nic{{device: "virtio-net-pci"}}, w.nics...) { // the first is the injector
		args = append(args, "-netdev", w.port(n),
			"-device", fmt.Sprintf("%s,netdev=n%d,mac=52:54:00:00:00:%02x,romfile=", dev.device, n, n+1))
	}
	cmd := w.command(append([]string{program}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Programs for the guest: its first process, and the command.
var (
	guestInit = sync.OnceValues(func() ([]byte, error) { return static("build", "./guest") })
	hintjit   = sync.OnceValues(func() ([]byte, error) { return static("build", "../../cmd/hintjit") })
)

// static builds a program that needs no libraries, with a command of go's.
func static(command string, what ...string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "hintjit-vm-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a few files in a temporary folder
	path := filepath.Join(dir, "program")
	cmd := exec.Command("go", append([]string{command, "-ldflags", "-s -w", "-o", path}, what...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building %s for the guest: %w\n%s", strings.Join(what, " "), err, out)
	}
	return os.ReadFile(path)
}

// readReport finds the guest's lines among what the kernel wrote.
func readReport(console []byte) (*report, error) {
	r := &report{results: map[string]*job.Result{}, ended: map[string]*job.Ended{}}
	done := false
	lines := bufio.NewScanner(bytes.NewReader(console))
	lines.Buffer(nil, len(console)+1)
	for lines.Scan() {
		_, text, found := strings.Cut(lines.Text(), job.Prefix)
		if !found {
			continue
		}
		var line job.Line
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		switch {
		case line.Fatal != "":
			return nil, fmt.Errorf("the guest gave up: %s", line.Fatal)
		case line.Booted != nil:
			r.booted = line.Booted
		case line.Case != nil:
			r.results[line.Case.Name] = line.Case
		case line.Load != nil:
			r.results[line.Load.Name] = line.Load
		case line.OnNIC != nil:
			r.ended[line.OnNIC.Name] = line.OnNIC
		case line.Output != nil:
			r.output = append(append(r.output, *line.Output...), '\n')
		case line.Exit != nil:
			r.exit = line.Exit
		}
		done = done || line.Done
	}
	if !done || r.booted == nil {
		return nil, fmt.Errorf("the guest did not get to its end")
	}
	return r, nil
}
