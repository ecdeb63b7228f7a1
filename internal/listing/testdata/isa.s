# Every kind of instruction, in LLVM's notation. TestISA assembles this file and
# wants each line back as it stands here.
r1 += r2
r1 -= 0x5
r1 *= -0x5
r1 /= r2
r1 s/= r2
r1 s/= 0x3
r1 |= 0x7fffffff
r1 &= r9
r1 <<= 0x20
r1 >>= 0x20
r1 s>>= 0x20
r1 = -r1
r1 %= r2
r1 s%= r2
r1 ^= r2
r1 = r10
r1 = -0x1
w1 += w2
w1 -= 0x5
w1 s/= w2
w1 s%= 0x3
w1 s>>= 0x1f
w1 = -w1
w1 = w2
w1 = 0x1
r1 = (s8)r2
r1 = (s16)r2
r1 = (s32)r2
w1 = (s8)w2
w1 = (s16)w2
r1 = be16 r1
r1 = be32 r1
r1 = be64 r1
r1 = le16 r1
r1 = le32 r1
r1 = le64 r1
r1 = bswap16 r1
r1 = bswap32 r1
r1 = bswap64 r1
r1 = 0x123456789abcdef ll
r1 = -0x1 ll
r1 = *(u8 *)(r6 + 0x0)
r1 = *(u16 *)(r6 + 0x2)
r1 = *(u32 *)(r10 - 0x200)
r1 = *(u64 *)(r6 - 0x8000)
r1 = *(s8 *)(r6 + 0x0)
r1 = *(s16 *)(r6 + 0x7fff)
r1 = *(s32 *)(r6 + 0x0)
*(u8 *)(r10 - 0x1) = r1
*(u16 *)(r10 - 0x2) = r1
*(u32 *)(r10 - 0x4) = r1
*(u64 *)(r10 - 0x8) = r1
*(u8 *)(r10 - 0x1) = 0x1
*(u16 *)(r10 - 0x2) = -0x1
*(u32 *)(r10 - 0x4) = 0x1
*(u64 *)(r10 - 0x8) = 0x0
r0 = *(u8 *)skb[0x5]
r0 = *(u16 *)skb[0x5]
r0 = *(u32 *)skb[r1]
lock *(u64 *)(r1 + 0x0) += r2
lock *(u32 *)(r1 - 0x4) += w2
lock *(u64 *)(r1 + 0x8) &= r2
lock *(u64 *)(r1 + 0x8) |= r2
lock *(u64 *)(r1 + 0x8) ^= r2
r2 = atomic_fetch_add((u64 *)(r1 + 0x0), r2)
w2 = atomic_fetch_add((u32 *)(r1 + 0x0), w2)
r2 = atomic_fetch_and((u64 *)(r1 + 0x0), r2)
r2 = atomic_fetch_or((u64 *)(r1 + 0x0), r2)
r2 = atomic_fetch_xor((u64 *)(r1 + 0x0), r2)
r2 = xchg_64(r1 + 0x0, r2)
w2 = xchg32_32(r1 + 0x0, w2)
r0 = cmpxchg_64(r1 + 0x0, r0, r2)
w0 = cmpxchg32_32(r1 + 0x0, w0, w2)
goto L1
gotol L1
may_goto L1
if r1 == 0x0 goto L1
if r1 != r2 goto L1
if r1 & 0x8 goto L1
if r1 > 0x1 goto L1
if r1 >= 0x1 goto L1
if r1 < 0x1 goto L1
if r1 <= 0x1 goto L1
if r1 s> -0x1 goto L1
if r1 s>= r2 goto L1
if r1 s< r2 goto L1
if r1 s<= r2 goto L1
if w1 == 0x0 goto L1
if w1 != w2 goto L1
if w1 & w2 goto L1
if w1 s<= -0x1 goto L1
call 0x1
callx r3
L1:
exit
