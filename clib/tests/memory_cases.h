// What test_api_memory.cpp lets run out of memory: a case is a call of the API, or a few that belong together. One more
// is a line in kCases.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#include <type_traits>

#include "check.h"
#include "failing_memory.h"
#include "multimodal.h"
#include "picture_bytes.h"

namespace memory_cases {

using Options = mm_transcribe_options;

inline const char* gguf_path = nullptr;
inline const char* ggml_path = nullptr;
inline mm_whisper* model = nullptr;  // that of gguf_path, in cases that say so
inline mm_vad* detector = nullptr;   // as long-lived as the model
inline const char* clip_path = nullptr;
inline mm_clip* clip = nullptr;  // that of clip_path

constexpr uint32_t kRate = 16000;
inline float* samples = noise(kRate, 2);  // a second
inline mm_audio_chunk audio(size_t n, uint32_t rate = kRate) {
    return {samples, n, rate};
}

// One run of a case: its message, and a digest of its results, which needs no memory.
class Run {
  public:
    Run() = default;
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;
    ~Run() { mm_free(error); }

    void add(const void* data, size_t n) {
        const auto* bytes = static_cast<const unsigned char*>(data);
        uint64_t word = n;
        for (; n >= sizeof word; n -= sizeof word, bytes += sizeof word) {
            mix(word);
            memcpy(&word, bytes, sizeof word);
        }
        mix(word);
        for (size_t i = 0; i < n; ++i) mix(bytes[i]);
    }
    template <typename Number>
    void add(Number value) {
        static_assert(std::is_arithmetic<Number>::value, "bytes of text are added by add_text");
        add(&value, sizeof value);
    }
    void add_text(const char* text) { add(text, strlen(text)); }
    // What a call handed out: nothing if it failed. By reference, since the call is an argument here, too.
    template <typename T>
    mm_status take(mm_status status, T* const& out, const size_t& n) {
        CHECK((out != nullptr) == (status == MM_OK) && (out || n == 0));
        if (out) add(out, n * sizeof(T));
        mm_free(out);
        return status;
    }
    // Every failure has a message: the call's, or that of the handle, or there is no place for one.
    void tell(const char* message) { told_ = told_ || *message; }
    bool told() const { return told_ || (error && *error); }
    uint64_t digest() const { return digest_; }

    char* error = nullptr;

