package demo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
)

// Result is what the load balancer did with a packet.
type Result struct {
	Action  string // "XDP_TX"
	Backend int    // where to, NoBackend: nowhere
}

// NoBackend is the backend of a packet that was not balanced.
const NoBackend = -1

// Backends is how many the load balancer has to choose from.
const Backends = 4

// NotHereError says why the program can not be run, which is no fault of its.
type NotHereError struct{ Err error }

func (e *NotHereError) Error() string { return e.Err.Error() }
func (e *NotHereError) Unwrap() error { return e.Err }

// Run loads the rewritten load balancer and gives it one and the same packet
// with each descriptor. Nothing is attached to an interface.
func Run(object []byte, samples []Sample) ([]Result, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, err
	}
	if err := rlimit.RemoveMemlock(); err != nil { // kernels before 5.11 count maps as locked memory
		return nil, &NotHereError{err}
	}
	var balancer balancer
	err = spec.LoadAndAssign(&balancer, nil)
	if errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, fs.ErrPermission) {
		return nil, &NotHereError{err}
	}
	var refused *ebpf.VerifierError
	if errors.As(err, &refused) {
		return nil, fmt.Errorf("%w\n%s", err, strings.Join(refused.Log, "\n"))
	}
	if err != nil {
		return nil, err
	}
	defer balancer.close()
	if err := balancer.configure(); err != nil {
		return nil, err
	}
	results := make([]Result, len(samples))
	for i, s := range samples {
		if results[i], err = runOne(balancer.Program, s); err != nil {
			return nil, &NotHereError{fmt.Errorf("%s: %w", s.What, err)}
		}
	}
	return results, nil
}

// balancer is bpf/examples/l4lb.c, loaded.
type balancer struct {
	Program  *ebpf.Program `ebpf:"l4lb"`
	Config   *ebpf.Map     `ebpf:"config"`
	Backends *ebpf.Map     `ebpf:"backends"`
}

// close gives all back to the kernel. That it did not work would be of no use to
// anyone.
func (b *balancer) close() {
	for _, c := range []io.Closer{b.Program, b.Config, b.Backends} {
		_ = c.Close()
	}
}

// configure names the backends. The key is the one that NICs are often given by
// default, of Microsoft's RSS specification.
func (b *balancer) configure() error {
	config := struct {
		Key      [16]byte
		Backends uint32
	}{
		[16]byte{0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0},
		Backends,
	}
	if err := b.Config.Put(uint32(0), config); err != nil {
		return fmt.Errorf("map config: %w", err)
	}
	for n := range uint32(Backends) {
		if err := b.Backends.Put(n, backendAddress(n)); err != nil {
			return fmt.Errorf("map backends: %w", err)
		}
	}
	return nil
}

// backendAddress is a locally administered MAC address that ends in n.
func backendAddress(n uint32) [6]byte { return [6]byte{0x02, 0, 0, 0, 0, byte(n)} }

// xdpMD is struct xdp_md of linux/bpf.h as BPF_PROG_RUN takes it: offsets in the
// data, of which the first Data bytes become metadata.
type xdpMD struct{ Data, DataEnd, DataMeta, IngressIfindex, RxQueue, EgressIfindex uint32 }

var actions = []string{"XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"}

func runOne(program *ebpf.Program, s Sample) (Result, error) {
	frame := packet()
	data := append(bytes.Clone(s.Descriptor), frame...)
	opts := ebpf.RunOptions{
		Data:    data,
		DataOut: make([]byte, len(data)),
		Context: xdpMD{Data: uint32(len(s.Descriptor)), DataEnd: uint32(len(data))},
	}
	ret, err := program.Run(&opts)
	if err != nil {
		return Result{}, err
	}
	result := Result{fmt.Sprintf("action %d", ret), NoBackend}
	if int(ret) < len(actions) {
		result.Action = actions[ret]
	}
	if result.Action == "XDP_TX" && len(opts.DataOut) == len(data) {
		destination := opts.DataOut[len(s.Descriptor):][:6]
		result.Backend = int(destination[5])
	}
	return result, nil
}

// packet is a TCP segment over IPv4 without payload.
func packet() []byte {
	p := make([]byte, 54)
	copy(p[0:], []byte{0x02, 0, 0, 0, 0, 0xff, 0x02, 0, 0, 0, 0, 0xfe, 0x08, 0x00})
	ip := p[14:]
	ip[0], ip[8], ip[9] = 0x45, 64, 6
	binary.BigEndian.PutUint16(ip[2:], 40)
	copy(ip[12:], []byte{192, 0, 2, 1, 198, 51, 100, 7}) // RFC 5737
	tcp := ip[20:]
	binary.BigEndian.PutUint16(tcp[0:], 40000)
	binary.BigEndian.PutUint16(tcp[2:], 443)
	tcp[12] = 5 << 4
	return p
}
