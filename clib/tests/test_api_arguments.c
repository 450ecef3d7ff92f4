/* What a host can hand in wrongly: every call says so with a status and a message, and does nothing else.
 * Usage: test_api_arguments MODEL (multilingual) */
#include <math.h>
#include <stdint.h>

#include "check.h"

static mm_whisper* model;
static float* samples;
static mm_audio_chunk audio; /* one second */
static mm_transcribe_options fast;

#define BAD MM_ERROR_INVALID_ARGUMENT
#define CLOSED MM_ERROR_INVALID_HANDLE

static mm_transcribe_options fast_options(void) {
    mm_transcribe_options o;
    static const float zero[1] = {0.0f};
    CHECK_STATUS(mm_transcribe_options_init(&o, sizeof(o)), MM_OK);
    o.beam_size = 1;
    o.max_new_tokens = 4;
    o.audio_ctx = 50;
    o.temperatures = zero;
    o.n_temperatures = 1;
    return o;
}

static void core(void) {
    CHECK(mm_abi_version() == MM_ABI_VERSION);
    CHECK(strcmp(mm_version_string(), "0.1.0") == 0);
    CHECK(strstr(mm_build_info(), "\"version\": \"0.1.0\"") != NULL);
    CHECK(mm_build_info() == mm_build_info());
    for (mm_status s = MM_ERROR_INTERNAL; s <= MM_OK; ++s)
        CHECK(strcmp(mm_status_string(s), mm_status_string(-1000)) != 0);
    CHECK(mm_status_string(INT32_MIN)[0] != '\0' && mm_status_string(7)[0] != '\0');
    mm_free(NULL);
    mm_set_log_callback(NULL, NULL);
}

