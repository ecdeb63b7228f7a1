/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef HINTJIT_LINUX_IN_H
#define HINTJIT_LINUX_IN_H

enum {
	IPPROTO_TCP = 6,
	IPPROTO_UDP = 17,
	IPPROTO_SCTP = 132,
};

#endif
