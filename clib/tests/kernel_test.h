// What the kernel tests share: checks that count failures, seeded inputs, distance in units in the last place.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "kernels/kernels.h"
#include "runtime/memory.h"

namespace kernel_test {

inline int failures = 0;

// Prints and counts; the first few of a flood are enough.
#define CHECK(condition, ...)                                                    \
    do {                                                                         \
        if (!(condition) && ++::kernel_test::failures <= 20) {                   \
            std::fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
            std::fprintf(stderr, __VA_ARGS__);                                   \
            std::fputc('\n', stderr);                                            \
        }                                                                        \
    } while (0)

inline int result() {
    if (failures > 0) std::fprintf(stderr, "%d checks failed\n", failures);
    return failures > 0 ? 1 : 0;
}

inline uint32_t bits_of(float x) {
    uint32_t u;
    std::memcpy(&u, &x, sizeof u);
    return u;
}
inline float float_of(uint32_t u) {
    float x;
    std::memcpy(&x, &u, sizeof x);
    return x;
}
// Same bits, or both NaN: which NaN comes out of arithmetic is not defined.
inline bool same(float a, float b) {
    return bits_of(a) == bits_of(b) || (a != a && b != b);
}

// Steele's SplitMix64.
class Random {
  public:
    explicit Random(uint64_t seed) : state_(seed) {}
    uint64_t next() {
        uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    int below(int n) { return static_cast<int>(next() % static_cast<uint64_t>(n)); }
    // In [-1, 1), a multiple of 2^-23.
    float uniform() { return static_cast<float>(static_cast<int32_t>(next() >> 40) - (1 << 23)) * 0x1p-23f; }
    void fill(float* x, size_t n, float scale = 1.0f) {
        for (size_t i = 0; i < n; ++i) x[i] = uniform() * scale;
    }
    std::vector<float> vector(size_t n, float scale = 1.0f) {
        std::vector<float> x(n);
        fill(x.data(), n, scale);
        return x;
    }

  private:
    uint64_t state_;
};

// |result - exact| in units in the last place of the exact value; subnormal results count in units of 2^-149.
inline double ulps(float result, double exact) {
    if (result != result || exact != exact) return result != result && exact != exact ? 0 : 1e30;
    if (std::isinf(result) || std::fabs(exact) >= 0x1p128) {
        return std::fabs(exact) >= 0x1.fffffep127 && std::isinf(result) && (result > 0) == (exact > 0) ? 0 : 1e30;
    }
    const int exponent = exact == 0 ? -126 : std::max(-126, std::ilogb(exact));
    return std::fabs(result - exact) / std::ldexp(1.0, exponent - 23);
}

// Every compiled set that this processor runs, best first; the last is the scalar one, the specification.
inline std::vector<const mm::Kernels*> sets() {
    int n = 0;
    const mm::Kernels* const* all = mm::available_kernels(&n);
    return std::vector<const mm::Kernels*>(all, all + n);
}

inline mm::Exec exec_with(const mm::Kernels* kernels, int threads = 0) {
    mm::Exec exec = mm::make_exec(threads, nullptr);
    exec.kernels = kernels;
    return exec;
}

// A matrix [n][k] of small numbers, as f32 and f16 panels that hold the same values.
struct Matrix {
    int n, k;
    std::vector<float> rows;
    mm::Buffer<float> f32;
    mm::Buffer<uint16_t> f16;

    Matrix(Random& random, int outputs, int inputs)
        : n(outputs),
          k(inputs),
          rows(static_cast<size_t>(outputs) * static_cast<size_t>(inputs) + 1),  // never empty
          f32(mm::panel_elements(outputs, inputs)),
          f16(mm::panel_elements(outputs, inputs)) {
        for (size_t i = 0; i + 1 < rows.size(); ++i)
            rows[i] = static_cast<float>(random.below(2049) - 1024) * 0x1p-10f;  // exact in f16
        mm::pack_panels(rows.data(), static_cast<size_t>(k), n, k, f32.data());
        mm::kernels().f32_to_f16(f32.data(), f32.size(), f16.data());
    }
    mm::Panels panels(mm::DType type) const {
        mm::Panels p;
        p.data = type == mm::DType::f16 ? static_cast<const void*>(f16.data()) : f32.data();
        p.type = type;
        p.n = n;
        p.k = k;
        p.panel_stride = static_cast<size_t>(k) * mm::kPanel;
        return p;
    }
};

}  // namespace kernel_test
