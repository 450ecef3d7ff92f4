#include "whisper/transcribe_options.h"

#include <cmath>

#include "runtime/error.h"
#include "whisper/decoding.h"
#include "whisper/vad.h"

namespace mm {
namespace {

constexpr int kMaxSequences = 16;
constexpr float kTemperatures[] = {0.0f, 0.2f, 0.4f, 0.6f, 0.8f, 1.0f};
constexpr const char* kPrepend = "\"'\xe2\x80\x9c\xc2\xbf([{-";  // openai/whisper: "'“¿([{-
constexpr const char* kAppend =                                  // openai/whisper: "'.。,，!！?？:：”)]}、
    "\"'.\xe3\x80\x82,\xef\xbc\x8c!\xef\xbc\x81?\xef\xbc\x9f:\xef\xbc\x9a\xe2\x80\x9d)]}\xe3\x80\x81";

int integer(const char* name, int value, int fallback, int low, int high) {
    if (value == 0) return fallback;
    if (value < low || value > high)
        fail(MM_ERROR_INVALID_ARGUMENT, "%s is %d; it must be %d to %d (or 0 for the default)", name, value, low, high);
    return value;
}

// Infinities pass where the bounds are infinite; NaN never does.
float number(const char* name, float value, float fallback, float low, float high) {
    if (value == 0.0f) return fallback;
    if (!(value >= low && value <= high))
        fail(MM_ERROR_INVALID_ARGUMENT, "%s is %g; it must be %g to %g (or 0 for the default)", name,
             static_cast<double>(value), static_cast<double>(low), static_cast<double>(high));
    return value;
}

bool on(const char* name, int value, bool fallback) {
    if (value < MM_SWITCH_OFF || value > MM_SWITCH_ON)
        fail(MM_ERROR_INVALID_ARGUMENT, "%s is %d; it must be MM_SWITCH_ON (1), MM_SWITCH_OFF (-1) or 0", name, value);
    return value == MM_SWITCH_DEFAULT ? fallback : value == MM_SWITCH_ON;
}

std::vector<float> temperatures(const mm_transcribe_options& o) {
    if (!o.temperatures) {
        if (o.n_temperatures != 0)
            fail(MM_ERROR_INVALID_ARGUMENT, "temperatures is NULL but n_temperatures is %zu", o.n_temperatures);
        return {std::begin(kTemperatures), std::end(kTemperatures)};
    }
    if (o.n_temperatures < 1 || o.n_temperatures > 64)
        fail(MM_ERROR_INVALID_ARGUMENT, "n_temperatures is %zu; it must be 1 to 64", o.n_temperatures);
    for (size_t i = 0; i < o.n_temperatures; ++i)
        if (!(o.temperatures[i] >= 0.0f && o.temperatures[i] <= 2.0f))
            fail(MM_ERROR_INVALID_ARGUMENT, "temperatures[%zu] is %g; it must be 0 to 2", i,
                 static_cast<double>(o.temperatures[i]));
    return {o.temperatures, o.temperatures + o.n_temperatures};
}

int language(const mm_transcribe_options& o, const Tokenizer& tokenizer) {
    if (!o.language) return -1;
    const std::string name = o.language;
    if (!tokenizer.multilingual()) {
        if (name == "en" || name == "english" || name == "English") return -1;
        fail(MM_ERROR_UNSUPPORTED,
             "language is \"%.40s\", but this model knows English only; open a multilingual model", o.language);
    }
    const int index = tokenizer.language_index(name);
    if (index < 0)
        fail(MM_ERROR_INVALID_ARGUMENT,
             "language \"%.40s\" is not one of the model's %d; give a code such as \"en\", or NULL to detect it",
             o.language, tokenizer.n_languages());
    return index;
}

}  // namespace

TranscribeOptions resolve_transcribe_options(const mm_transcribe_options* options, const WhisperModel& model) {
    const mm_transcribe_options o = options ? *options : mm_transcribe_options{};
    const Tokenizer& tokenizer = *model.tokenizer;
    constexpr float kInfinity = HUGE_VALF;
    TranscribeOptions r;

    if (o.task != MM_TASK_TRANSCRIBE && o.task != MM_TASK_TRANSLATE)
        fail(MM_ERROR_INVALID_ARGUMENT, "task is %d; it must be MM_TASK_TRANSCRIBE (0) or MM_TASK_TRANSLATE (1)",
             o.task);
    if (o.task == MM_TASK_TRANSLATE && !tokenizer.multilingual())
        fail(MM_ERROR_UNSUPPORTED, "this model knows English only and cannot translate; open a multilingual model");
    r.task = o.task;
    r.language = language(o, tokenizer);
    r.initial_prompt = o.initial_prompt ? o.initial_prompt : "";
    r.threads = integer("threads", o.threads, 0, 1, 1 << 16);
    r.beam_size = integer("beam_size", o.beam_size, 5, 1, kMaxSequences);
    r.best_of = integer("best_of", o.best_of, 5, 1, kMaxSequences);
    r.patience = number("patience", o.patience, 1.0f, 1e-3f, 100.0f);
    r.length_penalty = number("length_penalty", o.length_penalty, 0.0f, -10.0f, 10.0f);
    r.temperatures = temperatures(o);
    r.compression_ratio_threshold =
        number("compression_ratio_threshold", o.compression_ratio_threshold, 2.4f, 0.0f, kInfinity);
    r.log_prob_threshold = number("log_prob_threshold", o.log_prob_threshold, -1.0f, -kInfinity, 0.0f);
    r.no_speech_threshold = number("no_speech_threshold", o.no_speech_threshold, 0.6f, 0.0f, kInfinity);
    r.prompt_reset_on_temperature =
        number("prompt_reset_on_temperature", o.prompt_reset_on_temperature, 0.5f, 0.0f, kInfinity);
    r.condition_on_previous_text = on("condition_on_previous_text", o.condition_on_previous_text, true);
    r.suppress_blank = on("suppress_blank", o.suppress_blank, true);
    r.timestamps = on("timestamps", o.timestamps, true);
    if (!o.suppress_tokens && o.n_suppress_tokens != 0)
        fail(MM_ERROR_INVALID_ARGUMENT, "suppress_tokens is NULL but n_suppress_tokens is %zu", o.n_suppress_tokens);
    if (o.n_suppress_tokens > static_cast<size_t>(model.shape.n_vocab))
        fail(MM_ERROR_INVALID_ARGUMENT, "n_suppress_tokens is %zu; the model has %d tokens", o.n_suppress_tokens,
             model.shape.n_vocab);
    for (size_t i = 0; i < o.n_suppress_tokens; ++i)
        if (o.suppress_tokens[i] < 0 || o.suppress_tokens[i] >= model.shape.n_vocab)
            fail(MM_ERROR_INVALID_ARGUMENT, "suppress_tokens[%zu] is %d; it must be 0 to %d", i, o.suppress_tokens[i],
                 model.shape.n_vocab - 1);
    r.suppress_tokens = resolve_suppressed(tokenizer, o.suppress_tokens, o.n_suppress_tokens);
    r.max_initial_timestamp = number("max_initial_timestamp", o.max_initial_timestamp, 1.0f, 0.0f, 30.0f);
    r.max_new_tokens =
        integer("max_new_tokens", o.max_new_tokens, model.shape.n_text_ctx / 2, 1, model.shape.n_text_ctx);
    r.word_timestamps = on("word_timestamps", o.word_timestamps, false);
    r.prepend_punctuations = o.prepend_punctuations ? o.prepend_punctuations : kPrepend;
    r.append_punctuations = o.append_punctuations ? o.append_punctuations : kAppend;
    r.hallucination_silence_threshold =
        number("hallucination_silence_threshold", o.hallucination_silence_threshold, 0.0f, 0.0f, 30.0f);
    if (r.hallucination_silence_threshold > 0.0f && !r.word_timestamps)
        fail(MM_ERROR_INVALID_ARGUMENT,
             "hallucination_silence_threshold is %g but word_timestamps is not on; it needs them",
             static_cast<double>(r.hallucination_silence_threshold));
    r.vad_filter = on("vad_filter", o.vad_filter, false);
    r.vad = resolve_vad_options(o.vad_options);
    r.audio_ctx = integer("audio_ctx", o.audio_ctx, model.shape.n_audio_ctx, 1, model.shape.n_audio_ctx);
    r.seed = o.seed;
    r.on_token = o.on_token;
    r.on_segment = o.on_segment;
    r.on_progress = o.on_progress;
    r.should_abort = o.should_abort;
    r.user_data = o.user_data;
    return r;
}

void default_transcribe_options(mm_transcribe_options& o) {
    const uint32_t struct_size = o.struct_size;
    o = mm_transcribe_options{};
    o.struct_size = struct_size;
    o.task = MM_TASK_TRANSCRIBE;
    o.beam_size = 5;
    o.best_of = 5;
    o.patience = 1.0f;
    o.temperatures = kTemperatures;
    o.n_temperatures = sizeof kTemperatures / sizeof *kTemperatures;
    o.compression_ratio_threshold = 2.4f;
    o.log_prob_threshold = -1.0f;
    o.no_speech_threshold = 0.6f;
    o.prompt_reset_on_temperature = 0.5f;
    o.condition_on_previous_text = MM_SWITCH_ON;
    o.suppress_blank = MM_SWITCH_ON;
    o.timestamps = MM_SWITCH_ON;
    o.max_initial_timestamp = 1.0f;
    o.word_timestamps = MM_SWITCH_OFF;
    o.prepend_punctuations = kPrepend;
    o.append_punctuations = kAppend;
    o.vad_filter = MM_SWITCH_OFF;
}

}  // namespace mm