static void null_pointers(void) {
    float* floats = (float*)&samples;
    float probability = 1.0f;
    int32_t *ids = (int32_t*)&samples, state = 9, id = 5;
    size_t n = 77;
    char* text = (char*)&samples;
    mm_language* languages = (mm_language*)&samples;
    mm_vad_segment* segments = (mm_vad_segment*)&samples;
    mm_vad* vad = NULL;
    mm_whisper* other = model;
    mm_transcript* t = NULL;
    mm_vad_options vo;
    CHECK_STATUS(mm_vad_open(NULL, &vad, NULL), MM_OK);
    CHECK_STATUS(mm_transcript_open(model, NULL, &t, NULL), MM_OK);

    CHECK_MESSAGE(mm_resample(audio, 8000, NULL, NULL, &n, &error), BAD, "out is NULL");
    CHECK(n == 0);
    CHECK_MESSAGE(mm_resample(audio, 8000, NULL, &floats, NULL, &error), BAD, "out_len is NULL");
    CHECK(floats == NULL);
    CHECK_STATUS(mm_resample(audio, 8000, NULL, NULL, NULL, NULL), BAD);
    CHECK_MESSAGE(mm_resample(chunk_of(NULL, 5, 16000), 8000, NULL, &floats, &n, &error), BAD, "NULL");

    CHECK_MESSAGE(mm_vad_open(NULL, NULL, &error), BAD, "out is NULL");
    CHECK_STATUS(mm_vad_options_init(NULL, sizeof(vo)), BAD);
    CHECK_STATUS(mm_vad_process(vad, NULL, 512, &probability), BAD);
    CHECK(probability == 0.0f);
    CHECK_STATUS(mm_vad_process(vad, samples, 512, NULL), BAD);
    CHECK_MESSAGE(mm_vad_probabilities(vad, audio, NULL, NULL, &n, &error), BAD, "out is NULL");
    CHECK_MESSAGE(mm_vad_probabilities(vad, audio, NULL, &floats, NULL, &error), BAD, "out_len is NULL");
    CHECK_MESSAGE(mm_vad_segments(vad, audio, NULL, NULL, NULL, &n, &error), BAD, "out is NULL");
    CHECK_MESSAGE(mm_vad_segments(vad, audio, NULL, NULL, &segments, NULL, &error), BAD, "out_len is NULL");
    CHECK(segments == NULL);

    CHECK_MESSAGE(mm_whisper_open(NULL, NULL, &other, &error), BAD, "path is NULL");
    CHECK(other == NULL);
    CHECK_MESSAGE(mm_whisper_open("model.gguf", NULL, NULL, &error), BAD, "out is NULL");
    CHECK_STATUS(mm_whisper_info_get(model, NULL), BAD);
    CHECK_MESSAGE(mm_model_verify(NULL, NULL, &text, &error), BAD, "path is NULL");
    CHECK(text == NULL);
    CHECK_MESSAGE(mm_model_verify("model.gguf", NULL, NULL, &error), BAD, "json is NULL");

    CHECK_STATUS(mm_transcribe_options_init(NULL, sizeof(mm_transcribe_options)), BAD);
    CHECK_MESSAGE(mm_whisper_transcribe(model, audio, &fast, NULL, &error), BAD, "out is NULL");
    CHECK_MESSAGE(mm_transcript_open(model, &fast, NULL, &error), BAD, "out is NULL");
    CHECK_STATUS(mm_transcript_push(t, chunk_of(NULL, 5, 16000)), BAD);
    CHECK(strstr(mm_transcript_last_error(t), "NULL") != NULL);
    CHECK_STATUS(mm_transcript_step(t, NULL), BAD);
    CHECK(strstr(mm_transcript_last_error(t), "state is NULL") != NULL);
    CHECK_STATUS(mm_transcript_info_get(t, NULL), BAD);
    CHECK_STATUS(mm_transcript_segment(t, 0, NULL), BAD);
    CHECK_STATUS(mm_transcript_token(t, 0, 0, NULL), BAD);
    CHECK_STATUS(mm_transcript_word(t, 0, 0, NULL), BAD);
    CHECK_STATUS(mm_transcript_step(t, &state), MM_OK);
    CHECK(state == MM_STEP_NEEDS_AUDIO);

    CHECK_MESSAGE(mm_whisper_detect_language(model, audio, NULL, NULL, &n, &error), BAD, "out is NULL");
    CHECK_MESSAGE(mm_whisper_detect_language(model, audio, NULL, &languages, NULL, &error), BAD, "out_len is NULL");
    CHECK_MESSAGE(mm_whisper_log_mel(model, audio, NULL, NULL, &n, &error), BAD, "out is NULL");
    CHECK_MESSAGE(mm_whisper_log_mel(model, audio, NULL, &floats, NULL, &error), BAD, "frames is NULL");
    CHECK_MESSAGE(mm_whisper_encode(model, NULL, 1, 10, NULL, &floats, &n, &error), BAD, "mel is NULL");
    CHECK_MESSAGE(mm_whisper_encode(model, samples, 1, 10, NULL, NULL, &n, &error), BAD, "out is NULL");
    CHECK_MESSAGE(mm_whisper_encode(model, samples, 1, 10, NULL, &floats, NULL, &error), BAD, "out_len is NULL");
    CHECK_MESSAGE(mm_whisper_logits(model, NULL, 1, &id, 1, NULL, &floats, &n, &error), BAD, "encoded is NULL");
    CHECK_MESSAGE(mm_whisper_logits(model, samples, 1, NULL, 1, NULL, &floats, &n, &error), BAD, "tokens is NULL");
    CHECK_MESSAGE(mm_whisper_logits(model, samples, 1, &id, 1, NULL, NULL, &n, &error), BAD, "out is NULL");
    CHECK_MESSAGE(mm_whisper_logits(model, samples, 1, &id, 1, NULL, &floats, NULL, &error), BAD, "out_len is NULL");
    CHECK_MESSAGE(mm_whisper_tokenize(model, NULL, 3, &ids, &n, &error), BAD, "text is NULL");
    CHECK_MESSAGE(mm_whisper_tokenize(model, "a", 1, NULL, &n, &error), BAD, "out is NULL");
    CHECK_MESSAGE(mm_whisper_tokenize(model, "a", 1, &ids, NULL, &error), BAD, "out_len is NULL");
    CHECK_MESSAGE(mm_whisper_detokenize(model, NULL, 3, &text, &n, &error), BAD, "tokens is NULL");
    CHECK_MESSAGE(mm_whisper_detokenize(model, &id, 1, NULL, &n, &error), BAD, "out is NULL");
    CHECK_MESSAGE(mm_whisper_detokenize(model, &id, 1, &text, NULL, &error), BAD, "out_len is NULL");

    mm_vad_close(vad);
    mm_transcript_close(t);
}

