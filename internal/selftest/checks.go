package selftest

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/hintjit/hintjit/layouts"
)

// verdict is what a reference says of a hint of one packet.
type verdict int

const (
	silent verdict = iota // nothing
	agrees
	differs
	missed // it has what the hint could be, and the hint is absent, which is never wrong
)

// check holds one hint against one reference.
type check struct {
	hint      string
	reference string
	// weak: counts only where nothing better was compared, as it takes something for
	// granted about how the NIC is set up.
	weak bool
	// judge gets the hint and says, when they differ, what it should have been.
	judge func(p *Packet, value uint64, has bool) (verdict, string)
}

// checks are all there are; those of a hint begin with the best.
func checks(around Surroundings, asked kfuncs) []*check {
	list := fromKfuncs(asked)
	list = append(list, fromSKB(around)...)
	list = append(list, fromFrame()...)
	return append(list,
		&check{hint: "rx_hash", reference: "Toeplitz, the NIC's key", weak: true, judge: toeplitzHash(around.RSSKey)},
		&check{hint: "rx_hash", reference: "others of its flow", weak: true, judge: flowHash()},
		&check{hint: "rx_timestamp", reference: "the kernel's clock", weak: true, judge: steadyClock()},
		&check{hint: "vlan_proto", reference: "what a tag can be", weak: true, judge: tagProtocol},
	)
}

// rules are what holds of every hint on every NIC (bpf/hintjit.h, 1 and 2).
func rules(at int) *check {
	return &check{reference: "the rules of hints", judge: func(p *Packet, value uint64, has bool) (verdict, string) {
		switch {
		case !has && value != 0:
			return differs, "0, as it is absent"
		case has && p.Exists>>at&1 == 0:
			return differs, "absent, as the program was told that this NIC never gives it"
		}
		return agrees, ""
	}}
}

// fromKfuncs are the mainline metadata kfuncs, where the driver answers them.
func fromKfuncs(asked kfuncs) []*check {
	return []*check{
		equal("rx_hash", "kfunc rx_hash", func(p *Packet) (uint64, presence) {
			return uint64(p.KfuncHash), answered(asked.hash, p.HashError)
		}),
		equal("rx_hash_type", "kfunc rx_hash", func(p *Packet) (uint64, presence) {
			return uint64(p.KfuncHashType), answered(asked.hash, p.HashError)
		}),
		equal("rx_timestamp", "kfunc rx_timestamp", func(p *Packet) (uint64, presence) {
			said := answered(asked.timestamp, p.TimestampError)
			if said == there && p.KfuncTimestamp == 0 { // veth's word for none
				said = notThere
			}
			return p.KfuncTimestamp, said
		}),
		equal("vlan_tci", "kfunc rx_vlan_tag", func(p *Packet) (uint64, presence) {
			return uint64(p.KfuncVLANTCI), answered(asked.vlan, p.VLANError)
		}),
		equal("vlan_proto", "kfunc rx_vlan_tag", func(p *Packet) (uint64, presence) {
			return uint64(p.KfuncVLANProto), answered(asked.vlan, p.VLANError)
		}),
	}
}

// presence is whether a reference has a value of a packet.
type presence int

const (
	untold presence = iota
	there
	notThere
)

func answered(asked bool, code int32) presence {
	switch {
	case !asked:
		return untold
	case code == 0:
		return there
	}
	return notThere
}

// equal wants the reference's value.
func equal(hint, reference string, of func(p *Packet) (uint64, presence)) *check {
	at := place(hint)
	return &check{hint: hint, reference: reference, judge: func(p *Packet, value uint64, has bool) (verdict, string) {
		want, said := of(p)
		switch {
		case said == untold:
			return silent, ""
		case said == notThere && has:
			return differs, "absent"
		case said == notThere:
			return silent, ""
		case !has:
			return missed, ""
		case value != want:
			return differs, format(at, want)
		}
		return agrees, ""
	}}
}

// What ip_summed can be: CHECKSUM_* in include/linux/skbuff.h.
const (
	checksumNone        = 0
	checksumUnnecessary = 1
	checksumComplete    = 2
	checksumPartial     = 3
)

// csum_status, bpf/hintjit.h.
const (
	csumGood     = 1
	csumBad      = 2
	csumComplete = 3
)

