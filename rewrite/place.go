package rewrite

import (
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/listing"
	"github.com/hintjit/hintjit/verifier/kernellog"
)

// Place is an instruction of a program as it was loaded.
type Place struct {
	Function string
	Insn     int    // as the kernel counts: slots from the program's start
	File     string // of the source, "" without line information
	Line     uint32
	Text     string // the source line itself
	Inserted bool   // by hintjit; false: the program's own
	For      string // what inserted code does: "computes rx_hash"
	Near     []Near // it and what is around it
}

// Near is an instruction as people read it.
type Near struct {
	Insn     int
	Text     string
	State    string // what the verifier knew after it, where the log says so
	Inserted bool
}

// around is how many instructions are shown on each side of one.
const around = 4

// image is a program as a loader makes it: functions one behind the other.
type image struct {
	unit   *code.Unit
	name   string
	funcs  []*code.Func
	starts []int // slot of each function, and of the end
}

// images are the programs as loaders may have made them. libbpf puts a function
// behind the program where it comes by its first call, before it looks on
// (bpf_object__reloc_code); cilium/ebpf those that are called, by name, and then
// those that these call (flattenInstructions).
func (r *Report) images() (out []*image) {
	if r.unit == nil {
		return nil
	}
	u := clone(r.unit)
	far := u.V4
	for _, f := range u.Funcs {
		if f.Link(far) != nil {
			return nil // it was not to be had as an object either
		}
	}
	for i, f := range u.Funcs {
		switch {
		case r.order != nil, f.Linkage != code.Program:
		default:
			out = append(out, newImage(u, f.Name, deepFirst(u, i, nil)), newImage(u, f.Name, broadFirst(u, i)))
		}
	}
	for _, name := range sortedKeys(r.order) {
		order := r.order[name]
		reached := deepFirst(u, order[0], nil)
		kept := slices.DeleteFunc(slices.Clone(order), func(f int) bool { return !slices.Contains(reached, f) })
		out = append(out, newImage(u, name, kept))
	}
	return out
}

func sortedKeys(m map[string][]int) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func newImage(u *code.Unit, name string, order []int) *image {
	g := &image{unit: u, name: name, starts: []int{0}}
	for _, i := range order {
		slots := u.Funcs[i].Slots()
		g.funcs = append(g.funcs, u.Funcs[i])
		g.starts = append(g.starts, g.starts[len(g.starts)-1]+slots[len(slots)-1])
	}
	return g
}

// called lists the functions that f refers to, as they come.
func called(u *code.Unit, f int) (out []int) {
	for i := range u.Funcs[f].Insns {
		if r := u.Funcs[f].Insns[i].Ref; r.Kind == code.RefFunc && !slices.Contains(out, int(r.Index)) {
			out = append(out, int(r.Index))
		}
	}
	return out
}

func deepFirst(u *code.Unit, f int, have []int) []int {
	have = append(have, f)
	for _, g := range called(u, f) {
		if !slices.Contains(have, g) {
			have = deepFirst(u, g, have)
		}
	}
	return have
}

func broadFirst(u *code.Unit, f int) []int {
	have := []int{f}
	for n := 0; n < len(have); n++ {
		next := called(u, have[n])
		sort.Slice(next, func(a, b int) bool { return u.Funcs[next[a]].Name < u.Funcs[next[b]].Name })
		for _, g := range next {
			if !slices.Contains(have, g) {
				have = append(have, g)
			}
		}
	}
	return have
}

// find is the function and the instruction at a slot, which may be the second of a
// wide load.
func (g *image) find(slot int) (f, i int, ok bool) {
	if slot < 0 || slot >= g.starts[len(g.funcs)] {
		return 0, 0, false
	}
	f = sort.Search(len(g.funcs), func(k int) bool { return g.starts[k+1] > slot })
	slots := g.funcs[f].Slots()
	i = sort.Search(len(slots)-1, func(k int) bool { return slots[k+1] > slot-g.starts[f] })
	return f, i, true
}

