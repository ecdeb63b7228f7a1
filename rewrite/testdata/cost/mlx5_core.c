/* mlx5: opcode 2 in byte 63, bits 7:4; rss_hash_type in byte 16, bits
 * 7:6 and 3:2, not 0; the hash in bytes 12-15, big-endian. */
#include "shapes.h"

#define SIZE 64

static __attribute__((always_inline)) inline int read_hash(void *desc, __u32 *hash)
{
	if (*(__u8 *)(desc + 63) >> 4 != 2)
		return 0;
	if (!(*(__u8 *)(desc + 16) & 0xcc))
		return 0;
	*hash = __builtin_bswap32(*(__u32 *)(desc + 12));
	return 1;
}

#include "byhand.h"