  private:
    void mix(uint64_t word) {
        digest_ = (digest_ ^ word) * 0x100000001b3u;
        digest_ ^= digest_ >> 29;
    }
    uint64_t digest_ = 0xcbf29ce484222325u;
    bool told_ = false;
};

// ---- Models ---------------------------------------------------------------------------------------------------------

inline mm_status open(Run& run, const char* path) {
    mm_open_options o{};
    o.struct_size = sizeof o;
    o.lock_memory = MM_SWITCH_ON;  // all that is done without, and more
    mm_whisper* opened = nullptr;
    mm_status status = mm_whisper_open(path, &o, &opened, &run.error);
    CHECK((opened != nullptr) == (status == MM_OK));
    if (status != MM_OK) return status;
    mm_whisper_info info{};
    info.struct_size = sizeof info;
    CHECK_STATUS(mm_whisper_info_get(opened, &info), MM_OK);
    run.add(info.n_vocab);
    run.add_text(info.weight_type);
    run.add(info.weight_bytes);
    int32_t* ids = nullptr;
    size_t n = 0;
    status = run.take(mm_whisper_tokenize(opened, "some words", 10, &ids, &n, &run.error), ids, n);
    mm_whisper_close(opened);
    return status;
}

inline mm_status verify(Run& run) {
    char* json = nullptr;
    const mm_status status = mm_model_verify(gguf_path, nullptr, &json, &run.error);
    return run.take(status, json, json ? strlen(json) : 0);
}

inline mm_status information(Run& run) {
    const char* json = mm_build_info();
    run.add_text(json);
    run.tell(json);
    return strcmp(json, "{}") == 0 ? MM_ERROR_NO_MEMORY : MM_OK;
}

// ---- Audio ----------------------------------------------------------------------------------------------------------

inline mm_status resample(Run& run, uint32_t from, uint32_t to) {
    float* out = nullptr;
    size_t n = 0;
    return run.take(mm_resample(audio(2000, from), to, nullptr, &out, &n, &run.error), out, n);
}

inline mm_status vad_open(Run& run) {
    mm_vad* opened = nullptr;
    const mm_status status = mm_vad_open(nullptr, &opened, &run.error);
    CHECK((opened != nullptr) == (status == MM_OK));
    mm_vad_close(opened);
    return status;
}

inline mm_status vad_probabilities(Run& run) {
    float* out = nullptr;
    size_t n = 0;
    return run.take(mm_vad_probabilities(detector, audio(8000, 44100), nullptr, &out, &n, &run.error), out, n);
}

// Takes noise for speech.
inline const mm_vad_options& eager() {
    static mm_vad_options o{};
    o.struct_size = sizeof o;
    o.threshold = 2e-4f;
    o.neg_threshold = 1e-4f;
    o.min_speech_ms = o.min_silence_ms = -1;
    return o;
}

inline mm_status vad_segments(Run& run) {
    mm_vad_segment* out = nullptr;
    size_t n = 0;
    return run.take(mm_vad_segments(detector, audio(kRate), &eager(), nullptr, &out, &n, &run.error), out, n);
}

// A window that failed has left the state as it was.
inline mm_status vad_process(Run& run) {
    run.tell("the status says it all");
    mm_status status = mm_vad_reset(detector);
    for (size_t i = 0; status == MM_OK && i < 3; ++i) {
        float probability;
        status = mm_vad_process(detector, samples + 512 * i, 512, &probability);
        if (status != MM_OK) status = mm_vad_process(detector, samples + 512 * i, 512, &probability);
        run.add(probability);
    }
    return status;
}

// ---- Tensors and tokens ---------------------------------------------------------------------------------------------

constexpr int32_t kPositions = 10;

inline mm_status log_mel(Run& run, uint32_t rate) {
    float* mel = nullptr;
    size_t frames = 0;
    const mm_status status = mm_whisper_log_mel(model, audio(4000, rate), nullptr, &mel, &frames, &run.error);
    return run.take(status, mel, frames * 80);
}

inline mm_status encode(Run& run) {
    float* out = nullptr;
    size_t n = 0;
    return run.take(mm_whisper_encode(model, samples, 2 * kPositions, kPositions, nullptr, &out, &n, &run.error), out,
                    n);
}

inline mm_status logits(Run& run) {
    const int32_t tokens[] = {50258, 50259, 50359};
    float* out = nullptr;
    size_t n = 0;
    return run.take(mm_whisper_logits(model, samples, kPositions, tokens, 3, nullptr, &out, &n, &run.error), out, n);
}

inline mm_status detect_language(Run& run) {
    mm_language* out = nullptr;
    size_t n = 0;
    return run.take(mm_whisper_detect_language(model, audio(kRate), nullptr, &out, &n, &run.error), out, n);
}

inline mm_status tokenize(Run& run) {
    int32_t* ids = nullptr;
    size_t n = 0;
    static const char text[] = "some words, and one thatisoneofalongkind";
    return run.take(mm_whisper_tokenize(model, text, strlen(text), &ids, &n, &run.error), ids, n);
}

inline mm_status detokenize(Run& run) {
    int32_t ids[40];
    for (int32_t i = 0; i < 40; ++i) ids[i] = 180 + 30 * i;
    char* text = nullptr;
    size_t n = 0;
    return run.take(mm_whisper_detokenize(model, ids, 40, &text, &n, &run.error), text, n);
}

// ---- Transcripts ----------------------------------------------------------------------------------------------------

// Short windows and little text. Which tokens are not speech is told, since finding that out takes hundreds of blocks.
inline Options short_options(Run& run) {
    static const float zero = 0.0f;
    static const int32_t no_token = 0;
    Options o{};
    o.struct_size = sizeof o;
    o.language = "en";
    o.beam_size = 1;
    o.temperatures = &zero;
    o.n_temperatures = 1;
    o.compression_ratio_threshold = o.no_speech_threshold = HUGE_VALF;
    o.log_prob_threshold = -HUGE_VALF;
    o.suppress_tokens = &no_token;
    o.max_new_tokens = 2;
    o.audio_ctx = 10;
    o.user_data = &run;
    return o;
}

// All that a transcript holds.
inline void read(Run& run, mm_transcript* transcript, bool whole) {
    mm_transcript_info info{};
    info.struct_size = sizeof info;
    CHECK_STATUS(mm_transcript_info_get(transcript, &info), MM_OK);
    CHECK(!whole || info.n_segments > 0);
    run.add_text(info.language);
    run.add(info.duration_after_vad);
    run.add(info.done);
    for (size_t i = 0; i < info.n_segments; ++i) {
        mm_segment segment{};
        segment.struct_size = sizeof segment;
        CHECK_STATUS(mm_transcript_segment(transcript, i, &segment), MM_OK);
        run.add(segment.start);
        run.add(segment.end);
        run.add(segment.temperature);
        run.add(segment.avg_logprob);
        run.add(segment.compression_ratio);
        run.add_text(segment.text);
        for (size_t j = 0; j < segment.n_tokens; ++j) {
            mm_token token{};
            token.struct_size = sizeof token;
            CHECK_STATUS(mm_transcript_token(transcript, i, j, &token), MM_OK);
            run.add(token.id);
            run.add(token.probability);
            run.add_text(token.text);
        }
        for (size_t j = 0; j < segment.n_words; ++j) {
            mm_word word{};
            word.struct_size = sizeof word;
            CHECK_STATUS(mm_transcript_word(transcript, i, j, &word), MM_OK);
            run.add(word.start);
            run.add(word.end);
            run.add_text(word.text);
        }
    }
}

inline mm_status transcribe(Run& run, void (*change)(Options& o)) {
    Options o = short_options(run);
    change(o);
    mm_transcript* transcript = nullptr;
    const mm_status status = mm_whisper_transcribe(model, audio(3200), &o, &transcript, &run.error);
    CHECK((transcript != nullptr) == (status == MM_OK));
    if (transcript) read(run, transcript, true);
    mm_transcript_close(transcript);
    return status;
}

// Audio in two pieces, decoded as it comes. What has failed fails in the same way for ever, and keeps what it has.
inline mm_status stream(Run& run, uint32_t rate, void (*change)(Options& o)) {
    Options o = short_options(run);
    change(o);
    mm_transcript* transcript = nullptr;
    mm_status status = mm_transcript_open(model, &o, &transcript, &run.error);
    CHECK((transcript != nullptr) == (status == MM_OK));
    if (status != MM_OK) return status;
    const size_t piece = rate * 3 / 20;
    int32_t state = MM_STEP_NEEDS_AUDIO;
    for (int fed = 0; status == MM_OK && state != MM_STEP_DONE;) {
        if (state == MM_STEP_NEEDS_AUDIO)
            status = fed++ < 2 ? mm_transcript_push(transcript, audio(piece, rate)) : mm_transcript_finish(transcript);
        if (status == MM_OK) status = mm_transcript_step(transcript, &state);
    }
    if (status != MM_OK) {
        run.tell(mm_transcript_last_error(transcript));
        failing_memory::disarm();
        CHECK_STATUS(mm_transcript_step(transcript, &state), status);
        CHECK_STATUS(mm_transcript_push(transcript, audio(piece, rate)), status);
        CHECK_STATUS(mm_transcript_finish(transcript), status);
        CHECK(*mm_transcript_last_error(transcript));
    }
    read(run, transcript, status == MM_OK);
    mm_transcript_close(transcript);
    return status;
}

// Finds out which tokens are not speech.
inline mm_status suppress_tokens(Run& run) {
    Options o = short_options(run);
    o.suppress_tokens = nullptr;
    mm_transcript* transcript = nullptr;
    const mm_status status = mm_transcript_open(model, &o, &transcript, &run.error);
    CHECK((transcript != nullptr) == (status == MM_OK));
    mm_transcript_close(transcript);
    return status;
}

inline int32_t on_token(const mm_token* token, void* run) {
    static_cast<Run*>(run)->add(token->id);
    return 0;
}
inline int32_t on_segment(const mm_segment* segment, void* run) {
    static_cast<Run*>(run)->add_text(segment->text);
    return 0;
}
inline int32_t on_progress(double done, double, void* run) {
    static_cast<Run*>(run)->add(done);
    return 0;
}
inline int32_t go_on(void*) {
    return 0;
}
inline int32_t stop(const mm_segment*, void*) {
    return 1;
}
inline void listen(Options& o) {
    o.on_token = on_token;
    o.on_segment = on_segment;
    o.on_progress = on_progress;
    o.should_abort = go_on;
}

inline void filter(Options& o) {
    o.vad_filter = MM_SWITCH_ON;
    o.vad_options = &eager();
}
inline void prompt(Options& o) {
    o.initial_prompt = "what was said";
    o.timestamps = MM_SWITCH_OFF;
    o.max_new_tokens = 4;
}
inline void words(Options& o) {
    o.word_timestamps = MM_SWITCH_ON;
    o.max_new_tokens = 3;
    o.prepend_punctuations = "(";  // each sign takes blocks
    o.append_punctuations = ".";
}
inline void sample(Options& o) {
    static const float warm = 0.7f;
    o.temperatures = &warm;
    o.best_of = 3;
}
inline void fall_back(Options& o) {
    static const float rising[] = {0.0f, 0.4f};
    o.temperatures = rising;
    o.n_temperatures = 2;
    o.beam_size = o.best_of = 2;
    o.log_prob_threshold = -0.1f;  // which random weights never reach
}

// ---- Images ---------------------------------------------------------------------------------------------------------

inline mm_status decode(Run& run, const void* data, size_t len) {
    mm_image_options o{};
    o.struct_size = sizeof o;
    o.exif_orientation = MM_SWITCH_ON;
    uint8_t* out = nullptr;
    int32_t width = 0, height = 0;
    const mm_status status = mm_image_decode(data, len, &o, nullptr, &out, &width, &height, &run.error);
    return run.take(status, out, size_t{3} * static_cast<size_t>(width) * static_cast<size_t>(height));
}

inline const picture_file kOrientedPng =
    make_png(21, 12, "eXIf", "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0", 22);
inline const picture_file kPngWithText = make_png(3, 2, "zTXt", "k\0\0\x78\x9c\x4b\x04\0\0\x62\0\x62", 12);

inline mm_status resize(Run& run) {
    const mm_pixels picture = {reinterpret_cast<const uint8_t*>(samples), 90, 70, 0};
    uint8_t* out = nullptr;
    const mm_status status = mm_image_resize(&picture, 31, 120, MM_FILTER_BICUBIC, nullptr, &out, &run.error);
    return run.take(status, out, out ? size_t{3} * 31 * 120 : 0);
}

// ---- Images and texts ----------------------------------------------------------------------------------------------

inline mm_status open_clip(Run& run) {
    mm_open_options o{};
    o.struct_size = sizeof o;
    o.lock_memory = MM_SWITCH_ON;
    mm_clip* opened = nullptr;
    mm_status status = mm_clip_open(clip_path, &o, &opened, &run.error);
    CHECK((opened != nullptr) == (status == MM_OK));
    if (status != MM_OK) return status;
    char* space = nullptr;
    status = mm_clip_space_id(opened, nullptr, &space, &run.error);
    mm_clip_close(opened);
    return run.take(status, space, space ? strlen(space) : 0);
}

inline mm_status verify_clip(Run& run) {
    char* json = nullptr;
    const mm_status status = mm_model_verify(clip_path, nullptr, &json, &run.error);
    return run.take(status, json, json ? strlen(json) : 0);
}

inline mm_status embed_pixels(Run& run) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(samples);
    const mm_pixels images[] = {{bytes, 50, 41, 0}, {bytes + 1, 32, 32, 100}};
    float* out = nullptr;
    size_t n = 0;
    return run.take(mm_clip_encode_pixels(clip, images, 2, nullptr, nullptr, &out, &n, &run.error), out, n);
}

