package object_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/code"
)

// needKernel skips where programs can not be loaded.
func needKernel(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loading programs needs root")
	}
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
	})
	if err != nil {
		t.Skipf("the kernel loads no XDP program: %v", err)
	}
	require.NoError(t, prog.Close())
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		t.Skipf("the kernel has no BTF to resolve CO-RE records against: %v", err)
	}
}

// rewritten is an object as a rewrite leaves it: instructions inserted all over,
// the extern replaced, a table added.
func rewritten(t testing.TB, to target) []byte {
	t.Helper()
	f, u := parse(t, compile(t, "testdata/all.c", to))
	replaceExtern(t, u)
	addTables(t, u)
	padOut(u, 2)
	return encode(t, f, u)
}

func TestLoadsWithCilium(t *testing.T) {
	needKernel(t)
	for _, cpu := range []string{"v1", "v2", "v3", "v4"} {
		t.Run(cpu, func(t *testing.T) {
			spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(rewritten(t, target{"bpfel", cpu})))
			require.NoError(t, err)
			coll, err := ebpf.NewCollection(spec)
			var log *ebpf.VerifierError
			if errors.As(err, &log) {
				t.Logf("%+v", log)
			}
			require.NoError(t, err)
			defer coll.Close()

			ret, err := coll.Programs["second"].Run(&ebpf.RunOptions{Data: make([]byte, 64)})
			require.NoError(t, err)
			require.EqualValues(t, 41, ret, "the table's byte")

			// sum = 1, +0+1+2+3 by the callback, +1000 by the CO-RE record = 1007;
			// grow: counter = 1007; weigh(1007) = 3*1007+5; weigh(seen[1007&3 = 3]).
			// seen is counted before the 1000: seen[7&3 = 3] is 1.
			ret, err = coll.Programs["first"].Run(&ebpf.RunOptions{Data: make([]byte, 64)})
			require.NoError(t, err)
			require.EqualValues(t, 1007+(3*1007+5)+(3*1+5), ret)
			var hits uint64
			require.NoError(t, coll.Maps["hits"].Lookup(uint32(0), &hits))
			require.EqualValues(t, 1, hits)
		})
	}
}

func TestLoadsWithBpftool(t *testing.T) {
	needKernel(t)
	bpftool := needTool(t, "bpftool", "loads with libbpf")
	for _, to := range []target{{"bpfel", "v2"}, host} {
		t.Run(to.String(), func(t *testing.T) {
			dir := pinDir(t)
			run(t, bpftool, "prog", "loadall", save(t, rewritten(t, to)), dir)
			dump := run(t, bpftool, "prog", "dump", "xlated", "pinned", filepath.Join(dir, "first"))
			for _, line := range []string{
				"; int sum = hintjit_rx(ctx) ? 100 : 1;",
				"; __u64 *hit = bpf_map_lookup_elem(&hits, &key);",
				"; return grow_twice(sum) + weigh(seen[3]);",
				"; return a * scale + start;",
				"; *(int *)sum += i;",
			} {
				require.Contains(t, dump, line)
			}
		})
	}
	t.Run("one extern of three gone", func(t *testing.T) {
		f, u := parse(t, compile(t, "testdata/externs.c", host))
		fn := function(t, u, "prog")
		e := code.NewEdit(fn)
		for i, in := range fn.Insns {
			if in.Ref.Kind == code.RefExtern && u.Externs[in.Ref.Index].Name == "hintjit_rx" {
				e.Replace(i, code.New(asm.Mov.Imm(asm.R0, 0)))
			}
		}
		e.Apply()
		run(t, bpftool, "prog", "loadall", save(t, encode(t, f, u)), pinDir(t))
	})
}

// pinDir is a folder on the BPF file system, gone after the test.
func pinDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/sys/fs/bpf", "hintjit-object-")
	if err != nil {
		t.Skipf("no BPF file system to pin programs on: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

func TestAttachesInNamespace(t *testing.T) {
	needKernel(t)
	ip := needTool(t, "ip", "makes the namespace and loads with iproute2")
	ns := fmt.Sprintf("hintjit-object-%d", os.Getpid())
	run(t, ip, "netns", "add", ns)
	t.Cleanup(func() { run(t, ip, "netns", "del", ns) })
	in := func(args ...string) string {
		return run(t, ip, append([]string{"netns", "exec", ns}, args...)...)
	}
	in(ip, "link", "add", "hj0", "type", "veth", "peer", "name", "hj1")
	for _, to := range []target{{"bpfel", "v2"}, host} {
		path := save(t, rewritten(t, to))
		t.Run("iproute2 "+to.String(), func(t *testing.T) {
			in(ip, "link", "set", "dev", "hj0", "xdpgeneric", "obj", path, "sec", "xdp.frags")
			require.Contains(t, in(ip, "link", "show", "dev", "hj0"), "xdpgeneric")
			in(ip, "link", "set", "dev", "hj0", "xdpgeneric", "off")
		})
	}
}
