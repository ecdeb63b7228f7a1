package live

import (
	"fmt"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"
)

// hintNames are all hints in the order of EACH_HINT in testdata/subject.h.
var hintNames = [...]string{
	"rx_hash", "rx_hash_type", "rx_timestamp", "vlan_tci", "vlan_proto",
	"inner_vlan_tci", "ptype", "csum_status", "csum", "flow_mark",
	"pkt_len", "rx_queue", "rx_error", "l3_offset", "l4_offset",
	"src_ip4", "dst_ip4", "src_port", "dst_port",
}

// record is what a subject got, struct record of testdata/subject.h.
type record struct {
	Value       [len(hintNames)]uint64
	Has, Exists uint32
	Queue       uint32
	Length      uint32
}

// hints are those that were present, by name. An absent one has to be 0.
func (r *record) hints(t *testing.T) map[string]uint64 {
	t.Helper()
	present := make(map[string]uint64)
	for i, name := range hintNames {
		if r.Has>>i&1 == 0 {
			require.Zero(t, r.Value[i], "%s is absent", name)
			continue
		}
		require.NotZero(t, r.Exists>>i&1, "%s is present, and was said to be never", name)
		present[name] = r.Value[i]
	}
	return present
}

// never are the hints that this NIC can not give.
func (r *record) never() []string {
	var names []string
	for i, name := range hintNames {
		if r.Exists>>i&1 == 0 {
			names = append(names, name)
		}
	}
	return names
}

// kfuncRecord is what the mainline kfuncs said, struct kfunc_record of
// testdata/kfunc.c.
type kfuncRecord struct {
	Timestamp                            uint64
	TimestampError, HashError, VlanError int32
	Hash, HashType                       uint32
	VlanProto, VlanTCI                   uint16
}

// skbRecord is what tc saw, struct skb_record of testdata/skb.c.
type skbRecord struct {
	Tstamp                                           uint64
	Hash, Mark, Len, Csum                            uint32
	QueueMapping                                     uint32
	VlanTCI, VlanProto, Protocol                     uint16
	VlanPresent, L4Hash, SwHash, IPSummed, CsumLevel uint8
	Unused                                           uint8
}

// ip_summed, and rx_hash_type's and csum_status's values: include/linux/skbuff.h
// of Linux 6.18, bpf/hintjit.h.
const (
	checksumNone        = 0
	checksumUnnecessary = 1
	checksumComplete    = 2
	checksumPartial     = 3

	hashL4 = 8

	csumGood     = 1
	csumComplete = 3
)

// expected are the hints of the packet that tc saw as s.
func expected(s *skbRecord) map[string]uint64 {
	want := map[string]uint64{
		"pkt_len":  uint64(s.Len),
		"rx_queue": uint64(s.QueueMapping), // not one more: veth does not call skb_record_rx_queue
	}
	if s.Hash != 0 {
		want["rx_hash"] = uint64(s.Hash)
		want["rx_hash_type"] = uint64(s.L4Hash) * hashL4
	}
	if s.VlanPresent != 0 {
		want["vlan_tci"] = uint64(s.VlanTCI)
		want["vlan_proto"] = uint64(s.VlanProto)
	}
	switch s.IPSummed {
	case checksumUnnecessary, checksumPartial: // skb_csum_unnecessary takes both as verified
		want["csum_status"] = csumGood
	case checksumComplete:
		want["csum_status"] = csumComplete
		want["csum"] = uint64(s.Csum)
	}
	if s.Mark != 0 {
		want["flow_mark"] = uint64(s.Mark)
	}
	return want
}

// patience is how long a packet may take; it takes microseconds.
const patience = 5 * time.Second

// await waits until a program has seen the packet, and returns what it noted.
func await[R any](t testing.TB, seen *ebpf.Map, id uint32, who string) *R {
	t.Helper()
	r := new(R)
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Microsecond) {
		err := seen.Lookup(id, r)
		if err == nil {
			return r
		}
		require.ErrorIs(t, err, ebpf.ErrKeyNotExist)
		require.True(t, time.Now().Before(deadline), fmt.Sprintf("%s has not seen packet %d", who, id))
	}
}
