// Whether a window is decoded again, is silence, and what is taken where all attempts fail.
#include <limits>

#include "check.h"
#include "whisper/fallback.h"

namespace {

constexpr float kOff = std::numeric_limits<float>::infinity();

mm::TranscribeOptions defaults() {
    mm::TranscribeOptions o{};
    o.compression_ratio_threshold = 2.4f;
    o.log_prob_threshold = -1.0f;
    o.no_speech_threshold = 0.6f;
    return o;
}

mm::DecodingResult result(float avg_logprob, float no_speech_prob, float compression_ratio) {
    mm::DecodingResult r;
    r.avg_logprob = avg_logprob;
    r.no_speech_prob = no_speech_prob;
    r.compression_ratio = compression_ratio;
    return r;
}

void repetitive_or_improbable_text_is_decoded_again() {
    const mm::TranscribeOptions o = defaults();
    CHECK(!mm::needs_fallback(result(-0.3f, 0.1f, 1.5f), o));
    CHECK(mm::needs_fallback(result(-0.3f, 0.1f, 2.5f), o));
    CHECK(mm::needs_fallback(result(-1.1f, 0.1f, 1.5f), o));
    CHECK(!mm::needs_fallback(result(-1.0f, 0.1f, 2.4f), o));  // on both thresholds
    CHECK(mm::needs_fallback(result(-0.3f, 0.9f, 2.5f), o));   // probable text is not silence
}

void silence_is_not_decoded_again() {
    const mm::TranscribeOptions o = defaults();
    CHECK(!mm::needs_fallback(result(-1.1f, 0.7f, 1.5f), o));
    CHECK(!mm::needs_fallback(result(-1.1f, 0.7f, 3.0f), o));  // even if it is repetitive
    CHECK(mm::needs_fallback(result(-1.1f, 0.6f, 3.0f), o));
    CHECK(mm::is_silence(result(-1.1f, 0.7f, 1.5f), o));
    CHECK(mm::is_silence(result(-1.0f, 0.7f, 1.5f), o));
    CHECK(!mm::is_silence(result(-0.9f, 0.7f, 1.5f), o));
    CHECK(!mm::is_silence(result(-1.1f, 0.6f, 1.5f), o));
}

void thresholds_can_be_off() {
    mm::TranscribeOptions o = defaults();
    o.log_prob_threshold = -kOff;
    CHECK(!mm::needs_fallback(result(-9.0f, 0.1f, 1.5f), o));
    CHECK(mm::is_silence(result(-0.1f, 0.7f, 1.5f), o));  // the no-speech probability alone decides
    CHECK(mm::needs_fallback(result(-9.0f, 0.9f, 2.5f), o));
    o = defaults();
    o.compression_ratio_threshold = kOff;
    CHECK(!mm::needs_fallback(result(-0.3f, 0.1f, 50.0f), o));
    o = defaults();
    o.no_speech_threshold = kOff;
    CHECK(mm::needs_fallback(result(-1.1f, 1.0f, 1.5f), o));
    CHECK(!mm::is_silence(result(-1.1f, 1.0f, 1.5f), o));
}

void of_failed_attempts_the_most_probable_is_taken() {
    const mm::TranscribeOptions o = defaults();
    CHECK(mm::best_of_failed({result(-2.0f, 0, 1.5f), result(-1.2f, 0, 1.5f), result(-3.0f, 0, 1.0f)}, o) == 1);
    CHECK(mm::best_of_failed({result(-0.1f, 0, 9.0f), result(-2.0f, 0, 2.0f)}, o) == 1);  // not a repetitive one
    CHECK(mm::best_of_failed({result(-0.5f, 0, 9.0f), result(-0.1f, 0, 8.0f)}, o) == 1);  // unless there is no other
    CHECK(mm::best_of_failed({result(-1.5f, 0, 1.0f), result(-1.5f, 0, 2.0f)}, o) == 0);  // the first among equals
}

}  // namespace

int main() {
    repetitive_or_improbable_text_is_decoded_again();
    silence_is_not_decoded_again();
    thresholds_can_be_off();
    of_failed_attempts_the_most_probable_is_taken();
    return finish("test_fallback");
}
