package vm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/hintjit/hintjit/internal/vm/job"
)

// hint is a bit of job.Record's Exists, and the same of Hints' has_ bits.
type hint uint32

const (
	rxHash hint = 1 << iota
	rxHashType
	rxTimestamp
	vlanTCI
	vlanProto
	innerVLANTCI
	ptype
	csumStatus
	csum
	flowMark
	pktLen
	rxQueue
)

// hints is struct hintjit_rx of bpf/hintjit.h.
type hints struct {
	RxHash, RxHashType uint32
	RxTimestamp        uint64
	VLANTCI, VLANProto uint16
	InnerVLANTCI       uint16
	_                  uint16
	Ptype              uint32
	CsumStatus         uint8
	_                  [3]uint8
	Csum               uint32
	FlowMark, PktLen   uint32
	RxQueue            uint16
	_                  uint16
	RxError            uint32
	L3Offset, L4Offset uint16
	SrcIP4, DstIP4     uint32
	SrcPort, DstPort   uint16
	_                  uint32
	Has                hint
	_                  uint32
}

func decode(r job.Record) (hints, error) {
	var h hints
	err := binary.Read(bytes.NewReader(r.Hints[:]), binary.LittleEndian, &h)
	return h, err
}

// checker knows what one NIC's hints are to be for one frame.
type checker struct {
	nic    nic
	rssKey []byte
	frame  frame
	seen   job.Seen
	hints  hints

	problems []string
}

// check holds what was recorded of a frame against the driver's skb and the frame.
// What it returns is wrong.
func check(n nic, rssKey []byte, f frame, seen job.Seen) []string {
	c := &checker{nic: n, rssKey: rssKey, frame: f, seen: seen}
	c.equal("times that the program saw the frame", seen.XDP.Times, 1)
	c.equal("times that the stack got the frame", seen.SKB.Times, 1)
	if c.problems != nil {
		return c.problems
	}
	var err error
	if c.hints, err = decode(seen.XDP); err != nil {
		return []string{err.Error()}
	}
	if missing := n.gives &^ hint(seen.XDP.Exists); missing != 0 {
		c.problem("field_exists is 0 for hints that the NIC has, bits %#x", missing)
	}
	if more := c.hints.Has &^ hint(seen.XDP.Exists); more != 0 {
		c.problem("there are hints that can not be there by field_exists, bits %#x", more)
	}
	c.hash()
	c.vlan()
	c.checksum()
	c.packetType()
	c.place()
	return c.problems
}

func (c *checker) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *checker) equal(what string, have, want any) {
	if fmt.Sprint(have) != fmt.Sprint(want) {
		c.problem("%s: %#x, want %#x", what, have, want)
	}
}

// exists tells whether a hint can be there at all, has whether it is.
func (c *checker) exists(h hint) bool { return hint(c.seen.XDP.Exists)&h != 0 }
func (c *checker) has(h hint) bool    { return c.hints.Has&h != 0 }

// present asks for a hint in exactly the frames that should have it.
func (c *checker) present(name string, h hint, want bool) bool {
	if !c.exists(h) {
		return false
	}
	c.equal("has_"+name, c.has(h), want)
	return c.has(h) && want
}

// hashType is the kernel's bits (enum xdp_rss_hash_type) for what hashed gives.
func (n nic) hashType(f frame) uint32 {
	l3 := map[int]uint32{4: 0x1, 6: 0x2}[f.ip]
	if n.hashesPorts(f) {
		return l3 | map[uint8]uint32{tcp: 0x18, udp: 0x28}[f.protocol]
	}
	return l3
}

// lateKey is the key as some kernels' virtio_net gives it to the device: a byte too
// late, after one of padding (struct virtnet_info in virtio_net.c, seen with 6.17.13
// and not with 6.12.117, 6.18.15 and 7.3.4).
func (n nic) lateKey(key []byte) []byte {
	if n.driver != "virtio_net" {
		return key
	}
	return append([]byte{0}, key[:len(key)-1]...)
}

func (c *checker) hash() {
	hashes := c.nic.hashes && c.frame.ip != 0
	if c.present("rx_hash", rxHash, hashes) {
		if !c.nic.noSKBHash {
			c.equal("rx_hash, of the skb", c.hints.RxHash, c.seen.SKB.Hash)
		}
		want := toeplitz(c.rssKey, c.nic.hashed(c.frame))
		if late := toeplitz(c.nic.lateKey(c.rssKey), c.nic.hashed(c.frame)); c.hints.RxHash == late {
			want = late
		}
		c.equal("rx_hash, computed", c.hints.RxHash, want)
	}
	if c.present("rx_hash_type", rxHashType, hashes) {
		c.equal("rx_hash_type", c.hints.RxHashType, c.nic.hashType(c.frame))
	}
	if !c.has(rxHash) {
		c.equal("rx_hash, absent", c.hints.RxHash, 0)
	}
}

