#include "whisper/hallucinations.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "whisper/log_mel.h"

namespace mm {
namespace {

constexpr double kFramesPerSecond = static_cast<double>(LogMel::kSampleRate) / LogMel::kHop;
// Words of nothing but these do not count as speech (openai/whisper: "'“¿([{-"'.。,，!！?？:：”)]}、).
constexpr const char* kPunctuation[] = {"\"",
                                        "'",
                                        "\xe2\x80\x9c",
                                        "\xc2\xbf",
                                        "(",
                                        "[",
                                        "{",
                                        "-",
                                        ".",
                                        "\xe3\x80\x82",
                                        ",",
                                        "\xef\xbc\x8c",
                                        "!",
                                        "?",
                                        "\xef\xbc\x81",
                                        "\xef\xbc\x9f",
                                        ":",
                                        "\xef\xbc\x9a",
                                        ")",
                                        "]",
                                        "}",
                                        "\xe2\x80\x9d",
                                        "\xe3\x80\x81"};

bool is_punctuation(const std::string& word) {
    return std::any_of(std::begin(kPunctuation), std::end(kPunctuation), [&](const char* p) { return word == p; });
}

// How unlikely it is that this word was said: improbable, very short or very long.
double anomaly(const Word& word) {
    const double duration = word.end - word.start;
    double score = 0.0;
    if (word.probability < 0.15f) score += 1.0;
    if (duration < 0.133) score += (0.133 - duration) * 15.0;
    if (duration > 2.0) score += duration - 2.0;
    return score;
}

bool is_anomaly(const Segment* segment) {
    if (!segment || segment->words.empty()) return false;
    double score = 0.0;
    int words = 0;
    for (const Word& word : segment->words) {
        if (words == 8) break;
        if (is_punctuation(word.text)) continue;
        score += anomaly(word);
        ++words;
    }
    return score >= 3.0 || score + 0.01 >= words;
}

const Segment* next_with_words(const std::vector<Segment>& segments, size_t from) {
    for (size_t i = from; i < segments.size(); ++i)
        if (!segments[i].words.empty()) return &segments[i];
    return nullptr;
}

int64_t frames_of(double seconds) {
    return std::llround(seconds * kFramesPerSecond);
}

}  // namespace

double last_word_end(const std::vector<Segment>& segments) {
    for (auto s = segments.rbegin(); s != segments.rend(); ++s)
        if (!s->words.empty()) return s->words.back().end;
    return -1.0;
}

int64_t skip_hallucinations(const Window& window, std::vector<Segment>& segments, bool single_timestamp_ending,
                            int64_t seek, double last_speech) {
    const double threshold = window.silence;
    const double offset = static_cast<double>(window.start) / kFramesPerSecond;
    const double window_end = offset + window.length / kFramesPerSecond;
    const double audio_end = offset + window.audio / kFramesPerSecond;

    const double end = last_word_end(segments);
    if (!single_timestamp_ending && end > offset)
        seek = window_end - end > threshold ? frames_of(end) : window.start + window.audio;

    // A doubtful first segment after a long silence: skip the silence and decode again from there.
    const Segment* first = next_with_words(segments, 0);
    if (is_anomaly(first) && first->start - offset > threshold) {
        const int64_t gap = frames_of(first->start - offset);
        segments.clear();
        return window.start + gap;
    }

    // Doubtful segments with silence or more of the same on both sides are dropped, with all that follows them.
    double previous_end = last_speech;
    for (size_t i = 0; i < segments.size(); ++i) {
        const Segment& segment = segments[i];
        if (segment.words.empty()) continue;
        if (is_anomaly(&segment)) {
            const Segment* next = next_with_words(segments, i + 1);
            const double next_start = next ? next->words.front().start : audio_end;
            const bool silence_before =
                segment.start - previous_end > threshold || segment.start < threshold || segment.start - offset < 2.0;
            const bool silence_after =
                next_start - segment.end > threshold || is_anomaly(next) || window_end - segment.end < 2.0;
            if (silence_before && silence_after) {
                seek = frames_of(std::max(offset + 1.0, segment.start));
                if (static_cast<double>(window.content) / kFramesPerSecond - segment.end < threshold)
                    seek = window.content;
                segments.erase(segments.begin() + static_cast<std::ptrdiff_t>(i), segments.end());
                break;
            }
        }
        previous_end = segment.end;
    }
    return seek;
}

}  // namespace mm
