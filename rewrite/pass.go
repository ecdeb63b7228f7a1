package rewrite

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/flow"
	"github.com/hintjit/hintjit/verifier"
)

// job is the rewriting of one unit, on its way through the passes.
type job struct {
	u    *code.Unit
	t    *target
	opts Options

	ds       *declarations
	calls    [][]int     // by function: those it calls, or takes the address of
	order    []int       // all functions, callers before callees
	selected []bool      // by function: it is to be rewritten
	funcs    []int       // those that are, in order
	args     []arguments // by function: what is known of what it is called with
	dirty    []bool      // by function: calling it may change the metadata area
	late     []bool      // by function: it may have been changed before it is entered
	finds    []*found    // by function, nil: nothing to do with hints
	plans    []*plan     // by function
	before   *code.Unit  // as it was read
	tables   *tables
	asked    []map[string]bool // by function: the hints it looks at
	graphs   []*flow.Graph     // by function, nil: not made since it was changed
	demanded [][]uint64        // by function, see demandedLoads
	report   *Report
	changed  bool
}

// pass is one step of the rewriting. Each needs what the ones above it leave.
type pass struct {
	name string
	run  func(*job) error
}

var passes = []pass{
	{"registers", (*job).registers}, // the others have r0 to r10 in arrays
	{"declare", (*job).declare},     // how does the unit declare the struct, and is that right
	{"select", (*job).selectFuncs},
	{"relocate", (*job).relocate}, // before find, which believes the offsets
	{"touch", (*job).findDirty},
	{"fold", (*job).fold}, // answer what the NIC decides before looking for loads: dead branches need no words
	{"plan", (*job).plan}, // wants every function found, for what callers do before a callee
	{"lower", (*job).lower},
	{"clean", (*job).clean},
	{"strip", (*job).strip},
	{"check", (*job).check},
}

// run rewrites u in place. It reports false when there was nothing to do.
func run(u *code.Unit, opts Options) (*Report, bool, error) {
	j, err := newJob(u, opts)
	if err != nil {
		return nil, false, err
	}
	for _, p := range passes {
		if err := p.run(j); err != nil {
			return nil, false, err
		}
	}
	j.report.Gives, j.report.Never = j.t.offer()
	if !j.changed {
		j.report.Warnings = append(j.report.Warnings, "no program reads hints: nothing to rewrite")
	}
	if opts.Strict && len(j.report.Warnings) > 0 {
		return nil, false, &UnsupportedError{Insn: -1, Msg: j.report.Warnings[0]}
	}
	return j.report, j.changed, nil
}

func newJob(u *code.Unit, opts Options) (*job, error) {
	t, err := resolve(opts, u)
	if err != nil {
		return nil, err
	}
	j := &job{u: u, t: t, opts: opts, before: share(u),
		tables: &tables{unit: u, made: map[tableKey]*table{}},
		report: &Report{NIC: t.layout.NIC, Descriptor: t.desc.Name, Reach: t.reach.name(), unit: u}}
	if w, ok := t.reach.(*walkReach); ok {
		j.report.Walks = w.names()
	}
	return j, nil
}

// registers refuses code with a register that no machine has, which a file has
// room for.
func (j *job) registers() error {
	for _, f := range j.u.Funcs {
		for i := range f.Insns {
			if in := &f.Insns[i]; in.Dst > asm.R10 || in.Src > asm.R10 {
				return refuse(f, i, "compile it anew", "names register %d, and the last one is r10", max(in.Dst, in.Src))
			}
		}
	}
	return nil
}

// share is u as it is now, with the instructions that u has: who edits a function
// gives it some of its own first, see own.
func share(u *code.Unit) *code.Unit {
	c := *u
	c.Funcs = make([]*code.Func, len(u.Funcs))
	for i, f := range u.Funcs {
		g := *f
		c.Funcs[i] = &g
	}
	return &c
}

// own gives the functions whose instructions the passes change in their places ones
// which before does not share: where a CO-RE record is about hints. Most of a large
// object is others.
func (j *job) own() {
	for _, f := range j.funcs {
		if fn := j.u.Funcs[f]; hintRecord(fn) {
			fn.Insns = slices.Clone(fn.Insns)
		}
	}
}

// clone copies the functions of u; what instructions point to is shared.
func clone(u *code.Unit) *code.Unit {
	c := share(u)
	for _, f := range c.Funcs {
		f.Insns = slices.Clone(f.Insns)
	}
	return c
}

// declare reads the hint structs and holds them against what hints there are.
func (j *job) declare() (err error) {
	if j.ds, err = declare(j.u); err != nil {
		return &UnsupportedError{Insn: -1, Msg: err.Error()}
	}
	if len(j.ds.list) == 0 && !slices.ContainsFunc(j.u.Funcs, hintRecord) {
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

// hintRecord tells whether a function has a CO-RE record about a hint struct.
func hintRecord(f *code.Func) bool {
	for i := range f.Insns {
		if c := f.Insns[i].CORE; c != nil && asHintStruct(c.Type) != nil {
			return true
		}
	}
	return false
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
		r.Stack = p.bottom + 8*p.borrowed - (p.depth+7)&^7
		j.changed = true
		r.change = change{j.before, j.u, j.before.Funcs[f], fn}
		j.report.Programs = append(j.report.Programs, r)
	}
	return nil
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
	j.dropTables()
	return nil
}

// dropTables drops the tables whose lookups turned out to be of no use.
func (j *job) dropTables() {
	used := map[int32]int32{} // old index -> new
	var kept []code.Table
	for _, f := range j.u.Funcs {
		for i := range f.Insns {
			r := &f.Insns[i].Ref
			if r.Kind != code.RefTable {
				continue
			}
			n, ok := used[r.Index]
			if !ok {
				n = int32(len(kept))
				used[r.Index] = n
				kept = append(kept, j.u.Tables[r.Index])
			}
			r.Index = n
		}
	}
	j.u.Tables = kept
}

// removed names what a rewrite of all programs leaves no reference to.
func removed(opts Options) []string {
	if len(opts.Programs) > 0 {
		return nil
	}
	return []string{hintFunc}
}

// rules is what the result is held against.
func (j *job) rules() verifier.Options {
	return verifier.Options{Before: j.before, Reach: j.t.reach.allows(j.t, j.u), Gone: removed(j.opts)}
}

// check holds the result against the rules of the kernel. Stack is the one thing
// that a program may truly be short of; any other violation is a fault of the
// passes, and better found here than by a loader.
func (j *job) check() error {
	if !j.changed {
		return nil
	}
	err := verifier.Check(j.u, j.rules())
	var vs verifier.Violations
	if !errors.As(err, &vs) {
		return err
	}
	for _, v := range vs {
		switch v.Invariant {
		case verifier.ChainStack, verifier.TailCallStack:
			return &UnsupportedError{Program: v.Func, Insn: -1, Msg: "with the hints kept on the stack, " + v.Detail,
				Help: "use less stack, or declare and read fewer hints in the functions of this chain"}
		case verifier.OldChainStack:
			j.report.Warnings = append(j.report.Warnings, fmt.Sprintf("program %s: without the JIT, or before Linux 6.8, %s", v.Func, v.Detail))
		default:
			return fmt.Errorf("the rewritten code breaks a rule, which is a fault of hintjit: %w", err)
		}
	}
	return nil
}
