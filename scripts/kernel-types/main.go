// Command kernel-types makes the BTF that tests hold walks against: of a kernel
// and its drivers only the structs that walks of layouts name, so that a few
// kilobytes stand for one kernel, and a member that moved or got another name
// turns a test red without a download.
//
//	go run ./scripts/kernel-types VMLINUX MODULES OUT [BESIDE]
//
// scripts/kernel-types.sh calls it for Debian's kernels. VMLINUX is an ELF file,
// raw BTF or a kernel image with BTF in it, MODULES a folder with .ko or .ko.xz
// files somewhere in it, and OUT becomes a folder as /sys/kernel/btf: vmlinux and a
// file a module. Members of those structs stay as they are and where they are;
// pointers point to void, typedefs and qualifiers are gone, and so are the members
// of inner structs that no walk goes into.
//
// OUT/modules.txt lists all modules in MODULES that lie in drivers/net, so that a
// test can tell a driver that this kernel lacks from one that nobody made the types
// of. Modules that BESIDE, such a folder made before, lists are left out: what
// arm64 has and amd64 has too is there once.
package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/layouts"
)

const listFile = "modules.txt"

// How BTF begins: magic, version, flags; the header's length; then offset and
// length of types and of strings.
var magic = []byte{0x9f, 0xeb, 1, 0}

const header = 24

// Of vmlinux, what a walk needs whatever the driver: as what it reads memory
// (internal/kernel, Carrier), where it starts, and how it tells generic mode. The
// carrier is first, because tests have its number.
var (
	always = []string{"bpf_raw_tracepoint_args", "linux_mib", "ftrace_stack", "pt_regs",
		"xdp_buff", "xdp_rxq_info", "net_device", "netdev_rx_queue"}
	functions = []string{"bpf_cast_to_kern_ctx", "bpf_rdonly_cast", "bpf_dynptr_adjust"}
)

func main() {
	if len(os.Args) != 4 && len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: kernel-types VMLINUX MODULES OUT [BESIDE]")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4:]...); err != nil {
		fmt.Fprintln(os.Stderr, "kernel-types:", err)
		os.Exit(1)
	}
}

