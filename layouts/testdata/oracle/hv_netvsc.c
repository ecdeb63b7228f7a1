/* SPDX-License-Identifier: MIT */
/*
 * hv_netvsc as Linux 6.12 reads it: drivers/net/hyperv/hyperv_net.h for the
 * structs, netvsc_drv.c netvsc_alloc_recv_skb for what is asked in which order.
 */
#include "oracle.h"

struct ndis_tcp_ip_checksum_info {
	u32 tcp_checksum_failed : 1;
	u32 udp_checksum_failed : 1;
	u32 ip_checksum_failed : 1;
	u32 tcp_checksum_succeeded : 1;
	u32 udp_checksum_succeeded : 1;
	u32 ip_checksum_succeeded : 1;
	u32 loopback : 1;
	u32 tcp_checksum_value_invalid : 1;
	u32 ip_checksum_value_invalid : 1;
};

struct ndis_pkt_8021q_info {
	u32 pri : 3;
	u32 cfi : 1;
	u32 vlanid : 12;
	u32 reserved : 16;
};

struct nvsc_rsc { /* up to the parts' addresses */
	struct ndis_pkt_8021q_info vlan;
	struct ndis_tcp_ip_checksum_info csum_info;
	u32 hash_info;
	u8 ppi_flags;
	u8 is_last;
	u32 cnt;
	u32 pktlen;
};

_Static_assert(sizeof(struct nvsc_rsc) == 24, "struct nvsc_rsc");

#define NVSC_RSC_VLAN	   BIT(0)
#define NVSC_RSC_CSUM_INFO BIT(1)
#define NVSC_RSC_HASH_INFO BIT(2)

#define VLAN_PRIO_SHIFT 13
#define VLAN_CFI_MASK	0x1000

static void describe(const char *form, const u8 *raw)
{
	struct nvsc_rsc rsc;
	const struct ndis_tcp_ip_checksum_info *csum_info = &rsc.csum_info;

	(void)form;
	memcpy(&rsc, raw, sizeof(rsc)); /* the host's byte order, as all machines of Hyper-V have it: little endian */
	if (rsc.cnt != 1)
		return;

	if (rsc.ppi_flags & NVSC_RSC_CSUM_INFO) {
		if (csum_info->tcp_checksum_succeeded || csum_info->udp_checksum_succeeded)
			hint("csum_status", CSUM_GOOD);
		else if (csum_info->tcp_checksum_failed || csum_info->udp_checksum_failed ||
			 csum_info->ip_checksum_failed)
			hint("csum_status", CSUM_BAD);
		if (csum_info->ip_checksum_succeeded)
			hint("ip_csum", CSUM_GOOD);
		else if (csum_info->ip_checksum_failed)
			hint("ip_csum", CSUM_BAD);
		hint("ip_csum_unset", csum_info->ip_checksum_value_invalid);
		hint("tcp_csum_unset", csum_info->tcp_checksum_value_invalid);
		hint("loopback", csum_info->loopback);
	}
	if (rsc.ppi_flags & NVSC_RSC_HASH_INFO)
		hint("rx_hash", rsc.hash_info);
	if (rsc.ppi_flags & NVSC_RSC_VLAN) {
		hint("vlan_tci", (u16)(rsc.vlan.vlanid | rsc.vlan.pri << VLAN_PRIO_SHIFT |
				       (rsc.vlan.cfi ? VLAN_CFI_MASK : 0)));
		hint("vlan_proto", htons(ETH_P_8021Q));
	}
	hint("pkt_len", rsc.pktlen);
	hint("rx_queue", (u16)beside(raw + sizeof(rsc), 0));
}
