package selftest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/hintjit/hintjit/bpf"
	"github.com/hintjit/hintjit/internal/netdev"
)

// Names in bpf/selftest/selftest.c.
const (
	Plain   = "plain" // the XDP program
	asking  = "kfunc" // the one that asks the kfuncs too
	records = "records"
	cpus    = "cpus"
)

// tracers are the programs that see what drivers make of frames.
var tracers = []string{"gro", "receive"}

// Flags of programs, include/uapi/linux/bpf.h.
const (
	hasFrags  = 1 << 5 // BPF_F_XDP_HAS_FRAGS
	boundOnly = 1 << 6 // BPF_F_XDP_DEV_BOUND_ONLY
)

// Spec is the bundled program, to be rewritten for the interface.
func Spec() (*ebpf.CollectionSpec, error) {
	object, err := bpf.Selftest(binary.NativeEndian)
	if err != nil {
		return nil, err
	}
	return ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
}

// Probe is the program on an interface.
type Probe struct {
	NoKfuncs, NoSKB error // why these are not there to compare with

	dev     *netdev.Interface
	spec    *ebpf.CollectionSpec
	types   *btf.Cache
	program *ebpf.Collection
	close   []io.Closer // in this order
}

// Attach loads the rewritten program and attaches it until Close.
func Attach(spec *ebpf.CollectionSpec, dev *netdev.Interface) (*Probe, error) {
	p := &Probe{dev: dev, spec: spec.Copy(), types: btf.NewCache()}
	if err := p.spec.Variables["ifindex"].Set(uint32(dev.Index)); err != nil {
		return nil, err
	}
	err := p.attach(0)
	var unsuitable *netdev.UnsuitableError
	if errors.As(err, &unsuitable) && dev.XDP.Frags() && p.attach(hasFrags) == nil {
		err = nil // for its MTU
	}
	if err != nil {
		return nil, err
	}
	p.NoSKB = p.trace()
	return p, nil
}

// attach loads the XDP program, with the kfuncs where that can be.
func (p *Probe) attach(flags uint32) error {
	p.program, p.NoKfuncs = p.load(asking, flags|boundOnly, nil)
	name := asking
	if p.NoKfuncs != nil {
		var err error
		if p.program, err = p.load(Plain, flags, nil); err != nil {
			return err
		}
		name = Plain
	}
	attached, err := netdev.AttachMeanwhile(p.dev, p.program.Programs[name])
	if err != nil {
		p.program.Close()
		return err
	}
	p.close = []io.Closer{attached, closer(p.program.Close)}
	return nil
}

// load loads one program with its maps, or those that are there.
func (p *Probe) load(name string, flags uint32, there map[string]*ebpf.Map) (*ebpf.Collection, error) {
	spec := p.spec.Copy()
	maps.DeleteFunc(spec.Programs, func(n string, _ *ebpf.ProgramSpec) bool { return n != name })
	program := spec.Programs[name]
	program.Flags |= flags
	if flags&boundOnly != 0 {
		program.Ifindex = uint32(p.dev.Index)
	}
	return ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Cache: p.types, MapReplacements: there})
}

// trace attaches the programs that see what the driver makes of a frame.
func (p *Probe) trace() error {
	shared := map[string]*ebpf.Map{records: p.program.Maps[records], cpus: p.program.Maps[cpus]}
	for _, name := range tracers {
		coll, err := p.load(name, 0, shared)
		if err != nil {
			return err
		}
		p.close = append(p.close, closer(coll.Close))
		l, err := link.AttachTracing(link.TracingOptions{Program: coll.Programs[name]})
		if err != nil {
			return err
		}
		p.close = append(p.close, l)
	}
	return nil
}

type closer func()

func (c closer) Close() error { c(); return nil }

// Close takes the program off.
func (p *Probe) Close() error {
	var err error
	for _, c := range p.close {
		err = errors.Join(err, c.Close())
	}
	p.close = nil
	return err
}

// An sk_buff is made when its frame has been seen, microseconds later. So long, or for
// so many more packets, that of the last one is waited for.
const (
	settle = 200 * time.Millisecond
	behind = 64
)

// Record waits for packets, until there are enough, the time is over, or ctx is done.
func (p *Probe) Record(ctx context.Context, packets int, wait time.Duration) ([]*Packet, error) {
	reader, err := ringbuf.NewReader(p.program.Maps[records])
	if err != nil {
		return nil, err
	}
	defer reader.Close() //nolint:errcheck // nothing to do about it
	defer context.AfterFunc(ctx, func() { _ = reader.Flush() })()
	var seen pairs
	if err := read(reader, wait, packets, &seen); err != nil {
		return nil, err
	}
	if len(seen.packets) > 0 && p.NoSKB == nil {
		if err := read(reader, settle, len(seen.packets)+behind, &seen); err != nil {
			return nil, err
		}
	}
	return seen.packets[:min(packets, len(seen.packets))], nil
}

// read takes records until there are as many packets, or none comes any more.
func read(reader *ringbuf.Reader, wait time.Duration, packets int, into *pairs) error {
	reader.SetDeadline(time.Now().Add(wait))
	var record ringbuf.Record
	for len(into.packets) < packets {
		err := reader.ReadInto(&record)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ringbuf.ErrFlushed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading what the program recorded: %w", err)
		}
		if err := into.add(record.RawSample); err != nil {
			return err
		}
	}
	return nil
}

// Lost is how many packets were not recorded, as more came than could be read.
func (p *Probe) Lost() (lost uint64, err error) {
	var counts []struct{ Frames, Awaited, Lost uint64 }
	if err := p.program.Maps[cpus].Lookup(uint32(0), &counts); err != nil {
		return 0, err
	}
	for _, c := range counts {
		lost += c.Lost
	}
	return lost, nil
}
