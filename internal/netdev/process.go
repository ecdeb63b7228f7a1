package netdev

import (
	"strings"
)

// Capability is a right of a process, by its number in linux/capability.h.
type Capability uint

const (
	NetAdmin Capability = 12
	sysAdmin Capability = 21
	PerfMon  Capability = 38
	BPF      Capability = 39
)

func (c Capability) String() string {
	switch c {
	case NetAdmin:
		return "CAP_NET_ADMIN"
	case PerfMon:
		return "CAP_PERFMON"
	case BPF:
		return "CAP_BPF"
	}
	return "CAP_SYS_ADMIN"
}

// Process is what the calling process may do.
type Process struct {
	capabilities uint64
	// InitialUser is whether it is in the first user namespace. In another one the
	// same capabilities do not count for BPF (bpf_capable in include/linux/capability.h
	// asks the first).
	InitialUser bool
}

// Missing returns those of want that the process lacks. CAP_SYS_ADMIN stands for
// each of them, as it did before 5.8 (bpf_capable, perfmon_capable,
// bpf_net_capable).
func (p Process) Missing(want ...Capability) []Capability {
	if p.has(sysAdmin) {
		return nil
	}
	var missing []Capability
	for _, c := range want {
		if !p.has(c) {
			missing = append(missing, c)
		}
	}
	return missing
}

func (p Process) has(c Capability) bool { return p.capabilities>>c&1 != 0 }

// Lockdown is how far the kernel keeps root out of itself, see
// kernel_lockdown(7).
type Lockdown string

const (
	LockdownUnknown         Lockdown = "" // no such security module, or it does not show
	LockdownNone            Lockdown = "none"
	LockdownIntegrity       Lockdown = "integrity"       // nothing may be changed
	LockdownConfidentiality Lockdown = "confidentiality" // nor read
)

// parseLockdown takes the one in brackets of "none [integrity] confidentiality".
func parseLockdown(text string) Lockdown {
	_, rest, _ := strings.Cut(text, "[")
	mode, _, found := strings.Cut(rest, "]")
	if !found {
		return LockdownUnknown
	}
	return Lockdown(mode)
}
