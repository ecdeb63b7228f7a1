package verifier

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/code"
)

// Whoever listens hears of each conditional branch what it compared, and of no
// other branch.
func TestBranchIsTold(t *testing.T) {
	type told struct {
		Func  string
		Insn  int
		A, B  uint64
		Taken bool
	}
	var heard []told
	m := &Machine{
		Unit: assemble(t, binary.LittleEndian, `
.program main
r6 = 0x7fffffffff ll
if w6 == -1 goto next
next:
call sub
goto end
end:
if r6 s< 0 goto end
exit
.static sub
r0 = 6
if r0 & 1 goto odd
r1 = 6
if r0 >= r1 goto odd
odd:
exit`),
		Branch: func(f *code.Func, insn int, a, b uint64, taken bool) {
			heard = append(heard, told{f.Name, insn, a, b, taken})
		},
	}
	_, err := m.Run("main")
	require.NoError(t, err)
	require.Equal(t, []told{
		{"main", 1, 0xffff_ffff, 0xffff_ffff, true},
		{"sub", 1, 6, 1, false},
		{"sub", 3, 6, 6, true},
		{"main", 4, 0x7f_ffff_ffff, 0, false},
	}, heard)
}
