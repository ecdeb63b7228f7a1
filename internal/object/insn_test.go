package object

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"testing"
	"time"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/code"
)

// Every opcode, with every field in use, comes out as it went in: also what the
// kernel would refuse.
func TestInstructionsRoundTrip(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewSource(seed))
	for _, order := range []byteOrder{binary.LittleEndian, binary.BigEndian} {
		for op := range 256 {
			for range 200 {
				raw := []byte{byte(op), byte(random.Int())}
				raw = order.AppendUint16(raw, []uint16{0, 1, 2, 8, 16, 32, uint16(random.Int())}[random.Intn(7)])
				raw = order.AppendUint32(raw, random.Uint32()>>random.Intn(32))
				if asm.OpCode(op).IsDWordLoad() {
					raw = append(raw, 0, 0, 0, 0)
					raw = order.AppendUint32(raw, random.Uint32())
				}
				insns, err := decode(raw, order)
				if err != nil || len(insns) != 1 {
					require.Fail(t, "decode", "% x: %d instructions, %v", raw, len(insns), err)
				}
				out, err := encode(nil, &insns[0], order)
				if err != nil || !bytes.Equal(raw, out) {
					require.Fail(t, "encode", "% x: %v: % x, %v", raw, insns[0], out, err)
				}
			}
		}
	}
}

// The passes see the opcodes of package asm, also where the file has an offset
// or a constant for them.
func TestDecodeNamesVariants(t *testing.T) {
	for _, c := range []struct {
		raw  []byte
		want asm.OpCode
	}{
		{[]byte{0xbf, 0x21, 8, 0, 0, 0, 0, 0}, asm.OpCode(asm.ALU64Class).SetALUOp(asm.MovSX8).SetSource(asm.RegSource)},
		{[]byte{0xbc, 0x21, 16, 0, 0, 0, 0, 0}, asm.OpCode(asm.ALUClass).SetALUOp(asm.MovSX16).SetSource(asm.RegSource)},
		{[]byte{0x3f, 0x21, 1, 0, 0, 0, 0, 0}, asm.OpCode(asm.ALU64Class).SetALUOp(asm.SDiv).SetSource(asm.RegSource)},
		{[]byte{0x97, 0x01, 1, 0, 7, 0, 0, 0}, asm.OpCode(asm.ALU64Class).SetALUOp(asm.SMod)},
		{[]byte{0xdb, 0x21, 0, 0, 0xe1, 0, 0, 0}, asm.OpCode(asm.StXClass).SetMode(asm.AtomicMode).SetSize(asm.DWord).SetAtomicOp(asm.Xchg)},
	} {
		insns, err := decode(c.raw, binary.LittleEndian)
		require.NoError(t, err)
		require.Equal(t, c.want, insns[0].OpCode)
		require.Zero(t, insns[0].Offset)
	}
}

func TestDecodeWideLoads(t *testing.T) {
	_, err := decode([]byte{0x18, 1, 0, 0, 0, 0, 0, 0}, binary.LittleEndian)
	require.ErrorContains(t, err, "slot 0: wide load without its second half")
	_, err = decode([]byte{0x18, 1, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0}, binary.LittleEndian)
	require.ErrorContains(t, err, "slot 1: second half of a wide load")
}

func TestEncodeRefusesInvalidOpcodes(t *testing.T) {
	in := code.New(asm.StoreImm(asm.RFP, -8, 0, asm.DWord))
	require.Equal(t, asm.InvalidOpCode, in.OpCode, "asm has no such store; if it has now, take another")
	_, err := encode(nil, &in, binary.LittleEndian)
	require.ErrorContains(t, err, "no such instruction: opcode 0xffff")
}