/* Every call with a handle that is none: NULL, made up, of another kind, closed. */
static void refused_vad(mm_vad* vad) {
    float probability, *floats;
    size_t n;
    mm_vad_segment* segments;
    mm_vad_close(vad); /* does nothing */
    CHECK_STATUS(mm_vad_process(vad, samples, 512, &probability), CLOSED);
    CHECK_STATUS(mm_vad_reset(vad), CLOSED);
    CHECK_MESSAGE(mm_vad_probabilities(vad, audio, NULL, &floats, &n, &error), CLOSED, "mm_vad");
    CHECK_MESSAGE(mm_vad_segments(vad, audio, NULL, NULL, &segments, &n, &error), CLOSED, "mm_vad");
}

static void refused_whisper(mm_whisper* w) {
    float* floats;
    size_t n;
    int32_t *ids, id = 5;
    char* text;
    mm_language* languages;
    mm_transcript* t;
    mm_whisper_info info;
    info.struct_size = sizeof(info);
    mm_whisper_close(w); /* does nothing */
    CHECK_STATUS(mm_whisper_info_get(w, &info), CLOSED);
    CHECK(info.n_mels == 0 && info.weight_type == NULL && info.struct_size == sizeof(info));
    CHECK_MESSAGE(mm_whisper_transcribe(w, audio, NULL, &t, &error), CLOSED, "mm_whisper");
    CHECK_MESSAGE(mm_transcript_open(w, NULL, &t, &error), CLOSED, "mm_whisper");
    CHECK_MESSAGE(mm_whisper_detect_language(w, audio, NULL, &languages, &n, &error), CLOSED, "mm_whisper");
    CHECK_MESSAGE(mm_whisper_log_mel(w, audio, NULL, &floats, &n, &error), CLOSED, "mm_whisper");
    CHECK_MESSAGE(mm_whisper_encode(w, samples, 1, 10, NULL, &floats, &n, &error), CLOSED, "mm_whisper");
    CHECK_MESSAGE(mm_whisper_logits(w, samples, 1, &id, 1, NULL, &floats, &n, &error), CLOSED, "mm_whisper");
    CHECK_MESSAGE(mm_whisper_tokenize(w, "a", 1, &ids, &n, &error), CLOSED, "mm_whisper");
    CHECK_MESSAGE(mm_whisper_detokenize(w, &id, 1, &text, &n, &error), CLOSED, "mm_whisper");
}

static void refused_transcript(mm_transcript* t) {
    mm_transcript_info info;
    mm_segment segment;
    mm_token token;
    mm_word word;
    int32_t state = 5;
    info.struct_size = sizeof(info);
    segment.struct_size = sizeof(segment);
    token.struct_size = sizeof(token);
    word.struct_size = sizeof(word);
    mm_transcript_close(t); /* does nothing */
    CHECK_STATUS(mm_transcript_push(t, audio), CLOSED);
    CHECK_STATUS(mm_transcript_finish(t), CLOSED);
    CHECK_STATUS(mm_transcript_step(t, &state), CLOSED);
    CHECK(state == 0);
    CHECK_STATUS(mm_transcript_abort(t), CLOSED);
    CHECK(strcmp(mm_transcript_last_error(t), "") == 0);
    CHECK_STATUS(mm_transcript_info_get(t, &info), CLOSED);
    CHECK(info.duration == 0.0 && info.struct_size == sizeof(info));
    CHECK_STATUS(mm_transcript_segment(t, 0, &segment), CLOSED);
    CHECK(segment.text == NULL);
    CHECK_STATUS(mm_transcript_token(t, 0, 0, &token), CLOSED);
    CHECK_STATUS(mm_transcript_word(t, 0, 0, &word), CLOSED);
}

