package verifier

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/code"
)

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// interesting numbers are where arithmetic goes wrong.
func interesting(r *rand.Rand) uint64 {
	edge := pick[uint64](r, 0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
		0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, 0xffff_ffff_ffff_ffff)
	return pick(r, edge, edge, r.Uint64(), r.Uint64()>>r.IntN(64), edge+uint64(r.IntN(5))-2)
}

func immediateText(r *rand.Rand) string { return fmt.Sprint(int32(interesting(r))) }

// Random programs get registers and memory from the packet, so that the kernel's
// verifier can not compute them beforehand, and leave all of them there.
const (
	randomRegs   = 8  // r0 to r7; r8 is the packet
	randomMemory = 64 // bytes of stack below r10, copied to the packet at the end
	randomPacket = randomRegs*8 + randomMemory
)

const randomStart = `
r8 = *(u32 *)(r1 + 0)
r2 = *(u32 *)(r1 + 4)
r3 = r8
r3 += %d
if r3 > r2 goto short
`

const randomEnd = `
goto end
short:
r0 = 0
exit
end:
%s
r0 = 2
exit
`

// randomProgram writes n random instructions with a few forward branches.
func randomProgram(r *rand.Rand, n int) string {
	var b strings.Builder
	b.WriteString(randomEntry())
	labels := 0
	for range n {
		if r.IntN(12) == 0 {
			labels++
			fmt.Fprintf(&b, "%s goto l%d\n", randomCondition(r), labels)
			// The label follows a few instructions later.
			for range 1 + r.IntN(3) {
				fmt.Fprintln(&b, randomInsn(r))
			}
			fmt.Fprintf(&b, "l%d:\n", labels)
		}
		fmt.Fprintln(&b, randomInsn(r))
	}
	b.WriteString(randomExit())
	return b.String()
}

// randomEntry gives registers and memory their values.
func randomEntry() string {
	var b strings.Builder
	fmt.Fprintf(&b, randomStart, randomPacket)
	for i := range randomMemory / 8 {
		fmt.Fprintf(&b, "r0 = *(u64 *)(r8 + %d)\n*(u64 *)(r10 - %d) = r0\n", randomRegs*8+8*i, randomMemory-8*i)
	}
	for i := range randomRegs {
		fmt.Fprintf(&b, "r%d = *(u64 *)(r8 + %d)\n", i, 8*i)
	}
	return b.String()
}

// randomExit leaves them in the packet.
func randomExit() string {
	var leave strings.Builder
	for i := range randomRegs {
		fmt.Fprintf(&leave, "*(u64 *)(r8 + %d) = r%d\n", 8*i, i)
	}
	for i := range randomMemory / 8 {
		fmt.Fprintf(&leave, "r0 = *(u64 *)(r10 - %d)\n*(u64 *)(r8 + %d) = r0\n", randomMemory-8*i, randomRegs*8+8*i)
	}
	return fmt.Sprintf(randomEnd, leave.String())
}

func randomCondition(r *rand.Rand) string {
	w := pick(r, "r", "w")
	rhs := fmt.Sprintf("%s%d", w, r.IntN(randomRegs))
	if r.IntN(2) == 0 {
		rhs = immediateText(r)
	}
	cond := pick(r, "==", "!=", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "&")
	return fmt.Sprintf("if %s%d %s %s", w, r.IntN(randomRegs), cond, rhs)
}

func randomInsn(r *rand.Rand) string {
	switch r.IntN(10) {
	case 0:
		return randomLoad(r)
	case 1:
		return randomStore(r)
	case 2:
		return randomAtomic(r)
	}
	return randomALU(r, randomRegs)
}

