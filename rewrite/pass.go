package rewrite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/verifier"
)

// job is the rewriting of one unit, on its way through the passes.
type job struct {
	u    *code.Unit
	t    *target
	opts Options

	ds      *declarations
	funcs   []int      // functions to rewrite, callers before callees
	dirty   []bool     // by function: calling it may change the metadata area
	late    []bool     // by function: it may have been changed before it is entered
	finds   []*found   // by function, nil: nothing to do with hints
	plans   []*plan    // by function
	before  *code.Unit // as it was read
	tables  *tables
	asked   []map[string]bool // by function: the hints it looks at
	report  *Report
	changed bool
}

// pass is one step of the rewriting. Each needs what the ones above it leave.
type pass struct {
	name string
	run  func(*job) error
}

var passes = []pass{
	{"declare", (*job).declare}, // how does the unit declare the struct, and is that right
	{"select", (*job).selectFuncs},
	{"relocate", (*job).relocate}, // before find, which believes the offsets
	{"fold", (*job).fold},         // answer what the NIC decides before looking for loads: dead branches need no words
	{"plan", (*job).plan},         // wants every function found, for what callers do before a callee
	{"lower", (*job).lower},
	{"clean", (*job).clean},
	{"strip", (*job).strip},
	{"check", (*job).check},
}

// run rewrites u in place. It reports false when there was nothing to do.
func run(u *code.Unit, opts Options) (*Report, bool, error) {
	t, err := resolve(opts, u.Order)
	if err != nil {
		return nil, false, err
	}
	j := &job{u: u, t: t, opts: opts, before: clone(u),
		tables: &tables{unit: u, made: map[tableKey]*table{}},
		report: &Report{NIC: t.layout.NIC, Descriptor: t.desc.Name, Reach: t.reach.name()}}
	for _, p := range passes {
		if err := p.run(j); err != nil {
			return nil, false, err
		}
	}
	if !j.changed {
		j.report.Warnings = append(j.report.Warnings, "no program reads hints: nothing to rewrite")
	}
	if opts.Strict && len(j.report.Warnings) > 0 {
		return nil, false, &UnsupportedError{Insn: -1, Msg: j.report.Warnings[0]}
	}
	return j.report, j.changed, nil
}

// clone copies the functions of u; what instructions point to is shared.
func clone(u *code.Unit) *code.Unit {
	c := *u
	c.Funcs = make([]*code.Func, len(u.Funcs))
	for i, f := range u.Funcs {
		g := *f
		g.Insns = slices.Clone(f.Insns)
		c.Funcs[i] = &g
	}
	return &c
}

// declare reads the hint structs and holds them against what hints there are.
func (j *job) declare() (err error) {
	if j.ds, err = declare(j.u); err != nil {
		return &UnsupportedError{Insn: -1, Msg: err.Error()}
	}
	if len(j.ds.list) == 0 && !j.anyRecord() {
		return nil
	}
	for t, err := range j.u.Types.All() {
		if err != nil {
			return &UnsupportedError{Insn: -1, Msg: "BTF: " + err.Error()}
		}
		if s, ok := t.(*btf.Struct); ok && isHintStruct(s.Name) {
			j.ds.of(s)
		}
	}
	j.report.Warnings, err = j.t.check(j.ds)
	return err
}

// anyRecord tells whether there is a CO-RE record about a hint struct.
func (j *job) anyRecord() bool {
	for _, f := range j.u.Funcs {
		for i := range f.Insns {
			if c := f.Insns[i].CORE; c != nil && asHintStruct(c.Type) != nil {
				return true
			}
		}
	}
	return false
}

// selectFuncs picks the functions that have to do with hints, those called
// before those that call them last.
func (j *job) selectFuncs() error {
	n := len(j.u.Funcs)
	j.dirty, j.late = make([]bool, n), make([]bool, n)
	j.asked = make([]map[string]bool, n)
	j.finds, j.plans = make([]*found, n), make([]*plan, n)
	wanted, err := j.wanted()
	if err != nil {
		return err
	}
	if len(j.ds.list) == 0 {
		return nil
	}
	calls := j.callGraph()
	j.findDirty(calls)
	state := make([]byte, n)
	var order []int
	var visit func(f int)
	visit = func(f int) {
		state[f] = 1
		for _, c := range calls[f] {
			if state[c] == 0 {
				visit(c)
			}
		}
		order = append(order, f)
	}
	for f := range j.u.Funcs {
		if wanted[f] && state[f] == 0 {
			visit(f)
		}
	}
	slices.Reverse(order)
	j.funcs = order
	return nil
}

