// The rules restated here are those of openai/whisper's transcribe.py (MIT), https://github.com/openai/whisper; from
// faster-whisper comes what happens when every temperature fails: the best attempt is taken, not the last.
#include "whisper/transcribe.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "audio/pcm.h"
#include "runtime/error.h"
#include "runtime/utf8.h"
#include "whisper/decoding.h"
#include "whisper/fallback.h"
#include "whisper/front_end.h"
#include "whisper/inference.h"
#include "whisper/transcribe_options.h"
#include "whisper/word_segments.h"

namespace mm {
namespace {

constexpr int kFramesPerSecond = LogMel::kSampleRate / LogMel::kHop;
constexpr int kFramesPerPosition = 2;  // mel frames of one encoder position, or timestamp token
constexpr double kSecondsPerTimestamp = 0.02;
constexpr size_t kPromptMemory = 4096;  // previous tokens remembered; far more than a prompt can hold

double seconds(int64_t frames) {
    return static_cast<double>(frames) / kFramesPerSecond;
}

int64_t frames_of(double time) {
    return std::llround(time * kFramesPerSecond);
}

bool is_blank(const std::string& text) {
    return text.find_first_not_of(" \t\r\n\v\f") == std::string::npos;
}

// Gives each token the text of the code points it completes.
class TokenText {
  public:
    explicit TokenText(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
    std::string add(int32_t token) {
        if (token >= tokenizer_.eot()) return {};
        pending_ += tokenizer_.bytes(token);
        const size_t complete = complete_utf8_prefix(pending_);
        std::string text = repair_utf8(pending_.substr(0, complete));
        pending_.erase(0, complete);
        return text;
    }

  private:
    const Tokenizer& tokenizer_;
    std::string pending_;
};

}  // namespace

struct Transcriber::State {
    std::shared_ptr<const WhisperModel> model;
    TranscribeOptions options;
    const std::fenv_t* host;
    FrontEnd front;
    Inference inference;
    std::atomic<bool> abort_asked{false};
    int window_frames;  // of a full window

    std::deque<Segment> segments;
    std::vector<int32_t> previous_tokens;  // the prompt of the next window is its tail
    size_t prompt_reset_at = 0;
    int language;
    float language_probability = 1.0f;
    int64_t seek = 0;
    int64_t encoded_seek = -1;
    int window = 0;
    double last_speech = 0.0;  // end of the last word, in seconds of the filtered audio
    bool pushes_ended = false, done = false;
    mm_status failure = MM_OK;
    std::string failure_message;
    std::vector<float> mel;

    State(std::shared_ptr<const WhisperModel> m, const mm_transcribe_options* o, const std::fenv_t* h)
        : model(std::move(m)),
          options(resolve_transcribe_options(o, *model)),
          host(h),
          front(*model, options),
          inference(model, max_sequences(options)),
          window_frames(kFramesPerPosition * options.audio_ctx),
          language(options.language) {
        mel.resize(static_cast<size_t>(window_frames) * static_cast<size_t>(model->shape.n_mels));
        if (!is_blank(options.initial_prompt)) {
            const size_t first = options.initial_prompt.find_first_not_of(" \t\r\n");
            const size_t last = options.initial_prompt.find_last_not_of(" \t\r\n");
            previous_tokens = model->tokenizer->encode(" " + options.initial_prompt.substr(first, last + 1 - first));
        }
    }

    static int max_sequences(const TranscribeOptions& o) {
        int n = 1;
        for (const float t : o.temperatures) n = std::max(n, t == 0.0f ? o.beam_size : o.best_of);
        return n;
    }

    StopSignal stop_signal() { return {options.should_abort, options.user_data, &abort_asked}; }

    // After a failure the state may be half way: it is kept, and every later call fails the same way.
    template <typename F>
    auto guarded(F&& work) {
        if (failure != MM_OK) throw Error(failure, failure_message);
        try {
            if (abort_asked) fail(MM_ERROR_ABORTED, "stopped by mm_transcript_abort");  // also where no work is left
            return work();
        } catch (const Error& e) {
            if (e.status() == MM_ERROR_INVALID_ARGUMENT) throw;  // refused; everything is as it was
            keep_failure(e.status(), e.what());
            throw;
        } catch (const std::bad_alloc&) {
            keep_failure(MM_ERROR_NO_MEMORY, "out of memory");
            throw;
        } catch (const std::length_error&) {  // a container asked for more than can exist
            keep_failure(MM_ERROR_NO_MEMORY, "out of memory");
            throw;
        } catch (...) {
            keep_failure(MM_ERROR_INTERNAL, "it has failed");
            throw;
        }
    }
    void keep_failure(mm_status status, const char* message) noexcept {
        failure = status;
        try {
            failure_message = message;
        } catch (const std::bad_alloc&) {
            failure_message = "it has failed";  // so short a string needs no memory
        }
    }

