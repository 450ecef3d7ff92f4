// Sixteen floats, whatever the processor: one 512-bit register, two of 256, four of 128, or an array. Only for the
// isa_* files, each of which sets one of MM_ISA_AVX512, MM_ISA_AVX2, MM_ISA_NEON and MM_ISA_SCALAR.
//
// Everything is in an unnamed namespace, and nothing of the standard library is called: a function compiled with wider
// instructions must never be the copy that the linker keeps for other files.
//
// Arithmetic is IEEE 754's, so lanes have the same bits everywhere, NaNs excepted: a NaN stays a NaN, but which one is
// not defined.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(MM_ISA_AVX512) || defined(MM_ISA_AVX2)
#include <immintrin.h>
#elif defined(MM_ISA_NEON)
#include <arm_neon.h>
#endif

#define MM_INLINE inline __attribute__((always_inline))
#if defined(MM_ISA_SCALAR)
#define MM_UNROLL  // its accumulators are an array in any case
#else
#define MM_UNROLL _Pragma("GCC unroll 16")  // keeps accumulators in registers
#endif

namespace mm {
namespace {

// ---- One register ----

#if defined(MM_ISA_AVX512)

using Part = __m512;
using BitsPart = uint32_t __attribute__((vector_size(64)));
constexpr int kPartLanes = 16;

MM_INLINE Part part_load(const float* p) {
    return _mm512_loadu_ps(p);
}
MM_INLINE void part_store(float* p, Part a) {
    _mm512_storeu_ps(p, a);
}
MM_INLINE Part part_broadcast(float a) {
    return _mm512_set1_ps(a);
}
MM_INLINE Part part_fma(Part a, Part b, Part c) {
    return _mm512_fmadd_ps(a, b, c);
}
MM_INLINE Part part_sqrt(Part a) {
    return _mm512_sqrt_ps(a);
}
MM_INLINE Part part_max(Part a, Part b) {
    return _mm512_max_ps(a, b);
}
MM_INLINE Part part_min(Part a, Part b) {
    return _mm512_min_ps(a, b);
}
MM_INLINE Part part_load_f16(const uint16_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
MM_INLINE void part_store_f16(uint16_t* p, Part a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}

#elif defined(MM_ISA_AVX2)

using Part = __m256;
using BitsPart = uint32_t __attribute__((vector_size(32)));
constexpr int kPartLanes = 8;

MM_INLINE Part part_load(const float* p) {
    return _mm256_loadu_ps(p);
}
MM_INLINE void part_store(float* p, Part a) {
    _mm256_storeu_ps(p, a);
}
MM_INLINE Part part_broadcast(float a) {
    return _mm256_set1_ps(a);
}
MM_INLINE Part part_fma(Part a, Part b, Part c) {
    return _mm256_fmadd_ps(a, b, c);
}
MM_INLINE Part part_sqrt(Part a) {
    return _mm256_sqrt_ps(a);
}
MM_INLINE Part part_max(Part a, Part b) {
    return _mm256_max_ps(a, b);
}
MM_INLINE Part part_min(Part a, Part b) {
    return _mm256_min_ps(a, b);
}
MM_INLINE Part part_load_f16(const uint16_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
MM_INLINE void part_store_f16(uint16_t* p, Part a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}

#elif defined(MM_ISA_NEON)

using Part = float32x4_t;
using BitsPart = uint32x4_t;
constexpr int kPartLanes = 4;

MM_INLINE Part part_load(const float* p) {
    return vld1q_f32(p);
}
MM_INLINE void part_store(float* p, Part a) {
    vst1q_f32(p, a);
}
MM_INLINE Part part_broadcast(float a) {
    return vdupq_n_f32(a);
}
MM_INLINE Part part_fma(Part a, Part b, Part c) {
    return vfmaq_f32(c, a, b);
}
MM_INLINE Part part_sqrt(Part a) {
    return vsqrtq_f32(a);
}
MM_INLINE Part part_max(Part a, Part b) {
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
MM_INLINE Part part_min(Part a, Part b) {
    return vbslq_f32(vcltq_f32(a, b), a, b);
}
MM_INLINE Part part_load_f16(const uint16_t* p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
MM_INLINE void part_store_f16(uint16_t* p, Part a) {
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(a)));
}

#elif defined(MM_ISA_SCALAR)

using Part = float;
using BitsPart = uint32_t;
constexpr int kPartLanes = 1;

MM_INLINE uint32_t to_bits(float a) {
    uint32_t u;
    __builtin_memcpy(&u, &a, sizeof u);
    return u;
}
MM_INLINE float from_bits(uint32_t u) {
    float a;
    __builtin_memcpy(&a, &u, sizeof a);
    return a;
}
MM_INLINE Part part_load(const float* p) {
    return *p;
}
MM_INLINE void part_store(float* p, Part a) {
    *p = a;
}
MM_INLINE Part part_broadcast(float a) {
    return a;
}
MM_INLINE Part part_fma(Part a, Part b, Part c) {
    return __builtin_fmaf(a, b, c);
}
MM_INLINE Part part_sqrt(Part a) {
    return __builtin_sqrtf(a);
}
MM_INLINE Part part_max(Part a, Part b) {
    return a > b ? a : b;
}
MM_INLINE Part part_min(Part a, Part b) {
    return a < b ? a : b;
}
// IEEE 754 binary16 by its definition: 1 sign bit, 5 exponent bits, 10 of the fraction.
inline Part part_load_f16(const uint16_t* p) {
    const uint32_t h = *p, sign = (h & 0x8000u) << 16, exponent = (h >> 10) & 31, fraction = h & 0x3ff;
    if (exponent == 31) return from_bits(sign | 0x7f800000u | (fraction << 13) | (fraction != 0 ? 0x400000u : 0));
    if (exponent != 0) return from_bits(sign | ((exponent + 112) << 23) | (fraction << 13));
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;  // zero and subnormal
    return from_bits(sign | to_bits(magnitude));
}
inline void part_store_f16(uint16_t* p, Part a) {
    const uint32_t u = to_bits(a), sign = (u >> 16) & 0x8000u, magnitude = u & 0x7fffffffu;
    uint32_t h;
    if (magnitude > 0x7f800000u) {
        h = 0x7e00u | ((magnitude >> 13) & 0x3ffu);  // NaN, made quiet
    } else if (magnitude >= 0x47800000u) {
        h = 0x7c00u;  // 65536 and above
    } else if (magnitude < 0x38800000u) {
        // Subnormal: adding 0.5, whose unit in the last place is that of binary16's subnormals, rounds to even.
        h = to_bits(from_bits(magnitude) + 0.5f) - 0x3f000000u;
    } else {
        const uint32_t odd = (magnitude >> 13) & 1;  // ties to even; the carry may reach infinity
        h = (magnitude + 0xfffu + odd - 0x38000000u) >> 13;
    }
    *p = static_cast<uint16_t>(sign | h);
}

#else
#error "one of MM_ISA_AVX512, MM_ISA_AVX2, MM_ISA_NEON, MM_ISA_SCALAR must be defined"
#endif

// ---- Sixteen lanes ----

constexpr int kLanes = 16;
constexpr int kParts = kLanes / kPartLanes;

struct Vec {
    Part v[kParts];
};
// The same lanes as unsigned integers; also masks, all ones or all zero a lane.
struct Bits {
    BitsPart v[kParts];
};

#define MM_EACH_PART MM_UNROLL for (int i = 0; i < kParts; ++i)

MM_INLINE Vec load(const float* p) {
    Vec r;
    MM_EACH_PART r.v[i] = part_load(p + i * kPartLanes);
    return r;
}
MM_INLINE void store(float* p, Vec a) {
    MM_EACH_PART part_store(p + i * kPartLanes, a.v[i]);
}
MM_INLINE Vec broadcast(float a) {
    Vec r;
    MM_EACH_PART r.v[i] = part_broadcast(a);
    return r;
}
// a * b + c, rounded once.
MM_INLINE Vec fma(Vec a, Vec b, Vec c) {
    Vec r;
    MM_EACH_PART r.v[i] = part_fma(a.v[i], b.v[i], c.v[i]);
    return r;
}
MM_INLINE Vec operator+(Vec a, Vec b) {
    Vec r;
    MM_EACH_PART r.v[i] = a.v[i] + b.v[i];
    return r;
}
MM_INLINE Vec operator-(Vec a, Vec b) {
    Vec r;
    MM_EACH_PART r.v[i] = a.v[i] - b.v[i];
    return r;
}
MM_INLINE Vec operator*(Vec a, Vec b) {
    Vec r;
    MM_EACH_PART r.v[i] = a.v[i] * b.v[i];
    return r;
}
MM_INLINE Vec operator/(Vec a, Vec b) {
    Vec r;
    MM_EACH_PART r.v[i] = a.v[i] / b.v[i];
    return r;
}
MM_INLINE Vec sqrt(Vec a) {
    Vec r;
    MM_EACH_PART r.v[i] = part_sqrt(a.v[i]);
    return r;
}
// a > b ? a : b, and a < b ? a : b: the second where one is NaN or both are zero.
MM_INLINE Vec max(Vec a, Vec b) {
    Vec r;
    MM_EACH_PART r.v[i] = part_max(a.v[i], b.v[i]);
    return r;
}
MM_INLINE Vec min(Vec a, Vec b) {
    Vec r;
    MM_EACH_PART r.v[i] = part_min(a.v[i], b.v[i]);
    return r;
}
MM_INLINE Vec load_f16(const uint16_t* p) {
    Vec r;
    MM_EACH_PART r.v[i] = part_load_f16(p + i * kPartLanes);
    return r;
}
MM_INLINE void store_f16(uint16_t* p, Vec a) {
    MM_EACH_PART part_store_f16(p + i * kPartLanes, a.v[i]);
}

MM_INLINE Bits bits(uint32_t a) {
    Bits r;
#if defined(MM_ISA_SCALAR)
    MM_EACH_PART r.v[i] = a;
#else
    MM_EACH_PART r.v[i] = a - BitsPart{};
#endif
    return r;
}
MM_INLINE Bits as_bits(Vec a) {
    Bits r;
    __builtin_memcpy(&r, &a, sizeof r);
    return r;
}
MM_INLINE Vec as_vec(Bits a) {
    Vec r;
    __builtin_memcpy(&r, &a, sizeof r);
    return r;
}
MM_INLINE Bits operator&(Bits a, Bits b) {
    Bits r;
    MM_EACH_PART r.v[i] = a.v[i] & b.v[i];
    return r;
}
MM_INLINE Bits operator|(Bits a, Bits b) {
    Bits r;
    MM_EACH_PART r.v[i] = a.v[i] | b.v[i];
    return r;
}
MM_INLINE Bits operator+(Bits a, Bits b) {
    Bits r;
    MM_EACH_PART r.v[i] = a.v[i] + b.v[i];
    return r;
}
MM_INLINE Bits operator<<(Bits a, int n) {
    Bits r;
    MM_EACH_PART r.v[i] = a.v[i] << n;
    return r;
}
MM_INLINE Bits operator>>(Bits a, int n) {
    Bits r;
    MM_EACH_PART r.v[i] = a.v[i] >> n;
    return r;
}
MM_INLINE Bits operator<(Vec a, Vec b) {
    Bits r;
#if defined(MM_ISA_SCALAR)
    MM_EACH_PART r.v[i] = a.v[i] < b.v[i] ? ~0u : 0u;
#else
    MM_EACH_PART r.v[i] = (BitsPart)(a.v[i] < b.v[i]);
#endif
    return r;
}
// mask ? a : b
MM_INLINE Vec select(Bits mask, Vec a, Vec b) {
    Bits r;
    const Bits x = as_bits(a), y = as_bits(b);
    MM_EACH_PART r.v[i] = (mask.v[i] & x.v[i]) | (~mask.v[i] & y.v[i]);
    return as_vec(r);
}
MM_INLINE Vec abs(Vec a) {
    return as_vec(as_bits(a) & bits(0x7fffffffu));
}
// magnitude >= 0, with the sign of `sign`
MM_INLINE Vec with_sign(Vec magnitude, Vec sign) {
    return as_vec(as_bits(magnitude) | (as_bits(sign) & bits(0x80000000u)));
}

// The first n < 16 lanes from memory, the others `fill`.
inline Vec load_partial(const float* p, int n, float fill) {
    float lanes[kLanes];
    for (int i = 0; i < kLanes; ++i) lanes[i] = i < n ? p[i] : fill;
    return load(lanes);
}
inline void store_partial(float* p, int n, Vec a) {
    float lanes[kLanes];
    store(lanes, a);
    for (int i = 0; i < n; ++i) p[i] = lanes[i];
}

// Sixteen lanes into one by the fixed tree: 8, 4, 2, 1.
inline float reduce_add(Vec a) {
    float lanes[kLanes];
    store(lanes, a);
    for (int half = kLanes / 2; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) lanes[i] = lanes[i] + lanes[i + half];
    return lanes[0];
}
inline float reduce_max(Vec a) {
    float lanes[kLanes];
    store(lanes, a);
    for (int half = kLanes / 2; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
    return lanes[0];
}

}  // namespace
}  // namespace mm
