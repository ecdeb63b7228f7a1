package rewrite_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/object"
	"github.com/hintjit/hintjit/rewrite"
)

// farSource is a program with a branch over a little more than so many
// instructions, forward and around a loop backward, with hints read in between:
// a 16-bit distance holds before rewriting. The only sign that it was compiled for
// -mcpu=v4 is the load of a hint with its sign, which is gone after rewriting.
const farSource = `#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u16 vlan_tci;
	__u8 csum_status;
	__u8 has_rx_hash : 1, has_vlan_tci : 1;
} CORE;

SEC("xdp") int far(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u64 n = (__s16)h->vlan_tci;
	int i = 0;

	HIDE(n);
#pragma clang loop unroll(disable)
	do {
		HIDE(i);
		if (h->has_rx_hash) {
			out[1] += h->ptype;
			out[2] += h->csum_status;
			out[3] += h->has_vlan_tci;
			asm volatile(".rept %d\n%%0 += 1\n.endr" : "+r"(n));
		}
	} while (++i < 2);
	out[0] = n;
	return XDP_PASS;
}
`

// Fillings of farSource: the branches are short before and after rewriting; fit
// 16 bits only before it.
var shortFilling, farFilling = 32000, 32725

// A branch that the inserted code makes too long for its 16 bits goes by a gotol.
func TestFarBranch(t *testing.T) {
	rng := chance.Rand(t)
	n := nics(t)[0]
	packets := samples(rng, n.descriptor)[:20]
	for _, m := range []machine{runnable[3], foreign[3]} {
		for _, filling := range []int{shortFilling, farFilling} {
			t.Run(fmt.Sprint(m, "/", filling), func(t *testing.T) {
				original := compileText(t, fmt.Sprintf(farSource, filling), m)
				require.Zero(t, longGotos(t, original))
				rewritten, _, err := rewrite.Object(original, n.options())
				require.NoError(t, err)
				require.Equal(t, filling == farFilling, longGotos(t, rewritten) > 0)

				run := runner(t, original, n, m)
				for _, s := range packets {
					w := expect(s, n, m.order())
					tci := uint64(int16(w.v("vlan_tci")))
					w.out(tci)
					if w.has("rx_hash") == 1 {
						w.out(tci+2*uint64(filling), 2*w.v("ptype"), 2*w.v("csum_status"), 2*w.has("vlan_tci"))
					}
					compare(t, "far", s, w, run("far", s))
				}
			})
		}
	}
}

// longGotos counts the gotol of an object.
func longGotos(t *testing.T, raw []byte) (count int) {
	t.Helper()
	file, err := object.Parse(raw)
	require.NoError(t, err)
	for _, f := range file.Unit().Funcs {
		for i := range f.Insns {
			if f.Insns[i].IsLongGoto() {
				count++
			}
		}
	}
	return count
}

// Where there is no gotol the program is refused, with its line and the way out.
func TestTooFarBranch(t *testing.T) {
	n := nics(t)[0]
	for _, m := range []machine{runnable[0], runnable[1], runnable[2], foreign[0], foreign[2]} {
		_, _, err := rewrite.Object(compileText(t, fmt.Sprintf(farSource, shortFilling), m), n.options())
		require.NoError(t, err, "%s", m)

		original := compileText(t, fmt.Sprintf(farSource, farFilling), m)
		_, _, objectErr := rewrite.Object(original, n.options())
		spec, _ := loadSpec(t, original)
		before := instructions(t, spec, m)
		_, collectionErr := rewrite.Collection(spec, n.options())
		for _, err := range []error{objectErr, collectionErr} {
			var refused *rewrite.UnsupportedError
			require.ErrorAs(t, err, &refused, "%s", m)
			require.Equal(t, "far", refused.Program)
			require.Contains(t, refused.Help, "-mcpu=v4")
			require.Regexp(t, `generated\.c:\d+: program far: `, err.Error())
		}
		require.Equal(t, before, instructions(t, spec, m))
	}
}
