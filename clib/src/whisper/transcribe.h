// Long-form transcription, as openai/whisper's transcribe.py: windows of up to 30 s, temperature fallback, seeking by
// timestamps, conditioning on previous text, word times, silence and hallucination guards, voice activity filter.
#pragma once

#include <atomic>
#include <cfenv>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "multimodal.h"
#include "whisper/model.h"

namespace mm {

struct Token {
    int32_t id;
    int window, attempt;
    std::string text;
    double start, end;
    float probability;
};

struct Word {
    std::string text;
    double start, end;
    float probability;
    size_t first_token, n_tokens;
};

struct Segment {
    int64_t seek;
    double start, end;
    std::string text;
    std::vector<Token> tokens;
    std::vector<Word> words;
    float temperature, avg_logprob, compression_ratio, no_speech_prob;
};

// As the host sees them; text is borrowed from the argument.
mm_segment view(const Segment& segment, size_t index);
mm_token view(const Token& token);
mm_word view(const Word& word);

class Transcriber {
  public:
    // host: the floating-point environment that log lines are delivered in, if another; it outlives this object.
    // Throws Error(INVALID_ARGUMENT, UNSUPPORTED).
    Transcriber(std::shared_ptr<const WhisperModel> model, const mm_transcribe_options* options,
                const std::fenv_t* host = nullptr);
    ~Transcriber();

    // Whether a chunk can be pushed: throws Error(INVALID_ARGUMENT, ABORTED).
    void check(const mm_audio_chunk& chunk);
    void push(const mm_audio_chunk& chunk);
    void finish();
    int32_t step();  // MM_STEP_*
    void abort() noexcept;

    // A deque, so that text handed to the host stays where it is while segments are added.
    const std::deque<Segment>& segments() const;
    std::string language() const;
    float language_probability() const;
    double duration() const, duration_after_vad() const, done() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mm