func (c *checker) vlan() {
	tagged := c.seen.SKB.VLANProto != 0
	if c.nic.gives&vlanTCI != 0 {
		c.equal("skb with a tag", tagged, c.frame.tag != 0)
	}
	if c.present("vlan_tci", vlanTCI, tagged) {
		c.equal("vlan_tci, of the skb", c.hints.VLANTCI, c.seen.SKB.VLANTCI)
		c.equal("vlan_tci, of the frame", c.hints.VLANTCI, c.frame.tag)
	}
	if c.present("vlan_proto", vlanProto, tagged) {
		c.equal("vlan_proto", c.hints.VLANProto, c.seen.SKB.VLANProto)
	}
	if !tagged {
		c.equal("vlan_tci, absent", c.hints.VLANTCI, 0)
	}
}

// What the hint calls good, the driver calls CHECKSUM_UNNECESSARY (1), and only
// that.
func (c *checker) checksum() {
	if !c.exists(csumStatus) {
		return
	}
	const good, bad = 1, 2
	c.equal("csum_status is good, by the skb", c.hints.CsumStatus == good, c.seen.SKB.Summed == 1)
	wrong := c.frame.badIP || c.frame.badL4
	if c.hints.CsumStatus == good && wrong || c.hints.CsumStatus == bad && !wrong {
		c.problem("csum_status: %d, and the frame's checksums are wrong: %v", c.hints.CsumStatus, wrong)
	}
	if c.nic.checksums && (c.frame.protocol == tcp || c.frame.protocol == udp) {
		c.equal("csum_status", c.hints.CsumStatus, map[bool]int{false: good, true: bad}[wrong])
	}
}

// packetType holds a NIC to no more than it says: layers that it does not tell are 0.
func (c *checker) packetType() {
	if !c.has(ptype) {
		c.equal("ptype, absent", c.hints.Ptype, 0)
		return
	}
	if l3 := c.hints.Ptype & 0xf0; l3 != 0 {
		c.equal("ptype is IPv4", l3&0x10 != 0, c.frame.ip == 4)
		c.equal("ptype is IPv6", l3&0x40 != 0, c.frame.ip == 6)
	}
	if l4 := c.hints.Ptype & 0xf00; l4 != 0 && l4 != 0x600 {
		c.equal("ptype, layer 4", l4, map[uint8]int{tcp: 0x100, udp: 0x200, icmp: 0x500}[c.frame.protocol])
	}
}

// place is the frame's length and queue. The tag is not counted once it is out of
// the frame.
func (c *checker) place() {
	if c.present("pkt_len", pktLen, true) {
		length := len(c.frame.data)
		if c.seen.SKB.VLANProto != 0 {
			length -= 4
		}
		c.equal("pkt_len", c.hints.PktLen, length)
	}
	// skb_record_rx_queue in include/linux/skbuff.h, 6.12: 0 is for "not recorded".
	if c.present("rx_queue", rxQueue, true) && c.seen.SKB.QueueMapping != 0 {
		c.equal("rx_queue, of the skb", c.hints.RxQueue+1, c.seen.SKB.QueueMapping)
	}
}

// differences are hints that two programs can both have and do not agree on.
func differences(a, b job.Record) ([]string, error) {
	both := hint(a.Exists & b.Exists)
	x, err := decode(a)
	if err != nil {
		return nil, err
	}
	y, err := decode(b)
	if err != nil {
		return nil, err
	}
	var out []string
	for left := uint32(both); left != 0; left &= left - 1 {
		bit := hint(1) << bits.TrailingZeros32(left)
		if x.value(bit) != y.value(bit) || x.Has&bit != y.Has&bit {
			out = append(out, fmt.Sprintf("hint bit %#x: %#x (has %v) and %#x (has %v)",
				bit, x.value(bit), x.Has&bit != 0, y.value(bit), y.Has&bit != 0))
		}
	}
	return out, nil
}

// value is the hint of a has_ bit.
func (h hints) value(bit hint) uint64 {
	return map[hint]uint64{
		rxHash: uint64(h.RxHash), rxHashType: uint64(h.RxHashType), vlanTCI: uint64(h.VLANTCI),
		vlanProto: uint64(h.VLANProto), innerVLANTCI: uint64(h.InnerVLANTCI), ptype: uint64(h.Ptype),
		csumStatus: uint64(h.CsumStatus), csum: uint64(h.Csum), flowMark: uint64(h.FlowMark),
		pktLen: uint64(h.PktLen), rxQueue: uint64(h.RxQueue),
	}[bit]
}