    int64_t content_frames() const { return front.mel().frames(); }

    // Frames that must be there before the window at `seek` can be decoded with the same result as if all were: the
    // hallucination guard looks as far ahead as its threshold.
    int64_t frames_needed() const {
        return seek + window_frames + frames_of(static_cast<double>(options.hallucination_silence_threshold)) + 1;
    }

    void set_window(const Exec& exec, int segment_size) {
        if (encoded_seek == seek) return;
        front.mel().take(seek, seek + segment_size, seek + segment_size, mel.data());
        inference.set_window(exec, mel.data(), segment_size, options.audio_ctx);
        encoded_seek = seek;
    }

    void detect_language(const Exec& exec) {
        if (language >= 0) return;
        if (!model->tokenizer->multilingual()) {
            language = 0;
            return;
        }
        const std::vector<float> probabilities = language_probabilities(exec, inference);
        const auto best = std::max_element(probabilities.begin(), probabilities.end());
        language = static_cast<int>(best - probabilities.begin());
        language_probability = *best;
    }

    std::vector<int32_t> prompt() const {
        const size_t limit = static_cast<size_t>(model->shape.n_text_ctx / 2 - 1);
        const size_t from = std::max(prompt_reset_at, previous_tokens.size() - std::min(previous_tokens.size(), limit));
        return {previous_tokens.begin() + static_cast<std::ptrdiff_t>(from), previous_tokens.end()};
    }

    // A window's text, and what it took to get it.
    struct Decoded {
        DecodingResult result;
        int attempt;
        float last_temperature;  // tried: above the result's where all attempts failed
    };

    Decoded decode(const Exec& exec) {
        DecodingOptions d;
        d.task = options.task;
        d.language = language;
        d.prompt = prompt();
        d.beam_size = options.beam_size;
        d.best_of = options.best_of;
        d.patience = options.patience;
        d.length_penalty = options.length_penalty;
        d.suppress_blank = options.suppress_blank;
        d.timestamps = options.timestamps;
        d.max_initial_timestamp = options.max_initial_timestamp;
        d.audio_ctx = options.audio_ctx;
        d.max_new_tokens = options.max_new_tokens;
        d.suppress_tokens = options.suppress_tokens;

        std::vector<DecodingResult> attempts;
        for (int attempt = 0; attempt < static_cast<int>(options.temperatures.size()); ++attempt) {
            d.temperature = options.temperatures[static_cast<size_t>(attempt)];
            d.seed = options.seed + (static_cast<uint64_t>(window) << 8) + static_cast<uint64_t>(attempt);
            TokenText text(*model->tokenizer);
            d.on_token = nullptr;
            if (options.on_token)
                d.on_token = [&](int32_t id, float probability) {
                    const Token token{id, window, attempt, text.add(id), NAN, NAN, probability};
                    const mm_token shown = view(token);
                    return options.on_token(&shown, options.user_data);
                };
            DecodingResult result = decode_window(exec, inference, d);
            if (!needs_fallback(result, options)) return {std::move(result), attempt, d.temperature};
            log_line(host, MM_LOG_DEBUG, "window %d, temperature %.1f: log-probability %.2f, compression ratio %.2f",
                     window, static_cast<double>(d.temperature), static_cast<double>(result.avg_logprob),
                     static_cast<double>(result.compression_ratio));
            attempts.push_back(std::move(result));
        }
        const size_t best = best_of_failed(attempts, options);
        return {std::move(attempts[best]), static_cast<int>(best), d.temperature};
    }