// randomALU computes with the first few registers.
func randomALU(r *rand.Rand, registers int) string {
	w, dst, src := pick(r, "r", "w"), r.IntN(registers), r.IntN(registers)
	switch r.IntN(12) {
	case 0:
		return fmt.Sprintf("%s%d = -%s%d", w, dst, w, dst)
	case 1:
		return fmt.Sprintf("r%d = %s%s r%d", dst, pick(r, "le", "be", "bswap"), pick(r, "16", "32", "64"), dst)
	case 2:
		bits := pick(r, "8", "16", "32")
		if bits == "32" {
			w = "r"
		}
		return fmt.Sprintf("%s%d = (s%s)%s%d", w, dst, bits, w, src)
	case 3:
		return fmt.Sprintf("r%d = %d ll", dst, int64(interesting(r)))
	}
	if r.IntN(2) == 0 {
		op := pick(r, "+", "-", "*", "/", "s/", "%", "s%", "&", "|", "^", "<<", ">>", "s>>", "")
		return fmt.Sprintf("%s%d %s= %s%d", w, dst, op, w, src)
	}
	switch op := pick(r, "+", "-", "*", "/", "s/", "%", "s%", "&", "|", "^", "<<", ">>", "s>>", ""); op {
	case "<<", ">>", "s>>": // the kernel refuses to shift by a constant that is too large
		width := map[string]int{"r": 64, "w": 32}[w]
		return fmt.Sprintf("%s%d %s= %d", w, dst, op, r.IntN(width))
	case "/", "s/", "%", "s%": // and to divide by the constant 0
		return fmt.Sprintf("%s%d %s= %d", w, dst, op, int32(interesting(r))|1)
	default:
		return fmt.Sprintf("%s%d %s= %s", w, dst, op, immediateText(r))
	}
}

func randomSlot(r *rand.Rand, size int) int { return size * (1 + r.IntN(randomMemory/size)) }

// fetched is the end of the memory that only atomics write to. Linux 6.18 takes what an
// atomic fetches for a constant that another path has stored there, and removes code as
// dead that is not: its verifier does not follow precision through these instructions
// (backtrack_insn in kernel/bpf/verifier.c).
const fetched = 16

// storedSlot and fetchedSlot are a slot before that end, and in it.
func storedSlot(r *rand.Rand, size int) int {
	return fetched + size*(1+r.IntN((randomMemory-fetched)/size))
}

func fetchedSlot(r *rand.Rand, size int) int { return size * (1 + r.IntN(fetched/size)) }

func randomLoad(r *rand.Rand) string {
	bits := pick(r, 8, 16, 32, 64)
	sign := pick(r, "u", "s")
	if bits == 64 {
		sign = "u"
	}
	if r.IntN(2) == 0 { // packets may be read at any alignment
		return fmt.Sprintf("r%d = *(%s%d *)(r8 + %d)", r.IntN(randomRegs), sign, bits, r.IntN(randomPacket-8))
	}
	return fmt.Sprintf("r%d = *(%s%d *)(r10 - %d)", r.IntN(randomRegs), sign, bits, randomSlot(r, bits/8))
}

func randomStore(r *rand.Rand) string {
	bits := pick(r, 8, 16, 32, 64)
	place := fmt.Sprintf("(r10 - %d)", storedSlot(r, bits/8))
	if r.IntN(2) == 0 {
		place = fmt.Sprintf("(r8 + %d)", r.IntN(randomPacket-8))
	}
	if r.IntN(2) == 0 {
		return fmt.Sprintf("*(u%d *)%s = %s", bits, place, immediateText(r))
	}
	return fmt.Sprintf("*(u%d *)%s = r%d", bits, place, r.IntN(randomRegs))
}

