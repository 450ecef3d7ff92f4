#include "audio/pcm.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "runtime/error.h"

namespace mm {
namespace {

constexpr uint32_t kMinRate = 8000, kMaxRate = 192000;
constexpr float kMaxMagnitude = 1e6f;
constexpr size_t kSlice = size_t{1} << 20;  // samples looked at between two questions whether to stop

bool is_good(float x) {
    return std::fabs(x) <= kMaxMagnitude;  // false for NaN
}

// Index of the first sample that is not finite or too large, or n. Blocks without one are passed over without a branch
// for each sample.
size_t first_bad(const float* x, size_t n) {
    constexpr size_t kBlock = 1024;
    for (size_t start = 0; start < n; start += kBlock) {
        const size_t end = std::min(n, start + kBlock);
        int bad = 0;
        for (size_t i = start; i < end; i++) bad |= !is_good(x[i]);
        if (bad) return static_cast<size_t>(std::find_if_not(x + start, x + end, is_good) - x);
    }
    return n;
}

}  // namespace

void check_chunk(const mm_audio_chunk& chunk, StopSignal* stop) {
    if (chunk.sample_rate < kMinRate || chunk.sample_rate > kMaxRate)
        fail(MM_ERROR_INVALID_ARGUMENT, "sample_rate is %u: it must be %u to %u hertz", chunk.sample_rate, kMinRate,
             kMaxRate);
    if (chunk.len == 0) return;
    if (chunk.samples == nullptr)
        fail(MM_ERROR_INVALID_ARGUMENT, "samples is NULL but len is %zu: pass the samples, or len 0", chunk.len);
    if (chunk.len > static_cast<size_t>(PTRDIFF_MAX) / sizeof(float))
        fail(MM_ERROR_INVALID_ARGUMENT, "len is %zu: more samples than memory can hold", chunk.len);
    size_t bad = 0;
    while (bad < chunk.len) {
        if (stop) stop->check();
        const size_t slice = std::min(kSlice, chunk.len - bad), good = first_bad(chunk.samples + bad, slice);
        bad += good;
        if (good < slice) break;
    }
    if (bad == chunk.len) return;
    const float value = chunk.samples[bad];
    if (std::isfinite(value))
        fail(MM_ERROR_INVALID_ARGUMENT,
             "sample %zu is %g: samples are floats in [-1, 1] (divide 16-bit integers by 32768)", bad,
             static_cast<double>(value));
    fail(MM_ERROR_INVALID_ARGUMENT, "sample %zu is %s: samples must be finite", bad,
         std::isnan(value) ? "NaN" : "infinite");
}

}  // namespace mm