    // Cuts the tokens at pairs of timestamps; returns where the next window starts, relative to this one, in frames.
    int64_t cut(const DecodingResult& result, int segment_size, int attempt, std::vector<Segment>& out,
                bool& single_timestamp_ending) const {
        const int begin = model->tokenizer->timestamp_begin();
        const std::vector<int32_t>& tokens = result.tokens;
        const size_t n = tokens.size();
        const auto is_time = [&](size_t i) { return tokens[i] >= begin; };
        single_timestamp_ending = n >= 2 && !is_time(n - 2) && is_time(n - 1);
        const double offset = seconds(seek);

        std::vector<size_t> ends;
        for (size_t i = 1; i < n; ++i)
            if (is_time(i - 1) && is_time(i)) ends.push_back(i);
        if (!ends.empty()) {
            if (single_timestamp_ending) ends.push_back(n);
            size_t from = 0;
            for (const size_t to : ends) {
                out.push_back(make_segment(result, attempt, from, to,
                                           offset + (tokens[from] - begin) * kSecondsPerTimestamp,
                                           offset + (tokens[to - 1] - begin) * kSecondsPerTimestamp));
                from = to;
            }
            if (single_timestamp_ending) return segment_size;
            return static_cast<int64_t>(tokens[from - 1] - begin) * kFramesPerPosition;
        }

        double duration = seconds(segment_size);
        const auto last = std::find_if(tokens.rbegin(), tokens.rend(), [&](int32_t t) { return t >= begin; });
        if (last != tokens.rend() && *last != begin) duration = (*last - begin) * kSecondsPerTimestamp;
        out.push_back(make_segment(result, attempt, 0, n, offset, offset + duration));
        return segment_size;
    }

    Segment make_segment(const DecodingResult& r, int attempt, size_t from, size_t to, double start, double end) const {
        Segment s;
        s.seek = seek;
        s.start = start;
        s.end = end;
        TokenText text(*model->tokenizer);
        for (size_t i = from; i < to; ++i)
            s.tokens.push_back({r.tokens[i], window, attempt, text.add(r.tokens[i]), NAN, NAN, r.probabilities[i]});
        s.text = model->tokenizer->decode(r.tokens.data() + from, to - from);
        s.temperature = r.temperature;
        s.avg_logprob = r.avg_logprob;
        s.compression_ratio = r.compression_ratio;
        s.no_speech_prob = r.no_speech_prob;
        return s;
    }

    void decode_next(const Exec& exec) {
        const auto segment_size = static_cast<int>(std::min<int64_t>(window_frames, content_frames() - seek));
        set_window(exec, segment_size);
        detect_language(exec);

        const Decoded decoded = decode(exec);
        const int64_t window_start = seek;
        std::vector<Segment> found;
        if (is_silence(decoded.result, options)) {
            seek += segment_size;
        } else {
            bool single_timestamp_ending;
            seek += cut(decoded.result, segment_size, decoded.attempt, found, single_timestamp_ending);
            if (options.word_timestamps) {
                WordSegments words{exec, inference, options, language, window_start, segment_size, content_frames()};
                seek = words.add(found, single_timestamp_ending, seek, last_speech);
            }
        }
        // A window without progress (a first timestamp pair at 0.0) must not be decoded for ever.
        if (seek <= window_start) seek = window_start + segment_size;
        ++window;
        // A window that was skipped leaves the prompt as it was.
        if (!found.empty()) keep(found, decoded.last_temperature);
        front.mel().discard_before(std::min(seek, content_frames()));
    }

    void keep(std::vector<Segment>& found, float temperature) {
        for (Segment& s : found) {
            if (s.start == s.end || is_blank(s.text)) continue;
            for (const Token& t : s.tokens) previous_tokens.push_back(t.id);
            to_original_time(s);
            segments.push_back(std::move(s));
            if (!options.on_segment) continue;
            const mm_segment segment = view(segments.back(), segments.size() - 1);
            if (options.on_segment(&segment, options.user_data) != 0) fail(MM_ERROR_ABORTED, "stopped by on_segment");
        }
        if (!options.condition_on_previous_text || temperature > options.prompt_reset_on_temperature)
            prompt_reset_at = previous_tokens.size();
        if (previous_tokens.size() > kPromptMemory) {
            const size_t drop = previous_tokens.size() - kPromptMemory / 2;
            previous_tokens.erase(previous_tokens.begin(), previous_tokens.begin() + static_cast<std::ptrdiff_t>(drop));
            prompt_reset_at -= std::min(prompt_reset_at, drop);
        }
    }

    void to_original_time(Segment& s) const {
        if (!options.vad_filter) return;
        for (Word& w : s.words) {
            const double middle = (w.start + w.end) / 2;
            w.start = front.original_time_near(w.start, middle);
            w.end = front.original_time_near(w.end, middle);
            for (size_t i = w.first_token; i < w.first_token + w.n_tokens; ++i) {
                s.tokens[i].start = w.start;
                s.tokens[i].end = w.end;
            }
        }
        s.start = s.words.empty() ? front.original_time(s.start, false) : s.words.front().start;
        s.end = s.words.empty() ? front.original_time(s.end, true) : s.words.back().end;
    }

