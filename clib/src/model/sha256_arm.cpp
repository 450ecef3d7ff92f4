// SHA-256 with the cryptographic extension of ARMv8 (Arm ARM, SHA256H, SHA256H2, SHA256SU0, SHA256SU1). This file is
// compiled for processors that have it; whether this one does is asked at run time.
#if defined(__aarch64__)

#include <arm_neon.h>
#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "model/sha256_blocks.h"

namespace mm::sha256 {
namespace {

void compress(uint32_t state[8], const uint8_t* data, size_t blocks) {
    uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);
    for (; blocks > 0; --blocks, data += 64) {
        const uint32x4_t abcd_before = abcd, efgh_before = efgh;
        uint32x4_t w[4];  // the last sixteen words of the message schedule
#pragma GCC unroll 16
        for (int group = 0; group < 16; ++group) {
            uint32x4_t& now = w[group % 4];
            if (group < 4)
                now = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data + 16 * group)));
            else
                now = vsha256su1q_u32(vsha256su0q_u32(now, w[(group + 1) % 4]), w[(group + 2) % 4], w[(group + 3) % 4]);
            const uint32x4_t input = vaddq_u32(now, vld1q_u32(kRoundConstants + 4 * group));
            const uint32x4_t abcd_old = abcd;
            abcd = vsha256hq_u32(abcd, efgh, input);
            efgh = vsha256h2q_u32(efgh, abcd_old, input);
        }
        abcd = vaddq_u32(abcd, abcd_before);
        efgh = vaddq_u32(efgh, efgh_before);
    }
    vst1q_u32(state, abcd);
    vst1q_u32(state + 4, efgh);
}

bool has_sha2() {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_SHA2) != 0;
#else
    return true;  // every 64-bit Apple processor
#endif
}

}  // namespace

Compress accelerated() {
    return has_sha2() ? compress : nullptr;
}

}  // namespace mm::sha256

#endif
