package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/netdev"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

func TestChooseProgram(t *testing.T) {
	xdp := func(attach ebpf.AttachType) *ebpf.ProgramSpec {
		return &ebpf.ProgramSpec{Type: ebpf.XDP, AttachType: attach}
	}
	spec := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{
		"entry":   xdp(ebpf.AttachXDPDevMap),
		"cpu":     xdp(ebpf.AttachXDPCPUMap),
		"replace": {Type: ebpf.Extension},
	}}
	_, err := chooseProgram(spec, "")
	require.EqualError(t, err, "no program for an interface: want one in section xdp or xdp.frags")
	spec.Programs["one"] = xdp(ebpf.AttachXDP)
	name, err := chooseProgram(spec, "")
	require.NoError(t, err)
	require.Equal(t, "one", name)
	spec.Programs["two"] = xdp(ebpf.AttachXDP)
	_, err = chooseProgram(spec, "")
	require.EqualError(t, err, "several programs for an interface: want one by --program: one, two")
	_, err = chooseProgram(spec, "entry")
	require.EqualError(t, err, "--program entry: no such program for an interface: there are one, two")
	name, err = chooseProgram(spec, "two")
	require.NoError(t, err)
	require.Equal(t, "two", name)

	// What the chosen one can call by a map stays with it.
	spec.Programs["called"] = xdp(ebpf.AttachXDP)
	spec.Maps = map[string]*ebpf.MapSpec{
		"calls": {Type: ebpf.ProgramArray, Contents: []ebpf.MapKV{{Key: uint32(0), Value: "called"}}},
	}
	keepCallable(spec, "two")
	require.Len(t, spec.Programs, 2)
	require.Contains(t, spec.Programs, "called")
}

func objectWith(licence string, insns ...asm.Instruction) *loadObject {
	return &loadObject{"prog.o", "p", &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{
		"p": {Type: ebpf.XDP, License: licence, Instructions: insns},
	}}}
}

func TestCheckLockdown(t *testing.T) {
	object := objectWith("GPL", asm.Mov.Imm(asm.R0, 2), asm.Return())
	require.NoError(t, checkLockdown(netdev.LockdownConfidentiality, object))
	object = objectWith("GPL", asm.FnProbeReadKernel.Call(), asm.Return())
	for _, mode := range []netdev.Lockdown{netdev.LockdownUnknown, netdev.LockdownNone, netdev.LockdownIntegrity} {
		require.NoError(t, checkLockdown(mode, object))
	}
	err := checkLockdown(netdev.LockdownConfidentiality, object)
	require.EqualError(t, err, "prog.o: program p calls FnProbeReadKernel, which kernel lockdown in mode confidentiality refuses to programs")
	require.Equal(t, exitFails, exitCode(err))
	require.Contains(t, hintFor(err), "leave the call out")
	require.Error(t, checkLockdown(netdev.LockdownIntegrity, objectWith("GPL", asm.FnProbeWriteUser.Call())))
}

func TestCheckProcess(t *testing.T) {
	err := checkProcess(netdev.Process{InitialUser: true}, netdev.BPF, netdev.NetAdmin)
	require.EqualError(t, err, "this process lacks CAP_BPF and CAP_NET_ADMIN")
	require.Equal(t, exitFails, exitCode(err))
	require.NoError(t, checkProcess(netdev.Process{InitialUser: true}))
	require.ErrorContains(t, checkProcess(netdev.Process{}), "in a user namespace of its own")
}

func TestCheckLicence(t *testing.T) {
	require.NoError(t, checkLicence(objectWith("Dual BSD/GPL")))
	err := checkLicence(objectWith("MIT"))
	require.EqualError(t, err, `prog.o: program p: reach walk needs a licence that is compatible with the GPL, and this is "MIT"`)
	require.NoError(t, checkReached(rewrite.Meta, objectWith("MIT")))
}

func TestLoadError(t *testing.T) {
	report := &rewrite.Report{}
	err := loadError("prog.o", report.Explain(fmt.Errorf("program p: load program: %w", syscall.EPERM)), netdev.LockdownIntegrity)
	require.Regexp(t, `^prog.o: the kernel refuses program p\n  kernel: .*operation not permitted\n  this means: the process may not load programs`, message(err))
	require.Equal(t, "kernel lockdown is in mode integrity here", hintFor(err))
	require.ErrorIs(t, err, syscall.EPERM)
	require.Equal(t, exitFails, exitCode(err))
	err = loadError("prog.o", report.Explain(errors.New("the file is damaged")), netdev.LockdownNone)
	require.EqualError(t, err, "prog.o: the kernel does not load it: the file is damaged")
	require.Empty(t, hintFor(err))
}

// A hint is given, or waits for a setting, or for a rule.
func TestTellSettings(t *testing.T) {
	layout, err := layouts.Shipped("i40e")
	require.NoError(t, err)
	hints := []string{"rx_hash", "vlan_tci", "vlan_proto", "flow_mark", "ptype"}
	on := netdev.Feature{Known: true, On: true}
	off := netdev.Feature{Known: true}
	for _, test := range []struct {
		hash, vlan, ntuple netdev.Feature
		given, told        string
	}{
		{on, on, on, "rx_hash vlan_tci vlan_proto ptype", `  needs a rule: flow_mark
    ethtool -N eth0 flow-type tcp4 dst-port 80 action 0 loc 7
`},
		{off, off, off, "ptype", `  needs rxhash, which is off: rx_hash
    ethtool -K eth0 rxhash on
  needs rx-vlan-offload, which is off: vlan_tci, vlan_proto
    ethtool -K eth0 rx-vlan-offload on
  needs ntuple, which is off: flow_mark
    ethtool -K eth0 ntuple on
    ethtool -N eth0 flow-type tcp4 dst-port 80 action 0 loc 7
`},
		{netdev.Feature{}, on, netdev.Feature{Known: true, Fixed: true}, "vlan_tci vlan_proto ptype", `  needs rxhash, which this interface does not tell of: rx_hash
  needs ntuple, which this interface has off for good: flow_mark
`},
	} {
		features := netdev.Features{"rx-hashing": test.hash, "rx-vlan-hw-parse": test.vlan, "rx-ntuple-filter": test.ntuple}
		given, settings := sortHints(layout, hints, features)
		require.Equal(t, test.given, strings.Join(given, " "))
		var told strings.Builder
		for _, s := range settings {
			s.tell(&told, "eth0")
		}
		require.Equal(t, test.told, told.String())
	}
}
