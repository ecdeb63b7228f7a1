package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/rlimit"

	"github.com/hintjit/hintjit/internal/netdev"
	"github.com/hintjit/hintjit/rewrite"
)

// loadObject is an object of which one program is going to be attached.
type loadObject struct {
	file    string
	program string
	spec    *ebpf.CollectionSpec // that program, and those it can call by a map
}

// readObject reads an object and chooses the program, by name where there are
// several.
func readObject(file, name string) (*loadObject, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError("", "input %s: %w", file, withoutPath(err))
	}
	if !bytes.HasPrefix(data, []byte("\x7fELF")) {
		return nil, usageError("", "%s: not an ELF file, want a BPF object (clang -target bpf -c)", file)
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(data))
	if err != nil {
		return nil, usageError("", "%s: %w", file, err)
	}
	program, err := chooseProgram(spec, name)
	if err != nil {
		return nil, usageError("", "%s: %w", file, err)
	}
	keepCallable(spec, program)
	return &loadObject{file, program, spec}, nil
}

// chooseProgram finds the program that can be attached to an interface. Those for
// entries of a devmap or cpumap see a packet without its descriptor.
func chooseProgram(spec *ebpf.CollectionSpec, name string) (string, error) {
	var names []string
	for _, n := range slices.Sorted(maps.Keys(spec.Programs)) {
		p := spec.Programs[n]
		if p.Type == ebpf.XDP && p.AttachType != ebpf.AttachXDPDevMap && p.AttachType != ebpf.AttachXDPCPUMap {
			names = append(names, n)
		}
	}
	switch {
	case len(names) == 0:
		return "", errors.New("no program for an interface: want one in section xdp or xdp.frags")
	case name == "" && len(names) > 1:
		return "", fmt.Errorf("several programs for an interface: want one by --program: %s", strings.Join(names, ", "))
	case name == "":
		return names[0], nil
	case !slices.Contains(names, name):
		return "", fmt.Errorf("--program %s: no such program for an interface: there are %s", name, strings.Join(names, ", "))
	}
	return name, nil
}

// keepCallable removes all programs but one and those that a program array of the
// object holds.
func keepCallable(spec *ebpf.CollectionSpec, program string) {
	keep := map[string]bool{program: true}
	for _, m := range spec.Maps {
		if m.Type != ebpf.ProgramArray {
			continue
		}
		for _, entry := range m.Contents {
			if name, ok := entry.Value.(string); ok {
				keep[name] = true
			}
		}
	}
	maps.DeleteFunc(spec.Programs, func(name string, _ *ebpf.ProgramSpec) bool { return !keep[name] })
}

// checkMachine looks for all that stands in the way on this machine, whatever the
// rewrite makes of the program.
func checkMachine(object *loadObject) error {
	if err := checkRights(netdev.BPF, netdev.NetAdmin); err != nil {
		return err
	}
	return checkLockdown(netdev.KernelLockdown(), object)
}

// checkFree wants nothing attached to the interface.
func checkFree(dev *netdev.Interface) error {
	if a := dev.Attached; a != nil {
		return &hintedError{fmt.Errorf("interface %s: has an XDP program already (%s mode, id %d)", dev.Name, a.Mode, a.Program),
			fmt.Sprintf("bpftool net show dev %s tells which; ip link set dev %s xdp off takes off one that no link holds", dev.Name, dev.Name)}
	}
	return nil
}

// checkReached looks for what stands in the way of one reach.
func checkReached(reach rewrite.Reach, object *loadObject) error {
	if reach != rewrite.Walk {
		return nil
	}
	if err := checkRights(netdev.PerfMon); err != nil {
		return fmt.Errorf("reach walk: %w", err)
	}
	return checkLicence(object)
}

// checkRights wants capabilities of this process.
func checkRights(want ...netdev.Capability) error {
	process, err := netdev.Self()
	if err != nil {
		return err
	}
	return checkProcess(process, want...)
}

func checkProcess(process netdev.Process, want ...netdev.Capability) error {
	if missing := process.Missing(want...); len(missing) > 0 {
		names := make([]string, len(missing))
		for i, c := range missing {
			names[i] = c.String()
		}
		return &hintedError{fmt.Errorf("this process lacks %s", strings.Join(names, " and ")), "run it as root, or with these capabilities"}
	}
	if !process.InitialUser {
		return &hintedError{errors.New("this process is in a user namespace of its own, where capabilities do not count for BPF"),
			"run it outside the container, or in one that is privileged"}
	}
	return nil
}

