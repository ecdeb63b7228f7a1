package driver_test

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/kernel"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/verifier"
	"github.com/hintjit/hintjit/verifier/driver"
)

// debian opens the types of real kernels that are committed.
func debian(t *testing.T) []*kernel.Types {
	t.Helper()
	dirs, err := filepath.Glob("../../internal/kernel/testdata/debian-*")
	require.NoError(t, err)
	require.NotEmpty(t, dirs)
	var out []*kernel.Types
	for _, dir := range dirs {
		types, err := kernel.Open(dir)
		require.NoError(t, err)
		out = append(out, types)
	}
	return out
}

// On real kernels every member that a walk names has its place, and the context
// leads to the queue and the device.
func TestRealKernels(t *testing.T) {
	rng := chance.Rand(t)
	walked := 0
	for _, types := range debian(t) {
		for _, name := range layouts.Names() {
			l, err := layouts.Shipped(name)
			require.NoError(t, err)
			k, err := driver.FromTypes(types, l, l.Descriptors[0])
			if err != nil {
				t.Logf("%v", err)
				continue
			}
			walked++
			for _, s := range k.Walk.Steps {
				for _, o := range s.Operands() {
					switch {
					case o.Kind == layouts.Enumerator:
						require.Contains(t, k.Enums, o.Member.String(), "%s on %s", name, types.Name())
					case len(o.Member.Path) > 0:
						require.Contains(t, k.Places, o.Member.String(), "%s on %s", name, types.Name())
					}
				}
			}
			record := make([]byte, k.Descriptor.RecordSize())
			for i := range record {
				record[i] = byte(rng.Uint32())
			}
			k.Settle(record, binary.LittleEndian)
			rxq, dev := k.Places["xdp_buff.rxq"], k.Places["xdp_rxq_info.dev"]
			queues := k.Places["net_device._rx"]
			m := &verifier.Machine{Unit: follow(rxq.Offset, dev.Offset, queues.Offset), Packet: make([]byte, 64)}
			k.Intact(record, rng.Uint64()).Attach(m)
			_, err = m.Run("follow")
			require.NoError(t, err, "%s on %s", name, types.Name())
		}
	}
	require.Greater(t, walked, 10)
}

// follow is a program that goes from the context through pointers at offsets, and
// reads what the last one points to.
func follow(offsets ...int) *code.Unit {
	f := &code.Func{Name: "follow", Linkage: code.Program}
	call := code.New(asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall})
	call.Ref = code.Ref{Kind: code.RefExtern}
	f.Insns = append(f.Insns, call)
	for _, off := range append(offsets, 0) {
		f.Insns = append(f.Insns, code.New(asm.LoadMem(asm.R0, asm.R0, int16(off), asm.DWord)))
	}
	f.Insns = append(f.Insns, code.New(asm.Mov.Imm(asm.R0, 2)), code.New(asm.Return()))
	return &code.Unit{Order: binary.LittleEndian, Funcs: []*code.Func{f}, Externs: []code.Extern{{Name: "bpf_cast_to_kern_ctx"}}}
}

// A cast to a type that is no carrier is an error: the kernel would read other
// members, or refuse.
func TestCarrier(t *testing.T) {
	l, err := layouts.Shipped("i40e")
	require.NoError(t, err)
	k := driver.Random(chance.Rand(t), l.Descriptors[0], l.Walks[0])
	for id, says := range map[int64]string{k.Carriers[kernel.Endless]: "", k.Carriers[kernel.Endless] + 1: "none that memory can be read as"} {
		f := &code.Func{Name: "cast", Linkage: code.Program}
		call := code.New(asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall})
		call.Ref = code.Ref{Kind: code.RefExtern}
		f.Insns = []code.Insn{code.New(asm.Mov.Imm(asm.R2, int32(id))), call, code.New(asm.Mov.Imm(asm.R0, 0)), code.New(asm.Return())}
		m := &verifier.Machine{Packet: make([]byte, 64),
			Unit: &code.Unit{Order: binary.BigEndian, Funcs: []*code.Func{f}, Externs: []code.Extern{{Name: "bpf_rdonly_cast"}}}}
		k.Intact(make([]byte, k.Descriptor.RecordSize()), 1).Attach(m)
		if _, err = m.Run("cast"); says == "" {
			require.NoError(t, err, fmt.Sprint(id))
		} else {
			require.ErrorContains(t, err, says)
		}
	}
}

// No two members of a struct of a kernel made by chance share a byte, and what may
// be a struct with members of its own has room for all of them.
func TestRandomPlaces(t *testing.T) {
	const inner = 8 * 121 // bytes that the members of a struct take
	rng := chance.Rand(t)
	for _, nic := range layouts.Names() {
		l, err := layouts.Shipped(nic)
		require.NoError(t, err)
		for _, w := range l.Walks {
			for range 50 {
				used := map[string]string{} // "type byte" -> member
				for name, p := range driver.Random(rng, l.LeadsTo(w), w).Places {
					typ, _, _ := strings.Cut(name, ".")
					size := p.Size
					if !p.Integer && typ != "netdev_rx_queue" {
						size = inner
					}
					for i := range size {
						at := fmt.Sprint(typ, " ", p.Offset+i)
						require.Empty(t, used[at], "%s of %s and byte %s", name, nic, at)
						used[at] = name
					}
				}
			}
		}
	}
}
