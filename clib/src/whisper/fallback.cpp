#include "whisper/fallback.h"

#include <algorithm>
#include <cmath>

namespace mm {

bool needs_fallback(const DecodingResult& r, const TranscribeOptions& o) {
    const bool improbable = r.avg_logprob < o.log_prob_threshold;
    if (improbable && r.no_speech_prob > o.no_speech_threshold) return false;
    return improbable || r.compression_ratio > o.compression_ratio_threshold;
}

bool is_silence(const DecodingResult& r, const TranscribeOptions& o) {
    if (!(r.no_speech_prob > o.no_speech_threshold)) return false;
    return std::isinf(o.log_prob_threshold) || !(r.avg_logprob > o.log_prob_threshold);
}

size_t best_of_failed(const std::vector<DecodingResult>& attempts, const TranscribeOptions& o) {
    const auto better = [&](const DecodingResult& a, const DecodingResult& b) {
        const bool a_fine = a.compression_ratio <= o.compression_ratio_threshold;
        const bool b_fine = b.compression_ratio <= o.compression_ratio_threshold;
        return a_fine != b_fine ? a_fine : a.avg_logprob > b.avg_logprob;
    };
    return static_cast<size_t>(std::min_element(attempts.begin(), attempts.end(), better) - attempts.begin());
}

}  // namespace mm
