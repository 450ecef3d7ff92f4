// The resampler against its specification, measured with tones: pass band flat to 0.1 dB up to 0.45 of the lower rate,
// stop band below -100 dB, no shift in time, ceil(n * to / from) samples, the same bits however the input is cut.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "audio/pcm.h"
#include "audio/resampler.h"
#include "check.h"
#include "runtime/error.h"
#include "signals.h"

namespace {

struct Rates {
    uint32_t from, to;
};
constexpr Rates kRates[] = {{8000, 16000},   {11025, 16000}, {22050, 16000},  {32000, 16000},  {44100, 16000},
                            {48000, 16000},  {96000, 16000}, {192000, 16000}, {44101, 16000},  {16000, 8000},
                            {192000, 8000},  {8000, 192000}, {16000, 48000},  {16000, 44100},  {16000, 44101},
                            {191999, 11025}, {8000, 8001},   {11025, 192000}, {192000, 44100}, {48000, 47999}};

std::vector<float> resample(const std::vector<float>& x, Rates rates, size_t piece = 0) {
    mm::Resampler resampler(rates.from, rates.to);
    std::vector<float> out;
    if (piece == 0) piece = x.size();
    for (size_t i = 0; i < x.size(); i += piece) resampler.push(x.data() + i, std::min(piece, x.size() - i), out);
    resampler.finish(out);
    return out;
}

std::vector<float> tone(double hertz, double rate, size_t n) {
    std::vector<float> x(n);
    for (size_t i = 0; i < n; i++)
        x[i] = static_cast<float>(std::cos(kTau * std::fmod(hertz * static_cast<double>(i) / rate, 1.0) + 0.3));
    return x;
}

double decibels(double amplitude) {
    return 20 * std::log10(std::max(amplitude, 1e-30));
}

// The tone in the middle of a signal by least squares, and what is left without it.
struct Fit {
    double amplitude, phase, rest;
};
Fit fit(const std::vector<float>& y, double hertz, double rate) {
    const size_t margin = y.size() / 4;
    double cc = 0, ss = 0, cs = 0, yc = 0, ys = 0, yy = 0;
    for (size_t i = margin; i < y.size() - margin; i++) {
        const double angle = kTau * std::fmod(hertz * static_cast<double>(i) / rate, 1.0);
        const double c = std::cos(angle), s = std::sin(angle), v = static_cast<double>(y[i]);
        cc += c * c, ss += s * s, cs += c * s, yc += v * c, ys += v * s, yy += v * v;
    }
    const double det = cc * ss - cs * cs;
    const double a = (yc * ss - ys * cs) / det, b = (ys * cc - yc * cs) / det;
    const double rest = std::max(0.0, yy - a * yc - b * ys);
    return {std::hypot(a, b), std::atan2(-b, a), std::sqrt(2 * rest / static_cast<double>(y.size() - 2 * margin))};
}

double rms_amplitude(const std::vector<float>& y) {
    const size_t margin = y.size() / 4;
    double sum = 0;
    for (size_t i = margin; i < y.size() - margin; i++) sum += static_cast<double>(y[i]) * static_cast<double>(y[i]);
    return std::sqrt(2 * sum / static_cast<double>(y.size() - 2 * margin));
}

void test_pass_band_is_flat_and_in_time(Rates rates) {
    const double lower = std::min(rates.from, rates.to);
    const size_t n = static_cast<size_t>(800.0 * rates.from / lower);
    double ripple = 0, noise = -999, shift = 0;
    for (const double part : {0.003, 0.05, 0.1, 0.17, 0.25, 0.333, 0.4, 0.43, 0.44, 0.45}) {
        const double hertz = part * lower;
        const Fit f = fit(resample(tone(hertz, rates.from, n), rates), hertz, rates.to);
        ripple = std::max(ripple, std::fabs(decibels(f.amplitude)));
        noise = std::max(noise, decibels(f.rest));
        shift = std::max(shift, std::fabs(f.phase - 0.3));
    }
    std::printf("%6u to %6u: ripple %.5f dB, images and noise %.1f dB, phase %.1e\n", rates.from, rates.to, ripple,
                noise, shift);
    CHECK(ripple < 0.1);
    CHECK(noise < -100);
    CHECK(shift < 1e-5);
}

void test_stop_band_is_silent(Rates rates) {
    if (rates.to >= rates.from) return;
    const size_t n = static_cast<size_t>(800.0 * rates.from / rates.to);
    const double edge = 0.5 * rates.to, top = 0.5 * rates.from;
    double worst = -999;
    for (int i = 0; i <= 10; i++) {
        const double hertz = edge + (top - edge) * i / 10;
        worst = std::max(worst, decibels(rms_amplitude(resample(tone(hertz, rates.from, n), rates))));
    }
    std::printf("%6u to %6u: stop band %.1f dB\n", rates.from, rates.to, worst);
    CHECK(worst < -100);
}

void test_every_length(Rates rates) {
    for (const size_t n : {0, 1, 2, 3, 7, 159, 160, 161, 1001}) {
        const uint64_t expected = (uint64_t{n} * rates.to + rates.from - 1) / rates.from;
        CHECK(resample(noise_signal(n, 1), rates).size() == expected);
    }
}

void test_cuts_do_not_matter(Rates rates) {
    const std::vector<float> x = noise_signal(5000, 2);
    const std::vector<float> whole = resample(x, rates);
    for (const size_t piece : {1, 2, 37, 512, 4999}) CHECK(same_bits(resample(x, rates, piece), whole));
}

void test_a_constant_stays_what_it_is(Rates rates) {
    const size_t n = static_cast<size_t>(600.0 * rates.from / std::min(rates.from, rates.to));
    const std::vector<float> y = resample(std::vector<float>(n, 0.5f), rates);
    float worst = 0;
    for (size_t i = y.size() / 4; i < y.size() * 3 / 4; i++) worst = std::max(worst, std::fabs(y[i] - 0.5f));
    CHECK(worst < 1e-6f);
}

void test_long_input_is_taken_in_slices() {
    const std::vector<float> x = noise_signal(200000, 3);
    CHECK(same_bits(resample(x, {48000, 16000}), resample(x, {48000, 16000}, 1000)));
}

void test_equal_rates_copy() {
    const std::vector<float> x = noise_signal(777, 4);
    CHECK(same_bits(resample(x, {44100, 44100}, 10), x));
}

void test_a_moved_resampler_goes_on() {
    const std::vector<float> x = noise_signal(2000, 5);
    mm::Resampler first(48000, 16000);
    std::vector<float> out;
    first.push(x.data(), 1000, out);
    mm::Resampler second = std::move(first);
    second.push(x.data() + 1000, 1000, out);
    second.finish(out);
    CHECK(same_bits(out, resample(x, {48000, 16000})));
}

bool refuses_rates(uint32_t from, uint32_t to) {
    try {
        mm::Resampler resampler(from, to);
        return false;
    } catch (const mm::Error& e) {
        return e.status() == MM_ERROR_INVALID_ARGUMENT && std::strstr(e.what(), "8000") != nullptr;
    }
}

void test_rates_out_of_range_are_refused() {
    for (const uint32_t rate : {0u, 1u, 7999u, 192001u, 0xffffffffu}) {
        CHECK(refuses_rates(rate, 16000));
        CHECK(refuses_rates(16000, rate));
    }
}

std::string complaint(const float* samples, size_t len, uint32_t rate) {
    try {
        mm::check_chunk({samples, len, rate}, nullptr);
        return "";
    } catch (const mm::Error& e) {
        return e.status() == MM_ERROR_INVALID_ARGUMENT ? e.what() : "wrong status";
    }
}

void test_chunks_are_checked() {
    std::vector<float> x = noise_signal(5000, 6);
    CHECK(complaint(x.data(), x.size(), 8000).empty());
    CHECK(complaint(x.data(), x.size(), 192000).empty());
    CHECK(complaint(nullptr, 0, 16000).empty());
    CHECK(complaint(nullptr, 1, 16000).find("NULL") != std::string::npos);
    CHECK(complaint(x.data(), x.size(), 7999).find("7999") != std::string::npos);
    CHECK(complaint(x.data(), x.size(), 192001).find("192001") != std::string::npos);
    CHECK(complaint(x.data(), std::numeric_limits<size_t>::max(), 16000).find("len") != std::string::npos);
    const float infinity = std::numeric_limits<float>::infinity();
    for (const size_t at : {size_t{0}, size_t{1}, size_t{1023}, size_t{1024}, size_t{4999}}) {
        for (const float bad : {std::numeric_limits<float>::quiet_NaN(), infinity, -infinity, 1.1e6f, -3e38f}) {
            std::vector<float> y = x;
            y[at] = bad;
            y.back() = at == 0 ? bad : y.back();  // the first one is named
            const std::string message = complaint(y.data(), y.size(), 16000);
            CHECK(message.find("sample " + std::to_string(at) + " is") != std::string::npos);
        }
    }
    x[77] = 1e6f;
    CHECK(complaint(x.data(), x.size(), 16000).empty());
}

void test_the_bits_are_those_of_every_processor() {
    const std::vector<float> x = noise_signal(4000, 7);
    CHECK_DIGEST(resample(x, {48000, 16000}), 0xc77d8e3025ced854u);
    CHECK_DIGEST(resample(x, {44100, 16000}), 0xc6cd231e3ade67adu);
    CHECK_DIGEST(resample(x, {44101, 16000}), 0xefc2a35cfdb4c304u);
    CHECK_DIGEST(resample(x, {8000, 16000}), 0x57a9eea6d11660e9u);
}

}  // namespace

int main() {
    for (const Rates rates : kRates) {
        test_pass_band_is_flat_and_in_time(rates);
        test_stop_band_is_silent(rates);
        test_every_length(rates);
        test_cuts_do_not_matter(rates);
        test_a_constant_stays_what_it_is(rates);
    }
    test_long_input_is_taken_in_slices();
    test_equal_rates_copy();
    test_a_moved_resampler_goes_on();
    test_rates_out_of_range_are_refused();
    test_chunks_are_checked();
    test_the_bits_are_those_of_every_processor();
    return finish("test_resampler");
}
