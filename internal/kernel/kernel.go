// Package kernel knows the types of one kernel: those of vmlinux and those of
// its modules, from BTF.
package kernel

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cilium/ebpf/btf"
)

// Types is the BTF of one kernel. It may be used by several goroutines.
type Types struct {
	name string // for messages: a path, or "the running kernel"
	base *btf.Spec
	load func(module string) (*btf.Spec, error)

	mu      sync.Mutex
	modules map[string]module // by name, those that were asked for
}

// module is what came of looking for a module's types.
type module struct {
	spec *btf.Spec
	err  error // fs.ErrNotExist when there are none
}

// Running returns the types of the kernel this process runs on. Those of a module
// are read when they are asked for, so it has to be loaded by then.
func Running() (*Types, error) {
	base, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, fmt.Errorf("the running kernel's BTF: %w", err)
	}
	return &Types{name: "the running kernel", base: base, modules: map[string]module{}, load: btf.LoadKernelModuleSpec}, nil
}

// Open reads the types of a kernel from files: BTF as in /sys/kernel/btf, or an
// ELF file with a section .BTF (vmlinux, a module.ko). A directory stands for
// all files in it. One of them has to be vmlinux; the others are modules, each
// named as its file.
func Open(paths ...string) (*Types, error) {
	files, err := expand(paths)
	if err != nil {
		return nil, err
	}
	t := &Types{name: strings.Join(paths, ", "), modules: map[string]module{}}
	split := map[string]string{}
	for _, file := range files {
		name := moduleName(file)
		if name != "vmlinux" {
			split[name] = file
			continue
		}
		if t.base != nil {
			return nil, fmt.Errorf("%s: a second vmlinux: want the BTF of one kernel", file)
		}
		data, err := read(file)
		if err != nil {
			return nil, err
		}
		if t.base, err = btf.LoadSpecFromReader(bytes.NewReader(data)); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	if t.base == nil {
		return nil, fmt.Errorf("%s: no file vmlinux, which the modules' types refer to: want it beside them, as in /sys/kernel/btf", t.name)
	}
	t.load = func(module string) (*btf.Spec, error) {
		file, ok := split[module]
		if !ok {
			return nil, fs.ErrNotExist
		}
		data, err := read(file)
		if err != nil {
			return nil, err
		}
		spec, err := btf.LoadSplitSpecFromReader(bytes.NewReader(data), t.base)
		if err != nil {
			return nil, fmt.Errorf("%s: not of the same kernel as vmlinux, or damaged: %w", file, err)
		}
		return spec, nil
	}
	return t, nil
}

// expand lists files, and for a directory those in it.
func expand(paths []string) (files []string, err error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !e.IsDir() {
				files = append(files, filepath.Join(path, e.Name()))
			}
		}
	}
	return files, nil
}

// moduleName is the name of the module that a file has the types of. Files of
// modules have - where the kernel has _.
func moduleName(file string) string {
	name := filepath.Base(file)
	for _, suffix := range []string{".xz", ".zst", ".gz", ".ko", ".btf", ".debug"} {
		name = strings.TrimSuffix(name, suffix)
	}
	if strings.HasPrefix(name, "vmlinux") {
		return "vmlinux"
	}
	return strings.ReplaceAll(name, "-", "_")
}

