// When a window is decoded again at a higher temperature, what is taken where all attempts fail, and what is silence.
#pragma once

#include <cstddef>
#include <vector>

#include "whisper/decoding.h"
#include "whisper/transcribe_options.h"

namespace mm {

// Too repetitive, or too improbable; but what passes for silence is not worth another try.
bool needs_fallback(const DecodingResult& result, const TranscribeOptions& options);

// Nothing is said in the window: the no-speech token is probable, and what was decoded is not.
bool is_silence(const DecodingResult& result, const TranscribeOptions& options);

// Index of the most probable of attempts that all failed, repetitive ones only if there is no other.
size_t best_of_failed(const std::vector<DecodingResult>& attempts, const TranscribeOptions& options);

}  // namespace mm