func randomAtomic(r *rand.Rand) string {
	bits, name := 64, "_64"
	if r.IntN(2) == 0 {
		bits, name = 32, "32_32"
	}
	reg, slot := r.IntN(randomRegs), fetchedSlot(r, bits/8)
	acquire := r.IntN(3) == 0 && hasLoadAcquire()
	switch any := pick(r, 8, 16, 32, 64); {
	case acquire && r.IntN(2) == 0:
		return fmt.Sprintf("lock load_acquire%d %%r%d, [%%r10-%d]", any, reg, randomSlot(r, any/8))
	case acquire:
		return fmt.Sprintf("lock store_release%d [%%r10-%d], %%r%d", any, storedSlot(r, any/8), reg)
	}
	switch r.IntN(4) {
	case 0:
		return fmt.Sprintf("lock *(u%d *)(r10 - %d) %s= r%d", bits, slot, pick(r, "+", "&", "|", "^"), reg)
	case 1:
		return fmt.Sprintf("r%d = atomic_fetch_%s((u%d *)(r10 - %d), r%d)", reg, pick(r, "add", "and", "or", "xor"), bits, slot, reg)
	case 2:
		return fmt.Sprintf("r%d = xchg%s(r10 - %d, r%d)", reg, name, slot, reg)
	}
	// The 32-bit form clears the upper half of r0, but Linux 6.18 does not see to
	// it on x86-64 where the path to a 64-bit use of r0 was pruned: a successful
	// exchange then leaves r0 as it was. The move makes the programs right there.
	return fmt.Sprintf("r0 = cmpxchg%s(r10 - %d, r0, r%d)\nw0 = w0", name, slot, reg)
}

func randomInput(r *rand.Rand, order binary.ByteOrder) []byte {
	packet := make([]byte, randomPacket)
	for i := 0; i < len(packet); i += 8 {
		order.PutUint64(packet[i:], interesting(r))
	}
	return packet
}

// Thousands of programs, each on a few packets, end the same in the kernel and
// here; and no rule of Check is broken by what the kernel takes.
func TestRandomProgramsAsKernel(t *testing.T) {
	needKernel(t)
	r := chance.Rand(t)
	for range 2000 {
		text := randomProgram(r, 30)
		u := assemble(t, binary.LittleEndian, text)
		require.NoError(t, Check(u, Options{}), text)
		prog := loadKernel(t, u)
		for range 4 {
			packet := randomInput(r, u.Order)
			want, got := runKernel(t, prog, packet), runMachine(t, &Machine{Unit: u}, packet)
			if diff := differs(want, got); diff != "" {
				t.Fatalf("packet %x: %s\n%s", packet, diff, text)
			}
		}
		require.NoError(t, prog.Close())
	}
}

func differs(want, got outcome) string {
	if want.Return != got.Return {
		return fmt.Sprintf("returned %d, wanted %d", got.Return, want.Return)
	}
	if w, g := hex.EncodeToString(want.Packet), hex.EncodeToString(got.Packet); w != g {
		return fmt.Sprintf("packet is\n%s, wanted\n%s", g, w)
	}
	return ""
}

// Whatever the instructions are, the interpreter and Check come back.
func TestNonsense(t *testing.T) {
	r := chance.Rand(t)
	for range 20_000 {
		u := nonsense(r)
		_ = Check(u, Options{Before: u})
		for _, f := range u.Funcs {
			m := &Machine{Unit: u, Packet: make([]byte, 64), Meta: make([]byte, 8), MaxSteps: 200}
			_, err := m.Run(f.Name)
			if err == nil {
				continue
			}
			require.NotEmpty(t, err.Error())
		}
	}
}