static void handles(const char* path) {
    mm_vad *vad = NULL, *next_vad = NULL;
    mm_transcript* t = NULL;
    mm_whisper* w = open_model(path);
    const uintptr_t made_up[] = {0, 1, 64, 65536, 0xdeadbeef, UINTPTR_MAX, (uintptr_t)&vad, 1u << 30};
    CHECK_STATUS(mm_vad_open(NULL, &vad, NULL), MM_OK);
    CHECK_STATUS(mm_transcript_open(w, NULL, &t, NULL), MM_OK);
    CHECK((uintptr_t)vad > 65536 && (uintptr_t)vad % 64 == 0);
    for (size_t i = 0; i < sizeof(made_up) / sizeof(made_up[0]); ++i) {
        refused_vad((mm_vad*)made_up[i]);
        refused_whisper((mm_whisper*)made_up[i]);
        refused_transcript((mm_transcript*)made_up[i]);
    }
    refused_vad((mm_vad*)w); /* of another kind */
    refused_whisper((mm_whisper*)t);
    refused_transcript((mm_transcript*)vad);

    mm_whisper_close(w); /* the transcript keeps the model alive */
    refused_whisper(w);
    CHECK_STATUS(mm_transcript_push(t, audio), MM_OK);
    mm_vad_close(vad);
    mm_transcript_close(t);
    refused_vad(vad);
    refused_transcript(t);
    CHECK_STATUS(mm_vad_open(NULL, &next_vad, NULL), MM_OK); /* numbers are not used again */
    CHECK(next_vad != vad && (void*)next_vad != (void*)w && (void*)next_vad != (void*)t);
    refused_vad(vad);
    mm_vad_close(next_vad);
}

#define REFUSED(field, value, part)                                                    \
    do {                                                                               \
        mm_transcribe_options o = fast;                                                \
        mm_transcript* t = (mm_transcript*)&o;                                         \
        o.field = (value);                                                             \
        CHECK_MESSAGE(mm_transcript_open(model, &o, &t, &error), BAD, part);           \
        CHECK(t == NULL);                                                              \
        CHECK_MESSAGE(mm_whisper_transcribe(model, audio, &o, &t, &error), BAD, part); \
    } while (0)

