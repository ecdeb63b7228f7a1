package rewrite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/netdev"
)

// checkBound holds a collection to guard bound: where the object would have a call
// that makes the kernel ask for it, its programs have to be bound already.
func checkBound(spec *ebpf.CollectionSpec, report *Report, opts Options) error {
	for i := range report.Programs {
		name := report.Programs[i].Name
		if p := spec.Programs[name]; opts.Guard == GuardBound && report.Reach == Walk && p != nil && !netdev.IsBound(p) {
			return &UnsupportedError{Program: name, Insn: -1, Msg: "guard bound, and the program is bound to no device",
				Help: "set its Ifindex and BPF_F_XDP_DEV_BOUND_ONLY in its Flags"}
		}
	}
	return nil
}

// Collection rewrites the programs of spec. Nothing in spec changes when it
// fails. Value tables that the code needs become a map of the spec, read-only
// and named as Object names its section.
func Collection(spec *ebpf.CollectionSpec, opts Options) (*Report, error) {
	c, err := importSpec(spec)
	if err != nil {
		return nil, err
	}
	opts.atOnce = true // cilium/ebpf takes no CO-RE records but its own
	was := clone(c.unit)
	report, changed, err := run(c.unit, opts)
	if err != nil {
		return nil, err
	}
	report.order = c.order
	if !changed {
		return report, nil
	}
	if err := checkBound(spec, report, opts); err != nil {
		return nil, err
	}
	if opts.Verify != nil {
		if err := verifySpec(spec, was, c.unit, report, opts); err != nil {
			return nil, err
		}
	}
	programs, err := c.export()
	if err != nil {
		return nil, err
	}
	var table *ebpf.MapSpec
	if len(c.unit.Tables) > 0 {
		if _, ok := spec.Maps[tableMap]; ok {
			return nil, &UnsupportedError{Insn: -1, Msg: fmt.Sprintf("the collection has a map %s already", tableMap),
				Help: "rewrite a collection once, from the object as it was compiled"}
		}
		table = tableSpec(c.unit)
	}
	for name, insns := range programs {
		spec.Programs[name].Instructions = insns
	}
	if table != nil {
		spec.Maps[tableMap] = table
	}
	return report, nil
}

// tableMap is the map of value tables; an object has a section of that name.
const tableMap = ".rodata.hintjit"

// rdonlyProg is BPF_F_RDONLY_PROG (linux/bpf.h): with a frozen map it lets the
// verifier treat the contents as constants.
const rdonlyProg = 1 << 7

func tableSpec(u *code.Unit) *ebpf.MapSpec {
	data, _ := tableData(u)
	return &ebpf.MapSpec{
		Name: tableMap, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(len(data)), MaxEntries: 1,
		Flags:    rdonlyProg,
		Contents: []ebpf.MapKV{{Key: uint32(0), Value: data}},
	}
}

// tableData lays the unit's tables out one after the other, each at a multiple
// of 8 bytes.
func tableData(u *code.Unit) (data []byte, at []int) {
	for _, t := range u.Tables {
		for len(data)%8 != 0 {
			data = append(data, 0)
		}
		at = append(at, len(data))
		data = append(data, t.Data...)
	}
	return data, at
}

// collection is a CollectionSpec as a unit. A function that several programs
// call stands in each of them; in the unit it stands once.
type collection struct {
	spec  *ebpf.CollectionSpec
	unit  *code.Unit
	funcs map[string]int   // by name, into unit.Funcs
	order map[string][]int // program -> its functions

	called map[string]bool // names of functions that are called, or whose address is taken
}

// calledNames is what tells a function from a label where there is no BTF.
func calledNames(spec *ebpf.CollectionSpec) map[string]bool {
	called := map[string]bool{}
	for _, p := range spec.Programs {
		if p == nil {
			continue
		}
		for i := range p.Instructions {
			if in := &p.Instructions[i]; in.IsFunctionReference() {
				called[in.Reference()] = true
			}
		}
	}
	return called
}

