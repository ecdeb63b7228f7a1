package verifier

// externs are the kernel's functions that every Machine has; Machine.Externs adds to
// them. No driver of ours gives hints (net/core/xdp.c has the same answer for one
// that does not).
var externs = map[string]Extern{
	"bpf_xdp_metadata_rx_hash":      noMetadata,
	"bpf_xdp_metadata_rx_timestamp": noMetadata,
	"bpf_xdp_metadata_rx_vlan_tag":  noMetadata,
	"bpf_rcu_read_lock":             noEffect,
	"bpf_rcu_read_unlock":           noEffect,
}

func noMetadata(*Machine, [5]uint64) (uint64, error) { return errno(eOpNotSupp), nil }

func noEffect(*Machine, [5]uint64) (uint64, error) { return 0, nil }