// lockedDown are the helpers that the kernel takes from programs in a lockdown
// mode (security_locked_down in kernel/bpf/helpers.c and kernel/trace/bpf_trace.c).
// Programs without them load as ever, and so do walks, which read by loads.
var lockedDown = map[netdev.Lockdown][]asm.BuiltinFunc{
	netdev.LockdownIntegrity: {asm.FnProbeWriteUser},
	netdev.LockdownConfidentiality: {asm.FnProbeWriteUser, asm.FnProbeRead, asm.FnProbeReadStr,
		asm.FnProbeReadKernel, asm.FnProbeReadKernelStr},
}

func checkLockdown(mode netdev.Lockdown, object *loadObject) error {
	for _, name := range slices.Sorted(maps.Keys(object.spec.Programs)) {
		for _, in := range object.spec.Programs[name].Instructions {
			if in.IsBuiltinCall() && slices.Contains(lockedDown[mode], asm.BuiltinFunc(in.Constant)) {
				return &hintedError{
					fmt.Errorf("%s: program %s calls %v, which kernel lockdown in mode %s refuses to programs", object.file, name, asm.BuiltinFunc(in.Constant), mode),
					"lockdown is set at boot (lockdown= on the kernel's command line, or secure boot): leave the call out"}
			}
		}
	}
	return nil
}

// gplCompatible is license_is_gpl_compatible of include/linux/license.h.
var gplCompatible = []string{"GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"}

func checkLicence(object *loadObject) error {
	licence := object.spec.Programs[object.program].License
	if slices.Contains(gplCompatible, licence) {
		return nil
	}
	return &hintedError{
		fmt.Errorf("%s: program %s: reach walk needs a licence that is compatible with the GPL, and this is %q", object.file, object.program, licence),
		`char LICENSE[] SEC("license") = "GPL", or another of ` + strings.Join(gplCompatible[1:], ", ")}
}

// load loads the programs, which report tells how were rewritten, and what they use.
func (o *loadObject) load(report *rewrite.Report) (*ebpf.Collection, error) {
	if err := rlimit.RemoveMemlock(); err != nil { // kernels before 5.11 count maps as locked memory
		return nil, err
	}
	loaded, err := ebpf.NewCollectionWithOptions(o.spec, ebpf.CollectionOptions{Maps: ebpf.MapOptions{PinPath: "/sys/fs/bpf"}})
	if err != nil {
		return nil, loadError(o.file, report.Explain(err), netdev.KernelLockdown())
	}
	return loaded, nil
}

// loadError says that the kernel does not take the object, and adds what is known
// of this machine.
func loadError(file string, err error, lockdown netdev.Lockdown) error {
	var refused *rewrite.Refusal
	if errors.As(err, &refused) {
		err = &refusedError{file, refused}
	} else {
		err = fmt.Errorf("%s: the kernel does not load it: %w", file, err)
	}
	if errors.Is(err, syscall.EPERM) && lockdown != netdev.LockdownUnknown && lockdown != netdev.LockdownNone {
		return &hintedError{err, fmt.Sprintf("kernel lockdown is in mode %s here", lockdown)}
	}
	return err
}

// refusedError is a refusal of what stands in a file.
type refusedError struct {
	file    string
	refusal *rewrite.Refusal
}

func (e *refusedError) Error() string { return fmt.Sprintf("%s: %v", e.file, e.refusal) }
func (e *refusedError) Unwrap() error { return e.refusal }

// tellMaps lists the maps that the attached program uses, for who fills or reads
// them. One that the kernel says nothing of is left out.
func tellMaps(w io.Writer, loaded *ebpf.Collection, program string) {
	info, err := loaded.Programs[program].Info()
	if err != nil {
		return
	}
	used, _ := info.MapIDs()
	for _, name := range slices.Sorted(maps.Keys(loaded.Maps)) {
		info, err := loaded.Maps[name].Info()
		if err != nil || strings.HasPrefix(name, ".") { // with a dot: sections
			continue
		}
		if id, ok := info.ID(); ok && slices.Contains(used, id) {
			fmt.Fprintf(w, "map %s: id %d (bpftool map dump id %d)\n", name, id, id)
		}
	}
}