func importSpec(spec *ebpf.CollectionSpec) (*collection, error) {
	c := &collection{spec: spec, funcs: map[string]int{}, order: map[string][]int{}}
	c.unit = &code.Unit{Order: orderOf(spec), Types: spec.Types}
	c.called = calledNames(spec)
	for _, name := range sortedPrograms(spec) {
		if err := c.addProgram(name, spec.Programs[name]); err != nil {
			return nil, fmt.Errorf("program %s: %w", name, err)
		}
	}
	for _, f := range c.unit.Funcs {
		if err := c.resolve(f); err != nil {
			return nil, fmt.Errorf("function %s: %w", f.Name, err)
		}
	}
	c.unit.V4 = c.unit.HasV4()
	c.unit.License = licence(spec)
	return c, c.checkTypes()
}

// licence is that of the programs; one that does not let them walk, if there is one.
func licence(spec *ebpf.CollectionSpec) (out string) {
	for _, name := range sortedPrograms(spec) {
		text, _, _ := strings.Cut(spec.Programs[name].License, "\x00") // as the kernel reads it
		if out == "" || !gplCompatible[text] {
			out = text
		}
	}
	return out
}

// checkTypes refuses hints in programs of another type that have no section name
// to tell (isXDP goes by that), as one made by hand.
func (c *collection) checkTypes() error {
	for program, order := range c.order {
		kind := c.spec.Programs[program].Type
		if c.spec.Programs[program].SectionName != "" || kind == ebpf.UnspecifiedProgram || kind == ebpf.XDP || kind == ebpf.Extension {
			continue
		}
		f := c.unit.Funcs[order[0]]
		for i := range f.Insns {
			if r := f.Insns[i].Ref; r.Kind == code.RefExtern && c.unit.Externs[r.Index].Name == hintFunc {
				return refuse(f, i, "make it a program of type XDP", "the program is of type %s, and hints are those of an XDP program's packet", kind)
			}
		}
	}
	return nil
}

// orderOf is the byte order of a collection: the machine's own where it does not
// say, as with one that was not read from a file.
func orderOf(spec *ebpf.CollectionSpec) binary.ByteOrder {
	if spec.ByteOrder != nil {
		return spec.ByteOrder
	}
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return binary.LittleEndian
	}
	return binary.BigEndian
}

