package rewrite_test

import (
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/demo"
)

// perCall is how many rounds a loop has. The kernel's verifier follows each, and a
// million instructions is what it takes of a program.
const perCall = 64

// looped makes the program of spec the body of a loop of perCall rounds in one
// function, and has the kernel call that function calls times: where calling one
// takes longer than the program, only this tells what the program takes. All comes
// to pass as if it ran perCall*calls times over the same packet, and what the last
// round returns is returned.
//
// It has no lines and no CO-RE records. A program that makes a tail call has no way
// back into the loop.
func looped(spec *ebpf.CollectionSpec, calls int32) *ebpf.CollectionSpec {
	spec = spec.Copy()
	for name, p := range spec.Programs {
		p.Instructions = slices.Concat(caller(name, calls), loop(p.Instructions))
	}
	return spec
}

// caller has bpf_loop call "loop" with the address of the context, beside which the
// verdict comes to stand.
func caller(name string, calls int32) asm.Instructions {
	insns := asm.Instructions{
		asm.StoreMem(asm.R10, -16, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R1, calls),
		asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: asm.R2, Src: asm.PseudoFunc, Constant: -1}.WithReference("loop"),
		asm.Mov.Reg(asm.R3, asm.R10),
		asm.Add.Imm(asm.R3, -16),
		asm.Mov.Imm(asm.R4, 0),
		asm.StoreMem(asm.R10, -8, asm.R4, asm.DWord),
		asm.FnLoop.Call(),
		asm.LoadMem(asm.R0, asm.R10, -8, asm.DWord),
		asm.Return(),
	}
	insns[0] = function(insns[0], name, btf.GlobalFunc)
	return insns
}

// loop is the function "loop": each way out of the program leads to the next round,
// and functions of its own come after it as they are. What the loop keeps is in the
// stack below the 256 bytes that are the program's.
func loop(program asm.Instructions) asm.Instructions {
	const context, left, caller = -264, -272, -280
	insns := asm.Instructions{
		asm.StoreMem(asm.R10, caller, asm.R2, asm.DWord),
		asm.LoadMem(asm.R1, asm.R2, 0, asm.DWord),
		asm.StoreMem(asm.R10, context, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, perCall),
		asm.StoreMem(asm.R10, left, asm.R0, asm.DWord),
		asm.LoadMem(asm.R1, asm.R10, context, asm.DWord).WithSymbol("round"),
	}
	insns[0] = function(insns[0], "loop", btf.StaticFunc)
	body, functions := program, asm.Instructions(nil)
	if i := slices.IndexFunc(program[1:], func(in asm.Instruction) bool { return in.Symbol() != "" }); i >= 0 {
		body, functions = program[:i+1], program[i+1:]
	}
	for _, in := range body {
		if in.OpCode == asm.Return().OpCode {
			in = asm.Ja.Label("next")
		}
		insns = append(insns, bare(in))
	}
	insns = append(insns,
		asm.LoadMem(asm.R1, asm.R10, left, asm.DWord).WithSymbol("next"),
		asm.Sub.Imm(asm.R1, 1),
		asm.StoreMem(asm.R10, left, asm.R1, asm.DWord),
		asm.JNE.Imm(asm.R1, 0, "round"),
		asm.LoadMem(asm.R1, asm.R10, caller, asm.DWord),
		asm.StoreMem(asm.R1, 8, asm.R0, asm.DWord),
		asm.Mov.Imm(asm.R0, 0), // bpf_loop goes on
		asm.Return(),
	)
	for _, in := range functions {
		b := bare(in)
		if in.Symbol() != "" {
			b = function(b, in.Symbol(), btf.StaticFunc)
		}
		insns = append(insns, b)
	}
	return insns
}

// bare is the instruction and what it refers to, with nothing else that is known of it.
func bare(in asm.Instruction) asm.Instruction {
	b := asm.Instruction{OpCode: in.OpCode, Dst: in.Dst, Src: in.Src, Offset: in.Offset, Constant: in.Constant}
	if in.Reference() != "" {
		b = b.WithReference(in.Reference())
	}
	return b
}

// function makes the instruction a function's first. What it returns is told, as
// the kernel wants of what bpf_loop calls, and arguments are not.
func function(in asm.Instruction, name string, linkage btf.FuncLinkage) asm.Instruction {
	number := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	return btf.WithFuncMetadata(in.WithSymbol(name), &btf.Func{Name: name, Linkage: linkage, Type: &btf.FuncProto{Return: number}})
}

// A loop leaves what so many runs of the program leave: counts, records, packet and
// verdict. Each program is run for one NIC, over the packet that is timed.
func TestLooped(t *testing.T) {
	needKernel(t)
	const calls = 2
	all := slices.DeleteFunc(pairs(t), func(p *pair) bool { return !p.repeats() })
	for _, p := range slices.CompactFunc(all, func(a, b *pair) bool { return a.program == b.program }) {
		t.Run(p.String(), func(t *testing.T) {
			for _, spec := range []*ebpf.CollectionSpec{p.rewritten, p.byHand} {
				one, loop := loadKernel(t, spec), loadKernel(t, looped(spec, calls))
				want := trace(t, one, p.program, p.sample(), calls*perCall)
				require.Equal(t, want, trace(t, loop, p.program, p.sample(), 1))
			}
		})
	}
}

// A function that the program calls still returns to it.
func TestLoopedFunction(t *testing.T) {
	needKernel(t)
	coll := loadKernel(t, looped(&ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"calls": {
		Name: "calls", Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
			asm.Call.Label("drop").WithSymbol("calls"),
			asm.Add.Imm(asm.R0, 1),
			asm.Return(),
			asm.Mov.Imm(asm.R0, xdpDrop).WithSymbol("drop"),
			asm.Return(),
		},
	}}}, 1))
	verdict, err := coll.Programs["calls"].Run(&ebpf.RunOptions{Data: segment()})
	require.NoError(t, err)
	require.EqualValues(t, xdpDrop+1, verdict)
}

// repeats tells whether the program comes to the same each time: af_xdp_meta
// replaces the descriptor that it has read, and has what it left there for the next
// packet's.
func (p *pair) repeats() bool { return p.program != "af_xdp_meta" }

// sample is a TCP packet, hashed and tagged.
func (p *pair) sample() sample {
	return sample{meta: demo.Samples(p.nic.descriptor)[3].Descriptor, packet: segment()}
}
