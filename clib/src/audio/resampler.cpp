#include "audio/resampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "audio/lanes.h"
#include "kernels/kernels.h"
#include "runtime/error.h"
#include "runtime/memory.h"

namespace mm {
namespace {

// The low-pass, in cycles per sample of the lower rate: flat to 0.45, nothing from 0.5 on, designed with 10 dB to
// spare. Length and shape parameter of the Kaiser window are Kaiser's formulas for that attenuation.
constexpr double kPassEdge = 0.45, kStopEdge = 0.5, kAttenuation = 110;
constexpr double kCutoff = (kPassEdge + kStopEdge) / 2;
constexpr double kHalfLength = (kAttenuation - 7.95) / (14.36 * (kStopEdge - kPassEdge)) / 2;
constexpr double kBeta = 0.1102 * (kAttenuation - 8.7);

// A ratio whose phases need a larger table than this (44101 to 16000 has 16000 phases) interpolates linearly between
// kInterpolated phases for each sample of the lower rate; what that adds is below -115 dB.
constexpr size_t kMaxTable = size_t{1} << 18;
constexpr int64_t kInterpolated = 1024;

constexpr size_t kSlice = size_t{1} << 16;  // samples taken in at once: bounds the copy that is made of the input

// In place: x[i] becomes I0(2 * sqrt(x[i])), the modified Bessel function of order 0 as its series, the sum over k of
// x^k / k!^2. 30 terms are exact to double for 2 * sqrt(x) <= kBeta.
void bessel_i0(std::vector<double>& x, std::vector<double>& sum) {
    sum.assign(x.size(), 1.0);
    for (int k = 30; k > 0; k--) {
        const double factor = 1.0 / (static_cast<double>(k) * k);
        for (size_t i = 0; i < x.size(); i++) sum[i] = sum[i] * (x[i] * factor) + 1;
    }
    x.swap(sum);
}

// One row of the table: the weights of the 2 * half samples around a point that lies `phase` (in [0, 1]) behind sample
// number half - 1 of them. They add up to 1, so that a constant stays what it is.
struct FilterDesign {
    int half;
    double scale;  // the lower rate, in terms of the input's
    std::vector<double> weights, scratch;

    void row(double phase, float* out) {
        constexpr double pi = 3.14159265358979323846;
        const int n = 2 * half;
        weights.resize(static_cast<size_t>(n));
        for (int j = 0; j < n; j++) {
            const double u = (j - half + 1 - phase) / half;
            weights[j] = kBeta * kBeta / 4 * std::max(0.0, 1 - u * u);
        }
        bessel_i0(weights, scratch);
        double sum = 0;
        for (int j = 0; j < n; j++) {
            const double x = 2 * kCutoff * scale * (j - half + 1 - phase);
            if (x != 0) weights[j] *= sin_pi(x) / (pi * x);
            sum += weights[j];
        }
        for (int j = 0; j < n; j++) out[j] = static_cast<float>(weights[j] / sum);
    }
};

// Sum of a[i] * b[i] in 16 lanes combined in a fixed tree; n is a multiple of 16.
float dot(const float* a, const float* b, int n) {
    F32x4 s0{}, s1{}, s2{}, s3{};
    for (int i = 0; i < n; i += 16) {
        s0 += load4(a + i) * load4(b + i);
        s1 += load4(a + i + 4) * load4(b + i + 4);
        s2 += load4(a + i + 8) * load4(b + i + 8);
        s3 += load4(a + i + 12) * load4(b + i + 12);
    }
    const F32x4 s = (s0 + s2) + (s1 + s3);
    return (s[0] + s[2]) + (s[1] + s[3]);
}

}  // namespace

// Output m lies at input time m * down / up. Its weights are row (m * down) % up of the table, or lie between two rows.
struct Resampler::State {
    int64_t up, down;
    int half = 0;         // weights on either side of an output
    int64_t phases = 0;   // rows of the table for one input sample: `up`, or fewer where rows are interpolated
    Buffer<float> table;  // [phases + 1][2 * half]