static void options(void) {
    static const float bad_temperatures[3][1] = {{-0.1f}, {2.1f}, {NAN}};
    static const int32_t bad_tokens[2][1] = {{-1}, {1 << 20}};
    mm_transcribe_options o;
    mm_transcript* t = NULL;
    REFUSED(task, 2, "task is 2");
    REFUSED(task, -1, "task is -1");
    REFUSED(language, "zz", "\"zz\"");
    REFUSED(language, "", "language");
    REFUSED(language, "a language whose name has no end and then some more of it", "language");
    REFUSED(threads, -1, "threads is -1");
    REFUSED(beam_size, 17, "beam_size is 17");
    REFUSED(beam_size, -1, "beam_size");
    REFUSED(best_of, 17, "best_of is 17");
    REFUSED(best_of, -5, "best_of");
    REFUSED(patience, -1.0f, "patience is -1");
    REFUSED(patience, NAN, "patience");
    REFUSED(length_penalty, NAN, "length_penalty");
    REFUSED(length_penalty, INFINITY, "length_penalty");
    for (int i = 0; i < 3; ++i) REFUSED(temperatures, bad_temperatures[i], "temperatures[0]");
    REFUSED(n_temperatures, 0, "n_temperatures is 0");
    REFUSED(n_temperatures, SIZE_MAX, "n_temperatures");
    REFUSED(temperatures, NULL, "temperatures is NULL");
    REFUSED(compression_ratio_threshold, NAN, "compression_ratio_threshold");
    REFUSED(compression_ratio_threshold, -1.0f, "compression_ratio_threshold");
    REFUSED(log_prob_threshold, NAN, "log_prob_threshold");
    REFUSED(log_prob_threshold, 1.0f, "log_prob_threshold is 1");
    REFUSED(no_speech_threshold, NAN, "no_speech_threshold");
    REFUSED(no_speech_threshold, -0.5f, "no_speech_threshold");
    REFUSED(prompt_reset_on_temperature, NAN, "prompt_reset_on_temperature");
    REFUSED(condition_on_previous_text, 2, "condition_on_previous_text is 2");
    REFUSED(suppress_blank, -2, "suppress_blank is -2");
    REFUSED(timestamps, 3, "timestamps is 3");
    REFUSED(n_suppress_tokens, 1, "suppress_tokens is NULL");
    o = fast; /* more than there are tokens */
    o.suppress_tokens = bad_tokens[0];
    o.n_suppress_tokens = 51866;
    CHECK_MESSAGE(mm_transcript_open(model, &o, &t, &error), BAD, "n_suppress_tokens is 51866");
    REFUSED(patience, 1e-4f, "patience is 0.0001"); /* the documented limits */
    REFUSED(patience, 101.0f, "patience is 101");
    REFUSED(length_penalty, 10.5f, "length_penalty is 10.5");
    REFUSED(length_penalty, -10.5f, "length_penalty is -10.5");
    REFUSED(n_temperatures, 65, "n_temperatures is 65");
    REFUSED(threads, 65537, "threads is 65537");
    REFUSED(max_initial_timestamp, 30.5f, "max_initial_timestamp is 30.5");
    REFUSED(max_new_tokens, 449, "max_new_tokens is 449");
    REFUSED(hallucination_silence_threshold, 30.5f, "hallucination_silence_threshold is 30.5");
    for (int i = 0; i < 2; ++i) {
        o = fast;
        o.suppress_tokens = bad_tokens[i];
        o.n_suppress_tokens = 1;
        CHECK_MESSAGE(mm_transcript_open(model, &o, &t, &error), BAD, "suppress_tokens[0]");
    }
    REFUSED(max_initial_timestamp, -1.0f, "max_initial_timestamp");
    REFUSED(max_initial_timestamp, NAN, "max_initial_timestamp");
    REFUSED(max_new_tokens, -1, "max_new_tokens is -1");
    REFUSED(max_new_tokens, 100000, "max_new_tokens");
    REFUSED(word_timestamps, 5, "word_timestamps is 5");
    REFUSED(hallucination_silence_threshold, -1.0f, "hallucination_silence_threshold");
    REFUSED(hallucination_silence_threshold, NAN, "hallucination_silence_threshold");
    REFUSED(hallucination_silence_threshold, 2.0f, "word_timestamps");
    REFUSED(vad_filter, 9, "vad_filter is 9");
    REFUSED(audio_ctx, -1, "audio_ctx is -1");
    REFUSED(audio_ctx, 1501, "audio_ctx is 1501");
    REFUSED(initial_prompt, "\xff\xfe not UTF-8", "UTF-8");

    o = fast; /* 200 kB of prompt: the last tokens count */
    {
        char* prompt = (char*)malloc(200001);
        if (!prompt) exit(2);
        for (int i = 0; i < 200000; ++i) prompt[i] = "the quick brown fox "[i % 20];
        prompt[200000] = '\0';
        o.initial_prompt = prompt;
        CHECK_STATUS(mm_whisper_transcribe(model, audio, &o, &t, NULL), MM_OK);
        mm_transcript_close(t);
        free(prompt);
    }
}

#define VAD_REFUSED(field, value, part)                                                         \
    do {                                                                                        \
        mm_vad_options o;                                                                       \
        mm_vad_segment* segments = NULL;                                                        \
        size_t n = 1;                                                                           \
        CHECK_STATUS(mm_vad_options_init(&o, sizeof(o)), MM_OK);                                \
        o.field = (value);                                                                      \
        CHECK_MESSAGE(mm_vad_segments(vad, audio, &o, NULL, &segments, &n, &error), BAD, part); \
        CHECK(segments == NULL && n == 0);                                                      \
    } while (0)