// read returns the BTF in a file.
func read(file string) ([]byte, error) {
	for _, packed := range []string{".xz", ".zst", ".gz"} {
		if strings.HasSuffix(file, packed) {
			return nil, fmt.Errorf("%s: is packed: unpack it first", file)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil || !bytes.HasPrefix(data, []byte(elf.ELFMAG)) {
		return data, err
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	section := f.Section(".BTF")
	if section == nil {
		return nil, fmt.Errorf("%s: an ELF file without a section .BTF", file)
	}
	if data, err = section.Data(); err != nil {
		return nil, fmt.Errorf("%s: section .BTF: %w", file, err)
	}
	return data, nil
}

// Name says which kernel this is, for messages.
func (t *Types) Name() string { return t.name }

// Module says why the types of a module can not be had: fs.ErrNotExist when there
// is nothing of that name. A driver that is built in has its types in vmlinux.
func (t *Types) Module(name string) error {
	_, err := t.module(name)
	return err
}

func (t *Types) module(name string) (*btf.Spec, error) {
	if name == "" {
		return nil, fs.ErrNotExist
	}
	name = strings.ReplaceAll(name, "-", "_")
	t.mu.Lock()
	defer t.mu.Unlock()
	m, known := t.modules[name]
	if !known {
		m.spec, m.err = t.load(name)
		t.modules[name] = m
	}
	return m.spec, m.err
}

// Struct finds a struct as the module's code knows it: in the module's types, and
// in vmlinux's where it has none of that name. Debian's 6.18 modules hold copies
// of vmlinux's structs.
func (t *Types) Struct(module, name string) (*btf.Struct, error) {
	own, err := t.module(module)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("struct %s: %w", name, err)
	}
	for _, spec := range []*btf.Spec{own, t.base} {
		if spec == nil {
			continue
		}
		types, err := spec.AnyTypesByName(name)
		if errors.Is(err, btf.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("struct %s: %w", name, err)
		}
		for _, typ := range types {
			if s, ok := typ.(*btf.Struct); ok {
				return s, nil
			}
		}
	}
	return nil, fmt.Errorf("struct %s: %w", name, btf.ErrNotFound)
}

// Enumerator is the number of a name in an enum, of the module's or of vmlinux.
func (t *Types) Enumerator(module, enum, name string) (uint64, error) {
	own, err := t.module(module)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("enum %s: %w", enum, err)
	}
	for _, spec := range []*btf.Spec{own, t.base} {
		if spec == nil {
			continue
		}
		types, err := spec.AnyTypesByName(enum)
		if errors.Is(err, btf.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("enum %s: %w", enum, err)
		}
		for _, typ := range types {
			e, ok := typ.(*btf.Enum)
			if !ok {
				continue
			}
			for _, v := range e.Values {
				if v.Name == name {
					return v.Value, nil
				}
			}
		}
	}
	return 0, fmt.Errorf("enum %s has no %s: %w", enum, name, btf.ErrNotFound)
}

// Place is where a member lies in a struct.
type Place struct {
	Offset int // bytes from the struct's start; of a bit-field, the first byte it has bits in
	Size   int // bytes
	// Bit and Bits are, for a bit-field, its first bit after Offset in BTF's
	// counting (memory order of bytes; inside a byte from the least significant
	// bit on little-endian machines, from the most significant on big-endian ones)
	// and its width. Bits is 0 for all else.
	Bit, Bits int
	Integer   bool // an integer, a pointer or an enum
	Enum      bool // an enum
	Array     bool
}

// Member finds a member of a struct by the names on the way to it; what has no
// name is gone through. A path of no names is the struct itself.
func (t *Types) Member(module, name string, path ...string) (Place, error) {
	s, err := t.Struct(module, name)
	if err != nil {
		return Place{}, err
	}
	p := Place{Size: int(s.Size)}
	members := s.Members
	bit := 0
	for i, step := range path {
		visited := 0
		m, at, ok := find(members, step, 0, &visited)
		if !ok {
			return Place{}, fmt.Errorf("struct %s has no member %s: %w", name, strings.Join(path[:i+1], "."), btf.ErrNotFound)
		}
		bit += at
		if p, err = place(m, bit); err != nil {
			return Place{}, fmt.Errorf("struct %s: member %s: %w", name, strings.Join(path[:i+1], "."), err)
		}
		members = membersOf(m.Type)
	}
	return p, nil
}

func place(m btf.Member, bit int) (Place, error) {
	size, err := btf.Sizeof(m.Type)
	if err != nil {
		return Place{}, err
	}
	p := Place{Offset: bit / 8, Size: size}
	switch btf.UnderlyingType(m.Type).(type) {
	case *btf.Int, *btf.Pointer, *btf.Enum:
		p.Integer = true
	}
	_, p.Enum = btf.UnderlyingType(m.Type).(*btf.Enum)
	_, p.Array = btf.UnderlyingType(m.Type).(*btf.Array)
	if m.BitfieldSize > 0 {
		p.Bit, p.Bits = bit%8, int(m.BitfieldSize)
		p.Size = (p.Bit + p.Bits + 7) / 8
	}
	return p, nil
}

func membersOf(t btf.Type) []btf.Member {
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		return t.Members
	case *btf.Union:
		return t.Members
	}
	return nil
}