    double seconds_done() const {
        const double decoded = seconds(std::min(seek, content_frames()));
        return done ? front.duration() : std::min(front.original_time(decoded, true), front.duration());
    }

    int32_t step() {
        StopSignal stop = stop_signal();
        stop.check();
        const Exec exec = make_exec(options.threads, &stop);
        if (!pushes_ended && content_frames() < frames_needed()) return MM_STEP_NEEDS_AUDIO;
        if (seek < content_frames()) decode_next(exec);
        done = pushes_ended && seek >= content_frames();
        if (options.on_progress &&
            options.on_progress(seconds_done(), pushes_ended ? front.duration() : -1.0, options.user_data) != 0)
            fail(MM_ERROR_ABORTED, "stopped by on_progress");
        return done ? MM_STEP_DONE : MM_STEP_MORE;
    }
};

Transcriber::Transcriber(std::shared_ptr<const WhisperModel> model, const mm_transcribe_options* options,
                         const std::fenv_t* host)
    : state_(std::make_unique<State>(std::move(model), options, host)) {}
Transcriber::~Transcriber() = default;

void Transcriber::check(const mm_audio_chunk& chunk) {
    State& s = *state_;
    s.guarded([&] {
        if (s.pushes_ended) fail(MM_ERROR_INVALID_ARGUMENT, "audio was pushed after finish; open another transcript");
        StopSignal stop = s.stop_signal();
        check_chunk(chunk, &stop);
    });
}

void Transcriber::push(const mm_audio_chunk& chunk) {
    State& s = *state_;
    check(chunk);  // refused audio leaves everything as it was
    s.guarded([&] {
        StopSignal stop = s.stop_signal();
        s.front.push(make_exec(s.options.threads, &stop), chunk);
    });
}

void Transcriber::finish() {
    State& s = *state_;
    s.guarded([&] {
        if (s.pushes_ended) return;
        StopSignal stop = s.stop_signal();
        s.front.finish(make_exec(s.options.threads, &stop));
        s.pushes_ended = true;
    });
}

int32_t Transcriber::step() {
    State& s = *state_;
    return s.guarded([&] { return s.done ? static_cast<int32_t>(MM_STEP_DONE) : s.step(); });
}

void Transcriber::abort() noexcept {
    state_->abort_asked.store(true);
}

const std::deque<Segment>& Transcriber::segments() const {
    return state_->segments;
}
std::string Transcriber::language() const {
    const State& s = *state_;
    if (!s.model->tokenizer->multilingual()) return "en";
    return s.language < 0 ? "" : s.model->tokenizer->language_code(s.language);
}
float Transcriber::language_probability() const {
    const State& s = *state_;
    return s.language < 0 && s.model->tokenizer->multilingual() ? 0.0f : s.language_probability;
}
double Transcriber::duration() const {
    return state_->front.duration();
}
double Transcriber::duration_after_vad() const {
    return state_->front.duration_after_vad();
}
double Transcriber::done() const {
    return state_->seconds_done();
}

mm_segment view(const Segment& s, size_t index) {
    mm_segment v{};
    v.struct_size = sizeof v;
    v.id = static_cast<int32_t>(index);
    v.seek = s.seek;
    v.start = s.start;
    v.end = s.end;
    v.text = s.text.c_str();
    v.text_len = s.text.size();
    v.n_tokens = s.tokens.size();
    v.n_words = s.words.size();
    v.temperature = s.temperature;
    v.avg_logprob = s.avg_logprob;
    v.compression_ratio = s.compression_ratio;
    v.no_speech_prob = s.no_speech_prob;
    return v;
}

mm_token view(const Token& t) {
    mm_token v{};
    v.struct_size = sizeof v;
    v.id = t.id;
    v.window = t.window;
    v.attempt = t.attempt;
    v.text = t.text.c_str();
    v.text_len = t.text.size();
    v.start = t.start;
    v.end = t.end;
    v.probability = t.probability;
    return v;
}

mm_word view(const Word& w) {
    mm_word v{};
    v.struct_size = sizeof v;
    v.probability = w.probability;
    v.text = w.text.c_str();
    v.text_len = w.text.size();
    v.start = w.start;
    v.end = w.end;
    return v;
}

}  // namespace mm