static void vad_options(void) {
    mm_vad* vad = NULL;
    float p;
    CHECK_STATUS(mm_vad_open(NULL, &vad, NULL), MM_OK);
    VAD_REFUSED(threshold, 1.0f, "threshold");
    VAD_REFUSED(threshold, -0.1f, "threshold");
    VAD_REFUSED(threshold, NAN, "threshold");
    VAD_REFUSED(neg_threshold, 1.5f, "neg_threshold");
    VAD_REFUSED(neg_threshold, NAN, "neg_threshold");
    VAD_REFUSED(min_speech_ms, -2, "min_speech_ms");
    VAD_REFUSED(min_silence_ms, -2, "min_silence_ms");
    VAD_REFUSED(speech_pad_ms, -2, "speech_pad_ms");
    VAD_REFUSED(max_speech_s, -1.0f, "max_speech_s");
    VAD_REFUSED(max_speech_s, NAN, "max_speech_s");
    CHECK_STATUS(mm_vad_process(vad, samples, 511, &p), BAD);
    CHECK_STATUS(mm_vad_process(vad, samples, 513, &p), BAD);
    CHECK_STATUS(mm_vad_process(vad, samples, 0, &p), BAD);
    mm_vad_close(vad);
}

static void numbers(void) {
    float* floats = NULL;
    size_t n = 0;
    char* text = NULL;
    mm_language* languages = NULL;
    int32_t* ids = NULL;
    int32_t many[449] = {0};
    const int32_t negative = -1, huge = 1 << 20;
    const mm_run_options many_threads = {sizeof(mm_run_options), 65537, NULL, NULL};
    const mm_run_options negative_threads = {sizeof(mm_run_options), -1, NULL, NULL};
    CHECK_MESSAGE(mm_whisper_encode(model, samples, 1, -1, NULL, &floats, &n, &error), BAD, "audio_ctx is -1");
    CHECK_MESSAGE(mm_whisper_encode(model, samples, 1, 1501, NULL, &floats, &n, &error), BAD, "audio_ctx is 1501");
    CHECK_MESSAGE(mm_whisper_encode(model, samples, 3, 1, NULL, &floats, &n, &error), BAD, "frames is 3");
    CHECK_MESSAGE(mm_whisper_encode(model, samples, SIZE_MAX, 1, NULL, &floats, &n, &error), BAD, "frames");
    CHECK_MESSAGE(mm_whisper_encode(model, samples, 1, 1, &negative_threads, &floats, &n, &error), BAD,
                  "threads is -1");
    CHECK_MESSAGE(mm_whisper_logits(model, samples, 0, many, 1, NULL, &floats, &n, &error), BAD, "audio_ctx is 0");
    CHECK_MESSAGE(mm_whisper_logits(model, samples, 1, many, 0, NULL, &floats, &n, &error), BAD, "n_tokens is 0");
    CHECK_MESSAGE(mm_whisper_logits(model, samples, 1, many, 449, NULL, &floats, &n, &error), BAD, "n_tokens is 449");
    CHECK_MESSAGE(mm_whisper_logits(model, samples, 1, &negative, 1, NULL, &floats, &n, &error), BAD,
                  "tokens[0] is -1");
    CHECK_MESSAGE(mm_whisper_logits(model, samples, 1, &huge, 1, NULL, &floats, &n, &error), BAD, "tokens[0]");
    CHECK_MESSAGE(mm_whisper_logits(model, samples, 1, many, 1, &negative_threads, &floats, &n, &error), BAD,
                  "threads is -1");
    CHECK_MESSAGE(mm_whisper_detokenize(model, &huge, 1, &text, &n, &error), BAD, "tokens[0]");
    CHECK_MESSAGE(mm_whisper_tokenize(model, "ab\xff", 3, &ids, &n, &error), BAD, "2");
    CHECK_MESSAGE(mm_whisper_detect_language(model, audio, &negative_threads, &languages, &n, &error), BAD,
                  "threads is -1");
    CHECK_MESSAGE(mm_resample(audio, 8000, &many_threads, &floats, &n, &error), BAD, "threads is 65537");
    CHECK(floats == NULL && text == NULL && languages == NULL && ids == NULL && n == 0);

    CHECK_STATUS(mm_whisper_tokenize(model, NULL, 0, &ids, &n, NULL), MM_OK); /* nothing in, nothing out */
    CHECK(ids != NULL && n == 0);
    mm_free(ids);
    CHECK_STATUS(mm_whisper_detokenize(model, NULL, 0, &text, &n, NULL), MM_OK);
    CHECK(text != NULL && n == 0 && text[0] == '\0' && (uintptr_t)text % 64 == 0);
    mm_free(text);
    CHECK_STATUS(mm_whisper_encode(model, NULL, 0, 4, NULL, &floats, &n, NULL), MM_OK);
    CHECK(floats != NULL && (uintptr_t)floats % 64 == 0);
    mm_free(floats);
}

