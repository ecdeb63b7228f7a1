// Command guest is the init of the machines that internal/vm boots. It does what
// the job file says, reports on the console and switches the machine off.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hintjit/hintjit/internal/vm/job"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest: this is the first process of a virtual machine; run make test-vm")
		os.Exit(1)
	}
	uptime := uptime()
	if err := run(uptime); err != nil {
		say(job.Line{Fatal: err.Error()})
	} else {
		say(job.Line{Done: true})
	}
	unix.Sync()
	// With -no-reboot QEMU ends here.
	fmt.Println("guest: reboot:", unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART))
}

// say writes one line of the report.
func say(line job.Line) {
	text, err := json.Marshal(line)
	if err != nil {
		text, _ = json.Marshal(job.Line{Fatal: err.Error()})
	}
	fmt.Printf("%s%s\n", job.Prefix, text)
}

func uptime() float64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0
	}
	return float64(now.Nano()) / 1e9
}

func run(bootTime float64) error {
	if err := mountAll(); err != nil {
		return err
	}
	text, err := os.ReadFile(job.Path)
	if err != nil {
		return err
	}
	var work job.Job
	if err := json.Unmarshal(text, &work); err != nil {
		return fmt.Errorf("%s: %w", job.Path, err)
	}
	for _, path := range work.Modules {
		if err := loadModule(path); err != nil {
			return err
		}
	}
	net, err := openNetwork(&work)
	if err != nil {
		return err
	}
	booted, err := describe(bootTime)
	if err != nil {
		return err
	}
	say(job.Line{Booted: booted})
	for _, l := range work.Loads {
		result := &job.Result{Name: l.Name}
		if object, err := load(l); err != nil {
			result.Err = explain(err)
		} else {
			object.close()
		}
		result.Uptime = uptime()
		say(job.Line{Load: result})
	}
	for _, c := range work.Cases {
		say(job.Line{Case: net.try(c)})
	}
	for _, c := range work.OnNICs {
		say(job.Line{OnNIC: net.run(c)})
	}
	if work.Command != nil {
		return command(work.Command)
	}
	return nil
}

func mountAll() error {
	for _, m := range []struct{ fs, at string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"bpf", bpffs},
		{"tmpfs", "/run"}, {"tmpfs", "/tmp"},
	} {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.fs, m.at, m.fs, 0, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", m.fs, err)
		}
	}
	// The console is the report's: the kernel keeps to itself what is not an
	// emergency.
	return os.WriteFile("/proc/sys/kernel/printk", []byte("1"), 0)
}

func loadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && err != unix.EEXIST {
		return fmt.Errorf("module %s: %w", path, err)
	}
	return nil
}

func describe(bootTime float64) (*job.Booted, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return nil, err
	}
	text, err := os.ReadFile("/proc/sys/net/core/netdev_rss_key")
	if err != nil {
		return nil, err
	}
	var key []byte
	for _, digits := range strings.Split(strings.TrimSpace(string(text)), ":") {
		var b byte
		if _, err := fmt.Sscanf(digits, "%02x", &b); err != nil {
			return nil, fmt.Errorf("RSS key %q: %w", text, err)
		}
		key = append(key, b)
	}
	return &job.Booted{Release: unix.ByteSliceToString(uts.Release[:]), Uptime: bootTime, RSSKey: key}, nil
}
