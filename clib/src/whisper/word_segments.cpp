// As openai/whisper's transcribe.py does it with word_timestamps.
#include "whisper/word_segments.h"

#include <cmath>

#include "whisper/hallucinations.h"
#include "whisper/log_mel.h"
#include "whisper/word_times.h"

namespace mm {
namespace {

constexpr double kFramesPerSecond = static_cast<double>(LogMel::kSampleRate) / LogMel::kHop;

int64_t frames_of(double seconds) {
    return std::llround(seconds * kFramesPerSecond);
}

// Copies words and their times to a segment and its tokens; timestamp tokens keep none.
void set_words(Segment& segment, const TimedSegment& timed, int end_of_text) {
    segment.start = timed.start;
    segment.end = timed.end;
    size_t token = 0;
    for (const WordTiming& word : timed.words) {
        if (word.text.empty()) continue;
        while (token < segment.tokens.size() && segment.tokens[token].id >= end_of_text) ++token;
        const size_t first = token;  // tokens of punctuation that joined from the next segment stay there
        for (size_t i = 0; i < word.tokens.size() && token < segment.tokens.size(); ++i, ++token) {
            segment.tokens[token].start = word.start;
            segment.tokens[token].end = word.end;
        }
        segment.words.push_back({word.text, word.start, word.end, word.probability, first, token - first});
    }
}

}  // namespace

int64_t WordSegments::add(std::vector<Segment>& segments, bool single_timestamp_ending, int64_t seek,
                          double& last_speech) const {
    const int eot = inference.model().tokenizer->eot();
    std::vector<TimedSegment> timed;
    for (const Segment& segment : segments) {
        TimedSegment t{segment.start, segment.end, {}, {}};
        for (const Token& token : segment.tokens)
            if (token.id < eot) t.text_tokens.push_back(token.id);
        timed.push_back(std::move(t));
    }
    const double offset = static_cast<double>(window_start) / kFramesPerSecond;
    add_word_times(exec, inference, timed, language, options.task, segment_size, options.prepend_punctuations,
                   options.append_punctuations, offset, last_speech);
    for (size_t i = 0; i < segments.size(); ++i) set_words(segments[i], timed[i], eot);

    const double end = last_word_end(segments);
    if (!single_timestamp_ending && end > offset) seek = frames_of(end);
    if (options.hallucination_silence_threshold > 0.0f)
        seek = skip_hallucinations({window_start, 2 * options.audio_ctx, segment_size, content_frames,
                                    static_cast<double>(options.hallucination_silence_threshold)},
                                   segments, single_timestamp_ending, seek, last_speech);
    const double kept_end = last_word_end(segments);
    if (kept_end >= 0.0) last_speech = kept_end;
    return seek;
}

}  // namespace mm
