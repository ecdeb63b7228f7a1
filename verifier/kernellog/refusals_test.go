package kernellog

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// somewhere: kernels do not agree on the instruction at fault, or name none.
const somewhere = -2

// refusal is a program or map that kernels do not take, and what is to be read out
// of what they say.
type refusal struct {
	name    string
	reason  string // the first sentence of the table's entry
	also    string // to other kernels it is this one
	insn    int    // at fault
	licence string // "": GPL
	maps    []*ebpf.MapSpec
	code    asm.Instructions
	kfunc   string // code calls this kernel function, by kcall
	long    bool   // its log is, or it takes the kernel long
	// caps: loaded by a process with these capabilities alone.
	caps []uintptr
}

// Capabilities of linux/capability.h.
const (
	capNetAdmin = 12
	capBPF      = 39
)

// spec is the program as it is loaded.
func (r *refusal) spec() *ebpf.CollectionSpec {
	spec := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{}, Maps: map[string]*ebpf.MapSpec{}}
	licence := r.licence
	if licence == "" {
		licence = "GPL"
	}
	if len(r.code) > 0 {
		code := slices.Clone(r.code)
		if r.kfunc != "" {
			kernel, err := btf.LoadKernelSpec()
			if err != nil {
				return nil
			}
			var fn *btf.Func
			if kernel.TypeByName(r.kfunc, &fn) != nil {
				return nil // this kernel does not have it
			}
			id, err := kernel.TypeID(fn)
			if err != nil {
				return nil
			}
			for i := range code {
				if code[i].IsKfuncCall() {
					code[i].Constant = int64(id)
				}
			}
		}
		spec.Programs["p"] = &ebpf.ProgramSpec{Name: "p", Type: ebpf.XDP, License: licence, Instructions: code}
	}
	for _, m := range r.maps {
		spec.Maps[m.Name] = m
	}
	return spec
}

var (
	array   = &ebpf.MapSpec{Name: "array", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	flows   = &ebpf.MapSpec{Name: "flows", Type: ebpf.Hash, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	records = &ebpf.MapSpec{Name: "records", Type: ebpf.RingBuf, MaxEntries: 4096}
	consts  = &ebpf.MapSpec{Name: "consts", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1, Flags: 1 << 7} // BPF_F_RDONLY_PROG
	calls   = &ebpf.MapSpec{Name: "calls", Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 1}
)

// lookup finds a map's element 0: eight slots.
func lookup(name string) asm.Instructions {
	return asm.Instructions{
		asm.StoreImm(asm.R10, -4, 0, asm.Word),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, 0).WithReference(name),
		asm.FnMapLookupElem.Call(),
		asm.Mov.Reg(asm.R6, asm.R0),
		asm.Mov.Imm(asm.R0, 2),
	}
}

// reserve takes a record of a ring buffer: six slots.
func reserve() asm.Instructions {
	return asm.Instructions{
		asm.LoadMapPtr(asm.R1, 0).WithReference("records"),
		asm.Mov.Imm(asm.R2, 8),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnRingbufReserve.Call(),
		asm.Mov.Reg(asm.R6, asm.R0),
	}
}

func kcall() asm.Instruction {
	return asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall}
}

func join(parts ...asm.Instructions) asm.Instructions { return slices.Concat(parts...) }

func insns(code ...asm.Instruction) asm.Instructions { return code }

func callTo(name string) asm.Instruction {
	return asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoCall, Constant: -1}.WithReference(name)
}

// jump is a branch of a distance, whether there is anything or not.
func jump(op asm.JumpOp, dst asm.Register, distance int16) asm.Instruction {
	return asm.Instruction{OpCode: op.Op(asm.ImmSource), Dst: dst, Offset: distance}
}

// deep is functions that call one another.
func deep(n int) (out asm.Instructions) {
	for i := range n {
		first := asm.Mov.Imm(asm.R0, 2)
		if i > 0 {
			first = first.WithSymbol(fmt.Sprintf("f%d", i))
		}
		out = append(out, first)
		if i < n-1 {
			out = append(out, callTo(fmt.Sprintf("f%d", i+1)))
		}
		out = append(out, asm.Return())
	}
	return out
}

// forks is 2^n ways, no two of which are the same at their end.
func forks(n int) (out asm.Instructions) {
	out = insns(asm.Mov.Imm(asm.R6, 0))
	for i := range n {
		out = append(out, asm.FnGetPrandomU32.Call(), asm.Instruction{OpCode: asm.JSet.Op(asm.ImmSource), Dst: asm.R0, Offset: 1, Constant: 1}, asm.Add.Imm(asm.R6, 1<<i))
	}
	return append(out, asm.Mov.Reg(asm.R0, asm.R6), jump(asm.JGT, asm.R6, 1), asm.Mov.Imm(asm.R0, 2), asm.Return())
}

