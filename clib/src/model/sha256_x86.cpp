// SHA-256 with the SHA extensions of x86 (Intel SDM, SHA256RNDS2, SHA256MSG1, SHA256MSG2).
#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#include "model/sha256_blocks.h"

namespace mm::sha256 {
namespace {

// The instructions keep the state as (A B E F) and (C D G H), highest word first, and do two rounds each.
__attribute__((target("sha,sse4.1"))) void compress(uint32_t state[8], const uint8_t* data, size_t blocks) {
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i* const words = reinterpret_cast<__m128i*>(state);
    const __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128(words), 0xb1);
    const __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(words + 1), 0x1b);
    __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
    __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);

    for (; blocks > 0; --blocks, data += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4];  // the last sixteen words of the message schedule
#pragma GCC unroll 16
        for (int group = 0; group < 16; ++group) {
            __m128i& now = w[group % 4];
            if (group < 4) {
                const __m128i* block = reinterpret_cast<const __m128i*>(data);
                now = _mm_shuffle_epi8(_mm_loadu_si128(block + group), big_endian);
            } else {
                const __m128i w3 = w[(group + 3) % 4], w2 = w[(group + 2) % 4], w1 = w[(group + 1) % 4];
                const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(now, w1), _mm_alignr_epi8(w3, w2, 4));
                now = _mm_sha256msg2_epu32(sum, w3);
            }
            const __m128i constants = _mm_load_si128(reinterpret_cast<const __m128i*>(kRoundConstants) + group);
            const __m128i input = _mm_add_epi32(now, constants);
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, input);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(input, 0x0e));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }

    const __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
    const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128(words, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128(words + 1, _mm_alignr_epi8(dchg, feba, 8));
}

}  // namespace

Compress accelerated() {
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !(ebx & bit_SHA)) return nullptr;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_SSE4_1)) return nullptr;
    return compress;
}

}  // namespace mm::sha256

#endif
