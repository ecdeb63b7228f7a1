package live

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hintjit/hintjit/rewrite"
)

// In generic mode there is nothing of veth's behind the xdp_buff. What lies there is
// 0 on Linux 6.18 as it happens, so that a walk without a guard passes this test
// there, and fails the next.
func TestGenericMode(t *testing.T) {
	each(t, func(t *testing.T, s *subject) {
		coll := s.collection(t, xdpPass)
		for _, f := range []flow{
			{name: "udp4", network: "udp4"},
			{name: "tcp6", network: "tcp6"},
			{name: "tag", network: "udp4", setup: setup{push: unix.ETH_P_8021Q, pushTCI: 100}},
			{name: "mark", network: "udp4", mark: 1, setup: setup{sameHost: true}},
			{name: "queues", network: "udp6", setup: setup{queues: 4}},
		} {
			t.Run(f.name, func(t *testing.T) {
				w := newWire(t, f.setup)
				l := attach(t, w.rx, w.device[1], coll.Programs["direct"], link.XDPGenericMode)
				send := f.open(t, w)
				for _, name := range variants {
					require.NoError(t, l.Update(coll.Programs[name]))
					id := send()
					require.Empty(t, await[record](t, coll.Maps["seen"], id, name).hints(t), name)
				}
			})
		}
	})
}

// A program that is bound to a device, as those have to be that call the metadata
// kfuncs, runs natively and on that device: where a guard would find nothing, the
// kernel lets no bound program come. With guard bound it is loaded so or not at all.
func TestBound(t *testing.T) {
	w, other := newWire(t, setup{}), newWire(t, setup{})
	spec := parsed(t, rewritten(t, rewrite.Options{NIC: "veth", Guard: rewrite.GuardBound}))
	require.NoError(t, spec.Variables["verdict"].Set(int32(xdpPass)))
	delete(spec.Programs, "tail")
	_, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Cache: types})
	require.ErrorContains(t, err, "metadata kfuncs require device-bound program")
	w.bind(t, spec)
	var coll *ebpf.Collection
	w.rx.do(t, func() { coll, err = ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Cache: types}) })
	require.NoError(t, err)
	t.Cleanup(coll.Close)
	program := coll.Programs["direct"]

	refused := func(h host, device string, mode link.XDPAttachFlags) {
		t.Helper()
		h.do(t, func() {
			_, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: index(t, device), Flags: mode})
			require.ErrorIs(t, err, unix.EINVAL)
		})
	}
	// net/core/dev.c dev_xdp_attach (6.14 and later, and stable kernels since).
	refused(w.rx, w.device[1], link.XDPGenericMode)
	refused(other.rx, other.device[1], link.XDPDriverMode)
	// net/bpf/test_run.c bpf_prog_test_run_xdp.
	_, err = program.Run(&ebpf.RunOptions{Data: make([]byte, 64)})
	require.ErrorIs(t, err, unix.EINVAL)
	// kernel/bpf/core.c bpf_prog_map_compatible.
	require.ErrorIs(t, coll.Maps["jumps"].Put(uint32(0), program), unix.EINVAL)

	attach(t, w.rx, w.device[1], program, link.XDPDriverMode)
	id := (&flow{network: "udp4"}).open(t, w)()
	hints := await[record](t, coll.Maps["seen"], id, "bound").hints(t)
	require.Equal(t, expected(await[skbRecord](t, w.arrived, id, "tc")), hints)
}

// Nor is there with BPF_PROG_RUN, and what lies there is not 0.
func TestProgRun(t *testing.T) {
	each(t, func(t *testing.T, s *subject) {
		coll := s.collection(t, xdpPass)
		for _, name := range variants {
			id := packets.Add(1)
			payload := append([]byte("hint"), binary.BigEndian.AppendUint32(nil, id)...)
			verdict, err := coll.Programs[name].Run(&ebpf.RunOptions{Data: taggedFrame(payload)})
			require.NoError(t, err)
			require.EqualValues(t, xdpPass, verdict)
			require.Empty(t, await[record](t, coll.Maps["seen"], id, name).hints(t), name)
		}
	})
}