// fits counts the instructions of a log that are where it has them, and those that
// are not.
func (g *image) fits(log *kernellog.Log) (yes, no int) {
	opcodes := make([]int, g.starts[len(g.funcs)])
	for k, f := range g.funcs {
		slots := f.Slots()
		for i := range f.Insns {
			opcodes[g.starts[k]+slots[i]] = int(f.Insns[i].OpCode)&0xff | 1<<8 // none is 0
		}
	}
	for _, s := range log.Steps {
		switch {
		case !s.Known:
		case s.Slot >= 0 && s.Slot < len(opcodes) && opcodes[s.Slot] == int(s.Opcode)|1<<8:
			yes++
		default:
			no++
		}
	}
	return yes, no
}

// choose finds the image that a log is of: the best of those that bear its program's
// name, or of all where no loader gave one. Loaders and kernels change an instruction
// here and there (CO-RE, dead branches), so it need not fit in all.
func choose(images []*image, log *kernellog.Log) *image {
	named := slices.DeleteFunc(slices.Clone(images), func(g *image) bool { return g.name != log.Program })
	if len(named) > 0 {
		images = named
	}
	var best *image
	most, same := -1, true
	for _, g := range images {
		yes, no := g.fits(log)
		if yes < 4*no {
			continue
		}
		if best != nil && g.name != best.name && yes == most {
			same = false
		}
		if yes > most {
			best, most, same = g, yes, true
		}
	}
	if !same {
		return nil
	}
	return best
}

// place tells of the instruction at a slot; nil when there is none.
func (g *image) place(slot int, log *kernellog.Log) *Place {
	k, i, ok := g.find(slot)
	if !ok {
		return nil
	}
	f := g.funcs[k]
	in := &f.Insns[i]
	p := &Place{Function: f.Name, Insn: slot, Inserted: in.Origin < 0}
	if line := f.LineAt(i); line != nil {
		p.File, p.Line, p.Text = line.File, line.Number, strings.Join(strings.Fields(line.Text), " ")
	}
	if in.For != nil {
		p.For = in.For.Does + " " + strings.Join(in.For.Names, ", ")
	}
	states := map[int]string{}
	for _, s := range log.Steps {
		states[s.Slot] = s.State
	}
	slots := f.Slots()
	for n := max(i-around, 0); n <= min(i+around, len(f.Insns)-1); n++ {
		in := &f.Insns[n]
		dest := ""
		if in.Target >= 0 && int(in.Target) < len(slots) {
			dest = strconv.Itoa(g.starts[k] + slots[in.Target])
		}
		at := g.starts[k] + slots[n]
		p.Near = append(p.Near, Near{at, listing.Annotated(g.unit, *in, dest), states[at], in.Origin < 0})
	}
	p.Insn = g.starts[k] + slots[i] // of a wide load, the first
	return p
}

// nameMissing tells a log which of hintjit's own functions, that no kernel has
// (walkReach.nowhere), the program came by: of several calls, the one that the log
// shows.
func (g *image) nameMissing(log *kernellog.Log) {
	shown := map[int]bool{}
	for _, s := range log.Steps {
		shown[s.Slot] = true
	}
	name, at := "", 0
	for k, f := range g.funcs {
		slots := f.Slots()
		for i := range f.Insns {
			r, slot := f.Insns[i].Ref, g.starts[k]+slots[i]
			if r.Kind != code.RefExtern || !strings.HasPrefix(g.unit.Externs[r.Index].Name, "hintjit_") {
				continue
			}
			if name == "" || shown[slot] && !shown[at] {
				name, at = g.unit.Externs[r.Index].Name, slot
			}
		}
	}
	if name != "" {
		log.NotFound(name, at)
	}
}

// reports are those of functions that are in the program.
func (g *image) reports(all []ProgramReport) (out []ProgramReport) {
	for _, r := range all {
		if slices.ContainsFunc(g.funcs, func(f *code.Func) bool { return f.Name == r.Name }) {
			out = append(out, r)
		}
	}
	return out
}

// placeByLog is what the log itself says of a place, of a program that is not known.
func placeByLog(log *kernellog.Log) *Place {
	if log.Insn < 0 {
		return nil
	}
	p := &Place{Insn: log.Insn, File: log.Source.File, Line: uint32(max(log.Source.Line, 0)), Text: log.Source.Text}
	steps := log.Steps[max(len(log.Steps)-around-1, 0):]
	for _, s := range steps {
		p.Near = append(p.Near, Near{Insn: s.Slot, Text: s.Text, State: s.State})
	}
	return p
}
