/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef HINTJIT_LINUX_IF_ETHER_H
#define HINTJIT_LINUX_IF_ETHER_H

#include <linux/types.h>

#define ETH_ALEN 6
#define ETH_P_IP 0x0800

struct ethhdr {
	unsigned char h_dest[ETH_ALEN];
	unsigned char h_source[ETH_ALEN];
	__be16 h_proto;
} __attribute__((packed));

#endif