inline mm_status embed_texts(Run& run) {
    const char* long_text = "a photo of the cat and of the dog, doing what cats and dogs do all day long, in a photo";
    const mm_bytes texts[] = {{"the cat", 7}, {long_text, strlen(long_text)}, {"caf\xc3\xa9", 5}};
    float* out = nullptr;
    size_t n = 0;
    return run.take(mm_clip_encode_text(clip, texts, 3, nullptr, nullptr, &out, &n, &run.error), out, n);
}

inline mm_status detokenize_clip(Run& run) {
    const int32_t ids[] = {512, 513, 100, 520};
    char* out = nullptr;
    size_t n = 0;
    return run.take(mm_clip_detokenize(clip, ids, 4, &out, &n, &run.error), out, n);
}

inline mm_status refuse_text(Run& run) {
    const mm_bytes texts[] = {{"the cat", 7}, {"\xff", 1}};
    float* out = nullptr;
    size_t n = 0;
    return run.take(mm_clip_encode_text(clip, texts, 2, nullptr, nullptr, &out, &n, &run.error), out, n);
}

// ---- Wrong calls: they fail in their own way, or for lack of memory -------------------------------------------------

inline mm_status refuse_options(Run& run) {
    Options o = short_options(run);
    o.language = "no language of the model";
    mm_transcript* transcript = nullptr;
    const mm_status status = mm_transcript_open(model, &o, &transcript, &run.error);
    CHECK(transcript == nullptr);
    return status;
}

