package talk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/rlimit"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/rewrite"
)

// object compiles testdata/talk.c, and rewrites it for the NIC.
func object(tb testing.TB, n nic, flags ...string) []byte {
	tb.Helper()
	if _, err := exec.LookPath("clang-19"); err != nil {
		tb.Skip("clang-19 is not installed, it compiles the programs")
	}
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		tb.Skip("the programs are compiled for a little-endian kernel")
	}
	args := append([]string{"-target", "bpfel", "-mcpu=v3", "-O2", "-g", "-Wall", "-Wextra", "-Werror",
		"-nostdlibinc", "-isystem", filepath.Join("..", "..", "bpf", "include"),
		"-c", "testdata/talk.c", "-o", "-"}, flags...)
	var stderr bytes.Buffer
	cmd := exec.Command("clang-19", args...)
	cmd.Stderr = &stderr
	compiled, err := cmd.Output()
	require.NoError(tb, err, "%s", &stderr)
	out, _, err := rewrite.Object(compiled, rewrite.Options{NIC: n.name, Reach: rewrite.Meta, Strict: true})
	require.NoError(tb, err)
	return out
}

const (
	backends = 16
	tunnelTo = 9 // last byte of the endpoint's address
)

// load loads an object. Maps of another collection can be taken instead of its own.
func load(tb testing.TB, n nic, object []byte, shared map[string]*ebpf.Map) *ebpf.Collection {
	tb.Helper()
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	require.NoError(tb, err)
	var inner uint32
	if n.innerHash {
		inner = 1
	}
	for name, value := range map[string]any{"rss_key": rssKey, "inner_hash": inner} {
		require.NoError(tb, spec.Variables[name].Set(value))
	}
	if err := features.HaveProgramType(ebpf.XDP); err != nil {
		tb.Skipf("the kernel loads no XDP programs here: %v", err)
	}
	require.NoError(tb, rlimit.RemoveMemlock())
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: shared})
	var refused *ebpf.VerifierError
	if errors.As(err, &refused) {
		tb.Fatalf("%+v", refused)
	}
	require.NoError(tb, err)
	tb.Cleanup(coll.Close)
	return coll
}

// configure fills the tables that the programs look things up in.
func configure(tb testing.TB, coll *ebpf.Collection) {
	tb.Helper()
	require.NoError(tb, coll.Variables["backend_count"].Set(uint32(backends)))
	for i := range uint32(256) {
		require.NoError(tb, coll.Maps["backends"].Put(i, [12]byte{2, 5: byte(i), 6: 2, 7: 1}))
	}
	type endpoint struct {
		Source, Dest [4]byte
		Sum          uint32
		MACs         [12]byte
		Used         uint32
	}
	to := endpoint{Source: [4]byte{10, 1, 0, 1}, Dest: [4]byte{10, 1, 0, tunnelTo}, MACs: [12]byte{0: 2, 1: 2, 6: 2, 7: 1}, Used: 1}
	// The header without its length: all other words that are not 0.
	for _, word := range [][]byte{{0x45, 0}, {64, 47}, to.Source[:2], to.Source[2:], to.Dest[:2], to.Dest[2:]} {
		to.Sum += uint32(binary.NativeEndian.Uint16(word))
	}
	for _, p := range packets {
		if p.flow == nil {
			continue
		}
		service := make([]byte, 20)
		words := (len(p.flow) - 4) / 4
		copy(service, p.flow[words*2:words*4])
		copy(service[16:], p.flow[len(p.flow)-2:])
		service[18], service[19] = byte(p.l4), byte(words)
		require.NoError(tb, coll.Maps["services"].Put(service, to))
	}
	require.NoError(tb, coll.Maps["marks"].Put(uint32(mark), to))
}

// mdXDP is struct xdp_md. In BPF_PROG_RUN data is the length of the metadata, at
// the head of the input, and data_end the length of it all
// (xdp_convert_md_to_buff in net/bpf/test_run.c, 6.12).
type mdXDP struct {
	Data, DataEnd, DataMeta                     uint32
	IngressIfindex, RxQueueIndex, EgressIfindex uint32
}

func arrival(descriptor, frame []byte) *ebpf.RunOptions {
	data := append(bytes.Clone(descriptor), frame...)
	return &ebpf.RunOptions{
		Data:    data,
		Context: mdXDP{Data: uint32(len(descriptor)), DataEnd: uint32(len(data))},
	}
}
