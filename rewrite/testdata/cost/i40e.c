/* i40e, 16 bytes: DD and EOF in bits 0 and 1 of qword1, FLTSTAT 3 in 13:12, and
 * then the hash in the upper half of qword0. */
#include "shapes.h"

#define SIZE 16

static __attribute__((always_inline)) inline int read_hash(void *desc, __u32 *hash)
{
	__u64 status = *(__u64 *)(desc + 8);

	if ((status & 0x3003) != 0x3003)
		return 0;
	*hash = *(__u32 *)(desc + 4);
	return 1;
}

#include "byhand.h"
