// The Whisper model: opening it, what it is, its tensors and tokens, language detection.
#include "api/whisper.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "api/audio.h"
#include "api/guard.h"
#include "api/handles.h"
#include "api/options.h"
#include "api/run.h"
#include "audio/pcm.h"
#include "whisper/decoding.h"
#include "whisper/inference.h"
#include "whisper/log_mel.h"

namespace mm::api {
namespace {

auto& models() {
    return immortal([] { return HandleTable<mm_whisper, const WhisperModel>("mm_whisper"); });
}

int check_audio_ctx(const WhisperModel& model, int32_t audio_ctx) {
    if (audio_ctx < 1 || audio_ctx > model.shape.n_audio_ctx)
        fail(MM_ERROR_INVALID_ARGUMENT, "audio_ctx is %d: this model has 1 to %d encoder positions", audio_ctx,
             model.shape.n_audio_ctx);
    return audio_ctx;
}

void check_tokens(const WhisperModel& model, const int32_t* tokens, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        if (tokens[i] < 0 || tokens[i] >= model.shape.n_vocab)
            fail(MM_ERROR_INVALID_ARGUMENT, "tokens[%zu] is %d: ids of this model are 0 to %d", i, tokens[i],
                 model.shape.n_vocab - 1);
    }
}

// The log-mel spectrogram of a whole chunk, [frames][n_mels].
Buffer<float> log_mel(const WhisperModel& model, const mm_audio_chunk& chunk, Run& run, int64_t* frames) {
    const Exec& exec = run.exec();
    LogMel mel(model.mel_filters, model.shape.n_mels);
    for_each_16khz_piece(chunk, run.stop(), [&](const float* samples, size_t n) { mel.push(exec, samples, n); });
    mel.finish(exec);
    *frames = mel.frames();
    const size_t mels = static_cast<size_t>(model.shape.n_mels);
    Buffer<float> result(static_cast<size_t>(*frames) * mels);
    constexpr int64_t kSlice = 4096;  // frames between two questions whether to stop
    for (int64_t from = 0; from < *frames; from += kSlice) {
        run.stop().check();
        mel.take(from, std::min(*frames, from + kSlice), *frames, result.data() + static_cast<size_t>(from) * mels);
    }
    return result;
}

}  // namespace

std::shared_ptr<const WhisperModel> find_model(const mm_whisper* model) {
    return models().find(model);
}

const char* weight_type(const WhisperModel& model) {
    return model.token_embedding.type == DType::f16 ? "f16" : "f32";
}

}  // namespace mm::api

using namespace mm::api;

mm_status mm_whisper_open(const char* path, const mm_open_options* options, mm_whisper** out, char** error_out) {
    clear(out);
    return guard(error_out, [&] {
        MM_REQUIRE(path);
        MM_REQUIRE(out);
        const mm_open_options o = read_struct(options);
        const bool lock = read_switch(o.lock_memory, false, "lock_memory");
        *out = models().insert(mm::WhisperModel::open(path, o.sha256, lock));
    });
}

void mm_whisper_close(mm_whisper* model) {
    guard(nullptr, [&] { models().erase(model); });
}

mm_status mm_whisper_info_get(const mm_whisper* model, mm_whisper_info* info) {
    clear_struct(info);
    return guard(nullptr, [&] {
        const auto opened = find_model(model);
        MM_REQUIRE(info);
        mm_whisper_info result{};
        const mm::WhisperShape& shape = opened->shape;
        result.n_mels = shape.n_mels;
        result.n_audio_ctx = shape.n_audio_ctx;
        result.n_audio_state = shape.n_audio_state;
        result.n_audio_head = shape.n_audio_head;
        result.n_audio_layer = shape.n_audio_layer;
        result.n_text_ctx = shape.n_text_ctx;
        result.n_text_state = shape.n_text_state;
        result.n_text_head = shape.n_text_head;
        result.n_text_layer = shape.n_text_layer;
        result.n_vocab = shape.n_vocab;
        result.is_multilingual = opened->tokenizer->multilingual();
        result.n_languages = opened->tokenizer->n_languages();
        result.n_alignment_heads = static_cast<int32_t>(opened->alignment_heads.size());
        result.is_mapped = opened->file->in_place();
        result.weight_type = weight_type(*opened);
        result.weight_bytes = opened->file->weight_bytes();
        write_struct(info, result);
    });
}

mm_status mm_whisper_detect_language(mm_whisper* model, mm_audio_chunk chunk, const mm_run_options* run,
                                     mm_language** out, size_t* out_len, char** error_out) {
    clear(out, out_len);
    const std::fenv_t host = host_environment();
    return guard(error_out, [&] {
        const auto opened = find_model(model);
        MM_REQUIRE(out);
        MM_REQUIRE(out_len);
        Run running(run, host);
        const mm::Exec& exec = running.exec();
        mm::check_chunk(chunk, &running.stop());
        if (!opened->tokenizer->multilingual())
            mm::fail(MM_ERROR_UNSUPPORTED, "%s is an English-only model: it cannot tell languages apart",
                     opened->file->name().c_str());

        const int n_ctx = opened->shape.n_audio_ctx;
        const size_t window_seconds = static_cast<size_t>(n_ctx) / 50;  // an encoder position is 20 ms
        mm_audio_chunk head = chunk;
        head.len = std::min<size_t>(chunk.len, window_seconds * chunk.sample_rate);
        int64_t frames;
        const mm::Buffer<float> window = log_mel(*opened, head, running, &frames);
        mm::Inference inference(opened, 1);
        inference.set_window(exec, window.data(), static_cast<int>(frames), n_ctx);
        const std::vector<float> probabilities = mm::language_probabilities(exec, inference);

        std::vector<mm_language> languages(probabilities.size());
        for (size_t i = 0; i < languages.size(); ++i) {
            const char* code = opened->tokenizer->language_code(static_cast<int>(i));
            std::strncpy(languages[i].code, code, sizeof(languages[i].code) - 1);
            languages[i].probability = probabilities[i];
        }
        std::stable_sort(languages.begin(), languages.end(),
                         [](const mm_language& a, const mm_language& b) { return a.probability > b.probability; });
        hand_out(languages, out, out_len);
    });
}

