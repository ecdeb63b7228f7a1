package verifier

// adjuster is a helper that moves one end of the packet.
func adjuster(move func(m *Machine, delta int) int) Helper {
	return func(m *Machine, c *Call) (uint64, error) {
		return errno(move(m, int(int32(c.Args[1])))), nil
	}
}

func (m *Machine) packetLength() int { return m.packet.hi - m.data }

// packetBytes returns the part of the packet that a helper asks for, or an error number
// (bpf_xdp_pointer in net/core/filter.c).
func (m *Machine) packetBytes(c *Call) ([]byte, int) {
	const most = 0xffff
	off, n := uint32(c.Args[1]), uint32(c.Args[3])
	switch {
	case off > most || n > most:
		return nil, eFault
	case int(off+n) > m.packetLength():
		return nil, eInval
	}
	return m.packet.data[m.data+int(off):][:n], 0
}

func loadBytes(m *Machine, c *Call) (uint64, error) {
	b, failed := m.packetBytes(c)
	copy(c.mem[2], b)
	return errno(failed), nil
}

func storeBytes(m *Machine, c *Call) (uint64, error) {
	b, failed := m.packetBytes(c)
	copy(b, c.mem[2])
	return errno(failed), nil
}

// redirect is bpf_xdp_redirect in net/core/filter.c.
func redirect(_ *Machine, c *Call) (uint64, error) {
	const aborted, redirected = 0, 4
	if c.Args[1] != 0 {
		return aborted, nil
	}
	return redirected, nil
}

// checksumDiff is bpf_csum_diff in net/core/filter.c as of Linux 6.13: the
// result is folded to 16 bits, and sizes need not be multiples of 4.
func checksumDiff(m *Machine, c *Call) (uint64, error) {
	from, to, sum := c.mem[0], c.mem[2], uint32(c.Args[4])
	switch {
	case len(to) > 0 && len(from) > 0:
		sum = addOnes(m.sumWords(to, sum), ^m.sumWords(from, 0))
	case len(to) > 0:
		sum = m.sumWords(to, sum)
	case len(from) > 0:
		sum = ^m.sumWords(from, ^sum)
	}
	folded := sum>>16 + sum&0xffff
	return uint64(folded>>16+folded) & 0xffff, nil
}

// sumWords adds 32-bit words in ones' complement; the last is filled up with
// zeroes.
func (m *Machine) sumWords(b []byte, sum uint32) uint32 {
	for ; len(b) > 0; b = b[min(4, len(b)):] {
		var word [4]byte
		copy(word[:], b)
		sum = addOnes(sum, m.Unit.Order.Uint32(word[:]))
	}
	return sum
}

func addOnes(a, b uint32) uint32 {
	sum := uint64(a) + uint64(b)
	return uint32(sum>>32 + sum)
}

// checkMTU is bpf_xdp_check_mtu in net/core/filter.c, where every number is that of an
// Ethernet interface.
func checkMTU(m *Machine, c *Call) (uint64, error) {
	const fragmentationNeeded = 1 // BPF_MTU_CHK_RET_FRAG_NEEDED
	const usualMTU = 1500         // ETH_DATA_LEN
	if c.Args[4] != 0 {
		return errno(eInval), nil
	}
	mtu := m.MTU
	if mtu == 0 {
		mtu = usualMTU
	}
	length := int32(m.packetLength())
	if asked := m.Unit.Order.Uint32(c.mem[2]); asked != 0 {
		length = int32(asked) + minPacket
	}
	length += int32(c.Args[3])
	m.Unit.Order.PutUint32(c.mem[2], uint32(mtu))
	if length > int32(mtu)+minPacket {
		return fragmentationNeeded, nil
	}
	return 0, nil
}

// Offsets in struct bpf_fib_lookup (linux/bpf.h).
const (
	fibMTU     = 6
	fibIfindex = 8
	fibVLAN    = 48 // protocol, TCI
	fibMACs    = 52 // source, destination
	fibSize    = 64
)

// fibLookup stands for bpf_xdp_fib_lookup in net/core/filter.c. What the routes are is
// left to chance: every second lookup finds one, and the others fail in all ways that
// there are.
func fibLookup(m *Machine, c *Call) (uint64, error) {
	const knownFlags = 1<<6 - 1 // BPF_FIB_LOOKUP_DIRECT to BPF_FIB_LOOKUP_MARK
	const failures = 9          // BPF_FIB_LKUP_RET_BLACKHOLE to BPF_FIB_LKUP_RET_NO_SRC_ADDR
	const fragmentationNeeded = 8
	const interfaces = 16
	params := c.mem[1]
	if len(params) < fibSize || c.Args[3]&^knownFlags != 0 {
		return errno(eInval), nil
	}
	if m.random.IntN(2) == 0 {
		failure := 1 + m.random.IntN(failures)
		if failure == fragmentationNeeded {
			m.Unit.Order.PutUint16(params[fibMTU:], uint16(1280+m.random.IntN(221)))
		}
		return uint64(failure), nil
	}
	m.Unit.Order.PutUint32(params[fibIfindex:], uint32(1+m.random.IntN(interfaces)))
	clear(params[fibVLAN:fibMACs])
	for i := fibMACs; i < fibSize; i++ {
		params[i] = byte(m.random.Uint32())
	}
	return 0, nil
}

// genSyncookie stands for bpf_tcp_raw_gen_syncookie_ipv4 and _ipv6 in net/core/filter.c:
// the cookie is left to chance, above it is one of the segment sizes of the kernel's table
// (msstab in net/ipv4/syncookies.c).
func genSyncookie(m *Machine, c *Call) (uint64, error) {
	segments := [...]uint64{536, 1300, 1440, 1460}
	tcp := c.mem[1]
	if len(tcp) < tcpSize || len(tcp) != int(tcp[12]>>4)*4 { // the data offset, in words
		return errno(eInval), nil
	}
	return segments[m.random.IntN(len(segments))]<<32 | uint64(m.random.Uint32()), nil
}

// checkSyncookie stands for bpf_tcp_raw_check_syncookie_ipv4 and _ipv6: chance says which
// cookie was ours.
func checkSyncookie(m *Machine, _ *Call) (uint64, error) {
	if m.random.IntN(2) == 0 {
		return errno(eAcces), nil
	}
	return 0, nil
}