// many is n branches, each of which may be taken.
func many(n int) (out asm.Instructions) {
	out = insns(asm.FnGetPrandomU32.Call(), asm.Mov.Reg(asm.R6, asm.R0), asm.Mov.Imm(asm.R0, 2))
	for i := range n {
		out = append(out, asm.Instruction{OpCode: asm.JEq.Op(asm.ImmSource), Dst: asm.R6, Offset: 1, Constant: int64(i)}, asm.Mov.Imm(asm.R7, int32(i)))
	}
	return append(out, asm.Return())
}

var refusals = []refusal{
	{name: "packet bounds", reason: "invalid access to packet, off=%d size=%d, R%d(id=%d,off=%d,r=%d)", insn: 1,
		code: insns(asm.LoadMem(asm.R1, asm.R1, 0, asm.Word), asm.LoadMem(asm.R0, asm.R1, 0, asm.Byte), asm.Return())},
	{name: "packet moved", reason: "R%d invalid mem access 'scalar'", insn: 9, code: insns(
		asm.LoadMem(asm.R7, asm.R1, 0, asm.Word), asm.LoadMem(asm.R3, asm.R1, 4, asm.Word), asm.Mov.Reg(asm.R2, asm.R7),
		asm.Add.Imm(asm.R2, 1), asm.Mov.Imm(asm.R0, 2), asm.Instruction{OpCode: asm.JGT.Op(asm.RegSource), Dst: asm.R2, Src: asm.R3, Offset: 4},
		asm.Mov.Imm(asm.R2, 0), asm.FnXdpAdjustHead.Call(), asm.Mov.Imm(asm.R0, 2), asm.LoadMem(asm.R3, asm.R7, 0, asm.Byte), asm.Return())},
	{name: "unbounded number", reason: "math between %s pointer and register with unbounded min value is not allowed", insn: 2,
		code: insns(asm.LoadMem(asm.R6, asm.R1, 0, asm.Word), asm.FnKtimeGetNs.Call(), asm.Add.Reg(asm.R6, asm.R0), asm.Return())},
	{name: "huge number", reason: "math between %s pointer and %lld is not allowed", insn: 2,
		code: insns(asm.LoadMem(asm.R6, asm.R1, 0, asm.Word), asm.Mov.Imm(asm.R0, 2), asm.Add.Imm(asm.R6, 1<<30), asm.Return())},
	{name: "map value not asked", reason: "R%d invalid mem access '%s_or_null'", insn: 8, maps: []*ebpf.MapSpec{flows},
		code: join(lookup("flows"), insns(asm.LoadMem(asm.R1, asm.R6, 0, asm.Word), asm.Return()))},
	{name: "past a map value", reason: "invalid access to map value, value_size=%d off=%d size=%d", insn: 9, maps: []*ebpf.MapSpec{array},
		code: join(lookup("array"), insns(jump(asm.JEq, asm.R6, 1), asm.LoadMem(asm.R1, asm.R6, 8, asm.Word), asm.Return()))},
	{name: "constant written", reason: "write into map forbidden, value_size=%d off=%d size=%d", insn: 9, maps: []*ebpf.MapSpec{consts},
		code: join(lookup("consts"), insns(jump(asm.JEq, asm.R6, 1), asm.StoreImm(asm.R6, 0, 0, asm.Word), asm.Return()))},
	{name: "no return value", reason: "R0 !read_ok", insn: 0, code: insns(asm.Return())},
	{name: "register unset", reason: "R%d !read_ok", insn: 0, code: insns(asm.Mov.Reg(asm.R0, asm.R3), asm.Return())},
	{name: "stack unset", reason: "invalid%s stack R%d off=%d size=%d", insn: 5,
		also: "invalid read from stack R%d off %d+%d size %d", maps: []*ebpf.MapSpec{array},
		caps: []uintptr{capNetAdmin, capBPF}, // with CAP_PERFMON too it may, from Linux 6.3 on
		code: insns(asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, -4), asm.LoadMapPtr(asm.R1, 0).WithReference("array"), asm.Mov.Imm(asm.R0, 2),
			asm.FnMapLookupElem.Call(), asm.Return())},
	{name: "stack outside", reason: "invalid%s stack R%d off=%d size=%d", insn: 0,
		code: insns(asm.StoreImm(asm.R10, -516, 0, asm.Word), asm.Mov.Imm(asm.R0, 2), asm.Return())},
	{name: "stack misaligned", reason: "misaligned %saccess off %s+%d+%d size %d", insn: 0,
		code: insns(asm.StoreImm(asm.R10, -6, 0, asm.Word), asm.Mov.Imm(asm.R0, 2), asm.Return())},
	{name: "combined stack", reason: "combined stack size of %d calls is %d. Too large", insn: -1, code: insns(
		asm.StoreImm(asm.R10, -304, 0, asm.Word), callTo("f"), asm.Return(),
		asm.StoreImm(asm.R10, -304, 0, asm.Word).WithSymbol("f"), asm.Mov.Imm(asm.R0, 2), asm.Return())},
	{name: "call depth", reason: "the call stack of %d frames is too deep", insn: somewhere, code: deep(20)},
	{name: "tail call without BTF", reason: "mixing of tail_calls and bpf-to-bpf calls is not supported", insn: -1, maps: []*ebpf.MapSpec{calls}, code: insns(
		callTo("f"), asm.Return(), asm.LoadMapPtr(asm.R2, 0).WithReference("calls").WithSymbol("f"), asm.Mov.Imm(asm.R3, 0), asm.FnTailCall.Call(),
		asm.Mov.Imm(asm.R0, 2), asm.Return())},
	{name: "unreachable", reason: "unreachable insn %d", insn: 2,
		code: insns(asm.Mov.Imm(asm.R0, 2), asm.Return(), asm.Mov.Imm(asm.R0, 1), asm.Return())},
	{name: "endless loop", reason: "infinite loop detected at insn %d", insn: 2,
		code: insns(asm.FnGetPrandomU32.Call(), jump(asm.JEq, asm.R0, 1), jump(asm.Ja, asm.R0, -1), asm.Return())},
	{name: "branch outside", reason: "jump out of range from insn %d to %d", insn: 1,
		code: insns(asm.Mov.Imm(asm.R0, 0), jump(asm.JEq, asm.R0, 100), asm.Return())},
	{name: "no end", reason: "last insn is not an exit or jmp", insn: somewhere, code: insns(asm.Mov.Imm(asm.R0, 0), asm.Mov.Imm(asm.R0, 2))},
	{name: "record not given back", reason: "Unreleased reference id=%d alloc_insn=%d", insn: 8, maps: []*ebpf.MapSpec{records},
		code: join(reserve(), insns(jump(asm.JEq, asm.R6, 0), asm.Mov.Imm(asm.R0, 2), asm.Return()))},
	{name: "record given back twice", reason: "R%d type=%s expected=", insn: 12, maps: []*ebpf.MapSpec{records},
		code: join(reserve(), insns(jump(asm.JEq, asm.R6, 6), asm.Mov.Reg(asm.R1, asm.R6), asm.Mov.Imm(asm.R2, 0), asm.FnRingbufDiscard.Call(),
			asm.Mov.Imm(asm.R2, 0), asm.Mov.Reg(asm.R1, asm.R6), asm.FnRingbufDiscard.Call(), asm.Mov.Imm(asm.R0, 2), asm.Return()))},
	{name: "helper of another type", reason: "program of this type cannot use helper %s#%d", insn: 0,
		code: insns(asm.FnSkbLoadBytes.Call(), asm.Return())},
	{name: "helper of no kernel", reason: "invalid func %s#%d", insn: 0, code: insns(asm.BuiltinFunc(9999).Call(), asm.Return())},
	{name: "helper for the GPL", reason: "cannot call kernel function from non-GPL compatible program", insn: 0, licence: "MIT",
		code: insns(asm.FnTracePrintk.Call(), asm.Return())},
	{name: "kernel function for the GPL", reason: "cannot call kernel function from non-GPL compatible program", insn: -1, licence: "MIT", kfunc: "bpf_rdonly_cast",
		code: insns(asm.Mov.Imm(asm.R2, 1), kcall(), asm.Mov.Imm(asm.R0, 2), asm.Return())},
	{name: "kernel function of another type", reason: "calling kernel function %s is not allowed", insn: 0, kfunc: "bpf_skb_get_xfrm_info",
		code: insns(kcall(), asm.Return())},
	{name: "metadata without a device", reason: "metadata kfuncs require device-bound program", insn: -1, kfunc: "bpf_xdp_metadata_rx_hash",
		code: insns(kcall(), asm.Return())},
	{name: "type of another kernel", reason: "Unknown type ID %lld passed to kfunc bpf_rdonly_cast", insn: 1, kfunc: "bpf_rdonly_cast",
		code: insns(asm.Mov.Imm(asm.R2, 1<<28), kcall(), asm.Mov.Imm(asm.R0, 2), asm.Return())},
	{name: "context member", reason: "invalid bpf_context access off=%d size=%d", insn: 0,
		code: insns(asm.LoadMem(asm.R0, asm.R1, 100, asm.Word), asm.Return())},
	{name: "context moved", reason: "dereference of modified %s ptr R%d off=%d disallowed", insn: 1,
		code: insns(asm.Add.Imm(asm.R1, 8), asm.LoadMem(asm.R0, asm.R1, 0, asm.Word), asm.Return())},
	{name: "number for a key", reason: "R%d type=%s expected=", insn: 3, maps: []*ebpf.MapSpec{array},
		code: insns(asm.Mov.Imm(asm.R2, 1), asm.LoadMapPtr(asm.R1, 0).WithReference("array"), asm.FnMapLookupElem.Call(), asm.Mov.Imm(asm.R0, 2), asm.Return())},
	{name: "unbounded length", reason: "R%d unbounded memory access, use 'var &= const' or 'if (var < const)'", insn: 8, maps: []*ebpf.MapSpec{records},
		code: insns(asm.StoreImm(asm.R10, -4, 0, asm.Word), asm.FnGetPrandomU32.Call(), asm.Mov.Reg(asm.R3, asm.R0), asm.Mov.Reg(asm.R2, asm.R10),
			asm.Add.Imm(asm.R2, -4), asm.LoadMapPtr(asm.R1, 0).WithReference("records"), asm.Mov.Imm(asm.R4, 0), asm.FnRingbufOutput.Call(),
			asm.Mov.Imm(asm.R0, 2), asm.Return())},
	{name: "wrong map", reason: "cannot pass map_type %d into func %s#%d", insn: 5, maps: []*ebpf.MapSpec{array},
		code: insns(asm.LoadMapPtr(asm.R1, 0).WithReference("array"), asm.Mov.Imm(asm.R2, 0), asm.Mov.Imm(asm.R3, 0), asm.Mov.Imm(asm.R0, 2),
			asm.FnRedirectMap.Call(), asm.Return())},
	{name: "pointer shifted", reason: "R%d pointer arithmetic on %s prohibited", insn: 0,
		code: insns(asm.LSh.Imm(asm.R1, 1), asm.Mov.Imm(asm.R0, 2), asm.Return())},
	{name: "too many ways", reason: "BPF program is too large. Processed %d insn", insn: -1, code: forks(24), long: true},
	{name: "too many branches", reason: "BPF_PROG_LOAD: EFAULT", insn: -1, code: many(8500), long: true},
	{name: "too many instructions", reason: "BPF_PROG_LOAD: E2BIG", insn: -1, code: slices.Repeat(insns(asm.Mov.Imm(asm.R0, 2)), 1<<20), long: true},
	{name: "map too large", reason: "BPF_MAP_CREATE: E2BIG", insn: -1,
		maps: []*ebpf.MapSpec{{Name: "huge", Type: ebpf.Hash, KeySize: 4, ValueSize: 1 << 30, MaxEntries: 1}}},
	{name: "map of no such form", reason: "BPF_MAP_CREATE: EINVAL", insn: -1,
		maps: []*ebpf.MapSpec{{Name: "odd", Type: ebpf.Array, KeySize: 8, ValueSize: 4, MaxEntries: 1}}},
	{name: "without capabilities", reason: "BPF_PROG_LOAD: EPERM", insn: -1, caps: []uintptr{capNetAdmin},
		code: insns(asm.Mov.Imm(asm.R0, 2), asm.Return())},
	{name: "map without capabilities", reason: "BPF_MAP_CREATE: EPERM", insn: -1, caps: []uintptr{capNetAdmin}, maps: []*ebpf.MapSpec{calls}},
	{name: "pointer stored without CAP_PERFMON", reason: "'struct %s' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN", insn: 9,
		caps: []uintptr{capNetAdmin, capBPF}, maps: []*ebpf.MapSpec{array},
		code: join(lookup("array"), insns(jump(asm.JEq, asm.R6, 1), asm.StoreMem(asm.R6, 0, asm.R10, asm.DWord), asm.Return()))},
	{name: "walk without CAP_PERFMON", reason: "'struct %s' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN", insn: 1,
		caps: []uintptr{capNetAdmin, capBPF}, kfunc: "bpf_cast_to_kern_ctx",
		code: insns(kcall(), asm.LoadMem(asm.R0, asm.R0, 0, asm.DWord), asm.Mov.Imm(asm.R0, 2), asm.Return())},
}