// wanted applies Options.Programs.
func (j *job) wanted() ([]bool, error) {
	out := make([]bool, len(j.u.Funcs))
	for f := range out {
		out[f] = len(j.opts.Programs) == 0
	}
	for _, name := range j.opts.Programs {
		any := false
		for f, fn := range j.u.Funcs {
			if fn.Name == name || fn.Section == name {
				out[f], any = true, true
			}
		}
		if !any {
			return nil, usagef("no program and no section is named %q", name)
		}
	}
	return out, nil
}

func (j *job) callGraph() [][]int {
	calls := make([][]int, len(j.u.Funcs))
	for f, fn := range j.u.Funcs {
		for i := range fn.Insns {
			if r := fn.Insns[i].Ref; r.Kind == code.RefFunc {
				calls[f] = append(calls[f], int(r.Index))
			}
		}
	}
	return calls
}

// findDirty finds the functions that get at the metadata area, themselves or
// by those they call.
func (j *job) findDirty(calls [][]int) {
	none := make([]bool, len(j.u.Funcs))
	for f, fn := range j.u.Funcs {
		if !mayTouch(fn) {
			continue
		}
		x, err := find(j.u, fn, j.ds, j.t, false, none)
		j.dirty[f] = err != nil || len(x.touches) > 0
	}
	for again := true; again; {
		again = false
		for f := range calls {
			for _, c := range calls[f] {
				if j.dirty[c] && !j.dirty[f] {
					j.dirty[f], again = true, true
				}
			}
		}
	}
}

// mayTouch is a quick look for instructions that could be a load of data_meta
// or a call that moves it.
func mayTouch(f *code.Func) bool {
	for i := range f.Insns {
		in := &f.Insns[i]
		switch {
		case in.OpCode.Class() == asm.LdXClass && in.Offset == mdDataMeta && in.OpCode.Size() == asm.Word:
			return true
		case in.IsBuiltinCall() && in.Constant == adjustMeta:
			return true
		}
	}
	return false
}

// concerns tells whether a function has to be looked at: it calls hintjit_rx,
// or asks which hints there are.
func (j *job) concerns(f *code.Func) bool {
	for i := range f.Insns {
		in := &f.Insns[i]
		if in.Ref.Kind == code.RefExtern && j.u.Externs[in.Ref.Index].Name == hintFunc {
			return true
		}
		if in.CORE != nil && in.CORE.Kind != code.FieldByteOffset && asHintStruct(in.CORE.Type) != nil {
			return true
		}
	}
	return false
}

// fold answers field_exists and all else that the NIC decides, takes the
// branches that follow from it, and drops the code that no longer runs.
func (j *job) fold() error {
	for _, f := range j.funcs {
		fn := j.u.Funcs[f]
		concerned := j.concerns(fn)
		if !concerned && !j.callsConcerned(fn) {
			continue
		}
		if err := j.isXDP(fn); concerned && err != nil {
			return err
		}
		for {
			x, err := find(j.u, fn, j.ds, j.t, j.late[f], j.dirty)
			if err != nil {
				return err
			}
			if j.asked[f] == nil {
				j.asked[f] = j.askedOf(x)
			}
			if foldDecided(x) {
				continue
			}
			if concerned {
				j.finds[f] = x
			}
			for _, e := range x.enters {
				j.late[e.fn] = j.late[e.fn] || e.late
			}
			break
		}
	}
	return nil
}

// otherTypes are the section names by which libbpf knows programs that are not
// XDP (src/libbpf.c, section_defs), up to the first slash or dot. Any other name
// may be an XDP program's: iproute2 takes the section it is told.
var otherTypes = map[string]bool{"socket": true, "sk_reuseport": true, "kprobe": true, "uprobe": true, "kretprobe": true,
	"uretprobe": true, "ksyscall": true, "kretsyscall": true, "usdt": true, "tc": true, "tcx": true, "classifier": true,
	"action": true, "netkit": true, "tracepoint": true, "tp": true, "raw_tracepoint": true, "raw_tp": true, "tp_btf": true,
	"fentry": true, "fmod_ret": true, "fexit": true, "lsm": true, "lsm_cgroup": true, "iter": true, "syscall": true,
	"perf_event": true, "lwt_in": true, "lwt_out": true, "lwt_xmit": true, "lwt_seg6local": true, "sockops": true,
	"sk_skb": true, "sk_msg": true, "lirc_mode2": true, "flow_dissector": true, "cgroup_skb": true, "cgroup": true,
	"struct_ops": true, "sk_lookup": true, "netfilter": true}

// isXDP refuses a program of another kind: its packet has no receive
// descriptor, or its context no metadata area.
func (j *job) isXDP(f *code.Func) error {
	kind, _, _ := strings.Cut(strings.TrimPrefix(f.Section, "?"), "/")
	kind, _, _ = strings.Cut(kind, ".")
	if f.Linkage != code.Program || !otherTypes[kind] {
		return nil
	}
	for i := range f.Insns {
		if r := f.Insns[i].Ref; r.Kind == code.RefExtern && j.u.Externs[r.Index].Name == hintFunc {
			return refuse(f, i, "move it to a section xdp or xdp.frags", "section %s is not one of XDP programs, and hints are those of an XDP program's packet", f.Section)
		}
	}
	return nil
}

