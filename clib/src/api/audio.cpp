#include "api/audio.h"

#include <algorithm>
#include <vector>

#include "api/guard.h"
#include "api/run.h"
#include "audio/pcm.h"
#include "audio/resampler.h"

namespace mm::api {
namespace {

// Samples at `rate` that a chunk becomes.
size_t resampled_length(const mm_audio_chunk& chunk, uint32_t rate) {
    const size_t seconds = chunk.len / chunk.sample_rate, rest = chunk.len % chunk.sample_rate;
    if (seconds >= static_cast<size_t>(PTRDIFF_MAX) / sizeof(float) / rate) throw std::bad_alloc();
    return seconds * rate + (rest * rate + chunk.sample_rate - 1) / chunk.sample_rate;
}

void for_each_piece(const mm_audio_chunk& chunk, uint32_t rate, StopSignal& stop,
                    FunctionRef<void(const float*, size_t)> consume) {
    const size_t piece = chunk.sample_rate;
    if (chunk.sample_rate == rate) {
        for (size_t i = 0; i < chunk.len; i += piece) {
            stop.check();
            consume(chunk.samples + i, std::min(piece, chunk.len - i));
        }
        return;
    }
    Resampler resampler(chunk.sample_rate, rate);
    std::vector<float> out;
    for (size_t i = 0; i < chunk.len; i += piece) {
        stop.check();
        out.clear();
        resampler.push(chunk.samples + i, std::min(piece, chunk.len - i), out);
        consume(out.data(), out.size());
    }
    out.clear();
    resampler.finish(out);
    consume(out.data(), out.size());
}

}  // namespace

void for_each_16khz_piece(const mm_audio_chunk& chunk, StopSignal& stop,
                          FunctionRef<void(const float*, size_t)> consume) {
    for_each_piece(chunk, 16000, stop, consume);
}

}  // namespace mm::api

using namespace mm::api;

mm_status mm_resample(mm_audio_chunk chunk, uint32_t target_rate, const mm_run_options* run, float** out,
                      size_t* out_len, char** error_out) {
    clear(out, out_len);
    const std::fenv_t host = host_environment();
    return guard(error_out, [&] {
        MM_REQUIRE(out);
        MM_REQUIRE(out_len);
        Run running(run, host);
        mm::check_chunk(chunk, &running.stop());
        if (target_rate < 8000 || target_rate > 192000)
            mm::fail(MM_ERROR_INVALID_ARGUMENT, "target_rate is %u Hz: it must be 8000 to 192000", target_rate);
        mm::Buffer<float> result(resampled_length(chunk, target_rate));
        size_t done = 0;
        for_each_piece(chunk, target_rate, running.stop(), [&](const float* samples, size_t n) {
            std::copy_n(samples, n, result.data() + done);
            done += n;
        });
        *out_len = result.size();
        *out = result.release();
    });
}
