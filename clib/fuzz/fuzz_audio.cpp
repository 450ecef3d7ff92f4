// Any samples at any rates through the checks, the resampler, the log-mel spectrogram and voice activity: no fault,
// finite results, and the same bits whole and in pieces. make_seeds.py writes inputs to start from.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "audio/pcm.h"
#include "audio/resampler.h"
#include "kernels/kernels.h"
#include "runtime/error.h"
#include "whisper/log_mel.h"
#include "whisper/vad.h"

namespace {

constexpr size_t kMaxSamples = 2048;  // more is slower and shows nothing new

// What an input starts with; samples follow.
struct Input {
    uint32_t from, to;  // rates; see valid_rate
    uint16_t piece;     // samples pushed at once
    uint8_t wide;       // samples are float32, with all that is none; else int16, so that few bytes are much audio
    uint8_t unused;
    mm_vad_options options;
};

// Nearly all numbers are no rates that are taken: those below 2^31 stand for one that is.
uint32_t valid_rate(uint32_t number) {
    constexpr uint32_t kLow = 8000, kHigh = 192000;
    if (number >= kLow && number <= kHigh) return number;
    return number >> 31 ? number : kLow + number % (kHigh - kLow + 1);
}

void require(bool ok) {
    if (!ok) __builtin_trap();
}

// make_seeds.py's inputs must not be refused.
void refused(const mm::Error& error) {
    require(error.status() == MM_ERROR_INVALID_ARGUMENT);
    require(!std::getenv("MM_FUZZ_SEEDS"));
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

template <typename Push>
void in_pieces(const std::vector<float>& x, size_t piece, Push push) {
    for (size_t i = 0; i < x.size(); i += piece) push(x.data() + i, std::min(piece, x.size() - i));
}

std::vector<float> resample(const std::vector<float>& x, uint32_t from, uint32_t to, size_t piece) {
    mm::Resampler resampler(from, to);
    std::vector<float> out;
    in_pieces(x, piece, [&](const float* samples, size_t n) { resampler.push(samples, n, out); });
    resampler.finish(out);
    return out;
}

std::vector<float> log_mel(const std::vector<float>& x, size_t piece) {
    static const std::vector<float> filters(80 * mm::LogMel::kBins, 0.01f);
    const mm::Exec exec = mm::make_exec(1, nullptr);
    mm::LogMel mel(filters.data(), 80);
    in_pieces(x, piece, [&](const float* samples, size_t n) { mel.push(exec, samples, n); });
    mel.finish(exec);
    require(mel.frames() == static_cast<int64_t>(x.size() / mm::LogMel::kHop));
    std::vector<float> out(static_cast<size_t>(mel.frames()) * 80);
    mel.take(0, mel.frames(), mel.frames(), out.data());
    return out;
}

void detect_speech(std::vector<float> x) {
    const auto vad = mm::Vad::builtin();
    mm::Vad::State state;
    x.resize(2 * mm::Vad::kWindow);  // the network is slow, and the same for every window
    for (size_t i = 0; i < x.size(); i += mm::Vad::kWindow) {
        const float probability = vad->process(state, x.data() + i);
        require(probability >= 0 && probability <= 1);
    }
}

// Every sample's magnitude is taken for the probability of a window, so that there are many.
void find_runs(const std::vector<float>& x, size_t missing, const mm_vad_options& options) {
    mm::SpeechRuns whole(options), pieces(options);
    const auto total = static_cast<int64_t>(x.size() * mm::Vad::kWindow - (x.empty() ? 0 : missing % mm::Vad::kWindow));
    int64_t end = 0, length = 0;
    const auto take_pieces = [&] {
        for (const mm::SpeechRun& run : pieces.take_pieces()) {
            require(run.begin >= end && run.end > run.begin && run.end <= total);
            length += run.end - run.begin;
            end = run.end;
        }
    };
    for (const float v : x) {
        const float probability = std::min(std::fabs(v), 1.0f);
        whole.push(probability);
        pieces.push(probability);
        take_pieces();
    }
    whole.finish(total);
    pieces.finish(total);
    take_pieces();
    for (const mm::SpeechRun& run : whole.take()) length -= run.end - run.begin;
    require(length == 0);
}

std::vector<float> samples(const uint8_t* data, size_t size, bool wide) {
    std::vector<float> x(std::min(size / (wide ? sizeof(float) : sizeof(int16_t)), kMaxSamples));
    if (x.empty()) return x;
    if (wide) {
        std::memcpy(x.data(), data, x.size() * sizeof(float));
        return x;
    }
    std::vector<int16_t> narrow(x.size());
    std::memcpy(narrow.data(), data, narrow.size() * sizeof(int16_t));
    std::transform(narrow.begin(), narrow.end(), x.begin(), [](int16_t v) { return static_cast<float>(v) / 32768; });
    return x;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input;
    if (size < sizeof input) return 0;
    std::memcpy(&input, data, sizeof input);
    input.from = valid_rate(input.from);
    input.to = valid_rate(input.to);
    std::vector<float> x = samples(data + sizeof input, size - sizeof input, input.wide);
    const size_t piece = 1 + input.piece % kMaxSamples;

    try {
        mm::check_chunk({x.data(), x.size(), input.from}, nullptr);
        const std::vector<float> y = resample(x, input.from, input.to, kMaxSamples);
        require(y.size() == (uint64_t{x.size()} * input.to + input.from - 1) / input.from);
        for (const float v : y) require(std::isfinite(v));
        require(same_bits(y, resample(x, input.from, input.to, piece)));
    } catch (const mm::Error& e) {
        refused(e);
        for (float& v : x) v = std::fabs(v) <= 1e6f ? v : 0;
    }
    const std::vector<float> mel = log_mel(x, kMaxSamples);
    for (const float v : mel) require(std::isfinite(v));
    require(same_bits(mel, log_mel(x, piece)));
    mm_vad_options options;
    try {
        options = mm::resolve_vad_options(&input.options);
    } catch (const mm::Error& e) {
        refused(e);
        options = mm::resolve_vad_options(nullptr);
    }
    detect_speech(x);
    find_runs(x, piece, options);
    return 0;
}
