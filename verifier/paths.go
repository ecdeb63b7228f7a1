package verifier

import (
	"math"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// value is what is known about a register: nothing was written to it on some
// path, something was, or it is the address r10+n (stored as n).
type value int32

const (
	undefined value = math.MinInt32
	something value = math.MaxInt32
)

// farthest bounds the frame offsets that are followed, so that sums can not
// overflow; anything beyond is no address of the frame anyway.
const farthest = 1 << 16

// state is what is known before an instruction, by register.
type state [asm.R10 + 1]value

func entryState(f *code.Func) state {
	var s state
	set := entry(f)
	for r := range s {
		s[r] = undefined
		if set.has(asm.Register(r)) {
			s[r] = something
		}
	}
	s[asm.R10] = 0
	return s
}

// undefinedOf returns those of a set of registers that nothing was written to.
func (s *state) undefinedOf(set regset) (missing regset) {
	for ; set != 0; set &= set - 1 {
		if r := set.first(); s[r] == undefined {
			missing |= single(r)
		}
	}
	return missing
}

// merge joins what holds on another path into s. A register changes at most twice:
// address, something, undefined.
func (s *state) merge(other *state) bool {
	changed := false
	if *s == *other {
		return changed
	}
	for r := range s {
		joined := s[r]
		switch {
		case other[r] == undefined:
			joined = undefined
		case s[r] != undefined && s[r] != other[r]:
			joined = something
		}
		changed = changed || joined != s[r]
		s[r] = joined
	}
	return changed
}

// step turns the state before an instruction into the one after it.
func (s *state) step(in *code.Insn) {
	next := something
	if in.OpCode.Class() == asm.ALU64Class {
		next = s.frameAddress(in)
	}
	for set := clobbers(in); set != 0; set &= set - 1 {
		s[set.first()] = undefined
	}
	for set := writes(in); set != 0; set &= set - 1 {
		s[set.first()] = next
	}
}

// The operations by which an address of the frame is made of another.
const (
	moveRegister = asm.OpCode(asm.Mov) | asm.OpCode(asm.RegSource) | asm.OpCode(asm.ALU64Class)
	addConstant  = asm.OpCode(asm.Add) | asm.OpCode(asm.ImmSource) | asm.OpCode(asm.ALU64Class)
	subConstant  = asm.OpCode(asm.Sub) | asm.OpCode(asm.ImmSource) | asm.OpCode(asm.ALU64Class)
)

// frameAddress returns the result of a 64-bit operation on a frame address.
func (s *state) frameAddress(in *code.Insn) value {
	result := int64(something)
	dst := s[in.Dst]
	isAddress := dst != undefined && dst != something
	switch in.OpCode {
	case moveRegister:
		if s[in.Src] != undefined {
			return s[in.Src]
		}
	case addConstant:
		if isAddress {
			result = int64(dst) + in.Constant
		}
	case subConstant:
		if isAddress {
			result = int64(dst) - in.Constant
		}
	}
	if result < -farthest || result > farthest {
		return something
	}
	return value(result)
}

// paths is what was seen on all paths of a function.
type paths struct {
	place
	reached []bool // by instruction
	depth   int    // bytes of the frame that are used
	unread  []unwritten
	outside []access // to what is not in the frame
}

// unwritten are registers that an instruction reads and that are not written on
// every path to it.
type unwritten struct {
	insn int
	regs regset
}

// access is one through an address of the frame, at r10+off.
type access struct{ insn, off, size int }

// pathsOf runs over all paths of f, whose targets are all in range.
func pathsOf(u *code.Unit, f *code.Func) *paths {
	p := &paths{place: place{u, f}}
	p.reached = follow[state](f, entryState(f), rules[state]{
		step:  func(s *state, i int) { s.step(&f.Insns[i]) },
		visit: p.look,
	})
	return p
}

// look notes what an instruction does with the registers and the frame.
func (p *paths) look(i int, s *state) {
	in := &p.f.Insns[i]
	p.depth = max(p.depth, depthAt(in, s))
	if missing := s.undefinedOf(p.reads(in)); missing != 0 {
		p.unread = append(p.unread, unwritten{i, missing})
	}
	if off, size, ok := stackAccess(in, s); ok && (off < -maxStack || off+size > 0) {
		p.outside = append(p.outside, access{i, off, size})
	}
}

// stackAccess returns offset from r10 and size of a load or store whose address
// is known to be in the frame.
func stackAccess(in *code.Insn, s *state) (off, size int, ok bool) {
	base := in.Dst
	switch class := in.OpCode.Class(); {
	case class == asm.LdXClass, class == asm.StXClass && in.OpCode.AtomicOp() == loadAcquire:
		base = in.Src
	case class.IsStore():
	default:
		return 0, 0, false
	}
	if s[base] == undefined || s[base] == something {
		return 0, 0, false
	}
	return int(s[base]) + int(in.Offset), in.OpCode.Size().Sizeof(), true
}

// depthAt returns how many bytes of the frame an instruction needs. The kernel
// counts what is accessed, also by helpers and by functions that are given an
// address (update_stack_depth in kernel/bpf/verifier.c); here making an address
// counts as using it.
func depthAt(in *code.Insn, s *state) int {
	if off, _, ok := stackAccess(in, s); ok {
		return -off
	}
	if in.OpCode.Class() != asm.ALU64Class {
		return 0
	}
	if address := s.frameAddress(in); address != undefined && address != something {
		return -int(address)
	}
	return 0
}
