package corpus

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/object"
)

// build compiles an object of a test's own.
func build(t *testing.T, source string, flags ...string) []byte {
	t.Helper()
	if why := missing(); why != "" {
		t.Skip(why)
	}
	raw, err := compile(t.TempDir(), source, append([]string{"-target", "bpfel", "-mcpu=v3"}, flags...)...)
	require.NoError(t, err)
	return raw
}

// generated compiles a text of assembly.
func generated(t *testing.T, text string) []byte {
	t.Helper()
	if _, err := exec.LookPath("clang-19"); err != nil {
		t.Skip("clang-19 is not installed, it assembles the object")
	}
	dir := t.TempDir()
	source, out := filepath.Join(dir, "big.s"), filepath.Join(dir, "big.o")
	require.NoError(t, os.WriteFile(source, []byte(text), 0o644))
	said, err := exec.Command("clang-19", "-target", "bpfel", "-c", source, "-o", out).CombinedOutput()
	require.NoError(t, err, "%s", said)
	raw, err := os.ReadFile(out)
	require.NoError(t, err)
	return raw
}

// measured writes an object again and says what it took. The log is where it is
// seen that this grows with the object and no faster.
func measured(t *testing.T, s subject) {
	t.Helper()
	start := cpuTime(t)
	f, err := object.Parse(s.raw)
	require.NoError(t, err)
	parsed := cpuTime(t)
	out, err := f.Encode(forced(t, f))
	require.NoError(t, err)
	end := cpuTime(t)
	u, n := f.Unit(), 0
	for _, fn := range u.Funcs {
		n += len(fn.Insns)
	}
	t.Logf("%-30s %8d instructions %6d functions %9d bytes: read in %4d ms of CPU, written in %4d ms",
		s, n, len(u.Funcs), len(s.raw), (parsed-start)/time.Millisecond, (end-parsed)/time.Millisecond)
	require.Equal(t, anatomy(t, s.raw), anatomy(t, out))
	result(s, "functions", fmt.Sprint(len(u.Funcs)))
	result(s, "instructions", fmt.Sprint(n))
	result(s, "written again", "same")
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A million instructions in one object: 4 programs of 250,000.
func TestMillion(t *testing.T) {
	for _, n := range []int{12_500, 125_000} {
		s := subject{"million.c", fmt.Sprintf("%d instructions", 8*n), build(t, "testdata/million.c", fmt.Sprintf("-DN=%d", n), "-DFOUR")}
		measured(t, s)
		if n == 125_000 {
			// Not with many: the kernel moves all that follows for each no-op that it takes
			// out (opt_remove_nops in kernel/bpf/verifier.c, 6.12), which takes minutes.
			sameLoaded(t, s, variants[0])
		}
	}
}

// A million instructions are all that the kernel takes in one program
// (bpf_prog_load in kernel/bpf/syscall.c, 6.12): what was below it and is not any
// more is refused in the kernel's words, by whoever loads it.
func TestTooLargeForTheKernel(t *testing.T) {
	raw := build(t, "testdata/million.c", "-DN=495000")
	needKernel(t)
	f, err := object.Parse(raw)
	require.NoError(t, err)
	outcome := func(every int) map[string]string {
		u := f.Unit()
		for _, fn := range u.Funcs {
			e := code.NewEdit(fn)
			for i := 0; i < len(fn.Insns); i += every {
				e.Insert(i, noop())
			}
			e.Apply()
		}
		out, err := f.Encode(u)
		require.NoError(t, err)
		l := load(out)
		defer l.close()
		return l.outcome
	}
	require.Equal(t, map[string]string{"one": ""}, outcome(100_000))
	require.Contains(t, outcome(50)["one"], "argument list too long")
}

// sameLoaded loads an object and its variants with cilium/ebpf, where it can.
func sameLoaded(t *testing.T, s subject, with ...variant) {
	t.Helper()
	needKernel(t)
	rng := chance.Rand(t)
	f, err := object.Parse(s.raw)
	require.NoError(t, err)
	before := load(s.raw)
	before.close()
	for name, why := range before.outcome {
		require.Empty(t, why, name)
	}
	for _, v := range with {
		after := load(v.make(t, f, rng))
		after.close()
		require.Equal(t, before.outcome, after.outcome, v.name)
	}
	result(s, "with no-ops", "same otherwise")
	result(s, "cilium/ebpf", fmt.Sprintf("%d of %[1]d", len(before.outcome)))
}

// programs is assembly with many sections of a program each, which all call one
// function.
func programs(n int) string {
	var b strings.Builder
	b.WriteString(".text\n.type helper,@function\nhelper:\nr0 = 1\nexit\n.size helper, .-helper\n")
	for i := range n {
		fmt.Fprintf(&b, ".section \"raw_tp/n%[1]d\",\"ax\",@progbits\n.globl f%[1]d\n.type f%[1]d,@function\n", i)
		fmt.Fprintf(&b, "f%[1]d:\nr1 = %[1]d\ncall helper\nexit\n.size f%[1]d, .-f%[1]d\n", i)
	}
	b.WriteString(".section license,\"aw\",@progbits\n.asciz \"GPL\"\n")
	return b.String()
}

// Thousands of sections, as many programs.
func TestManySections(t *testing.T) {
	for _, n := range []int{500, 5_000, 30_000} {
		s := subject{"many sections", fmt.Sprintf("%d programs", n), generated(t, programs(n))}
		measured(t, s)
		if n == 500 {
			sameLoaded(t, s, variants...)
		}
	}
}

// Hundreds of functions with types, lines and relocations to the same data.
func TestManyFunctions(t *testing.T) {
	const n = 300
	var b strings.Builder
	fmt.Fprintf(&b, "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\nint data[%d];\n", n)
	for i := range n {
		fmt.Fprintf(&b, "static __attribute__((noinline)) int h%[1]d(int v) { data[%[1]d] += v; return v * %[1]d; }\n", i)
		fmt.Fprintf(&b, "SEC(\"raw_tp/n%[1]d\") int p%[1]d(void *ctx) { return h%[1]d(%[1]d) + data[%[1]d / 2]; }\n", i)
	}
	b.WriteString("char _license[] SEC(\"license\") = \"GPL\";\n")
	source := filepath.Join(t.TempDir(), "many.c")
	require.NoError(t, os.WriteFile(source, []byte(b.String()), 0o644))
	s := subject{"many functions", fmt.Sprintf("%d in C", 2*n), build(t, source)}
	measured(t, s)
	sameLoaded(t, s, variants...)
}

// ELF says otherwise how many sections there are when 16 bits are not enough. No
// compiler makes such an object of a program that somebody loads.
func TestTooManySections(t *testing.T) {
	_, err := object.Parse(generated(t, programs(33_000)))
	require.ErrorContains(t, err, "ELF header: 66006 sections, up to 65279 can be read")
}

// A branch that no-ops have made longer than 16 bits can say is named, or is a
// gotol where the object has instructions of that version.
func TestTooFar(t *testing.T) {
	text := func(jump string) string {
		return ".section xdp,\"ax\",@progbits\n.globl far\n.type far,@function\nfar:\n" + jump +
			".rept 30000\nr1 += 1\n.endr\nend:\nr0 = 2\nexit\n.size far, .-far\n.section license,\"aw\",@progbits\n.asciz \"GPL\"\n"
	}
	const conditional = "r1 = 0\nif r1 == 5 goto end\n"
	grown := func(text string) ([]byte, error) {
		f, err := object.Parse(generated(t, text))
		require.NoError(t, err)
		u := f.Unit()
		e := code.NewEdit(u.Funcs[0])
		for i := range u.Funcs[0].Insns {
			e.Insert(i, noop())
		}
		e.Apply()
		return f.Encode(u)
	}
	_, err := grown(text(conditional))
	var far *code.FarError
	require.ErrorAs(t, err, &far)
	require.Equal(t, "far", far.Func)
	require.Greater(t, far.Distance, 1<<15)

	out, err := grown(text("gotol other\nother:\n" + conditional))
	require.NoError(t, err)
	needKernel(t)
	l := load(out)
	defer l.close()
	require.Equal(t, map[string]string{"far": ""}, l.outcome)
}
