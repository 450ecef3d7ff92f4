// Any samples at any rates through the checks, the resampler, the log-mel spectrogram and voice activity: no fault,
// finite results, and the same bits whole and in pieces.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "audio/pcm.h"
#include "audio/resampler.h"
#include "kernels/kernels.h"
#include "runtime/error.h"
#include "whisper/log_mel.h"
#include "whisper/vad.h"

namespace {

constexpr size_t kMaxSamples = 2000;  // more is slower and shows nothing new

struct Input {
    uint32_t from, to;
    uint32_t piece;  // samples pushed at once
};

void require(bool ok) {
    if (!ok) __builtin_trap();
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

void detect_speech(std::vector<float> x, const mm_vad_options& options) {
    const auto vad = mm::Vad::builtin();
    mm::Vad::State state;
    mm::SpeechRuns whole(options), pieces(options);
    const auto total = static_cast<int64_t>(x.size());
    x.resize((x.size() + mm::Vad::kWindow - 1) / mm::Vad::kWindow * mm::Vad::kWindow);
    int64_t end = 0, length = 0;
    const auto take_pieces = [&] {
        for (const mm::SpeechRun& run : pieces.take_pieces()) {
            require(run.begin >= end && run.end > run.begin && run.end <= total);
            length += run.end - run.begin;
            end = run.end;
        }
    };
    for (size_t i = 0; i < x.size(); i += mm::Vad::kWindow) {
        const float probability = vad->process(state, x.data() + i);
        require(probability >= 0 && probability <= 1);
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Input input;
    mm_vad_options options;
    if (size < sizeof input + sizeof options) return 0;
    std::memcpy(&input, data, sizeof input);
    std::memcpy(&options, data + sizeof input, sizeof options);
    data += sizeof input + sizeof options;
    size -= sizeof input + sizeof options;
    std::vector<float> x(std::min(size / sizeof(float), kMaxSamples));
    if (!x.empty()) std::memcpy(x.data(), data, x.size() * sizeof(float));
    const size_t piece = 1 + input.piece % kMaxSamples;

    try {
        mm::check_chunk({x.data(), x.size(), input.from}, nullptr);
        const std::vector<float> y = resample(x, input.from, input.to, kMaxSamples);
        require(y.size() == (uint64_t{x.size()} * input.to + input.from - 1) / input.from);
        for (const float v : y) require(std::isfinite(v));
        require(same_bits(y, resample(x, input.from, input.to, piece)));
    } catch (const mm::Error& e) {
        require(e.status() == MM_ERROR_INVALID_ARGUMENT);
        for (float& v : x) v = std::fabs(v) <= 1e6f ? v : 0;
    }
    const std::vector<float> mel = log_mel(x, kMaxSamples);
    for (const float v : mel) require(std::isfinite(v));
    require(same_bits(mel, log_mel(x, piece)));
    try {
        options = mm::resolve_vad_options(&options);
    } catch (const mm::Error& e) {
        require(e.status() == MM_ERROR_INVALID_ARGUMENT);
        options = mm::resolve_vad_options(nullptr);
    }
    detect_speech(x, options);
    return 0;
}
