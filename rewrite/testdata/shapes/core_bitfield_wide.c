/* BPF_CORE_READ_BITFIELD where the struct is aligned to 8 bytes and the field's
 * type is not, by a load and by a helper. */
#include "shapes.h"
#include <bpf/bpf_core_read.h>

struct hintjit_rx {
	__u64 rx_timestamp;
	__u32 rx_hash;
	__u32 has_rx_hash : 1, has_vlan_tci : 1;
	__u8 has_ptype : 1;
	__u8 : 3, has_rx_timestamp : 1;
} CORE;

static long (*bpf_probe_read_kernel)(void *dst, __u32 size, const void *src) = (void *)113;

SEC("xdp") int core_bitfield_wide(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = BPF_CORE_READ_BITFIELD(h, has_rx_hash);
	out[1] = BPF_CORE_READ_BITFIELD(h, has_vlan_tci);
	out[2] = BPF_CORE_READ_BITFIELD(h, has_ptype);
	out[3] = BPF_CORE_READ_BITFIELD(h, has_rx_timestamp);
	out[4] = h->rx_hash;
	return XDP_PASS;
}

SEC("xdp") int core_bitfield_probed(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = BPF_CORE_READ_BITFIELD_PROBED(h, has_rx_hash);
	out[1] = BPF_CORE_READ_BITFIELD_PROBED(h, has_vlan_tci);
	out[2] = BPF_CORE_READ_BITFIELD_PROBED(h, has_ptype);
	out[3] = BPF_CORE_READ_BITFIELD_PROBED(h, has_rx_timestamp);
	return XDP_PASS;
}
