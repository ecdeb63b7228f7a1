package live

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/measure"
)

const (
	// copies is how often a kind of instruction stands in its program.
	copies = 64
	// runs is how often a program runs in its turn.
	runs = 20_000
)

// A cost is what is paid for one kind of instruction. In the programs r6 is the
// context, r7 its xdp_buff, which the kernel trusts, r8 the xdp_rxq_info as the
// verifier follows it, r9 the packet.
type cost struct {
	name, why string
	insns     func(i int) asm.Instructions // the i-th of its copies
	size      int                          // bytes of machine code
}

// BenchmarkCosts measures what a walk is made of: the same program with copies of
// one kind of instruction and without, by BPF_PROG_RUN, in turns. Copies do not
// wait for each other, so this is what they cost where the processor finds other
// work as well, which is what it does in a walk.
//
//	go test -run '^$' -bench Costs ./internal/live
func BenchmarkCosts(b *testing.B) {
	needKernel(b)
	kernel, err := types.Kernel()
	require.NoError(b, err)
	costs := append([]*cost{{name: "nothing", insns: func(int) asm.Instructions { return nil }}}, costsOf(b, kernel)...)
	frame := make([]byte, 64)
	var contenders []measure.Contender
	for _, c := range costs {
		p := c.program(b, kernel)
		_, c.size = sizes(b, p)
		contenders = append(contenders, measure.Contender{Name: c.name, Run: func() (float64, error) {
			_, took, err := p.Benchmark(frame, runs, nil)
			return float64(took.Nanoseconds()), err
		}})
	}
	b.ResetTimer()
	var took []measure.Samples
	for b.Loop() {
		took, err = measure.Interleave(2*rounds, contenders)
		require.NoError(b, err)
	}
	b.ReportMetric(0, "ns/op") // of all rounds: says nothing
	var out strings.Builder
	fmt.Fprintf(&out, "%d copies in a program, %d rounds of %d runs.\n\n| | ns | bytes | |\n|---|---|---|---|\n", copies, 2*rounds, runs)
	for i, c := range costs[1:] {
		each := took[i+1].Above(took[0])
		for k := range each {
			each[k] /= copies
		}
		fmt.Fprintf(&out, "| %s | %v | %d | %s |\n", c.name, each.Spread(), (c.size-costs[0].size)/copies, c.why)
	}
	measure.Publish(b, "costs", out.String())
}

func costsOf(b *testing.B, kernel *btf.Spec) []*cost {
	one := func(in asm.Instruction) func(int) asm.Instructions {
		return func(int) asm.Instructions { return asm.Instructions{in} }
	}
	slot := func(i int) int16 { return int16(-8 - 8*(i%8)) }
	carrier := int32(id(b, kernel, &btf.Struct{}, "bpf_raw_tracepoint_args"))
	cast := func(int) asm.Instructions {
		return asm.Instructions{asm.Mov.Reg(asm.R1, asm.R8), asm.Mov.Imm(asm.R2, carrier), kfunc(b, kernel, "bpf_rdonly_cast")}
	}
	return []*cost{
		{name: "addition", insns: one(asm.Add.Imm(asm.R2, 1))},
		{name: "multiplication", insns: one(asm.Mul.Imm(asm.R2, 192)), why: "each waits for the one before"},
		{name: "branch, not taken", insns: one(asm.JEq.Imm(asm.R3, 1<<30, "out"))},
		{name: "to the stack and back", why: "a spill", insns: func(i int) asm.Instructions {
			return asm.Instructions{asm.StoreMem(asm.RFP, slot(i), asm.R3, asm.DWord), asm.LoadMem(asm.R4, asm.RFP, slot(i), asm.DWord)}
		}},
		{name: "load of the packet", insns: one(asm.LoadMem(asm.R4, asm.R9, 0, asm.Word))},
		{name: "load of the context", why: "`rx_queue_index`: two loads", insns: one(asm.LoadMem(asm.R4, asm.R6, 16, asm.Word))},
		{name: "load of the `xdp_buff`", why: "trusted: a plain load", insns: one(asm.LoadMem(asm.R4, asm.R7, 0, asm.DWord))},
		{name: "probe load, typed", why: "`rxq->queue_index`", insns: one(asm.LoadMem(asm.R4, asm.R8, 8, asm.Word))},
		{name: "cast", why: "`bpf_rdonly_cast`: moves", insns: cast},
		{name: "cast and probe load", insns: func(i int) asm.Instructions {
			return append(cast(i), asm.LoadMem(asm.R4, asm.R0, 8, asm.Word))
		}},
		{name: "`bpf_probe_read_kernel`", why: "8 bytes to the stack", insns: func(i int) asm.Instructions {
			return asm.Instructions{asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, -8), asm.Mov.Imm(asm.R2, 8),
				asm.Mov.Reg(asm.R3, asm.R8), asm.FnProbeReadKernel.Call()}
		}},
	}
}

func (c *cost) program(b *testing.B, kernel *btf.Spec) *ebpf.Program {
	insns := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R9, asm.R1, 0, asm.Word), // data
		asm.LoadMem(asm.R2, asm.R1, 4, asm.Word), // data_end
		asm.Mov.Reg(asm.R3, asm.R9),
		asm.Add.Imm(asm.R3, 4),
		asm.JGT.Reg(asm.R3, asm.R2, "out"),
		kfunc(b, kernel, "bpf_cast_to_kern_ctx"),
		asm.Mov.Reg(asm.R7, asm.R0),
		asm.LoadMem(asm.R8, asm.R7, int16(rxqOffset(b, kernel)), asm.DWord),
		asm.LoadMem(asm.R3, asm.R6, 16, asm.Word), // unknown to the verifier
		asm.Mov.Reg(asm.R2, asm.R3),
	}
	for i := range copies {
		insns = append(insns, c.insns(i)...)
	}
	insns = append(insns, asm.Mov.Imm(asm.R0, 1).WithSymbol("out"), asm.Return())
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: insns})
	require.NoError(b, err, c.name)
	b.Cleanup(func() { require.NoError(b, p.Close()) })
	return p
}

func rxqOffset(b *testing.B, kernel *btf.Spec) uint32 {
	var buff *btf.Struct
	require.NoError(b, kernel.TypeByName("xdp_buff", &buff))
	for _, m := range buff.Members {
		if m.Name == "rxq" {
			return m.Offset.Bytes()
		}
	}
	b.Fatal("xdp_buff has no rxq")
	return 0
}

// kfunc calls a function of vmlinux.
func kfunc(b *testing.B, kernel *btf.Spec, name string) asm.Instruction {
	return asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall,
		Constant: int64(id(b, kernel, &btf.Func{}, name))}
}

// id is that of a type like want.
func id(b *testing.B, kernel *btf.Spec, want btf.Type, name string) btf.TypeID {
	found, err := kernel.AnyTypesByName(name)
	require.NoError(b, err)
	for _, t := range found {
		if fmt.Sprintf("%T", t) == fmt.Sprintf("%T", want) {
			id, err := kernel.TypeID(t)
			require.NoError(b, err)
			return id
		}
	}
	b.Fatalf("the kernel has no %T %s", want, name)
	return 0
}