// Whatever a helper is given, it comes back: maps of every type and of odd sizes,
// pointers to all that there is and next to it, numbers.
func TestHelpersWithAnything(t *testing.T) {
	r := chance.Rand(t)
	numbers := slices.Sorted(maps.Keys(helpers))
	types := slices.Sorted(maps.Keys(mapTraits))
	outcomes := map[bool]int{}
	for range 30_000 {
		mp := &Map{
			Name: "m", Type: pick(r, types...), KeySize: pick(r, 0, 3, 4, 5, 8), ValueSize: pick(r, 0, 1, 4, 8),
			MaxEntries: pick(r, 0, 1, 2, 4096),
		}
		for range r.IntN(3) {
			key := make([]byte, pick(r, mp.KeySize, mp.KeySize, 0, 7))
			mp.Set(key, make([]byte, mp.ValueSize))
			if r.IntN(4) == 0 {
				mp.SetInner(key, pick(r, mp, &Map{}))
				mp.SetProgram(key, pick(r, "main", "nowhere"))
			}
		}
		main := &code.Func{Name: "main", Insns: []code.Insn{code.New(asm.Mov.Reg(asm.R6, asm.R1))}}
		for range 1 + r.IntN(3) {
			for reg := asm.R1; reg <= asm.R5; reg++ {
				main.Insns = append(main.Insns, anything(r, reg)...)
			}
			main.Insns = append(main.Insns, code.New(pick(r, numbers...).Call()))
		}
		main.Insns = append(main.Insns, code.New(asm.Mov.Imm(asm.R0, 0)), code.New(asm.Return()))
		back := &code.Func{Name: "back", Linkage: code.Static, Insns: main.Insns[len(main.Insns)-2:]}
		m := &Machine{
			Unit:   &code.Unit{Order: binary.LittleEndian, Funcs: []*code.Func{main, back}},
			Packet: make([]byte, r.IntN(80)), MaxSteps: 2000, Seed: r.Uint64(),
			MapAt: func(_ *code.Func, _ int) (*Map, bool) { return mp, false },
		}
		_, err := m.Run("main")
		outcomes[err == nil]++
	}
	require.Greater(t, outcomes[true], 1000, "too few calls were sensible")
}

// anything sets a register to what a helper may or may not want.
func anything(r *rand.Rand, reg asm.Register) []code.Insn {
	wide := code.New(asm.LoadImm(reg, 0, asm.DWord))
	switch r.IntN(6) {
	case 0:
		return []code.Insn{code.New(asm.Mov.Reg(reg, asm.R6))}
	case 1:
		return []code.Insn{code.New(asm.Mov.Reg(reg, asm.R10)), code.New(asm.Add.Imm(reg, -int32(r.IntN(80))))}
	case 2:
		wide.Src = asm.PseudoMapFD
	case 3:
		wide.Ref = code.Ref{Kind: code.RefFunc, Index: int32(r.IntN(2))}
	case 4:
		return []code.Insn{code.New(asm.Mov.Imm(reg, int32(r.IntN(9))))}
	default:
		wide.Constant = int64(interesting(r))
	}
	return []code.Insn{wide}
}

// nonsense makes a unit of random instructions, some of them sensible.
func nonsense(r *rand.Rand) *code.Unit {
	u := &code.Unit{
		Order:   pick[binary.ByteOrder](r, binary.LittleEndian, binary.BigEndian),
		Externs: []code.Extern{{Name: "x"}},
		Tables:  []code.Table{{Name: "empty"}},
	}
	for i := range 1 + r.IntN(3) {
		f := &code.Func{Name: fmt.Sprint(i), Linkage: code.Linkage(r.IntN(4))}
		for range r.IntN(12) {
			var in code.Insn
			in.OpCode = pick[asm.OpCode](r, 0x85, 0x95, 0x18, 0x61, 0x7b, 0xdb, 0xbf, 0x07)
			if r.IntN(3) == 0 {
				in.OpCode = asm.OpCode(r.Uint32() >> r.IntN(32))
			}
			in.Dst, in.Src = asm.Register(r.IntN(12)), asm.Register(r.IntN(12))
			in.Offset, in.Constant = int16(interesting(r)), int64(interesting(r))
			in.Target = pick(r, code.NoTarget, code.NoTarget, int32(r.IntN(14))-3)
			in.Origin = int32(r.IntN(5)) - 1
			in.Ref = code.Ref{Kind: code.RefKind(r.IntN(6)), Index: int32(r.IntN(4)) - 1}
			f.Insns = append(f.Insns, in)
		}
		u.Funcs = append(u.Funcs, f)
	}
	return u
}
