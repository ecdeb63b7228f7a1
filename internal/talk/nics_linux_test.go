package talk

import "encoding/binary"

// A nic is one whose descriptor is put before the frame.
type nic struct {
	name string
	// innerHash: in a tunnel it hashes the headers inside.
	innerHash bool
	// describe makes the descriptor, with these hints where the packet has them.
	describe func(p *packet, has hints) []byte
}

type hints struct{ ptype, hash, mark bool }

// mark is of the rule for all of a test's packets.
const mark = 77

var nics = []nic{
	{"i40e", true, describeI40E},
	{"mlx5_core", false, describeMLX5},
}

// describeI40E makes the 16 bytes of i40e_type.h (Linux 6.12), which have room for
// either a hash or a mark.
func describeI40E(p *packet, has hints) []byte {
	const (
		dd     = 1 << 0
		eof    = 1 << 1
		flm    = 1 << 11
		fdirID = 1 << 12
		rss    = 3 << 12
		ptype  = 30
	)
	d := make([]byte, 16)
	status := uint64(dd | eof)
	if has.ptype {
		status |= p.i40e << ptype
	}
	switch {
	case has.mark:
		status |= flm | fdirID
		binary.LittleEndian.PutUint32(d[4:], mark)
	case has.hash && p.flow != nil:
		status |= rss
		binary.LittleEndian.PutUint32(d[4:], hash(p.flow))
	}
	binary.LittleEndian.PutUint64(d[8:], status)
	return d
}

// describeMLX5 makes an entry of include/linux/mlx5/device.h (struct mlx5_cqe64,
// Linux 6.12). The driver has the headers around VXLAN hashed.
func describeMLX5(p *packet, has hints) []byte {
	d := make([]byte, 64)
	if has.ptype {
		d[0] = p.mlx5 >> 6       // tunnel, outer IPv6
		d[29] = p.mlx5 & 63 << 2 // l4_l3_hdr_type
	}
	tuple := p.flow
	l4 := byte(p.l4)
	if p.outer != nil {
		tuple, l4 = p.outer, l4UDP
	}
	if has.hash && tuple != nil {
		binary.BigEndian.PutUint32(d[12:], hash(tuple))
		l3 := byte(1)
		if len(tuple) > 12 {
			l3 = 2
		}
		d[16] = l4<<6 | l3<<2 // rss_hash_type
	}
	if has.mark {
		d[59] = mark // sop_drop_qpn
	}
	d[63] = 2 << 4 // MLX5_CQE_RESP_SEND
	return d
}
