/* ice: flexible profile 2 or 6 in byte 0, DD, EOF and RSS_VALID in bits 0, 1 and 12
 * of status_error0, the hash in bytes 12-15. */
#include "shapes.h"

#define SIZE 32

static __attribute__((always_inline)) inline int read_hash(void *desc, __u32 *hash)
{
	__u8 profile = *(__u8 *)desc;

	if (profile != 2 && profile != 6)
		return 0;
	if ((*(__u16 *)(desc + 8) & 0x1003) != 0x1003)
		return 0;
	*hash = *(__u32 *)(desc + 12);
	return 1;
}

#include "byhand.h"