// A frame that another device's program redirected comes without an sk_buff.
func TestRedirected(t *testing.T) {
	each(t, func(t *testing.T, s *subject) {
		for _, by := range []string{"redirect", "redirect_map"} {
			t.Run(by, func(t *testing.T) {
				coll := s.collection(t, xdpPass)
				w := newWire(t, setup{})
				l := attach(t, w.rx, w.device[1], coll.Programs["direct"], link.XDPDriverMode)

				// A second wire, inside the sending host, ends where the first begins.
				feed := newWire(t, setup{within: &w.tx})
				var around *ebpf.Collection
				w.tx.do(t, func() { // a map of devices looks an index up where it is written
					out := uint32(index(t, w.device[0]))
					around = loaded(t, object(t, "around"), map[string]any{"target": out})
					require.NoError(t, around.Maps["devices"].Put(uint32(0), out))
				})
				attach(t, feed.rx, feed.device[1], around.Programs[by], link.XDPDriverMode)

				send := (&flow{network: "udp4"}).open(t, feed)
				for _, name := range variants {
					require.NoError(t, l.Update(coll.Programs[name]))
					id := send()
					require.Empty(t, await[record](t, coll.Maps["seen"], id, name).hints(t), name)
				}

				t.Run("kfuncs", func(t *testing.T) {
					twin := w.twin(t)
					require.NoError(t, l.Update(twin.Programs["kfunc"]))
					k := await[kfuncRecord](t, twin.Maps["seen"], send(), "the kfuncs")
					noData := -int32(unix.ENODATA)
					require.Equal(t, kfuncRecord{TimestampError: noData, HashError: noData, VlanError: noData}, *k)
				})
			})
		}
	})
}

// A frame that XDP_TX sent back had hints where it was received first, and has none
// where it comes back.
func TestSentBack(t *testing.T) {
	each(t, func(t *testing.T, s *subject) {
		w := newWire(t, setup{})
		there, back := s.collection(t, xdpTX), s.collection(t, xdpPass)
		l := attach(t, w.rx, w.device[1], there.Programs["direct"], link.XDPDriverMode)
		attach(t, w.tx, w.device[0], back.Programs["frags"], link.XDPDriverMode)
		send := (&flow{network: "udp4"}).open(t, w)
		for _, name := range variants {
			require.NoError(t, l.Update(there.Programs[name]))
			id := send()
			hints := await[record](t, there.Maps["seen"], id, name).hints(t)
			require.Subset(t, hints, map[string]uint64{"csum_status": csumGood, "pkt_len": 14 + 28 + 64})
			require.Contains(t, hints, "rx_hash")
			require.Empty(t, await[record](t, back.Maps["seen"], id, "the sender").hints(t))
		}
	})
}

// xdp-loader puts programs behind libxdp's dispatcher, each as the replacement of
// one of its functions. Where the kernel refuses that, it attaches them alone.
func TestXDPLoader(t *testing.T) {
	needTool(t, "xdp-loader", "is the loader to work with")
	each(t, func(t *testing.T, s *subject) {
		path := filepath.Join(t.TempDir(), "subject.o")
		require.NoError(t, os.WriteFile(path, s.object(t), 0o600))
		w := newWire(t, setup{})
		ownMounts(t)
		alone := false
		for _, name := range []string{"direct", "subprog", "global", "frags"} {
			var program *ebpf.Program
			w.rx.do(t, func() {
				run(t, "xdp-loader", "load", "--mode", "native", "--prog-name", name, w.device[1], path)
				program = newest(t, name)
			})
			alone = alone || program.Type() != ebpf.Extension
			seen := mapOf(t, program, "seen")
			id := (&flow{network: "udp4"}).open(t, w)()
			r := await[record](t, seen, id, name)
			tc := await[skbRecord](t, w.arrived, id, "tc")
			require.True(t, l4Hash(tc), "%+v", *tc)
			require.Equal(t, expected(tc), r.hints(t), "%s, tc saw %+v", name, *tc)
			w.rx.do(t, func() { run(t, "xdp-loader", "unload", w.device[1], "--all") })
		}
		if err := replaceFunction(t, s); errors.Is(err, unix.EPERM) { // the verifier's refusals are EACCES and EINVAL
			t.Skipf("hints are right, but without libxdp's dispatcher: replacing a function of a program, even as root: %v", err)
		}
		require.False(t, alone, "the kernel replaces functions, and libxdp did not use its dispatcher")
	})
}

