// sin, cos, exp and log in double for tables that are built once. Series whose terms are left out below 2^-56 of the
// result; coefficients are quotients of small integers, which the compiler rounds correctly.
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/kernels.h"

namespace mm {

namespace {

constexpr double kPi = 0x1.921fb54442d18p+1;
constexpr double kPiRest = 0x1.1a62633145c07p-53;  // pi - kPi
constexpr double kLn2 = 0x1.62e42fefa3800p-1;      // its low bits are zero: exact when multiplied by an exponent
constexpr double kLn2Rest = 0x1.ef35793c76730p-45;
constexpr double kLog2E = 0x1.71547652b82fep+0;

// sin(pi x) and cos(pi x) for |x| <= 1/4, by Taylor's series.
double sin_core(double x) {
    const double y = x * kPi;
    const double rest = std::fma(x, kPi, -y) + x * kPiRest;  // of the exact product
    const double z = y * y;
    double r = 0;
    for (int i = 19; i >= 3; i -= 2) r = (r + 1.0) * -z / (i * (i - 1));
    return y + std::fma(y, r, rest);
}
double cos_core(double x) {
    const double y = x * kPi;
    const double rest = std::fma(x, kPi, -y) + x * kPiRest;
    const double z = y * y;
    double r = 0;
    for (int i = 20; i >= 4; i -= 2) r = (r + 1.0) * -z / (i * (i - 1));
    const double half = 0.5 * z;
    const double high = 1.0 - half;
    return high + ((1.0 - high - half) - (half * r + y * rest));
}

// 0 of a number; NaN of NaN and infinity.
double zero_of(double x) {
    return x - x;  // NOLINT(misc-redundant-expression)
}

double power_of_two(int n) {  // -1022 <= n <= 1023
    const uint64_t u = static_cast<uint64_t>(n + 1023) << 52;
    double r;
    std::memcpy(&r, &u, sizeof r);
    return r;
}

}  // namespace

double sin_pi(double x) {
    if (!(std::fabs(x) < 0x1p52)) return zero_of(x);  // an integer
    const double n = std::nearbyint(2.0 * x);         // quarter turns
    const double f = x - 0.5 * n;
    switch (static_cast<int64_t>(n) & 3) {
        case 0:
            return sin_core(f);
        case 1:
            return cos_core(f);
        case 2:
            return -sin_core(f);
        default:
            return -cos_core(f);
    }
}

double cos_pi(double x) {
    if (!(std::fabs(x) < 0x1p52)) return std::fabs(x) < 0x1p53 && std::fmod(x, 2.0) != 0 ? -1.0 : zero_of(x) + 1.0;
    const double n = std::nearbyint(2.0 * x);
    const double f = x - 0.5 * n;
    switch (static_cast<int64_t>(n) & 3) {
        case 0:
            return cos_core(f);
        case 1:
            return -sin_core(f);
        case 2:
            return -cos_core(f);
        default:
            return sin_core(f);
    }
}

double exp_d(double x) {
    if (x != x) return x;
    if (x > 709.8) return HUGE_VAL;
    if (x < -745.2) return 0;
    const double n = std::nearbyint(x * kLog2E);
    const double high = std::fma(n, -kLn2, x);
    const double r = high - n * kLn2Rest;
    double p = 0;
    for (int i = 14; i >= 2; --i) p = (p + 1.0) * r / i;
    const double result = 1.0 + std::fma(r, p, r);
    const int e = static_cast<int>(n), half = e / 2;  // in two steps, as 2^e alone may be out of range
    return result * power_of_two(half) * power_of_two(e - half);
}

double log_d(double x) {
    if (!(x > 0)) return x == 0 ? -HUGE_VAL : std::nan("");
    if (x > 0x1.fffffffffffffp+1023) return x;
    int e = 0;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        e = -54;
    }
    uint64_t u;
    std::memcpy(&u, &x, sizeof u);
    constexpr uint64_t kRootHalf = 0x3fe6a09e667f3bcdu;  // sqrt(1/2): the mantissa is scaled into [sqrt(1/2), sqrt(2))
    u += 0x3ff0000000000000u - kRootHalf;
    e += static_cast<int>(u >> 52) - 1023;
    u = (u & 0xfffffffffffffu) + kRootHalf;
    double m;
    std::memcpy(&m, &u, sizeof m);
    // log(1 + f) = 2 atanh(s), s = f / (2 + f); 2 s = f - s f keeps the leading term exact.
    const double f = m - 1.0, s = f / (2.0 + f), z = s * s;
    double r = 0;
    for (int i = 23; i >= 3; i -= 2) r = (r + 1.0 / i) * z;
    const double tail = s * (2.0 * r - f);
    return std::fma(e, kLn2, f + (tail + e * kLn2Rest));
}

}  // namespace mm
