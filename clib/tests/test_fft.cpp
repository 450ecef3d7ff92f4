// The Fourier transform of real signals against its definition, and that the four lanes know nothing of each other.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "audio/fft.h"
#include "check.h"
#include "runtime/error.h"
#include "signals.h"

namespace {

// The spectra of four signals: [4][n / 2 + 1][2].
std::vector<float> spectra(int n, const std::vector<float>& x) {
    const size_t half = static_cast<size_t>(n / 2), size = static_cast<size_t>(n);
    std::vector<mm::Complex4> signal(half), spectrum(half + 1);
    for (size_t lane = 0; lane < 4; lane++) {
        for (size_t i = 0; i < half; i++) {
            signal[i].re[lane] = x[lane * size + 2 * i];
            signal[i].im[lane] = x[lane * size + 2 * i + 1];
        }
    }
    mm::RealFft(n).forward(signal.data(), spectrum.data());
    std::vector<float> out;
    for (size_t lane = 0; lane < 4; lane++) {
        for (const mm::Complex4& bin : spectrum) {
            out.push_back(bin.re[lane]);
            out.push_back(bin.im[lane]);
        }
    }
    return out;
}

void test_error_against_the_definition(int n) {
    const std::vector<float> x = noise_signal(4 * static_cast<size_t>(n), 11);
    const std::vector<float> got = spectra(n, x);
    double worst = 0, power = 0;
    size_t at = 0;
    for (int lane = 0; lane < 4; lane++) {
        for (int k = 0; k <= n / 2; k++, at += 2) {
            double re = 0, im = 0;
            for (int t = 0; t < n; t++) {
                const double v = static_cast<double>(x[static_cast<size_t>(lane * n + t)]);
                const double angle = kTau * static_cast<double>(int64_t{k} * t % n) / n;
                re += v * std::cos(angle);
                im -= v * std::sin(angle);
            }
            worst =
                std::max(worst, std::hypot(static_cast<double>(got[at]) - re, static_cast<double>(got[at + 1]) - im));
            power += re * re + im * im;
        }
    }
    const double error = worst / std::sqrt(power / (4 * (n / 2 + 1)));
    std::printf("%4d points: largest error %.1e of the mean amplitude\n", n, error);
    CHECK(error < 1e-6);
}

void test_lanes_are_independent() {
    const std::vector<float> x = noise_signal(1600, 12);
    const std::vector<float> whole = spectra(400, x);
    for (size_t lane = 0; lane < 4; lane++) {
        std::vector<float> poisoned(1600, std::numeric_limits<float>::quiet_NaN());
        std::copy_n(x.begin() + static_cast<long>(lane * 400), 400, poisoned.begin() + static_cast<long>(lane * 400));
        const std::vector<float> one = spectra(400, poisoned);
        const long from = static_cast<long>(lane * 402), to = from + 402;
        CHECK(same_bits({one.begin() + from, one.begin() + to}, {whole.begin() + from, whole.begin() + to}));
    }
}

void test_lengths_that_cannot_be_are_refused() {
    for (const int n : {-2, 0, 1, 3, 6, 14, 401}) {
        bool refused = false;
        try {
            mm::RealFft fft(n);
        } catch (const mm::Error& e) {
            refused = e.status() == MM_ERROR_INTERNAL;
        }
        CHECK(refused);
    }
}

void test_the_bits_are_those_of_every_processor() {
    CHECK_DIGEST(spectra(400, noise_signal(1600, 13)), 0xb149506ea70d201bu);
}

}  // namespace

int main() {
    for (const int n : {2, 4, 8, 10, 16, 20, 40, 200, 400, 512, 1000}) test_error_against_the_definition(n);
    test_lanes_are_independent();
    test_lengths_that_cannot_be_are_refused();
    test_the_bits_are_those_of_every_processor();
    return finish("test_fft");
}
