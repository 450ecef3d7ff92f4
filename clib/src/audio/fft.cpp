#include "audio/fft.h"

#include <utility>

#include "kernels/kernels.h"
#include "runtime/error.h"

namespace mm {
namespace {

Complex4 operator+(const Complex4& a, const Complex4& b) {
    return {a.re + b.re, a.im + b.im};
}
Complex4 operator-(const Complex4& a, const Complex4& b) {
    return {a.re - b.re, a.im - b.im};
}
Complex4 operator*(float a, const Complex4& b) {
    return {a * b.re, a * b.im};
}
Complex4 times_i(const Complex4& a) {
    return {-a.im, a.re};
}
Complex4 conj(const Complex4& a) {
    return {a.re, -a.im};
}

// Fourier transforms of 2, 4 and 5 points, in place.
template <int radix>
void butterfly(Complex4* x);

template <>
void butterfly<2>(Complex4* x) {
    const Complex4 a = x[0], b = x[1];
    x[0] = a + b;
    x[1] = a - b;
}

template <>
void butterfly<4>(Complex4* x) {
    const Complex4 a = x[0] + x[2], b = x[0] - x[2], c = x[1] + x[3], d = times_i(x[1] - x[3]);
    x[0] = a + c;
    x[1] = b - d;
    x[2] = a - c;
    x[3] = b + d;
}

template <>
void butterfly<5>(Complex4* x) {
    constexpr float c1 = 0.309016994374947424f, s1 = 0.951056516295153572f;   // cos and sin of 2 pi / 5
    constexpr float c2 = -0.809016994374947424f, s2 = 0.587785252292473129f;  // and of 4 pi / 5
    const Complex4 a = x[0], p1 = x[1] + x[4], p2 = x[2] + x[3], m1 = x[1] - x[4], m2 = x[2] - x[3];
    const Complex4 even1 = a + c1 * p1 + c2 * p2, odd1 = times_i(s1 * m1 + s2 * m2);
    const Complex4 even2 = a + c2 * p1 + c1 * p2, odd2 = times_i(s2 * m1 - s1 * m2);
    x[0] = a + p1 + p2;
    x[1] = even1 - odd1;
    x[2] = even2 - odd2;
    x[3] = even2 + odd2;
    x[4] = even1 + odd1;
}

// One pass of the Stockham algorithm (decimation in frequency, self-sorting): `stride` transforms of length `length`
// become radix * stride transforms of length / radix. Returns the twiddles of the next pass.
template <int radix, typename Twiddle>
const Twiddle* pass(const Complex4* in, Complex4* out, int length, int stride, const Twiddle* w) {
    const int m = length / radix;
    for (int p = 0; p < m; p++, w += radix - 1) {
        for (int q = 0; q < stride; q++) {
            Complex4 x[radix];
            for (int j = 0; j < radix; j++) x[j] = in[q + stride * (p + m * j)];
            butterfly<radix>(x);
            Complex4* y = out + q + stride * radix * p;
            y[0] = x[0];
            for (int j = 1; j < radix; j++) {
                const float re = w[j - 1].re, im = w[j - 1].im;
                y[stride * j] = {x[j].re * re - x[j].im * im, x[j].re * im + x[j].im * re};
            }
        }
    }
    return w;
}

}  // namespace

RealFft::RealFft(int n) : n_(n) {
    const int half = n / 2;
    int rest = half;
    for (const int radix : {5, 4, 2})
        for (; rest > 1 && rest % radix == 0; rest /= radix) radices_.push_back(radix);
    if (n <= 0 || n % 2 != 0 || rest != 1)
        fail(MM_ERROR_INTERNAL, "no Fourier transform of length %d: half of it must be a product of 2 and 5", n);

    const auto root = [](int k, int of) -> Twiddle {  // exp(-2 pi i k / of)
        const double x = 2.0 * k / of;
        return {static_cast<float>(cos_pi(x)), static_cast<float>(-sin_pi(x))};
    };
    int length = half;
    for (const int radix : radices_) {
        for (int p = 0; p < length / radix; p++)
            for (int j = 1; j < radix; j++) twiddles_.push_back(root(p * j, length));
        length /= radix;
    }
    for (int k = 0; k <= half; k++) real_.push_back(root(k, n));
}

void RealFft::forward(Complex4* signal, Complex4* spectrum) const {
    // Even samples as real and odd ones as imaginary parts: one complex transform of half the length.
    const int half = n_ / 2;
    const Twiddle* w = twiddles_.data();
    Complex4 *from = signal, *to = spectrum;
    int length = half, stride = 1;
    for (const int radix : radices_) {
        switch (radix) {
            case 5:
                w = pass<5>(from, to, length, stride, w);
                break;
            case 4:
                w = pass<4>(from, to, length, stride, w);
                break;
            default:
                w = pass<2>(from, to, length, stride, w);
                break;
        }
        length /= radix;
        stride *= radix;
        std::swap(from, to);
    }
    // Its halves of even and odd symmetry are the transforms of the even and of the odd samples. `from` may be
    // `spectrum`: each pair of bins is read before it is written.
    const Complex4 zero = from[0];
    spectrum[0] = {zero.re + zero.im, F32x4{}};
    spectrum[half] = {zero.re - zero.im, F32x4{}};
    for (int k = 1; k <= half / 2; k++) {
        const Complex4 a = from[k], b = conj(from[half - k]);
        const Complex4 even = 0.5f * (a + b), odd = 0.5f * times_i(b - a);
        const Twiddle r = real_[static_cast<size_t>(k)];
        const Complex4 turned = {odd.re * r.re - odd.im * r.im, odd.re * r.im + odd.im * r.re};
        spectrum[k] = even + turned;
        spectrum[half - k] = conj(even - turned);
    }
}

}  // namespace mm
