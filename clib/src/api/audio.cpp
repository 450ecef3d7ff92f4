#include "api/audio.h"

#include <algorithm>
#include <vector>

#include "api/guard.h"
#include "audio/pcm.h"
#include "audio/resampler.h"

namespace mm::api {

void for_each_16khz_piece(const mm_audio_chunk& chunk, FunctionRef<void(const float*, size_t)> consume) {
    constexpr uint32_t rate = 16000;
    const size_t piece = chunk.sample_rate;
    if (chunk.sample_rate == rate) {
        for (size_t i = 0; i < chunk.len; i += piece) consume(chunk.samples + i, std::min(piece, chunk.len - i));
        return;
    }
    Resampler resampler(chunk.sample_rate, rate);
    std::vector<float> out;
    for (size_t i = 0; i < chunk.len; i += piece) {
        out.clear();
        resampler.push(chunk.samples + i, std::min(piece, chunk.len - i), out);
        consume(out.data(), out.size());
    }
    out.clear();
    resampler.finish(out);
    consume(out.data(), out.size());
}

}  // namespace mm::api

using namespace mm::api;

mm_status mm_resample(mm_audio_chunk chunk, uint32_t target_rate, float** out, size_t* out_len, char** error_out) {
    clear(out, out_len);
    return guard(error_out, [&] {
        MM_REQUIRE(out);
        MM_REQUIRE(out_len);
        mm::check_chunk(chunk);
        if (target_rate < 8000 || target_rate > 192000)
            mm::fail(MM_ERROR_INVALID_ARGUMENT, "target_rate is %u Hz: it must be 8000 to 192000", target_rate);
        mm::Resampler resampler(chunk.sample_rate, target_rate);
        std::vector<float> samples;
        resampler.push(chunk.samples, chunk.len, samples);
        resampler.finish(samples);
        hand_out(samples, out, out_len);
    });
}