func sortedPrograms(spec *ebpf.CollectionSpec) []string {
	names := make([]string, 0, len(spec.Programs))
	for name := range spec.Programs {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// addProgram splits a program's instructions at the symbols of its functions.
func (c *collection) addProgram(program string, p *ebpf.ProgramSpec) error {
	if p == nil {
		return errors.New("the collection has nothing under this name")
	}
	var starts []int
	for i := range p.Instructions {
		in := &p.Instructions[i]
		if i == 0 || in.Symbol() != "" && (btf.FuncMetadata(in) != nil || c.called[in.Symbol()]) {
			starts = append(starts, i)
		}
	}
	for k, start := range starts {
		end := len(p.Instructions)
		if k+1 < len(starts) {
			end = starts[k+1]
		}
		first := &p.Instructions[start]
		name := first.Symbol()
		if name == "" {
			name = program
		}
		fn := &code.Func{Name: name, Section: section(p), Type: btf.FuncMetadata(first), Linkage: linkage(k, first)}
		if err := importInsns(fn, p.Instructions[start:end]); err != nil {
			return err
		}
		f, ok := c.funcs[name]
		if !ok {
			f = len(c.unit.Funcs)
			c.funcs[name] = f
			c.unit.Funcs = append(c.unit.Funcs, fn)
		} else if !sameCode(fn, c.unit.Funcs[f]) {
			return fmt.Errorf("its function %s is another than that of the same name in another program: rewrite them in collections of their own", name)
		} else if k == 0 {
			c.unit.Funcs[f].Linkage = code.Program
		}
		c.order[program] = append(c.order[program], f)
	}
	return nil
}

// section is where a program stands, or would: its attach type says so of one
// that was made by hand.
func section(p *ebpf.ProgramSpec) string {
	switch {
	case p.SectionName != "":
		return p.SectionName
	case p.AttachType == ebpf.AttachXDPDevMap:
		return "xdp/devmap"
	case p.AttachType == ebpf.AttachXDPCPUMap:
		return "xdp/cpumap"
	}
	return ""
}

// sameCode tells whether two functions of one name are the one function that two
// programs call.
func sameCode(a, b *code.Func) bool {
	return slices.EqualFunc(a.Insns, b.Insns, func(x, y code.Insn) bool {
		return x.OpCode == y.OpCode && x.Dst == y.Dst && x.Src == y.Src && x.Offset == y.Offset &&
			x.Constant == y.Constant && x.Target == y.Target && x.Reference() == y.Reference()
	})
}

func linkage(k int, first *asm.Instruction) code.Linkage {
	if k == 0 {
		return code.Program
	}
	if f := btf.FuncMetadata(first); f != nil && f.Linkage == btf.StaticFunc {
		return code.Static
	}
	return code.Global
}

// importInsns takes over instructions, with their branches by index.
func importInsns(f *code.Func, insns asm.Instructions) error {
	slots := make(map[int]int32, len(insns)) // slot -> index
	at := 0
	for i := range insns {
		slots[at] = int32(i)
		at += int(insns[i].Width())
	}
	at = 0
	labels := map[string]int32{}
	for i := range insns {
		if s := insns[i].Symbol(); s != "" {
			labels[s] = int32(i)
		}
	}
	f.Insns = make([]code.Insn, len(insns))
	for i := range insns {
		in := &f.Insns[i]
		*in = code.New(insns[i])
		in.Origin = int32(i)
		if line, ok := insns[i].Source().(*btf.Line); ok {
			in.Line = &code.Line{File: line.FileName(), Number: line.LineNumber(), Column: line.LineColumn(), Text: line.Line(), Source: line}
		}
		at += int(insns[i].Width())
		if !in.IsBranch() {
			continue
		}
		target, ok := labels[insns[i].Reference()]
		if insns[i].Reference() == "" {
			distance := int(insns[i].Offset)
			if in.IsLongGoto() {
				distance = int(insns[i].Constant)
			}
			target, ok = slots[at+distance]
		}
		if !ok {
			return fmt.Errorf("instruction %d branches out of the function or into a wide load", i)
		}
		in.Target = target
		in.Instruction = in.WithReference("")
	}
	return nil
}

// resolve finds out what the calls and CO-RE records of f refer to.
func (c *collection) resolve(f *code.Func) error {
	for i := range f.Insns {
		in := &f.Insns[i]
		name := in.Reference()
		switch {
		case in.IsFunctionReference():
			g, ok := c.funcs[name]
			if !ok {
				return fmt.Errorf("instruction %d calls %q, which the collection does not have", i, name)
			}
			in.Ref = code.Ref{Kind: code.RefFunc, Index: int32(g)}
		case name != "" && (in.IsKfuncCall() || in.OpCode.IsDWordLoad() && in.Src == 0):
			in.Ref = code.Ref{Kind: code.RefExtern, Index: c.extern(name)}
		}
		if r := btf.CORERelocationMetadata(&in.Instruction); r != nil {
			core, err := c.core(r)
			if err != nil {
				return fmt.Errorf("instruction %d: %w", i, err)
			}
			in.CORE = core
		}
	}
	return nil
}

func (c *collection) extern(name string) int32 {
	for i, x := range c.unit.Externs {
		if x.Name == name {
			return int32(i)
		}
	}
	x := code.Extern{Name: name}
	if c.spec.Types != nil {
		// A name that no function has stays without a type.
		_ = c.spec.Types.TypeByName(name, &x.Type)
	}
	c.unit.Externs = append(c.unit.Externs, x)
	return int32(len(c.unit.Externs) - 1)
}

// coreKinds are the names that btf.CORERelocation prints kinds by, in the order
// of enum bpf_core_relo_kind.
var coreKinds = []string{"byte_off", "byte_sz", "field_exists", "signed", "lshift_u64", "rshift_u64",
	"local_type_id", "target_type_id", "type_exists", "type_size", "enumval_exists", "enumval_value", "type_matches"}

// core reads a CO-RE record. cilium/ebpf keeps the fields to itself; what it
// prints, `CORERelocation(byte_off, Struct:"x"[0:1], local_id=7)`, is the one
// way to them.
func (c *collection) core(r *btf.CORERelocation) (*code.CORE, error) {
	s := r.String()
	fail := func() (*code.CORE, error) { return nil, fmt.Errorf("CO-RE record %q is of an unknown form", s) }
	s, ok := strings.CutPrefix(s, "CORERelocation(")
	kind, rest, ok2 := strings.Cut(s, ", ")
	open, end, id := strings.LastIndex(rest, "["), strings.LastIndex(rest, "], local_id="), 0
	if !ok || !ok2 || open < 0 || end < open {
		return fail()
	}
	id, err := strconv.Atoi(strings.TrimSuffix(rest[end+len("], local_id="):], ")"))
	if err != nil {
		return fail()
	}
	core := &code.CORE{TypeID: btf.TypeID(id), Kind: code.COREKind(slices.Index(coreKinds, kind))}
	if core.Kind > code.TypeMatches {
		return fail()
	}
	for _, n := range strings.Split(rest[open+1:end], ":") {
		i, err := strconv.Atoi(n)
		if err != nil {
			return fail()
		}
		core.Access = append(core.Access, i)
	}
	if c.spec.Types != nil {
		if core.Type, err = c.spec.Types.TypeByID(core.TypeID); err != nil {
			return nil, err
		}
	}
	return core, nil
}

// export makes the programs' instructions anew.
func (c *collection) export() (map[string]asm.Instructions, error) {
	funcs := make([]asm.Instructions, len(c.unit.Funcs))
	_, tables := tableData(c.unit)
	far := c.unit.V4
	for i, f := range c.unit.Funcs {
		if err := f.Link(far); err != nil {
			return nil, encodeError(err)
		}
		funcs[i] = exportInsns(f, tables)
	}
	out := map[string]asm.Instructions{}
	for program, order := range c.order {
		var insns asm.Instructions
		used := c.reached(order[0], map[int]bool{})
		for _, f := range order {
			if used[f] {
				insns = append(insns, funcs[f]...)
			}
		}
		out[program] = insns
	}
	return out, nil
}

// reached is the functions that can be called once f runs: the kernel refuses a
// program with any other (check_cfg), and one may have lost its last call.
func (c *collection) reached(f int, seen map[int]bool) map[int]bool {
	seen[f] = true
	for i := range c.unit.Funcs[f].Insns {
		if r := c.unit.Funcs[f].Insns[i].Ref; r.Kind == code.RefFunc && !seen[int(r.Index)] {
			c.reached(int(r.Index), seen)
		}
	}
	return seen
}

func exportInsns(f *code.Func, tables []int) asm.Instructions {
	out := make(asm.Instructions, len(f.Insns))
	for i := range f.Insns {
		in := &f.Insns[i]
		ins := in.Instruction
		if in.Ref.Kind == code.RefTable {
			ins.Constant = (ins.Constant + int64(tables[in.Ref.Index])) << 32
			ins = ins.WithReference(tableMap)
		}
		if ins.Source() != nil {
			ins = ins.WithSource(nil)
		}
		if in.Line != nil {
			ins = ins.WithSource(in.Line.Source)
		}
		if in.CORE == nil && btf.CORERelocationMetadata(&ins) != nil {
			ins = btf.WithCORERelocationMetadata(ins, nil)
		}
		if i > 0 && ins.Symbol() != "" { // the function's first, with code before it now
			ins = btf.WithFuncMetadata(ins.WithSymbol(""), nil)
		}
		out[i] = ins
	}
	if len(out) > 0 {
		out[0] = out[0].WithSymbol(f.Name)
		if f.Type != nil {
			out[0] = btf.WithFuncMetadata(out[0], f.Type)
		}
	}
	return out
}
