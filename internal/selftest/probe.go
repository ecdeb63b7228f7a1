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
	"slices"
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
var tracers = []string{"gro", "gro_frags", "receive"}

// hasFrags is BPF_F_XDP_HAS_FRAGS of include/uapi/linux/bpf.h.
const hasFrags = 1 << 5

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

	dev   *netdev.Interface
	spec  *ebpf.CollectionSpec
	types *btf.Cache
	maps  map[string]*ebpf.Map // of the programs, all of which share them
	close []io.Closer          // the last first
}

// Attach loads the rewritten program and attaches it until Close.
func Attach(spec *ebpf.CollectionSpec, dev *netdev.Interface) (*Probe, error) {
	p := &Probe{dev: dev, spec: spec.Copy(), types: btf.NewCache()}
	if err := p.attachAll(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Probe) attachAll() error {
	if err := p.spec.Variables["ifindex"].Set(uint32(p.dev.Index)); err != nil {
		return err
	}
	program, err := p.loadXDP(0)
	if err != nil {
		return err
	}
	p.NoSKB = p.trace() // before there are frames whose sk_buffs it could miss
	err = p.attach(program)
	var unsuitable *netdev.UnsuitableError
	if !errors.As(err, &unsuitable) || !p.dev.XDP.Frags() {
		return err
	}
	// At a large MTU drivers want a program that takes frames in several buffers.
	if program, again := p.loadXDP(hasFrags); again == nil && p.attach(program) == nil {
		return nil
	}
	return err
}

// loadXDP loads the XDP program, with the kfuncs where that can be.
func (p *Probe) loadXDP(flags uint32) (program *ebpf.Program, err error) {
	if program, p.NoKfuncs = p.load(asking, flags, true); p.NoKfuncs == nil {
		return program, nil
	}
	return p.load(Plain, flags, false)
}

func (p *Probe) attach(program *ebpf.Program) error {
	attached, err := netdev.AttachMeanwhile(p.dev, program)
	if err == nil {
		p.close = append(p.close, attached)
	}
	return err
}

// load loads one program, and the maps with the first.
func (p *Probe) load(name string, flags uint32, bound bool) (*ebpf.Program, error) {
	spec := p.spec.Copy()
	maps.DeleteFunc(spec.Programs, func(n string, _ *ebpf.ProgramSpec) bool { return n != name })
	program := spec.Programs[name]
	program.Flags |= flags
	if bound {
		p.dev.Bind(program)
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Cache: p.types, MapReplacements: p.maps})
	if err != nil {
		return nil, err
	}
	if p.maps == nil {
		p.maps = map[string]*ebpf.Map{records: coll.Maps[records], cpus: coll.Maps[cpus]}
	}
	p.close = append(p.close, closer(coll.Close))
	return coll.Programs[name], nil
}

// trace attaches the programs that see what the driver makes of a frame.
func (p *Probe) trace() error {
	for _, name := range tracers {
		program, err := p.load(name, 0, false)
		if err != nil {
			return err
		}
		l, err := link.AttachTracing(link.TracingOptions{Program: program})
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
	for _, c := range slices.Backward(p.close) {
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
	reader, err := ringbuf.NewReader(p.maps[records])
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
	if err := p.maps[cpus].Lookup(uint32(0), &counts); err != nil {
		return 0, err
	}
	for _, c := range counts {
		lost += c.Lost
	}
	return lost, nil
}