// maxNesting bounds anonymous structs in structs, maxMembers what there is in all:
// a few structs that have the next several times make any number of members. No
// struct of a kernel has a tenth of that.
const (
	maxNesting = 16
	maxMembers = 1 << 14
)

// find looks for a member, in anonymous members as well. bit is where it starts
// in what members are of; visited counts those looked at.
func find(members []btf.Member, name string, depth int, visited *int) (m btf.Member, bit int, ok bool) {
	for _, m := range members {
		if *visited++; *visited > maxMembers {
			break
		}
		if m.Name == name {
			return m, int(m.Offset), true
		}
		if m.Name == "" && depth < maxNesting {
			if found, at, ok := find(membersOf(m.Type), name, depth+1, visited); ok {
				return found, int(m.Offset) + at, true
			}
		}
	}
	return btf.Member{}, 0, false
}

// Func returns the type id of a kernel function, 0 when vmlinux has none of that
// name.
func (t *Types) Func(name string) btf.TypeID {
	var fn *btf.Func
	if t.base.TypeByName(name, &fn) != nil {
		return 0
	}
	id, err := t.base.TypeID(fn)
	if err != nil {
		return 0
	}
	return id
}

// Carrier is a struct of vmlinux that any memory can be read as: programs may
// name no struct of a module (kernel/bpf/verifier.c of 6.12, check_kfunc_call
// looks types up where the function is, in vmlinux).
type Carrier struct {
	Type string
	ID   btf.TypeID
	Size int // of the part that can be read, in bytes; 0: it has no end
}

// Endless is a struct that ends in an array of integers of no length, which the
// kernel lets one read at any offset, alignment and size (btf_struct_walk in
// kernel/bpf/btf.c, since "bpf: support access variable length array of integer
// type" of April 2023).
const Endless = "bpf_raw_tracepoint_args"

// Carrier chooses one.
func (t *Types) Carrier() (Carrier, error) {
	if t.Func("bpf_rdonly_cast") == 0 || t.Func("bpf_cast_to_kern_ctx") == 0 {
		return Carrier{}, fmt.Errorf("%s has no bpf_rdonly_cast, by which programs read a driver's memory: Linux 6.2 has", t.name)
	}
	// A kernel that has this function is younger than that patch.
	if c, ok := t.carrier(Endless); ok && t.Func("bpf_dynptr_adjust") != 0 {
		c.Size = 0
		return c, nil
	}
	// Structs that start with integers all of which may be read as one array.
	for _, name := range []string{"linux_mib", "ftrace_stack", "pt_regs"} {
		if c, ok := t.carrier(name); ok {
			return c, nil
		}
	}
	return Carrier{}, fmt.Errorf("%s has no struct that memory could be read as (%s, linux_mib, ftrace_stack, pt_regs)", t.name, Endless)
}

func (t *Types) carrier(name string) (Carrier, bool) {
	var s *btf.Struct
	if t.base.TypeByName(name, &s) != nil || len(s.Members) == 0 {
		return Carrier{}, false
	}
	id, err := t.base.TypeID(s)
	if err != nil {
		return Carrier{}, false
	}
	c := Carrier{Type: name, ID: id}
	if a, ok := s.Members[0].Type.(*btf.Array); ok {
		c.Size, err = btf.Sizeof(a)
		return c, err == nil
	}
	for _, m := range s.Members { // as long as they are whole registers
		if n, ok := btf.UnderlyingType(m.Type).(*btf.Int); !ok || n.Size != 8 || m.BitfieldSize != 0 || int(m.Offset) != 8*c.Size {
			break
		}
		c.Size += 8
	}
	return c, c.Size > 0
}
