package vm

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// cache is the folder that scripts/vm-fetch.sh fills.
func cache(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("HINTJIT_VM_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	require.NoError(t, err)
	return filepath.Join(dir, "hintjit", "vm")
}

// kernel is one that can be booted.
type kernel struct {
	series string // as scripts/vm-fetch.sh is asked for it
	dir    string
}

// kernels are those that HINTJIT_VM names.
func kernels(t *testing.T) []kernel {
	t.Helper()
	asked := strings.Fields(os.Getenv("HINTJIT_VM"))
	if len(asked) == 0 {
		t.Skip("boots kernels only when told which: HINTJIT_VM=6.12, a list, or all (make test-vm, docs/vm.md)")
	}
	dir := filepath.Join(cache(t), "kernels")
	if slices.Equal(asked, []string{"all"}) {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err, "there are no kernels; run scripts/vm-fetch.sh")
		asked = nil
		for _, e := range entries {
			asked = append(asked, e.Name())
		}
	}
	var found []kernel
	for _, series := range asked {
		k := kernel{series, filepath.Join(dir, series)}
		require.FileExists(t, k.vmlinux(), "kernel %s is not there; run scripts/vm-fetch.sh %[1]s", series)
		found = append(found, k)
	}
	return found
}

func (k kernel) vmlinux() string { return filepath.Join(k.dir, "vmlinux") }

// walks tells whether the kernel has bpf_rdonly_cast, which came with 6.2.
func (k kernel) walks() bool { return k.series != "6.1" }

// module is a file of a loadable module.
type module struct {
	name string
	data []byte
}

// modules are the named ones and all that they need, each after what it needs.
// Debian's packages have no modules.dep (it is made when they are installed), so
// what a module needs is read from itself.
func (k kernel) modules(names ...string) ([]module, error) {
	files, err := k.moduleFiles()
	if err != nil {
		return nil, err
	}
	builtin, err := os.ReadFile(filepath.Join(k.dir, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	for _, path := range strings.Fields(string(builtin)) {
		files[moduleName(strings.TrimSuffix(filepath.Base(path), ".ko"))] = ""
	}

	var loaded []module
	done := map[string]bool{}
	var add func(name string) error
	add = func(name string) error {
		path, known := files[name]
		if !known {
			return fmt.Errorf("kernel %s has no module %s; scripts/vm-fetch.sh leaves out some folders, is it in one?", k.series, name)
		}
		if done[name] || path == "" {
			return nil
		}
		done[name] = true
		data, err := unpack(path)
		if err != nil {
			return err
		}
		needs, err := dependencies(data)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, need := range needs {
			if err := add(need); err != nil {
				return fmt.Errorf("%s needs %w", name, err)
			}
		}
		loaded = append(loaded, module{name, data})
		return nil
	}
	for _, name := range names {
		if err := add(moduleName(name)); err != nil {
			return nil, err
		}
	}
	return loaded, nil
}

// moduleFiles are the files of the loadable modules that were fetched.
func (k kernel) moduleFiles() (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(filepath.Join(k.dir, "modules"), func(path string, d fs.DirEntry, err error) error {
		if name, _, ok := strings.Cut(d.Name(), ".ko"); ok {
			files[moduleName(name)] = path
		}
		return err
	})
	return files, err
}

// moduleName is what the kernel calls a module whose file may have dashes.
func moduleName(file string) string { return strings.ReplaceAll(file, "-", "_") }

func unpack(path string) ([]byte, error) {
	tool := map[string]string{".xz": "xz", ".zst": "zstd", ".gz": "gzip"}[filepath.Ext(path)]
	if tool == "" {
		return os.ReadFile(path)
	}
	out, err := exec.Command(tool, "-dc", path).Output()
	if err != nil {
		return nil, fmt.Errorf("%s -dc %s: %w", tool, path, err)
	}
	return out, nil
}

// dependencies are the modules that a module names in its section .modinfo.
func dependencies(module []byte) ([]string, error) {
	file, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		return nil, err
	}
	section := file.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("no section .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	var needs []string
	for _, entry := range strings.Split(string(info), "\x00") {
		if list, ok := strings.CutPrefix(entry, "depends="); ok && list != "" {
			for _, name := range strings.Split(list, ",") {
				needs = append(needs, moduleName(name))
			}
		}
	}
	return needs, nil
}