// What has been refused leaves everything as it was.
inline mm_status refuse_audio(Run& run) {
    Options o = short_options(run);
    mm_transcript* transcript = nullptr;
    mm_status status = mm_transcript_open(model, &o, &transcript, &run.error);
    if (status != MM_OK) return status;
    const float bad[] = {0.0f, NAN};
    status = mm_transcript_push(transcript, {bad, 2, kRate});
    run.tell(mm_transcript_last_error(transcript));
    CHECK(run.told());
    failing_memory::disarm();
    CHECK_STATUS(mm_transcript_push(transcript, audio(8000)), status == MM_ERROR_NO_MEMORY ? status : MM_OK);
    read(run, transcript, false);
    mm_transcript_close(transcript);
    return status;
}

// ---- The table ------------------------------------------------------------------------------------------------------

enum class Setting {
    bare,      // nothing is open
    model,     // the model is
    detector,  // the detector is
    clip,      // the CLIP model is
    threads    // the model is, and the pool may have threads
};
struct Case {
    const char* name;
    Setting setting;
    mm_status (*run)(Run& run);
    mm_status expected = MM_OK;  // with memory
};

inline const Case kCases[] = {
    {"information", Setting::bare, information},
    {"open GGUF", Setting::bare, [](Run& run) { return open(run, gguf_path); }},
    {"open ggml", Setting::bare, [](Run& run) { return open(run, ggml_path); }},
    {"open no file", Setting::bare, [](Run& run) { return open(run, "/no/such/file"); }, MM_ERROR_IO},
    {"verify", Setting::bare, verify},
    {"resample by a table", Setting::bare, [](Run& run) { return resample(run, 48000, 16000); }},
    {"resample by interpolation", Setting::bare, [](Run& run) { return resample(run, 16001, 44100); }},
    {"detector", Setting::bare, vad_open},
    {"detector: probabilities", Setting::detector, vad_probabilities},
    {"detector: segments", Setting::detector, vad_segments},
    {"detector: windows", Setting::detector, vad_process},
    {"log-mel", Setting::model, [](Run& run) { return log_mel(run, kRate); }},
    {"log-mel, resampled", Setting::model, [](Run& run) { return log_mel(run, 48000); }},
    {"encode", Setting::model, encode},
    {"logits", Setting::model, logits},
    {"detect language", Setting::model, detect_language},
    {"tokenize", Setting::model, tokenize},
    {"detokenize", Setting::model, detokenize},
    {"greedy", Setting::model, [](Run& run) { return transcribe(run, [](Options&) {}); }},
    {"threads", Setting::threads, [](Run& run) { return transcribe(run, [](Options&) {}); }},
    {"beam search", Setting::model, [](Run& run) { return transcribe(run, [](Options& o) { o.beam_size = 3; }); }},
    {"sampling", Setting::model, [](Run& run) { return transcribe(run, sample); }},
    {"fallback", Setting::model, [](Run& run) { return transcribe(run, fall_back); }},
    {"prompt", Setting::model, [](Run& run) { return transcribe(run, prompt); }},
    {"language", Setting::model, [](Run& run) { return transcribe(run, [](Options& o) { o.language = nullptr; }); }},
    {"callbacks", Setting::model, [](Run& run) { return transcribe(run, listen); }},
    {"words", Setting::model, [](Run& run) { return transcribe(run, words); }},
    {"stream", Setting::model, [](Run& run) { return stream(run, kRate, [](Options&) {}); }},
    {"stream, resampled", Setting::model, [](Run& run) { return stream(run, 48000, [](Options&) {}); }},
    {"stream, speech only", Setting::model, [](Run& run) { return stream(run, kRate, filter); }},
    {"stream, callbacks", Setting::model, [](Run& run) { return stream(run, kRate, listen); }},
    {"stream, stopped", Setting::model,
     [](Run& run) { return stream(run, kRate, [](Options& o) { o.on_segment = stop; }); }, MM_ERROR_ABORTED},
    {"suppressed tokens", Setting::model, suppress_tokens},
    {"decode JPEG", Setting::bare, [](Run& run) { return decode(run, kBaselineJpeg, sizeof kBaselineJpeg); }},
    {"decode progressive JPEG", Setting::bare,
     [](Run& run) { return decode(run, kProgressiveCmykJpeg, sizeof kProgressiveCmykJpeg); }},
    {"decode PNG", Setting::bare, [](Run& run) { return decode(run, kOrientedPng.data, kOrientedPng.len); }},
    {"decode PNG with text", Setting::bare, [](Run& run) { return decode(run, kPngWithText.data, kPngWithText.len); }},
    {"decode what is cut short", Setting::bare, [](Run& run) { return decode(run, kProgressiveCmykJpeg, 500); },
     MM_ERROR_INVALID_ARGUMENT},
    {"resize", Setting::bare, resize},
    {"open CLIP", Setting::bare, open_clip},
    {"verify CLIP", Setting::bare, verify_clip},
    {"embed pixels", Setting::clip, embed_pixels},
    {"embed texts", Setting::clip, embed_texts},
    {"detokenize CLIP", Setting::clip, detokenize_clip},
    {"refused text", Setting::clip, refuse_text, MM_ERROR_INVALID_ARGUMENT},
    {"refused options", Setting::model, refuse_options, MM_ERROR_INVALID_ARGUMENT},
    {"refused audio", Setting::model, refuse_audio, MM_ERROR_INVALID_ARGUMENT},
};

}  // namespace memory_cases