// callsConcerned tells whether fn calls functions of the unit: what it does to
// the metadata before is then of interest to them.
func (j *job) callsConcerned(fn *code.Func) bool {
	for i := range fn.Insns {
		if fn.Insns[i].Ref.Kind == code.RefFunc {
			return true
		}
	}
	return false
}

// foldDecided makes the changes that one find decided; false: none.
func foldDecided(x *found) bool {
	edit := code.NewEdit(x.f)
	for i, n := range x.answers {
		x.f.Insns[i].Constant = n
	}
	for i, taken := range x.decided {
		if !x.reached[x.graph.Of[i]] {
			continue
		}
		if taken {
			edit.Replace(i, code.Goto(x.f.Insns[i].Target))
		} else {
			edit.Replace(i)
		}
	}
	for _, b := range x.graph.Order {
		if !x.reached[b] {
			for i := x.graph.Blocks[b].Start; i < x.graph.Blocks[b].End; i++ {
				edit.Replace(i)
			}
		}
	}
	if edit.Empty() {
		return false
	}
	edit.Apply()
	return true
}

func (j *job) plan() error {
	for _, f := range j.funcs {
		if j.finds[f] == nil {
			continue
		}
		p, err := makePlan(j.u, j.finds[f], j.t, j.ds, j.tables)
		if err != nil {
			return err
		}
		j.plans[f] = p
	}
	return nil
}

func (j *job) lower() error {
	for _, f := range j.funcs {
		p := j.plans[f]
		if p == nil {
			continue
		}
		fn := j.u.Funcs[f]
		r := ProgramReport{Name: fn.Name, Section: fn.Section, Before: len(j.before.Funcs[f].Insns)}
		j.tell(&r, j.asked[f])
		if err := p.lower(); err != nil {
			return err
		}
		r.After = len(fn.Insns)
		j.changed = true
		r.change = change{j.before, j.u, j.before.Funcs[f], fn}
		j.report.Programs = append(j.report.Programs, r)
	}
	return nil
}

// askedOf lists the hints that a function looks at or asks after, before any
// of it is folded.
func (j *job) askedOf(x *found) map[string]bool {
	names := map[string]bool{}
	note := func(m *member) {
		name := m.name
		if hint, has := m.has(); has {
			name = hint
		}
		if name != "" && m.integer {
			names[name] = true
		}
	}
	demanded := j.demandedLoads(x.f)
	for _, l := range x.loads {
		for i := range l.decl.members {
			m := &l.decl.members[i]
			mask := shifted(ones(int(m.width)), m.position(l.off, l.size, j.t.order)) & ones(l.size*8)
			if mask&demanded[l.insn] != 0 {
				note(m)
			}
		}
	}
	for i := range x.answers {
		if c := x.f.Insns[i].CORE; c.Kind == code.FieldExists {
			if name, err := accessed(asHintStruct(c.Type), c.Access); err == nil {
				note(&member{name: name, integer: true})
			}
		}
	}
	if x.escaped != 0 {
		for i := range j.ds.main.members {
			note(&j.ds.main.members[i])
		}
	}
	return names
}

// tell sorts the hints that a function asks for into those that the NIC gives
// and those that it never does.
func (j *job) tell(r *ProgramReport, asked map[string]bool) {
	for _, name := range sorted(asked) {
		if j.t.desc.Hint(name) != nil {
			r.Hints = append(r.Hints, name)
		} else {
			r.Absent = append(r.Absent, Absent{name, j.t.why(name)})
		}
	}
}

// strip drops the CO-RE records about hint structs: they are answered, and a
// kernel has no such type.
func (j *job) strip() error {
	for _, f := range j.funcs {
		fn := j.u.Funcs[f]
		for i := range fn.Insns {
			in := &fn.Insns[i]
			if in.CORE != nil && in.CORE.Kind != code.TypeIDLocal && asHintStruct(in.CORE.Type) != nil {
				in.CORE = nil
				j.changed = true
			}
		}
	}
	return nil
}

// check holds the result against the rules of the kernel; a violation is a
// fault of the passes, and better found here than by a loader.
func (j *job) check() error {
	if !j.changed {
		return nil
	}
	opts := verifier.Options{Before: j.before}
	if len(j.opts.Programs) == 0 {
		opts.Gone = []string{hintFunc}
	}
	if err := verifier.Check(j.u, opts); err != nil {
		return fmt.Errorf("the rewritten code breaks a rule, which is a fault of hintjit: %w", err)
	}
	return nil
}