// replaceFunction loads a program to replace one of the subject's functions.
func replaceFunction(t *testing.T, s *subject) error {
	t.Helper()
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object(t, "replace")))
	require.NoError(t, err)
	spec.Programs["replace"].AttachTarget = s.collection(t, xdpPass).Programs["global"]
	coll, err := ebpf.NewCollection(spec)
	if err == nil {
		coll.Close()
	}
	return err
}

// ownMounts gives the rest of the test a BPF file system of its own, and a /run:
// xdp-loader keeps a lock there and gives up when another one holds it. They end
// with the thread, and that with the goroutine.
func ownMounts(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		t.Skipf("making a mount namespace: %v", err)
	}
	require.NoError(t, unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	for path, kind := range map[string]string{"/sys/fs/bpf": "bpf", "/run": "tmpfs"} {
		if err := unix.Mount(kind, path, kind, 0, ""); err != nil {
			t.Skipf("mounting a %s: %v", kind, err)
		}
	}
}

// newest is the program of this name that was loaded last.
func newest(t *testing.T, name string) *ebpf.Program {
	t.Helper()
	var found *ebpf.Program
	var id ebpf.ProgramID
	for {
		var err error
		if id, err = ebpf.ProgramGetNextID(id); err != nil {
			require.ErrorIs(t, err, os.ErrNotExist) // that was the last
			break
		}
		program, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue // somebody else's, and gone
		}
		if info, err := program.Info(); err == nil && info.Name == name {
			found = program
		}
		t.Cleanup(func() { _ = program.Close() })
	}
	require.NotNil(t, found, "%s was not loaded", name)
	return found
}

// mapOf is the map of this name that a program uses.
func mapOf(t *testing.T, program *ebpf.Program, name string) *ebpf.Map {
	t.Helper()
	info, err := program.Info()
	require.NoError(t, err)
	ids, _ := info.MapIDs()
	for _, id := range ids {
		m, err := ebpf.NewMapFromID(id)
		require.NoError(t, err)
		t.Cleanup(func() { _ = m.Close() })
		if info, err := m.Info(); err == nil && info.Name == name {
			return m
		}
	}
	require.Fail(t, "no map "+name)
	return nil
}

// Where the mainline kfuncs can not be used and walks can: a program that has them
// is for one device and for no program array.
func TestKfuncPlaces(t *testing.T) {
	w := newWire(t, setup{})
	twin := w.twin(t)
	other := newWire(t, setup{within: &w.rx})
	w.rx.do(t, func() {
		l, err := link.AttachXDP(link.XDPOptions{Program: twin.Programs["kfunc"],
			Interface: index(t, other.device[1]), Flags: link.XDPDriverMode})
		require.ErrorIs(t, err, unix.EINVAL, "%v", l)
		l, err = link.AttachXDP(link.XDPOptions{Program: twin.Programs["kfunc"],
			Interface: index(t, w.device[1]), Flags: link.XDPGenericMode})
		require.ErrorIs(t, err, unix.EINVAL, "%v", l)
	})
	jumps, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, jumps.Close()) })
	require.ErrorIs(t, jumps.Put(uint32(0), twin.Programs["kfunc"]), unix.EINVAL)
}

// The subject as it comes from a rewrite for another reach runs in all the places
// too. No packet here has a descriptor before it, so there are no hints.
func TestRewrittenForMetadata(t *testing.T) {
	for _, nic := range []string{"i40e", "ice", "mlx5"} {
		t.Run(nic, func(t *testing.T) {
			coll := loaded(t, rewritten(t, rewrite.Options{NIC: nic, Reach: rewrite.Meta}), nil)
			w := newWire(t, setup{})
			l := attach(t, w.rx, w.device[1], coll.Programs["direct"], link.XDPDriverMode)
			send := (&flow{network: "tcp4"}).open(t, w)
			for _, name := range variants {
				require.NoError(t, l.Update(coll.Programs[name]))
				r := await[record](t, coll.Maps["seen"], send(), name)
				require.NotZero(t, r.Exists, name)
				require.Empty(t, r.hints(t), name)
			}
		})
	}
}