    std::vector<float> history;  // input from sample number `first` on; negative numbers are zeros before the start
    int64_t first = 0;
    int64_t n_in = 0;                    // samples pushed
    int64_t n_out = 0;                   // samples produced
    int64_t position = 0, fraction = 0;  // of the next output: at input time position + fraction / up

    State(uint32_t from, uint32_t to) {
        const int64_t g = std::gcd(from, to);
        up = to / g;
        down = from / g;
        if (up == down) return;
        const double scale = std::min(1.0, static_cast<double>(to) / from);  // lower rate, in terms of the input's
        half = static_cast<int>(std::ceil(kHalfLength / scale / 8)) * 8;
        phases = up;
        if (static_cast<size_t>(up) * 2 * half > kMaxTable)
            phases = static_cast<int64_t>(std::ceil(kInterpolated * scale));
        table = Buffer<float>(static_cast<size_t>(phases + 1) * 2 * half);
        FilterDesign design{half, scale, {}, {}};
        for (int64_t p = 0; p <= phases; p++)
            design.row(static_cast<double>(p) / static_cast<double>(phases), table.data() + p * 2 * half);
        history.assign(static_cast<size_t>(half - 1), 0.0f);
        first = -(half - 1);
    }

    float output() const {
        const float* x = history.data() + (position - half + 1 - first);
        const int64_t row = fraction * phases / up;
        const int64_t rest = fraction * phases % up;
        const float* h = table.data() + row * 2 * half;
        const float y = dot(x, h, 2 * half);
        if (rest == 0) return y;
        const float weight = static_cast<float>(rest) / static_cast<float>(up);
        return y + weight * (dot(x, h + 2 * half, 2 * half) - y);
    }

    // Produces outputs n_out to `end`, for which history holds all input.
    void produce(int64_t end, std::vector<float>& out) {
        if (end <= n_out) return;
        const size_t old = out.size();
        out.resize(old + static_cast<size_t>(end - n_out));
        for (float* y = out.data() + old; n_out < end; n_out++) {
            *y++ = output();
            position += down / up;
            fraction += down % up;
            if (fraction >= up) {
                fraction -= up;
                position++;
            }
        }
        const int64_t used = std::min<int64_t>(position - half + 1 - first, static_cast<int64_t>(history.size()));
        if (used < 2 * half) return;  // moves each sample about once, however small the pushes are
        history.erase(history.begin(), history.begin() + used);
        first += used;
    }

    // Number of outputs at input times before `time`.
    int64_t outputs_before(int64_t time) const { return time <= 0 ? 0 : (time * up + down - 1) / down; }
};

Resampler::Resampler(uint32_t from_rate, uint32_t to_rate) {
    for (const uint32_t rate : {from_rate, to_rate})
        if (rate < 8000 || rate > 192000)
            fail(MM_ERROR_INVALID_ARGUMENT, "cannot resample from %u to %u hertz: rates must be 8000 to 192000",
                 from_rate, to_rate);
    state_ = std::make_unique<State>(from_rate, to_rate);
}
Resampler::~Resampler() = default;
Resampler::Resampler(Resampler&&) noexcept = default;
Resampler& Resampler::operator=(Resampler&&) noexcept = default;

void Resampler::push(const float* samples, size_t n, std::vector<float>& out) {
    State& s = *state_;
    if (s.up == s.down) {
        out.insert(out.end(), samples, samples + n);
        return;
    }
    while (n > 0) {
        const size_t slice = std::min(n, kSlice);
        s.history.insert(s.history.end(), samples, samples + slice);
        s.n_in += static_cast<int64_t>(slice);
        s.produce(s.outputs_before(s.n_in - s.half), out);
        samples += slice;
        n -= slice;
    }
}

void Resampler::finish(std::vector<float>& out) {
    State& s = *state_;
    if (s.up == s.down) return;
    s.history.insert(s.history.end(), static_cast<size_t>(s.half), 0.0f);
    s.produce(s.outputs_before(s.n_in), out);
}

}  // namespace mm
