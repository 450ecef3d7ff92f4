// Signals for the tests of audio, and comparison by bits.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "check.h"

constexpr double kTau = 6.283185307179586476925286766559;

// Seeded noise in [-1, 1), the same everywhere.
inline std::vector<float> noise_signal(size_t n, uint32_t seed) {
    std::vector<float> x(n);
    for (float& v : x) {
        seed = seed * 1664525u + 1013904223u;
        v = static_cast<float>(static_cast<int32_t>(seed)) / 2147483648.0f;
    }
    return x;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

// FNV-1a of the bytes.
inline uint64_t digest(const std::vector<float>& x) {
    uint64_t h = 0xcbf29ce484222325u;
    for (const float v : x) {
        uint32_t bits;
        std::memcpy(&bits, &v, sizeof bits);
        for (int i = 0; i < 4; i++, bits >>= 8) h = (h ^ (bits & 0xff)) * 0x100000001b3u;
    }
    return h;
}

// Results that must have the same bits on every processor, with every compiler and kernel set.
#define CHECK_DIGEST(values, expected)                                                                       \
    do {                                                                                                     \
        const uint64_t got_ = digest(values);                                                                \
        if (got_ != (expected)) {                                                                            \
            ++checks_failed;                                                                                 \
            std::fprintf(stderr, "%s:%d: FAILED: digest of %s is 0x%016llxu\n", __FILE__, __LINE__, #values, \
                         static_cast<unsigned long long>(got_));                                             \
        }                                                                                                    \
    } while (0)
