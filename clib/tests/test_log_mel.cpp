// The log-mel spectrogram against openai/whisper's definition in float64, for every length, cut and kernel set.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>
#include <vector>

#include "check.h"
#include "kernels/kernels.h"
#include "runtime/error.h"
#include "signals.h"
#include "whisper/log_mel.h"

namespace {

using mm::LogMel;

// Triangles that overlap by half, as mel filters do, [n_mels][201]; the first and last bins are in none.
std::vector<float> filters(int n_mels) {
    std::vector<float> f(static_cast<size_t>(n_mels) * LogMel::kBins);
    for (int m = 0; m < n_mels; m++) {
        const double width = 1.2 + 5.0 * m / n_mels, center = 3 + 190.0 * (m + 1) / (n_mels + 1);
        for (int bin = 0; bin < LogMel::kBins; bin++)
            f[static_cast<size_t>(m * LogMel::kBins + bin)] =
                static_cast<float>(std::max(0.0, 1 - std::fabs(bin - center) / width) / width);
    }
    return f;
}

// The definition: reflected at the start, zeros behind the end, floor(n / 160) frames, in double precision.
std::vector<double> reference(const std::vector<float>& f, int n_mels, const std::vector<float>& x) {
    const long frames = static_cast<long>(x.size()) / 160;
    const auto sample = [&](long i) {
        const auto at = static_cast<size_t>(std::labs(i));
        return at < x.size() ? static_cast<double>(x[at]) : 0.0;
    };
    double cosine[400], sine[400];
    for (int i = 0; i < 400; i++) cosine[i] = std::cos(kTau * i / 400), sine[i] = std::sin(kTau * i / 400);
    std::vector<double> out(static_cast<size_t>(frames * n_mels));
    double maximum = -1e9;
    for (long t = 0; t < frames; t++) {
        double power[LogMel::kBins];
        for (int bin = 0; bin < LogMel::kBins; bin++) {
            double re = 0, im = 0;
            for (int i = 0; i < 400; i++) {
                const double v = sample(t * 160 + i - 200) * (0.5 - 0.5 * cosine[i]);
                re += v * cosine[bin * i % 400];
                im -= v * sine[bin * i % 400];
            }
            power[bin] = re * re + im * im;
        }
        for (int m = 0; m < n_mels; m++) {
            double sum = 0;
            for (int bin = 0; bin < LogMel::kBins; bin++)
                sum += static_cast<double>(f[static_cast<size_t>(m * LogMel::kBins + bin)]) * power[bin];
            double& value = out[static_cast<size_t>(t * n_mels + m)];
            value = std::log10(std::max(sum, 1e-10));
            maximum = std::max(maximum, value);
        }
    }
    for (double& v : out) v = (std::max(v, maximum - 8) + 4) / 4;
    return out;
}

std::vector<float> take(const LogMel& mel, int n_mels, int64_t from, int64_t to, int64_t maximum_to) {
    std::vector<float> out(static_cast<size_t>((to - from) * n_mels));
    mel.take(from, to, maximum_to, out.data());
    return out;
}

std::vector<float> log_mel(const std::vector<float>& f, int n_mels, const std::vector<float>& x, size_t piece,
                           const mm::Exec& exec) {
    LogMel mel(f.data(), n_mels);
    if (piece == 0) piece = x.size();
    for (size_t i = 0; i < x.size(); i += piece) mel.push(exec, x.data() + i, std::min(piece, x.size() - i));
    mel.finish(exec);
    CHECK(mel.finished());
    CHECK(mel.frames() == static_cast<int64_t>(x.size() / 160));
    return take(mel, n_mels, 0, mel.frames(), mel.frames());
}

std::vector<float> tone(size_t n) {
    std::vector<float> x(n);
    for (size_t i = 0; i < n; i++) x[i] = static_cast<float>(0.9 * std::sin(0.31 * static_cast<double>(i)));
    return x;
}

std::vector<float> fading_noise(size_t n) {
    std::vector<float> x = noise_signal(n, 21);
    for (size_t i = 0; i < n; i++)
        x[i] *= static_cast<float>(std::exp2(-24.0 * static_cast<double>(i) / static_cast<double>(n)));
    return x;
}

void test_against_the_definition() {
    const mm::Exec exec = mm::make_exec(2, nullptr);
    for (const int n_mels : {80, 128}) {
        const std::vector<float> f = filters(n_mels);
        std::vector<std::vector<float>> signals = {noise_signal(8000, 20), tone(8000), fading_noise(8000),
                                                   std::vector<float>(3200, 0.0f), std::vector<float>(3200, 1e6f)};
        for (const size_t n : {0, 1, 2, 100, 159, 160, 200, 201, 319, 320, 321, 360, 361, 400, 401, 479, 480, 1000})
            signals.push_back(noise_signal(n, 22));
        double worst = 0;
        for (const std::vector<float>& x : signals) {
            const std::vector<float> got = log_mel(f, n_mels, x, 0, exec);
            const std::vector<double> expected = reference(f, n_mels, x);
            for (size_t i = 0; i < got.size(); i++) {
                const double difference = std::fabs(static_cast<double>(got[i]) - expected[i]);
                worst = difference <= worst ? worst : difference;  // a NaN stays
            }
        }
        std::printf("%3d mels: largest difference %.1e\n", n_mels, worst);
        CHECK(worst < 1e-4);
    }
}

void test_cuts_threads_and_kernels_do_not_matter() {
    const std::vector<float> f = filters(80), x = noise_signal(50000, 23);
    const std::vector<float> whole = log_mel(f, 80, x, 0, mm::make_exec(1, nullptr));
    for (const size_t piece : {1, 159, 160, 161, 4096}) {
        const std::vector<float> head(x.begin(), x.begin() + 5000);
        CHECK(same_bits(log_mel(f, 80, head, piece, mm::make_exec(1, nullptr)),
                        log_mel(f, 80, head, 0, mm::make_exec(1, nullptr))));
        CHECK(piece < 100 || same_bits(log_mel(f, 80, x, piece, mm::make_exec(1, nullptr)), whole));
    }
    for (const int threads : {2, 3, 7}) CHECK(same_bits(log_mel(f, 80, x, 0, mm::make_exec(threads, nullptr)), whole));
    int n = 0;
    const mm::Kernels* const* sets = mm::available_kernels(&n);
    for (int i = 0; i < n; i++) {
        mm::Exec exec = mm::make_exec(1, nullptr);
        exec.kernels = sets[i];
        CHECK(same_bits(log_mel(f, 80, x, 0, exec), whole));
    }
}

void test_long_input_is_taken_in_slices() {
    const std::vector<float> f = filters(80), x = noise_signal(1100000, 24);
    const mm::Exec exec = mm::make_exec(0, nullptr);
    CHECK(same_bits(log_mel(f, 80, x, 0, exec), log_mel(f, 80, x, 16000, exec)));
}

void test_frames_come_as_soon_as_they_can() {
    const std::vector<float> f = filters(80), x = noise_signal(1000, 25);
    const mm::Exec exec = mm::make_exec(1, nullptr);
    LogMel mel(f.data(), 80);
    for (size_t i = 0; i < x.size(); i++) {
        mel.push(exec, &x[i], 1);
        const auto n = static_cast<int64_t>(i) + 1;
        CHECK(mel.frames() == (n <= 200 ? 0 : (n - 200) / 160 + 1));
        CHECK(!mel.finished());
    }
}

void test_the_maximum_is_over_frames_before_a_given_one() {
    std::vector<float> x = noise_signal(16000, 26);
    for (size_t i = 0; i < 8000; i++) x[i] *= 1e-6f;
    const std::vector<float> f = filters(80);
    const mm::Exec exec = mm::make_exec(1, nullptr);
    LogMel mel(f.data(), 80);
    mel.push(exec, x.data(), x.size());
    mel.finish(exec);
    const std::vector<float> quiet(x.begin(), x.begin() + 7200);  // frames up to 40 end before sample 6600
    LogMel alone(f.data(), 80);
    alone.push(exec, quiet.data(), quiet.size());
    CHECK(same_bits(take(mel, 80, 0, 40, 40), take(alone, 80, 0, 40, 40)));
    CHECK(!same_bits(take(mel, 80, 0, 40, 100), take(mel, 80, 0, 40, 40)));
    CHECK(take(mel, 80, 7, 7, 1).empty());
}

void test_discarding_changes_no_later_frame() {
    std::vector<float> x = noise_signal(32000, 27);
    for (size_t i = 8000; i < x.size(); i++) x[i] *= 1e-5f;  // the maximum lies in what is discarded
    const std::vector<float> f = filters(80);
    const mm::Exec exec = mm::make_exec(1, nullptr);
    const std::vector<float> whole = log_mel(f, 80, x, 0, exec);
    LogMel mel(f.data(), 80);
    std::vector<float> pieces;
    int64_t done = 0;
    const auto drain = [&] {
        const std::vector<float> got = take(mel, 80, done, mel.frames(), mel.frames());
        pieces.insert(pieces.end(), got.begin(), got.end());
        done = mel.frames();
        mel.discard_before(done);
        mel.discard_before(done - 5);
        mel.discard_before(done + 1000);
        CHECK(mel.frames() == done);
    };
    for (size_t i = 0; i < x.size(); i += 3200) {
        mel.push(exec, x.data() + i, 3200);
        if (i >= 9600) drain();
    }
    mel.finish(exec);
    drain();
    CHECK(same_bits(pieces, whole));
}

void test_a_stopped_push_loses_nothing() {
    const std::vector<float> f = filters(80), x = noise_signal(64000, 28);
    const mm::Exec exec = mm::make_exec(1, nullptr);
    LogMel mel(f.data(), 80);
    const std::atomic<bool> flag{true};
    mm::StopSignal stop(nullptr, nullptr, &flag);
    bool aborted = false;
    try {
        mel.push(mm::make_exec(1, &stop), x.data(), x.size());
    } catch (const mm::Error& e) {
        aborted = e.status() == MM_ERROR_ABORTED;
    }
    CHECK(aborted);
    CHECK(mel.frames() == 0);
    mel.finish(exec);
    CHECK(same_bits(take(mel, 80, 0, mel.frames(), mel.frames()), log_mel(f, 80, x, 0, exec)));
}

void test_filters_that_cannot_be_are_refused() {
    const std::vector<float> f = filters(129);
    for (const int n_mels : {0, -1, 129}) {
        bool refused = false;
        try {
            LogMel mel(f.data(), n_mels);
        } catch (const mm::Error&) {
            refused = true;
        }
        CHECK(refused);
    }
}

void test_the_bits_are_those_of_every_processor() {
    std::vector<float> f = noise_signal(80 * LogMel::kBins, 29);  // filters without libm
    for (float& v : f) v = v * v * 0.01f;
    CHECK_DIGEST(log_mel(f, 80, noise_signal(16000, 30), 0, mm::make_exec(0, nullptr)), 0xe2e739e8cb79eb07u);
}

}  // namespace

int main() {
    test_against_the_definition();
    test_cuts_threads_and_kernels_do_not_matter();
    test_long_input_is_taken_in_slices();
    test_frames_come_as_soon_as_they_can();
    test_the_maximum_is_over_frames_before_a_given_one();
    test_discarding_changes_no_later_frame();
    test_a_stopped_push_loses_nothing();
    test_filters_that_cannot_be_are_refused();
    test_the_bits_are_those_of_every_processor();
    return finish("test_log_mel");
}