static void bad_audio(void) {
    static const uint32_t rates[] = {0, 1, 7999, 192001, UINT32_MAX};
    const float values[] = {NAN, INFINITY, -INFINITY, 1e30f, -1.1e6f};
    float* out = NULL;
    size_t n = 0;
    mm_transcript* t = NULL;
    mm_transcript_info info;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); ++i) {
        CHECK_MESSAGE(mm_resample(chunk_of(samples, 100, rates[i]), 16000, NULL, &out, &n, &error), BAD, "sample_rate");
        CHECK_MESSAGE(mm_resample(audio, rates[i], NULL, &out, &n, &error), BAD, "target_rate");
        CHECK_MESSAGE(mm_whisper_transcribe(model, chunk_of(samples, 100, rates[i]), &fast, &t, &error), BAD,
                      "sample_rate");
    }
    CHECK_STATUS(mm_transcript_open(model, &fast, &t, NULL), MM_OK);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); ++i) {
        const float kept = samples[4321];
        mm_transcript* none = NULL;
        samples[4321] = values[i];
        CHECK_MESSAGE(mm_resample(audio, 8000, NULL, &out, &n, &error), BAD, "sample 4321");
        CHECK_MESSAGE(mm_whisper_log_mel(model, audio, NULL, &out, &n, &error), BAD, "sample 4321");
        CHECK_MESSAGE(mm_whisper_transcribe(model, audio, &fast, &none, &error), BAD, "sample 4321");
        CHECK_STATUS(mm_transcript_push(t, audio), BAD);
        CHECK(strstr(mm_transcript_last_error(t), "sample 4321") != NULL);
        samples[4321] = kept;
    }
    CHECK_MESSAGE(mm_resample(chunk_of(samples, SIZE_MAX, 16000), 8000, NULL, &out, &n, &error), BAD, "len");

    /* Refused audio leaves the transcript as it was; one rate for all pieces. */
    info.struct_size = sizeof(info);
    CHECK_STATUS(mm_transcript_push(t, audio), MM_OK);
    CHECK_STATUS(mm_transcript_push(t, chunk_of(samples, 100, 44100)), BAD);
    CHECK(strstr(mm_transcript_last_error(t), "44100") != NULL);
    CHECK_STATUS(mm_transcript_info_get(t, &info), MM_OK);
    CHECK(info.duration == 1.0);
    CHECK_STATUS(mm_transcript_finish(t), MM_OK);
    CHECK_STATUS(mm_transcript_push(t, audio), BAD);
    CHECK(strstr(mm_transcript_last_error(t), "finish") != NULL);
    mm_transcript_close(t);
}

