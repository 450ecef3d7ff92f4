// Source: FIPS 180-4, sections 4.1.2, 5.1.1 and 6.2.
#include "model/sha256.h"

#include <algorithm>
#include <cstring>

#include "model/sha256_blocks.h"
#include "runtime/error.h"
#include "runtime/text.h"

namespace mm {
namespace sha256 {

alignas(64) const uint32_t kRoundConstants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#if !defined(__x86_64__) && !defined(__aarch64__)
Compress accelerated() {
    return nullptr;
}
#endif

}  // namespace sha256

namespace {

constexpr size_t kBlockBytes = 64;

uint32_t rotate_right(uint32_t x, int n) {
    return x >> n | x << (32 - n);
}

uint32_t load_big_endian(const uint8_t* p) {
    return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | p[3];
}

void compress_portable(uint32_t state[8], const uint8_t* data, size_t blocks) {
    for (; blocks > 0; --blocks, data += kBlockBytes) {
        uint32_t w[64];
        for (int t = 0; t < 16; ++t) w[t] = load_big_endian(data + 4 * t);
        for (int t = 16; t < 64; ++t) {
            const uint32_t s0 = rotate_right(w[t - 15], 7) ^ rotate_right(w[t - 15], 18) ^ w[t - 15] >> 3;
            const uint32_t s1 = rotate_right(w[t - 2], 17) ^ rotate_right(w[t - 2], 19) ^ w[t - 2] >> 10;
            w[t] = w[t - 16] + s0 + w[t - 7] + s1;
        }
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
        for (int t = 0; t < 64; ++t) {
            const uint32_t sum1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
            const uint32_t choose = (e & f) ^ (~e & g);
            const uint32_t t1 = h + sum1 + choose + sha256::kRoundConstants[t] + w[t];
            const uint32_t sum0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
            const uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
            h = g, g = f, f = e, e = d + t1;
            d = c, c = b, b = a, a = t1 + sum0 + majority;
        }
        state[0] += a, state[1] += b, state[2] += c, state[3] += d;
        state[4] += e, state[5] += f, state[6] += g, state[7] += h;
    }
}

std::string digest(const void* data, size_t size, sha256::Compress compress) {
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const uint8_t* bytes = static_cast<const uint8_t*>(data);
    const size_t whole = size / kBlockBytes, rest = size % kBlockBytes;
    compress(state, bytes, whole);

    // The rest, a one bit, zeros, and the length in bits: one block or two.
    uint8_t tail[2 * kBlockBytes] = {};
    if (rest > 0) std::memcpy(tail, bytes + whole * kBlockBytes, rest);
    tail[rest] = 0x80;
    const size_t tail_bytes = rest + 9 <= kBlockBytes ? kBlockBytes : 2 * kBlockBytes;
    const uint64_t bits = static_cast<uint64_t>(size) * 8;
    for (size_t i = 0; i < 8; ++i) tail[tail_bytes - 1 - i] = static_cast<uint8_t>(bits >> (8 * i));
    compress(state, tail, tail_bytes / kBlockBytes);

    std::string hex;
    for (const uint32_t word : state)
        for (int shift = 28; shift >= 0; shift -= 4) hex += "0123456789abcdef"[word >> shift & 15];
    return hex;
}

}  // namespace

std::string sha256_hex(const void* data, size_t size) {
    const sha256::Compress fast = sha256::accelerated();
    return digest(data, size, fast ? fast : compress_portable);
}

std::string sha256::hex_portable(const void* data, size_t size) {
    return digest(data, size, compress_portable);
}

void check_sha256(const void* data, size_t size, const char* expected, const std::string& name) {
    std::string wanted = expected;
    for (char& c : wanted)
        if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    if (wanted.size() != 64 || wanted.find_first_not_of("0123456789abcdef") != std::string::npos)
        fail(MM_ERROR_INVALID_ARGUMENT, "sha256 is \"%s\"; 64 hexadecimal digits are needed",
             printable(wanted, 80).c_str());
    const std::string found = sha256_hex(data, size);
    if (found != wanted)
        fail(MM_ERROR_BAD_MODEL,
             "%s: its SHA-256 is %s, not %s as asked for: it is damaged or another file; fetch it anew", name.c_str(),
             found.c_str(), wanted.c_str());
}

}  // namespace mm
