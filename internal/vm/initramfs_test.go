package vm

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
)

// initramfs is a file system to boot, by absolute path.
type initramfs map[string][]byte

// addTool adds a program of this machine with the libraries that it is linked to.
func (files initramfs) addTool(at, name string) error {
	file, err := exec.LookPath(name)
	if err != nil {
		return fmt.Errorf("%w; install it with make deps", err)
	}
	list, err := exec.Command("ldd", file).Output()
	if err != nil {
		return fmt.Errorf("ldd %s: %w", file, err)
	}
	if files[at], err = os.ReadFile(file); err != nil {
		return err
	}
	for _, m := range regexp.MustCompile(`(?m)(/\S+) \(0x`).FindAllStringSubmatch(string(list), -1) {
		if files[m[1]], err = os.ReadFile(m[1]); err != nil {
			return err
		}
	}
	return nil
}

// clone is for a machine that needs more files.
func (files initramfs) clone() initramfs { return maps.Clone(files) }

// Modes of files (inode(7)).
const (
	modeDir    = 0o040755
	modeFile   = 0o100755
	modeDevice = 0o020600
)

// pack writes the archive that a kernel unpacks: cpio's format "newc"
// (Documentation/driver-api/early-userspace/buffer-format.rst). No tool does it
// without root: the console is a device.
func (files initramfs) pack() []byte {
	var out bytes.Buffer
	inode := 0
	entry := func(name string, mode int, major, minor int, data []byte) {
		inode++
		fmt.Fprintf(&out, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
			inode, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name)+1, 0, name)
		out.Write(make([]byte, -out.Len()&3))
		out.Write(data)
		out.Write(make([]byte, -out.Len()&3))
	}
	made := map[string]bool{".": true}
	var makeDir func(name string)
	makeDir = func(name string) {
		if !made[name] {
			made[name] = true
			makeDir(path.Dir(name))
			entry(name, modeDir, 0, 0, nil)
		}
	}
	makeDir("dev")
	entry("dev/console", modeDevice, 5, 1, nil)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		relative := name[1:]
		makeDir(path.Dir(relative))
		entry(relative, modeFile, 0, 0, files[name])
	}
	entry("TRAILER!!!", 0, 0, 0, nil)
	return out.Bytes()
}