// fromSKB is what the driver's own code read of the same descriptor.
func fromSKB(around Surroundings) []*check {
	list := []*check{
		// A driver may leave the hash out of what it makes after XDP (virtio_net).
		equal("rx_hash", "the driver's skb->hash", func(p *Packet) (uint64, presence) {
			return uint64(p.SKB.Hash), known(p.SKB.Hash != 0 && p.SKB.SWHash == 0)
		}),
		equal("rx_timestamp", "the driver's hwtstamps", func(p *Packet) (uint64, presence) {
			return uint64(p.SKB.Timestamp), known(p.SKB.Timestamp > 0)
		}),
		equal("vlan_tci", "the driver's skb->vlan_tci", func(p *Packet) (uint64, presence) {
			return uint64(p.SKB.VLANTCI), hasTag(p)
		}),
		equal("vlan_proto", "the driver's skb->vlan_proto", func(p *Packet) (uint64, presence) {
			return uint64(p.SKB.VLANProto), hasTag(p)
		}),
		equal("flow_mark", "the driver's skb->mark", func(p *Packet) (uint64, presence) {
			return uint64(p.SKB.Mark), known(p.SKB.Mark != 0)
		}),
		{hint: "csum_status", reference: "the driver's skb->ip_summed", judge: driverChecksum(around.ChecksumOff)},
		{hint: "csum", reference: "the driver's skb->csum", judge: func(p *Packet, value uint64, has bool) (verdict, string) {
			if p.SKB.IPSummed != checksumComplete {
				return silent, ""
			}
			return sameSum(value, uint64(p.SKB.Csum), has)
		}},
		{hint: "rx_error", reference: "that the driver passed it on", judge: func(p *Packet, value uint64, has bool) (verdict, string) {
			return whether(has, value == 0, "0, for a frame that the driver finds no fault with")
		}},
	}
	for _, c := range list {
		judge := c.judge
		c.judge = func(p *Packet, value uint64, has bool) (verdict, string) {
			if p.SKB == nil {
				return silent, ""
			}
			return judge(p, value, has)
		}
	}
	return list
}

func known(is bool) presence {
	if is {
		return there
	}
	return untold
}

// hasTag: a tag that is in neither hint nor skb is still in the frame, and one that
// only the hint has is wrong.
func hasTag(p *Packet) presence {
	if p.SKB.VLANProto == 0 {
		return notThere
	}
	return there
}

// driverChecksum: what the hint calls good, drivers call CHECKSUM_UNNECESSARY, and
// only that, unless they are told not to look. A partial one is the sender's on this
// machine (skb_csum_unnecessary).
func driverChecksum(off bool) func(p *Packet, value uint64, has bool) (verdict, string) {
	return func(p *Packet, value uint64, has bool) (verdict, string) {
		verified := p.SKB.IPSummed == checksumUnnecessary || p.SKB.IPSummed == checksumPartial
		switch {
		case !has && p.SKB.IPSummed != checksumNone:
			return missed, ""
		case !has || value == csumBad && !verified:
			return silent, "" // a driver has no word for bad
		case value == csumBad:
			return differs, "not 2 (bad), for CHECKSUM_UNNECESSARY"
		case value == csumGood && p.SKB.IPSummed == checksumNone && !off:
			return differs, "not 1 (good), for CHECKSUM_NONE"
		case value == csumGood && verified, value == csumComplete && p.SKB.IPSummed == checksumComplete:
			return agrees, ""
		}
		return silent, ""
	}
}

// whether is for what can only be true or not of a hint that is there.
func whether(has, is bool, want string) (verdict, string) {
	switch {
	case !has:
		return silent, ""
	case is:
		return agrees, ""
	}
	return differs, want
}

// sameSum compares one's complement sums: how far they are folded does not matter,
// and 0 is 0xffff.
func sameSum(have, want uint64, has bool) (verdict, string) {
	if !has {
		return missed, ""
	}
	a, b := fold(have), fold(want)
	return whether(true, a == b || a|b == 0xffff && a&b == 0, fmt.Sprintf("0x%04x when folded to 16 bits", b))
}

// format writes a hint's value for people: members in network order as what they
// stand for.
func format(at int, value uint64) string {
	decl := layouts.StandardHints[at].Decl
	switch {
	case decl.Network && decl.Bytes == 4: // addresses
		b := binary.NativeEndian.AppendUint32(nil, uint32(value))
		return fmt.Sprintf("%d.%d.%d.%d", b[0], b[1], b[2], b[3])
	case decl.Network:
		value = uint64(fromNetwork(uint16(value)))
		if layouts.StandardHints[at].Name == "vlan_proto" {
			return fmt.Sprintf("0x%04x", value)
		}
	}
	if value < 256 || decl.Network {
		return fmt.Sprintf("%d", value)
	}
	return fmt.Sprintf("0x%x", value)
}

// fromNetwork is the number that lies in memory in network order.
func fromNetwork(v uint16) uint16 {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return bits.ReverseBytes16(v)
	}
	return v
}