func run(vmlinux, modules, out string, beside ...string) error {
	files, err := findModules(modules)
	if err != nil {
		return err
	}
	for _, dir := range beside {
		list, err := os.ReadFile(filepath.Join(dir, listFile))
		if err != nil {
			return err
		}
		for _, module := range strings.Fields(string(list)) {
			delete(files, module)
		}
	}
	raw, err := readBTF(vmlinux)
	if err != nil {
		return err
	}
	base, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("%s: %w", vmlinux, err)
	}
	walks, err := namedInWalks()
	if err != nil {
		return err
	}
	names := walks.asked
	b := &reduced{named: walks, of: map[btf.Type]btf.Type{}}
	if err := b.addAll(base, always); err != nil {
		return err
	}
	for _, name := range functions {
		var fn *btf.Func
		if base.TypeByName(name, &fn) == nil {
			b.add(&btf.Func{Name: name, Type: b.add(&btf.FuncProto{Return: &btf.Void{}}), Linkage: btf.StaticFunc})
		}
	}
	for _, module := range slices.Sorted(maps.Keys(names)) {
		if files[module] == "" {
			continue
		}
		if err := b.addAll(base, names[module]); err != nil {
			return err
		}
	}
	whole, err := b.marshal()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "vmlinux"), whole, 0o644); err != nil {
		return err
	}
	list := strings.Join(slices.Sorted(maps.Keys(files)), "\n") + "\n"
	if err := os.WriteFile(filepath.Join(out, listFile), []byte(list), 0o644); err != nil {
		return err
	}
	for _, module := range slices.Sorted(maps.Keys(names)) {
		file := files[module]
		if file == "" {
			continue
		}
		split, err := reduceModule(file, base, b, names[module])
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := os.WriteFile(filepath.Join(out, module), split, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// named is what walks name.
type named struct {
	asked   map[string][]string // structs and enums, by module
	through map[string]bool     // members that ways go into, of whatever struct
	numbers map[string]bool     // enumerators, of whatever enum
}

func namedInWalks() (*named, error) {
	out := &named{asked: map[string][]string{}, through: map[string]bool{}, numbers: map[string]bool{}}
	for _, nic := range layouts.Names() {
		l, err := layouts.Shipped(nic)
		if err != nil {
			return nil, err
		}
		var members []layouts.Member
		for _, w := range l.Walks {
			for _, q := range slices.Concat(w.Has, w.Lacks) {
				members = append(members, q.Member)
			}
			for _, s := range w.Steps {
				members = append(members, layouts.Member{Type: s.Type})
				for _, o := range s.Operands() {
					out.note(o, &members)
				}
			}
		}
		for _, d := range l.Descriptors {
			for _, s := range d.State {
				out.note(s.At, &members)
			}
		}
		if len(l.Walks) > 0 {
			out.add(l.Module, members)
		}
	}
	return out, nil
}

// note adds what an operand names.
func (n *named) note(o layouts.Operand, members *[]layouts.Member) {
	*members = append(*members, o.Member)
	if o.Kind == layouts.Enumerator {
		n.numbers[o.Member.Path[0]] = true
	}
}

func (n *named) add(module string, members []layouts.Member) {
	names := n.asked[module]
	for _, m := range members {
		if m.Type != "" {
			names = append(names, m.Type)
		}
		for _, name := range m.Path[:max(0, len(m.Path)-1)] {
			n.through[name] = true
		}
	}
	slices.Sort(names)
	n.asked[module] = slices.Compact(names)
}

// reduced are types on their way into a file, with all that they need.
type reduced struct {
	*named
	types []btf.Type
	of    map[btf.Type]btf.Type // from the kernel's
	// A module's types refer to those of vmlinux by their numbers.
	base, spec *btf.Spec
}

// addAll adds those structs and enums of a kernel or module that it has.
func (r *reduced) addAll(spec *btf.Spec, names []string) error {
	for _, name := range names {
		types, err := spec.AnyTypesByName(name)
		if errors.Is(err, btf.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		seen := false
		for _, t := range types {
			switch t.(type) {
			case *btf.Struct:
				if !seen { // internal/kernel takes the first, too
					r.reduce(t)
				}
				seen = true
			case *btf.Enum: // it looks into all for a name
				r.reduce(t)
			}
		}
	}
	return nil
}

func (r *reduced) add(t btf.Type) btf.Type {
	r.types = append(r.types, t)
	return t
}

// reduce returns a type of the same size, with members in the same places, that
// refers to what is in r only. What it needs comes before it, but for itself.
func (r *reduced) reduce(t btf.Type) btf.Type {
	t = r.original(btf.UnderlyingType(t))
	if known := r.of[t]; known != nil {
		return known
	}
	var to btf.Type
	switch t := t.(type) {
	case *btf.Void:
		return t
	case *btf.Struct:
		to = &btf.Struct{Name: t.Name, Size: t.Size, Members: r.members(t.Members)}
	case *btf.Union:
		to = &btf.Union{Name: t.Name, Size: t.Size, Members: r.members(t.Members)}
	case *btf.Array: // no way goes on in one
		to = &btf.Array{Index: r.index(), Type: r.reduceMember("element", t.Type), Nelems: t.Nelems}
	case *btf.Pointer:
		return r.pointer()
	case *btf.Int:
		return r.same(t, &btf.Int{Name: t.Name, Size: t.Size, Encoding: t.Encoding})
	case *btf.Enum:
		to = &btf.Enum{Name: t.Name, Size: t.Size, Signed: t.Signed, Values: r.values(t.Values)}
	case *btf.Float:
		to = &btf.Float{Name: t.Name, Size: t.Size}
	default:
		panic(fmt.Sprintf("a member of kind %T", t))
	}
	r.of[t] = r.add(to)
	return to
}

// original returns vmlinux's own value of a type that a module refers to.
func (r *reduced) original(t btf.Type) btf.Type {
	if r.spec == nil {
		return t
	}
	if id, err := r.spec.TypeID(t); err == nil {
		if of, err := r.base.TypeByID(id); err == nil {
			return of
		}
	}
	return t
}

func (r *reduced) members(from []btf.Member) []btf.Member {
	to := slices.Clone(from)
	for i := range to {
		to[i].Type, to[i].Tags = r.reduceMember(to[i].Name, to[i].Type), nil
	}
	return to
}

// reduceMember reduces a member's type. A struct or union that no way of a walk goes
// into is but room: it has no members then, nor a name to be found by.
func (r *reduced) reduceMember(name string, t btf.Type) btf.Type {
	var size uint32
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		size = t.Size
	case *btf.Union:
		size = t.Size
	default:
		return r.reduce(t)
	}
	if name == "" || r.through[name] {
		return r.reduce(t)
	}
	for _, t := range r.types {
		if room, ok := t.(*btf.Struct); ok && room.Name == "" && room.Size == size && len(room.Members) == 0 {
			return room
		}
	}
	return r.add(&btf.Struct{Size: size})
}

// values are those that walks ask for, and one where there is none, for an enum
// without is a declaration.
func (r *reduced) values(all []btf.EnumValue) []btf.EnumValue {
	asked := slices.DeleteFunc(slices.Clone(all), func(v btf.EnumValue) bool { return !r.numbers[v.Name] })
	if len(asked) == 0 {
		return all[:min(1, len(all))]
	}
	return asked
}

// same keeps one integer of a name for all modules.
func (r *reduced) same(from, to *btf.Int) btf.Type {
	for _, t := range r.types {
		if other, ok := t.(*btf.Int); ok && *other == *to {
			r.of[from] = other
			return other
		}
	}
	r.of[from] = r.add(to)
	return to
}

func (r *reduced) pointer() btf.Type {
	for _, t := range r.types {
		if p, ok := t.(*btf.Pointer); ok {
			return p
		}
	}
	return r.add(&btf.Pointer{Target: &btf.Void{}})
}

func (r *reduced) index() btf.Type {
	i := &btf.Int{Name: "unsigned int", Size: 4}
	return r.same(i, i)
}

func (r *reduced) marshal() ([]byte, error) {
	b, err := btf.NewBuilder(r.types, nil)
	if err != nil {
		return nil, err
	}
	return b.Marshal(nil, &btf.MarshalOptions{Order: binary.LittleEndian})
}

// reduceModule returns a module's types as split BTF: what the types of both
// files have behind those of vmlinux alone. A builder numbers types in the order
// in which it gets them, and strings too.
func reduceModule(file string, base *btf.Spec, b *reduced, names []string) ([]byte, error) {
	raw, err := readBTF(file)
	if err != nil {
		return nil, err
	}
	spec, err := btf.LoadSplitSpecFromReader(bytes.NewReader(raw), base)
	if err != nil {
		return nil, err
	}
	both := &reduced{named: b.named, types: slices.Clone(b.types), of: maps.Clone(b.of), base: base, spec: spec}
	if err := both.addAll(spec, names); err != nil {
		return nil, err
	}
	short, err := b.marshal()
	if err != nil {
		return nil, err
	}
	long, err := both.marshal()
	if err != nil {
		return nil, err
	}
	return cut(long, short)
}

// cut takes from BTF what stands at its start: the types and the strings of
// other BTF.
func cut(long, short []byte) ([]byte, error) {
	parts := func(b []byte) (types, strings []byte) {
		n := binary.LittleEndian.Uint32(b[12:])
		return b[header : header+n], b[header+n:]
	}
	types, strings := parts(long)
	baseTypes, baseStrings := parts(short)
	if !bytes.HasPrefix(types, baseTypes) || !bytes.HasPrefix(strings, baseStrings) {
		return nil, errors.New("the types of vmlinux are not the first ones")
	}
	types, strings = types[len(baseTypes):], strings[len(baseStrings):]
	out := slices.Clone(long[:header])
	binary.LittleEndian.PutUint32(out[12:], uint32(len(types)))
	binary.LittleEndian.PutUint32(out[16:], uint32(len(types)))
	binary.LittleEndian.PutUint32(out[20:], uint32(len(strings)))
	return slices.Concat(out, types, strings), nil
}

// findModules finds the files of modules in drivers/net, by the modules' names:
// those of files have - and _ as they please.
func findModules(folder string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(folder, func(file string, _ fs.DirEntry, err error) error {
		name, isModule := strings.CutSuffix(strings.TrimSuffix(filepath.Base(file), ".xz"), ".ko")
		if isModule && strings.Contains(filepath.ToSlash(file), "/drivers/net/") {
			files[strings.ReplaceAll(name, "-", "_")] = file
		}
		return err
	})
	return files, err
}

// readBTF returns the BTF in a file, which may be packed by xz, or an image of a
// kernel, which has it somewhere.
func readBTF(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if strings.HasSuffix(file, ".xz") {
		data, err = exec.Command("xz", "-dc", file).Output()
	}
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(data, []byte(elf.ELFMAG)) {
		return longestBTF(data)
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	section := f.Section(".BTF")
	if section == nil {
		return nil, fmt.Errorf("%s: no section .BTF", file)
	}
	return section.Data()
}

// longestBTF returns what looks most like BTF in data: the same four bytes may
// stand in code, but hardly before lengths that agree with each other.
func longestBTF(data []byte) (found []byte, err error) {
	for at := 0; ; at += len(magic) {
		next := bytes.Index(data[at:], magic)
		if next < 0 {
			break
		}
		at += next
		if all, ok := lengthOfBTF(data[at:]); ok && all > len(found) {
			found = data[at : at+all]
		}
	}
	if found == nil {
		return nil, errors.New("no BTF in it")
	}
	return found, nil
}

// lengthOfBTF reads a header of BTF: its own length, then offset and length of the
// types and of the strings that follow them.
func lengthOfBTF(data []byte) (int, bool) {
	if len(data) < header {
		return 0, false
	}
	word := func(i int) int { return int(binary.LittleEndian.Uint32(data[4*i:])) }
	all := word(1) + word(4) + word(5)
	return all, word(1) >= header && word(2) == 0 && word(3) == word(4) && word(5) > 0 && all <= len(data)
}
