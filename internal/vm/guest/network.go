package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/hintjit/hintjit/internal/vm/job"
)

// network is one wire with the injector and the NICs under test on it.
type network struct {
	frames []job.Frame
	socket int // the injector
	nics   map[string]*nic
	skbs   *ebpf.Map
	// What is no longer referred to is closed, and then detached.
	tracing link.Link
}

// nic is an interface with an XDP program, which is only ever replaced: the first
// one resets most NICs, and igb's link is then down for 3 s (igb_xdp_setup in
// drivers/net/ethernet/intel/igb/igb_main.c, 6.12).
type nic struct {
	net.Interface
	link link.Link
}

// openNetwork brings up all interfaces, with programs for cases.
func openNetwork(work *job.Job) (*network, error) {
	n := &network{frames: work.Frames, socket: -1, nics: map[string]*nic{}}
	if len(work.Cases) == 0 && len(work.OnNICs) == 0 {
		return n, nil
	}
	if err := n.bringAllUp(work.Injector); err != nil || len(work.Cases) == 0 {
		return n, err
	}
	if err := n.recordSKBs(work.SKB); err != nil {
		return nil, fmt.Errorf("%s: %s", work.SKB, explain(err))
	}
	return n, n.attachFirst()
}

// bringAllUp finds the injector, and the NIC of each driver.
func (n *network) bringAllUp(injectorAddress string) error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback != 0 {
			continue
		}
		if err := bringUp(i.Name); err != nil {
			return fmt.Errorf("%s: %w", i.Name, err)
		}
		if i.HardwareAddr.String() == injectorAddress {
			if n.socket, err = injector(i.Index); err != nil {
				return err
			}
			continue
		}
		driver, err := os.Readlink(filepath.Join("/sys/class/net", i.Name, "device/driver"))
		if err != nil {
			return err
		}
		n.nics[filepath.Base(driver)] = &nic{Interface: i}
	}
	if n.socket < 0 {
		return fmt.Errorf("no interface has the address %s to send from", injectorAddress)
	}
	return nil
}

// attachFirst gives each NIC a program that lets all pass.
func (n *network) attachFirst() error {
	pass, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, AttachType: ebpf.AttachXDP, License: "GPL", // as loaders have it: a link takes no other type
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}, // XDP_PASS
	})
	if err != nil {
		return err
	}
	defer pass.Close() //nolint:errcheck // nothing to do about it
	for driver, dev := range n.nics {
		dev.link, err = link.AttachXDP(link.XDPOptions{Program: pass, Interface: dev.Index, Flags: link.XDPDriverMode})
		if err != nil {
			return fmt.Errorf("%s: %w", driver, err)
		}
	}
	return nil
}

func (n *network) recordSKBs(path string) error {
	spec, err := ebpf.LoadCollectionSpec(path)
	if err != nil {
		return err
	}
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		return err
	}
	n.skbs = coll.DetachMap(job.SKBs)
	n.tracing, err = link.AttachTracing(link.TracingOptions{Program: coll.Programs[job.SKBProgram]})
	return err
}

// bringUp makes an interface take every frame as it comes: not only its own, and
// without GRO, which verifies checksums in software and then says so in the skb
// (skb_gro_incr_csum_unnecessary in include/net/gro.h, 6.12).
func bringUp(name string) error {
	_ = os.WriteFile(filepath.Join("/proc/sys/net/ipv6/conf", name, "disable_ipv6"), []byte("1"), 0)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing to do about it
	if err := noGRO(fd, name); err != nil {
		return fmt.Errorf("switching GRO off: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_PROMISC)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// injector is a socket that sends frames as they are.
func injector(index int) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	return fd, unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: index})
}

const (
	linkTime  = 30 * time.Second // until a NIC receives; emulation may be slow
	frameTime = 10 * time.Second // until all frames are on record
	tick      = 5 * time.Millisecond
)

// probe is the slot of the frames that only try whether a NIC receives.
const probe = 0

// try runs one case.
func (n *network) try(c job.Case) *job.Result {
	result := &job.Result{Name: c.Name}
	if err := n.attachAndSend(c, result); err != nil {
		result.Err = explain(err)
	}
	result.Uptime = uptime()
	return result
}

func (n *network) attachAndSend(c job.Case, result *job.Result) error {
	dev, ok := n.nics[c.Driver]
	if !ok {
		return fmt.Errorf("no interface of driver %s is here", c.Driver)
	}
	o, err := load(c.Load)
	if err != nil {
		return err
	}
	defer o.close()
	if o.program == nil || o.records == nil {
		return fmt.Errorf("%s: no program %s with a map %s", c.Object, job.Program, job.Records)
	}
	if err := dev.link.Update(o.program); err != nil {
		return fmt.Errorf("attaching: %w", err)
	}
	if err := n.awaitLink(dev, o.records); err != nil {
		return err
	}
	for _, f := range n.frames {
		if err := n.skbs.Put(dev.slot(f.ID), job.SKB{}); err != nil {
			return err
		}
	}
	for _, f := range n.frames {
		if err := n.send(f.Data); err != nil {
			return err
		}
	}
	deadline := time.Now().Add(frameTime)
	for _, f := range n.frames {
		seen, err := await(deadline, func() (job.Seen, bool, error) { return n.look(dev, o.records, f.ID) })
		if err != nil {
			return err
		}
		result.Frames = append(result.Frames, seen)
	}
	return nil
}

// slot is where testdata/skb.c records a frame.
func (d *nic) slot(id uint8) uint32 { return uint32(d.Index)*64 + uint32(id) }

func (n *network) send(frame []byte) error {
	if _, err := unix.Write(n.socket, frame); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	return nil
}

// awaitLink sends probes until one comes through.
func (n *network) awaitLink(dev *nic, records *ebpf.Map) error {
	seen, err := await(time.Now().Add(linkTime), func() (job.Seen, bool, error) {
		frame := append([]byte{2, 0, 0, 0, 0, 1, 2, 0xfe, 0, 0, 0, probe}, make([]byte, 52)...)
		binary.BigEndian.PutUint16(frame[12:], 0x88b5) // IEEE's for experiments
		if err := n.send(frame); err != nil {
			return job.Seen{}, false, err
		}
		return n.look(dev, records, probe)
	})
	if err == nil && seen.XDP.Times == 0 {
		err = fmt.Errorf("nothing arrived in %v", linkTime)
	}
	return err
}

// look reads the records of a frame and tells whether they are complete: both are
// there, and the programs on the other processor are no longer writing them, so
// that they are the same twice.
func (n *network) look(dev *nic, records *ebpf.Map, id uint8) (job.Seen, bool, error) {
	var seen [2]job.Seen
	for i := range seen {
		seen[i].ID = id
		// The driver makes the skb when the program has returned.
		err := errors.Join(
			n.skbs.Lookup(dev.slot(id), &seen[i].SKB),
			records.Lookup(uint32(id), &seen[i].XDP))
		if err != nil || seen[i].XDP.Times == 0 || seen[i].SKB.Times == 0 {
			return seen[i], false, err
		}
	}
	return seen[1], reflect.DeepEqual(seen[0], seen[1]), nil
}

// await asks until the answer is complete or the deadline is over, and gives the last
// answer.
func await(deadline time.Time, ask func() (job.Seen, bool, error)) (job.Seen, error) {
	for ; ; time.Sleep(tick) {
		seen, complete, err := ask()
		if complete || err != nil || time.Now().After(deadline) {
			return seen, err
		}
	}
}