mm_status mm_whisper_log_mel(mm_whisper* model, mm_audio_chunk chunk, const mm_run_options* run, float** out,
                             size_t* frames, char** error_out) {
    clear(out, frames);
    const std::fenv_t host = host_environment();
    return guard(error_out, [&] {
        const auto opened = find_model(model);
        MM_REQUIRE(out);
        MM_REQUIRE(frames);
        Run running(run, host);
        mm::check_chunk(chunk, &running.stop());
        int64_t n;
        mm::Buffer<float> mel = log_mel(*opened, chunk, running, &n);
        *frames = static_cast<size_t>(n);
        *out = mel.release();
    });
}

mm_status mm_whisper_encode(mm_whisper* model, const float* mel, size_t frames, int32_t audio_ctx,
                            const mm_run_options* run, float** out, size_t* out_len, char** error_out) {
    clear(out, out_len);
    const std::fenv_t host = host_environment();
    return guard(error_out, [&] {
        const auto opened = find_model(model);
        MM_REQUIRE(out);
        MM_REQUIRE(out_len);
        if (frames > 0) MM_REQUIRE(mel);
        const int n_ctx = audio_ctx == 0 ? opened->shape.n_audio_ctx : check_audio_ctx(*opened, audio_ctx);
        if (frames > 2 * static_cast<size_t>(n_ctx))
            mm::fail(MM_ERROR_INVALID_ARGUMENT, "frames is %zu: %d encoder positions hear at most %d", frames, n_ctx,
                     2 * n_ctx);
        const Run running(run, host);
        const mm::Exec& exec = running.exec();
        mm::Buffer<float> result(static_cast<size_t>(n_ctx) * static_cast<size_t>(opened->shape.n_audio_state));
        mm::encode(exec, *opened, mel, static_cast<int>(frames), n_ctx, result.data());
        *out_len = result.size();
        *out = result.release();
    });
}

mm_status mm_whisper_logits(mm_whisper* model, const float* encoded, int32_t audio_ctx, const int32_t* tokens,
                            size_t n_tokens, const mm_run_options* run, float** out, size_t* out_len,
                            char** error_out) {
    clear(out, out_len);
    const std::fenv_t host = host_environment();
    return guard(error_out, [&] {
        const auto opened = find_model(model);
        MM_REQUIRE(encoded);
        MM_REQUIRE(tokens);
        MM_REQUIRE(out);
        MM_REQUIRE(out_len);
        check_audio_ctx(*opened, audio_ctx);
        if (n_tokens < 1 || n_tokens > static_cast<size_t>(opened->shape.n_text_ctx))
            mm::fail(MM_ERROR_INVALID_ARGUMENT, "n_tokens is %zu: it must be 1 to %d", n_tokens,
                     opened->shape.n_text_ctx);
        check_tokens(*opened, tokens, n_tokens);
        const Run running(run, host);
        const mm::Exec& exec = running.exec();
        const int n = static_cast<int>(n_tokens);
        std::vector<int> rows(n_tokens);
        std::iota(rows.begin(), rows.end(), 0);
        mm::Buffer<float> result(n_tokens * static_cast<size_t>(opened->shape.n_vocab));
        mm::Inference inference(opened, 1);
        inference.set_encoded(exec, encoded, audio_ctx);
        inference.prefill(exec, tokens, n, 0, rows.data(), n, result.data());
        *out_len = result.size();
        *out = result.release();
    });
}

mm_status mm_whisper_tokenize(mm_whisper* model, const char* text, size_t text_len, int32_t** out, size_t* out_len,
                              char** error_out) {
    clear(out, out_len);
    return guard(error_out, [&] {
        const auto opened = find_model(model);
        if (text_len > 0) MM_REQUIRE(text);
        MM_REQUIRE(out);
        MM_REQUIRE(out_len);
        hand_out(opened->tokenizer->encode(std::string(text ? text : "", text_len)), out, out_len);
    });
}

mm_status mm_whisper_detokenize(mm_whisper* model, const int32_t* tokens, size_t n_tokens, char** out, size_t* out_len,
                                char** error_out) {
    clear(out, out_len);
    return guard(error_out, [&] {
        const auto opened = find_model(model);
        if (n_tokens > 0) MM_REQUIRE(tokens);
        MM_REQUIRE(out);
        MM_REQUIRE(out_len);
        check_tokens(*opened, tokens, n_tokens);
        const std::string text = opened->tokenizer->decode(tokens, n_tokens);
        *out = hand_out(text);
        *out_len = text.size();
    });
}
