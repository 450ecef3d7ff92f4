// exp, log, tanh, erf and what is made of them, sixteen lanes at a time: polynomials in single precision, so the same
// bits everywhere. Coefficients are minimax fits (Lawson's algorithm in double), rounded to single one after the other.
//
// Bounds against the exact value, held by tests/test_kernel_math.cpp, in units in the last place: exp 1.1, log 1,
// log10 1, tanh 1.5, erf 1, sigmoid 2.5 (zero below -88.73, where its value is subnormal).
#pragma once

#include "kernels/vec.h"

namespace mm {
namespace {

// c[0] + c[1] x + c[2] x^2 + ...
template <int N>
MM_INLINE Vec polynomial(Vec x, const float (&c)[N]) {
    Vec r = broadcast(c[N - 1]);
    MM_UNROLL for (int i = N - 2; i >= 0; --i) r = fma(r, x, broadcast(c[i]));
    return r;
}

constexpr float kRoundMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, held in the low bits

// 2^n for integer n in [-126, 127]
MM_INLINE Vec power_of_two(Vec n) {
    return as_vec(as_bits(n + broadcast(kRoundMagic + 127.0f)) << 23);
}

// Zero below -104 (results below half the least subnormal), infinite above 88.73.
MM_INLINE Vec exp(Vec x) {
    constexpr float kPolynomial[] = {0.5f, 0.166665196f, 0.0416664034f, 0.00836883113f, 0.00139405322f};
    x = min(broadcast(89.0f), max(broadcast(-104.0f), x));  // in this order a NaN stays
    const Vec magic = broadcast(kRoundMagic);
    const Vec n = fma(x, broadcast(0x1.715476p+0f), magic) - magic;  // x / ln 2, rounded
    Vec r = fma(n, broadcast(-0x1.62e400p-1f), x);                   // ln 2 in two parts; the first has few bits
    r = fma(n, broadcast(-0x1.7f7d1cp-20f), r);
    const Vec p = fma(polynomial(r, kPolynomial), r * r, r) + broadcast(1.0f);
    const Vec half = fma(n, broadcast(0.5f), magic) - magic;  // in two steps, as 2^n alone may be out of range
    return p * power_of_two(half) * power_of_two(n - half);
}

// x = m * 2^e with m in [sqrt(1/2), sqrt(2)): f = m - 1, and log(1 + f) = f + tail.
struct LogParts {
    Vec e, f, tail;
};
MM_INLINE LogParts log_parts(Vec x) {
    constexpr float kPolynomial[] = {0.333333313f, -0.250008196f, 0.200012416f, -0.166234091f,
                                     0.142015815f, -0.131596133f, 0.127621979f, -0.076363951f};
    constexpr uint32_t kRootHalf = 0x3f3504f3u;
    const Bits subnormal = x < broadcast(0x1p-126f);
    x = select(subnormal, x * broadcast(0x1p23f), x);
    const Bits u = as_bits(x) + bits(0x3f800000u - kRootHalf);
    const Vec biased = as_vec((u >> 23) | bits(0x4b000000u));  // 2^23 + exponent + 127
    LogParts r;
    r.e = biased - select(subnormal, broadcast(8388608.0f + 150.0f), broadcast(8388608.0f + 127.0f));
    r.f = as_vec((u & bits(0x7fffffu)) + bits(kRootHalf)) - broadcast(1.0f);
    const Vec square = r.f * r.f;
    r.tail = fma(polynomial(r.f, kPolynomial) * r.f, square, broadcast(-0.5f) * square);
    return r;
}
// Zero gives -infinity, a negative number NaN, infinity and NaN themselves.
MM_INLINE Vec log_special(Vec x, Vec result) {
    const Vec infinity = broadcast(__builtin_inff());
    result = select(x < infinity, result, x);
    result = select(x < broadcast(0x1p-149f), broadcast(-__builtin_inff()), result);
    return select(x < broadcast(0.0f), broadcast(__builtin_nanf("")), result);
}
MM_INLINE Vec log(Vec x) {
    const LogParts p = log_parts(x);
    const Vec low = fma(p.e, broadcast(0x1.7f7d1cp-20f), p.tail);
    return log_special(x, fma(p.e, broadcast(0x1.62e400p-1f), p.f + low));
}
MM_INLINE Vec log10(Vec x) {
    const LogParts p = log_parts(x);
    const Vec scale = broadcast(0x1.bcb7b2p-2f);  // 1 / ln 10 = scale + rest
    const Vec rest = broadcast(-0x1.5b235ep-27f);
    const Vec low = fma(p.f, rest, fma(p.tail, scale, p.e * broadcast(0x1.3509f8p-18f)));
    const Vec high = fma(p.f, scale, low);
    return log_special(x, fma(p.e, broadcast(0x1.344000p-2f), high));  // log10 2 in two parts
}

MM_INLINE Vec sigmoid(Vec x) {
    const Vec one = broadcast(1.0f);
    return one / (one + exp(broadcast(0.0f) - x));
}

MM_INLINE Vec tanh(Vec x) {
    constexpr float kPolynomial[] = {-0.333332598f, 0.133308291f, -0.0536879115f, 0.0204690564f, -0.0055147768f};
    const Vec a = abs(x), one = broadcast(1.0f), two = broadcast(2.0f);
    const Vec square = a * a;
    const Vec small = fma(polynomial(square, kPolynomial) * square, a, a);
    const Vec large = one - two / (exp(a + a) + one);
    return with_sign(select(a < broadcast(0.65f), small, large), x);
}

MM_INLINE Vec erf(Vec x) {
    // erf(x) / x - 1 in x^2, below 1; log erfc(x), above.
    constexpr float kSmall[] = {0.128379166f,  -0.37612626f,    0.112835787f,   -0.0268533472f,
                                0.0051871622f, -0.00079978531f, 7.80690316e-05f};
    constexpr float kLarge[] = {-0.000320564432f, -1.12717164f,    -0.63801235f,   -0.103217974f,
                                0.0218894705f,    -0.00296005351f, 0.000187596597f};
    const Vec a = abs(x), one = broadcast(1.0f);
    const Vec small = fma(polynomial(a * a, kSmall), a, a);
    const Vec large = one - exp(polynomial(min(broadcast(4.0f), a), kLarge));
    return with_sign(select(a < one, small, large), x);
}

// x/2 (1 + erf(x / sqrt 2))
MM_INLINE Vec gelu_erf(Vec x) {
    return broadcast(0.5f) * x * (broadcast(1.0f) + erf(x * broadcast(0.707106781f)));
}
// x sigmoid(1.702 x)
MM_INLINE Vec gelu_quick(Vec x) {
    return x * sigmoid(x * broadcast(1.702f));
}
// x/2 (1 + tanh(u)) with u = sqrt(2 / pi) (x + 0.044715 x^3), which is x sigmoid(2u).
MM_INLINE Vec gelu_tanh(Vec x) {
    const Vec cubic = fma(x * x * broadcast(0.044715f), x, x);
    return x * sigmoid(cubic * broadcast(1.59576912f));
}

}  // namespace
}  // namespace mm
