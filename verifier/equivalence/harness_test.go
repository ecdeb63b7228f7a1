package equivalence_test

import (
	"bytes"
	"encoding/binary"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/bpf"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
	"github.com/hintjit/hintjit/verifier"
	"github.com/hintjit/hintjit/verifier/equivalence"
)

var examples = []string{"af_xdp_meta", "l4lb", "ptype_count", "vlan_ts_log"}

func example(t *testing.T, name string, order binary.ByteOrder) []byte {
	t.Helper()
	object, err := bpf.Example(name, order)
	require.NoError(t, err)
	return object
}

// prelude is what the test programs need of the BPF ABI (linux/bpf.h, 6.12).
const prelude = `
typedef unsigned char __u8; typedef unsigned short __u16; typedef unsigned int __u32; typedef unsigned long long __u64;
struct xdp_md { __u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex; };
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
#define exists(field) __builtin_preserve_field_info(field, 2)
struct hintjit_rx { __u32 rx_hash; __u16 vlan_tci; __u32 ptype; __u8 has_rx_hash : 1, has_vlan_tci : 1, has_ptype : 1; } __attribute__((preserve_access_index));
extern const struct hintjit_rx *hintjit_rx(struct xdp_md *ctx) SEC(".ksyms");
static void *(*lookup)(void *map, const void *key) = (void *)1;
static long (*update)(void *map, const void *key, const void *value, __u64 flags) = (void *)2;
static long (*redirect)(__u32 ifindex, __u64 flags) = (void *)23;
char LICENSE[] SEC("license") = "GPL";
#line 1 "prog.c"
`

// compile compiles a C text after the prelude.
func compile(t *testing.T, text string) []byte {
	t.Helper()
	const clang = "clang-19"
	if _, err := exec.LookPath(clang); err != nil {
		t.Skipf("compiling a program: %v", err)
	}
	cmd := exec.Command(clang, "-target", "bpfel", "-mcpu=v3", "-O2", "-g", "-w", "-fno-ident", "-x", "c", "-c", "-o", "-", "-")
	cmd.Stdin = strings.NewReader(prelude + text)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", &stderr)
	return out
}

// A pair is a program before and after rewriting for i40e, with the descriptor in the
// metadata.
type pair struct {
	before, after *verifier.Subject
	target        *equivalence.Target
}

func rewritten(t *testing.T, object []byte) pair {
	t.Helper()
	out, report, err := rewrite.Object(object, rewrite.Options{NIC: "i40e", Reach: rewrite.Meta})
	require.NoError(t, err)
	var p pair
	p.before, err = verifier.ReadObject(object)
	require.NoError(t, err)
	p.after, err = verifier.ReadObject(out)
	require.NoError(t, err)
	l, err := layouts.Shipped("i40e")
	require.NoError(t, err)
	p.target = &equivalence.Target{Descriptor: l.Descriptors[0], Gives: report.Gives}
	return p
}

// check runs the pair's only program.
func (p pair) check(t *testing.T, opts equivalence.Options) *equivalence.ProgramReport {
	t.Helper()
	r := equivalence.Check(p.before, p.after, p.target, opts)
	require.Len(t, r.Programs, 1)
	return r.Programs[0]
}
