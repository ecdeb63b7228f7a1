package verifier

import (
	"fmt"
	"strings"

	"github.com/hintjit/hintjit/internal/code"
)

// Options tells Check about things that the unit alone does not show.
type Options struct {
	// Before is the unit as it was read, nil: none. What an instruction of it
	// breaks already is not reported again for that instruction: the kernel
	// follows each path with its values and accepts code whose faulty path is
	// never taken, and it is not for us to refuse such a program. Functions are
	// matched by index, instructions by Insn.Origin.
	Before *code.Unit
	// Reach is how inserted code may get at a descriptor. What it does is judged
	// where there is a Before.
	Reach Reach
	// Gone lists externs that nothing may refer to.
	Gone []string
}

// The invariants about the stack of call chains, which a right rewrite may break
// because a program is short of it.
const (
	ChainStack    = "call chain stack"
	OldChainStack = "call chain stack without JIT or before Linux 6.8"
	TailCallStack = "stack above a tail call"
)

// Violation is one broken rule in one place.
type Violation struct {
	Invariant string // the rule's name in the table
	Func      string
	Insn      int // index in Func.Insns, -1: the function as a whole
	Detail    string

	f   *code.Func
	key key
}

// Line returns the nearest source line at or before the instruction, nil if
// there is none.
func (v Violation) Line() *code.Line { return v.f.LineAt(v.Insn) }

// key finds the same violation in another version of the unit.
type key struct {
	invariant string
	fn        int
	origin    int32
}

// wholeFunction is the origin in a key that is not about an instruction; -1 is
// that of an inserted one, which no unit that was just read has.
const wholeFunction = -2

func (v Violation) String() string {
	where := v.Func
	if v.Insn >= 0 {
		where += fmt.Sprintf(": instruction %d", v.Insn)
	}
	if line := v.Line(); line != nil {
		where += fmt.Sprintf(" (%s:%d)", line.File, line.Number)
	}
	return where + ": " + v.Invariant + ": " + v.Detail
}

// Violations is everything that Check found, function by function.
type Violations []Violation

// shown is how many violations Error spells out; one mistake in a pass tends to
// break a rule at hundreds of instructions.
const shown = 10

func (vs Violations) Error() string {
	var b strings.Builder
	for i, v := range vs {
		if i == shown {
			fmt.Fprintf(&b, "\nand %d more", len(vs)-shown)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(v.String())
	}
	return b.String()
}

// invariant is one rule. check looks at one function and reports instructions
// by index, or wholeFunc for the function itself.
type invariant struct {
	name  string
	check func(c *checker, f *code.Func, report reporter)
}

type reporter func(insn int, format string, args ...any)

const wholeFunc = -1

var removedExtern = invariant{"removed extern", checkGone}

// shape are the rules that make it possible to follow a function's control flow
// at all; onPaths are the rules about what happens along it. A function that
// breaks one of the first is not asked about the second.
var (
	shape = []invariant{
		{"valid operands", checkOperands},
		{"branch target", checkTargets},
		{"function end", checkEnd},
	}
	onPaths = []invariant{
		{"reference", checkReferences},
		removedExtern,
		{"CO-RE record", checkCORE},
		{"reachable code", checkReachable},
		{"frame pointer", checkFramePointer},
		{"register read", checkReads},
		{"stack access", checkStack},
		{keptInstruction, foundBy(keptInstruction)},
		{preservedRegister, foundBy(preservedRegister)},
		{preservedStack, foundBy(preservedStack)},
		{insertedStore, foundBy(insertedStore)},
		{insertedCall, foundBy(insertedCall)},
		{insertedOperand, foundBy(insertedOperand)},
		{descriptorLoad, foundBy(descriptorLoad)},
	}
	// What a function that is untouched may break.
	onUntouched = []invariant{removedExtern}
	// The call chains need every function's frame.
	chains = []invariant{
		{ChainStack, checkChain},
		{OldChainStack, checkOldChain},
		{TailCallStack, checkTailCalls},
	}
)

// Check returns nil when u keeps every invariant, else Violations with all that
// were found. It takes time linear in the size of u and changes nothing.
func Check(u *code.Unit, opts Options) error {
	found := check(u, opts)
	if opts.Before != nil && len(found) > 0 {
		known := make(map[key]bool)
		for _, v := range check(opts.Before, Options{}) {
			known[v.key] = true
		}
		found = without(found, known)
	}
	if len(found) == 0 {
		return nil
	}
	return found
}

func without(vs Violations, known map[key]bool) Violations {
	var left Violations
	for _, v := range vs {
		if !known[v.key] {
			left = append(left, v)
		}
	}
	return left
}

// checker carries what one Check knows about the unit as a whole.
type checker struct {
	unit  *code.Unit
	gone  map[string]bool
	fn    int    // index of the function that is being checked
	paths *paths // of that function, during onPaths
	// compared is that function against what it was, nil: it was nothing
	compared *rewritten
	frames   []int // by function index: bytes of stack
	chain    []chainDepth
	found    Violations
}

func check(u *code.Unit, opts Options) Violations {
	c := &checker{unit: u, gone: make(map[string]bool), frames: make([]int, len(u.Funcs))}
	for _, name := range opts.Gone {
		c.gone[name] = true
	}
	for i, f := range u.Funcs {
		if !c.run(shape, i, f) {
			continue
		}
		c.paths, c.compared = pathsOf(u, f), nil
		c.frames[i] = c.paths.depth
		rules := onPaths
		if b := opts.Before; b != nil && i < len(b.Funcs) {
			switch before := b.Funcs[i]; {
			case untouched(f, before):
				rules = onUntouched
			case wellShaped(before):
				c.compared = compare(u, f, before, &opts)
			}
		}
		c.run(rules, i, f)
	}
	c.chain = callChains(u, c.frames)
	for i, f := range u.Funcs {
		c.run(chains, i, f)
	}
	return c.found
}

// untouched tells whether f has the very instructions that before has: what they
// break they broke before, and there is nothing to compare.
func untouched(f, before *code.Func) bool {
	return len(f.Insns) == len(before.Insns) && &f.Insns[0] == &before.Insns[0]
}

// wellShaped tells whether the control flow of a function can be followed.
func wellShaped(f *code.Func) bool { return (&checker{}).run(shape, 0, f) }

// run applies a table of invariants to one function and tells whether all held.
func (c *checker) run(table []invariant, fn int, f *code.Func) bool {
	c.fn = fn
	before := len(c.found)
	for _, inv := range table {
		inv.check(c, f, func(insn int, format string, args ...any) {
			v := Violation{
				Invariant: inv.name,
				Func:      f.Name,
				Insn:      insn,
				Detail:    fmt.Sprintf(format, args...),
				f:         f,
				key:       key{inv.name, fn, wholeFunction},
			}
			if insn >= 0 {
				v.key.origin = f.Insns[insn].Origin
			}
			c.found = append(c.found, v)
		})
	}
	return len(c.found) == before
}