static void indexes(void) {
    static const size_t outside[] = {0, 1000, SIZE_MAX};
    mm_transcript* t = NULL;
    mm_transcript_info info;
    mm_segment segment;
    mm_token token;
    mm_word word;
    info.struct_size = sizeof(info);
    segment.struct_size = sizeof(segment);
    token.struct_size = sizeof(token);
    word.struct_size = sizeof(word);
    CHECK_STATUS(mm_whisper_transcribe(model, audio, &fast, &t, NULL), MM_OK);
    CHECK_STATUS(mm_transcript_info_get(t, &info), MM_OK);
    for (size_t i = 0; i < 3; ++i) {
        CHECK_STATUS(mm_transcript_segment(t, info.n_segments + outside[i] % (SIZE_MAX / 2), &segment), BAD);
        CHECK_STATUS(mm_transcript_token(t, info.n_segments + outside[i] % (SIZE_MAX / 2), 0, &token), BAD);
        CHECK_STATUS(mm_transcript_word(t, info.n_segments + outside[i] % (SIZE_MAX / 2), 0, &word), BAD);
    }
    for (size_t s = 0; s < info.n_segments; ++s) {
        CHECK_STATUS(mm_transcript_segment(t, s, &segment), MM_OK);
        CHECK(strlen(segment.text) == segment.text_len && segment.n_words == 0);
        for (size_t i = 0; i < segment.n_tokens; ++i) {
            CHECK_STATUS(mm_transcript_token(t, s, i, &token), MM_OK);
            CHECK(token.probability > 0.0f && token.probability <= 1.0f && isnan(token.start));
        }
        CHECK_STATUS(mm_transcript_token(t, s, segment.n_tokens, &token), BAD);
        CHECK_STATUS(mm_transcript_word(t, s, 0, &word), BAD);
    }
    mm_transcript_close(t);
}

static void files(const char* path) {
    mm_whisper* w = NULL;
    mm_vad* vad = NULL;
    char* json = NULL;
    mm_open_options o = {sizeof(mm_open_options), 0, NULL};
    CHECK_MESSAGE(mm_whisper_open("no/such/file.gguf", NULL, &w, &error), MM_ERROR_IO, "no/such/file.gguf");
    CHECK_MESSAGE(mm_whisper_open("\xff\xfe/none", NULL, &w, &error), MM_ERROR_IO, "\\xff\\xfe/none"); /* as text */
    CHECK_MESSAGE(mm_whisper_open("", NULL, &w, &error), MM_ERROR_IO, "");
    CHECK_MESSAGE(mm_whisper_open(".", NULL, &w, &error), MM_ERROR_IO, "directory");
    CHECK_MESSAGE(mm_vad_open(path, &vad, &error), MM_ERROR_BAD_MODEL, "whisper");
    CHECK_MESSAGE(mm_model_verify("no/such/file.gguf", NULL, &json, &error), MM_ERROR_IO, "no/such/file.gguf");
    o.lock_memory = 2;
    CHECK_MESSAGE(mm_whisper_open(path, &o, &w, &error), BAD, "lock_memory is 2");
    o.lock_memory = 0;
    o.sha256 = "123";
    CHECK_MESSAGE(mm_whisper_open(path, &o, &w, &error), BAD, "64");
    o.sha256 = "0000000000000000000000000000000000000000000000000000000000000000";
    CHECK_MESSAGE(mm_whisper_open(path, &o, &w, &error), MM_ERROR_BAD_MODEL, o.sha256);
    CHECK_MESSAGE(mm_model_verify(path, o.sha256, &json, &error), MM_ERROR_BAD_MODEL, o.sha256);
    CHECK(w == NULL && vad == NULL && json == NULL);
    CHECK_STATUS(mm_model_verify(path, NULL, &json, NULL), MM_OK);
    CHECK(strstr(json, "\"architecture\": \"whisper\"") && strstr(json, "\"n_vocab\": 51865"));
    mm_free(json);
}

int main(int argc, char** argv) {
    const char* path = model_argument(argc, argv);
    model = open_model(path);
    samples = noise(16000, 1);
    audio = chunk_of(samples, 16000, 16000);
    fast = fast_options();
    core();
    null_pointers();
    handles(path);
    options();
    vad_options();
    numbers();
    bad_audio();
    indexes();
    files(path);
    mm_whisper_close(model);
    free(samples);
    return finish("test_api_arguments");
}
