package live

import (
	"maps"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
)

const (
	xdpPass = 2
	xdpTX   = 3
)

// variants are the programs of testdata/subject.h: places where hints are asked
// for. Only frags takes packets that do not fit a page.
var variants = []string{"direct", "subprog", "global", "tail", "frags"}

// Every hint of every packet is what tc sees in the sk_buff, and no hint is there
// that tc does not see; the mainline kfuncs say the same of the same flow.
func TestHints(t *testing.T) {
	each(t, func(t *testing.T, s *subject) {
		coll := s.collection(t, xdpPass)
		for _, f := range flows {
			t.Run(f.name, func(t *testing.T) { testFlow(t, coll, &f) })
		}
	})
}

func testFlow(t *testing.T, coll *ebpf.Collection, f *flow) {
	w := newWire(t, f.setup)
	programs := variants
	if f.mtu > 0 {
		programs = []string{"frags"}
	}
	l := attach(t, w.rx, w.device[1], coll.Programs[programs[0]], link.XDPDriverMode)
	send := f.open(t, w)

	var r *record
	for _, name := range programs {
		require.NoError(t, l.Update(coll.Programs[name]))
		id := send()
		r = await[record](t, coll.Maps["seen"], id, name)
		tc := await[skbRecord](t, w.arrived, id, "tc")
		require.True(t, f.shows(tc), "what this flow is to show is not there: %+v", *tc)
		want := expected(tc)
		if f.network == "tagged" {
			// tc is behind skb_vlan_untag, XDP before it (net/core/dev.c, 6.18): the
			// tag is still a part of the packet.
			delete(want, "vlan_tci")
			delete(want, "vlan_proto")
			want["pkt_len"] += 4
		}
		require.Equal(t, want, r.hints(t), "%s, tc saw %+v", name, *tc)
		requireContext(t, r)
	}

	t.Run("kfuncs", func(t *testing.T) {
		twin := w.twin(t)
		program := "kfunc"
		if f.mtu > 0 {
			program = "kfunc_frags"
		}
		require.NoError(t, l.Update(twin.Programs[program]))
		id := send()
		k := await[kfuncRecord](t, twin.Maps["seen"], id, "the kfuncs")
		tc := await[skbRecord](t, w.arrived, id, "tc")
		requireKfuncs(t, k, tc, r.hints(t))
	})
}

// requireContext compares with what every XDP program knows.
func requireContext(t *testing.T, r *record) {
	t.Helper()
	hints := r.hints(t)
	if length, ok := hints["pkt_len"]; ok {
		require.EqualValues(t, r.Length, length)
	}
	if queue, ok := hints["rx_queue"]; ok {
		require.EqualValues(t, r.Queue, queue)
	}
}

// requireKfuncs compares hints of one packet of a flow with what the kfuncs said of
// another: the hash is one of the flow, the tag one of the device.
func requireKfuncs(t *testing.T, k *kfuncRecord, tc *skbRecord, hints map[string]uint64) {
	t.Helper()
	// veth_xdp_rx_hash of drivers/net/veth.c, 6.18, computes a hash where there is
	// none, and the sk_buff keeps it. A walk only reads.
	require.Zero(t, k.HashError)
	require.Equal(t, tc.Hash, k.Hash)
	if _, ok := hints["rx_hash"]; ok {
		require.EqualValues(t, k.Hash, hints["rx_hash"])
		require.EqualValues(t, k.HashType, hints["rx_hash_type"])
	}
	if k.VlanError != 0 {
		require.NotContains(t, hints, "vlan_tci")
		require.NotContains(t, hints, "vlan_proto")
	} else {
		require.EqualValues(t, k.VlanTCI, hints["vlan_tci"])
		require.EqualValues(t, k.VlanProto, hints["vlan_proto"])
	}
	// No device here stamps packets. The kfunc then says 0, and not that there is
	// none.
	require.Zero(t, k.TimestampError)
	require.Zero(t, k.Timestamp)
	require.NotContains(t, hints, "rx_timestamp")
}

// Packets of many flows arrive over several queues, each with its own.
func TestQueues(t *testing.T) {
	each(t, func(t *testing.T, s *subject) {
		coll := s.collection(t, xdpPass)
		w := newWire(t, setup{queues: 4})
		attach(t, w.rx, w.device[1], coll.Programs["direct"], link.XDPDriverMode)
		used := make(map[uint32]bool)
		for range 16 {
			id := (&flow{network: "udp6"}).open(t, w)()
			r := await[record](t, coll.Maps["seen"], id, "direct")
			tc := await[skbRecord](t, w.arrived, id, "tc")
			require.Equal(t, expected(tc), r.hints(t), "tc saw %+v", *tc)
			requireContext(t, r)
			used[r.Queue] = true
		}
		require.Greater(t, len(used), 1, "sixteen flows came over one queue")
	})
}

// All subjects can give the same hints, and know it without a packet.
func TestWhatThereIs(t *testing.T) {
	var first []string
	each(t, func(t *testing.T, s *subject) {
		coll := s.collection(t, xdpPass)
		w := newWire(t, setup{})
		attach(t, w.rx, w.device[1], coll.Programs["direct"], link.XDPDriverMode)
		id := (&flow{network: "udp4"}).open(t, w)()
		never := await[record](t, coll.Maps["seen"], id, "direct").never()
		if first == nil {
			first = never
		}
		require.Equal(t, first, never)
		for _, name := range slices.Sorted(maps.Keys(expected(&skbRecord{Hash: 1, VlanPresent: 1,
			IPSummed: checksumComplete, Mark: 1, QueueMapping: 1}))) {
			require.NotContains(t, never, name)
		}
	})
}
