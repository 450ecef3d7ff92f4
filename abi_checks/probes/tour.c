/* See tour.h. */
#include "tour.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static any_function itself(const char* name, any_function function) {
    (void)name;
    return function;
}
static any_function itself_as_callback(int entry, any_function function) {
    (void)entry;
    return function;
}
const struct way directly = {itself, itself_as_callback};

const char* called = "";
static const char* all_called[256];
static int n_called;

void print_called(void) {
    printf("called:");
    for (int i = 0; i < n_called; ++i) printf(" %s", all_called[i]);
    printf("\n");
}

static any_function intercepted_call(const char* name, any_function function) {
    int known = 0;
    for (int i = 0; i < n_called; ++i) known |= strcmp(all_called[i], name) == 0;
    if (!known && n_called < 256) all_called[n_called++] = name;
    called = name;
    intercept_targets[CALL] = function;
    return intercept_call;
}
static any_function intercepted_callback(int entry, any_function function) {
    static const any_function entries[N_ENTRIES] = {intercept_call,        intercept_on_token,     intercept_on_segment,
                                                    intercept_on_progress, intercept_should_abort, intercept_on_log};
    intercept_targets[entry] = function;
    return entries[entry];
}
const struct way intercepted = {intercepted_call, intercepted_callback};

int tour_failures;
int tour_callbacks[N_ENTRIES];

static uint64_t digest;

static void add(const void* data, size_t size) {
    const unsigned char* bytes = (const unsigned char*)data;
    for (size_t i = 0; i < size; ++i) digest = (digest ^ bytes[i]) * UINT64_C(1099511628211); /* FNV-1a */
}

static void add_text(const char* text) {
    add(text, strlen(text) + 1);
}

static void expect(int condition, const char* what) {
    if (condition) return;
    ++tour_failures;
    printf("tour: %s\n", what);
}

#define CALL(function) WAY_CALL(function)
/* A call that must succeed. */
#define OK(function, ...)                                                                          \
    do {                                                                                           \
        const mm_status status_ = CALL(function)(__VA_ARGS__);                                     \
        add(&status_, sizeof(status_));                                                            \
        if (status_ != MM_OK) {                                                                    \
            ++tour_failures;                                                                       \
            printf("tour: %s gave %d (%s)\n", #function, (int)status_, mm_status_string(status_)); \
        }                                                                                          \
    } while (0)
/* Takes a buffer that was handed out into the digest, and frees it. */
#define TAKE(buffer, size)                            \
    do {                                              \
        expect((buffer) != NULL, #buffer " is NULL"); \
        if (buffer) add(buffer, size);                \
        CALL(mm_free)(buffer);                        \
        (buffer) = NULL;                              \
    } while (0)

/* ---- Callbacks ---- */

static int user_data_of_tour;

static void seen(int entry, const void* user_data) {
    ++tour_callbacks[entry];
    expect(user_data == &user_data_of_tour, "a callback got other user data");
}
static int32_t on_token(const mm_token* token, void* user_data) {
    seen(ON_TOKEN, user_data);
    add(&token->id, sizeof(token->id));
    add(&token->probability, sizeof(token->probability));
    return 0;
}
static int32_t on_segment(const mm_segment* segment, void* user_data) {
    seen(ON_SEGMENT, user_data);
    add_text(segment->text);
    return 0;
}
static int32_t on_progress(double seconds_done, double seconds_total, void* user_data) {
    seen(ON_PROGRESS, user_data);
    add(&seconds_done, sizeof(seconds_done));
    add(&seconds_total, sizeof(seconds_total));
    return 0;
}
static int32_t should_abort(void* user_data) {
    seen(SHOULD_ABORT, user_data);
    return 0;
}
static void on_log(int32_t level, const char* message, void* user_data) {
    seen(ON_LOG, user_data);
    add(&level, sizeof(level));
    add_text(message);
}

/* ---- The tour ---- */

static float* audio(size_t n) {
    float* samples = (float*)malloc(n * sizeof(float));
    uint32_t state = 1;
    if (!samples) abort();
    for (size_t i = 0; i < n; ++i) {
        state = state * 1664525u + 1013904223u;
        samples[i] = (float)(int32_t)((state >> 8) - 8388608u) / 16777216.0f;
    }
    return samples;
}

static unsigned char* file_contents(const char* path, size_t* size) {
    FILE* file = fopen(path, "rb");
    unsigned char* bytes = (unsigned char*)malloc(1 << 20);
    if (!file || !bytes) abort();
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static void basics(const struct way* way, const char* whisper) {
    const uint32_t version = CALL(mm_abi_version)();
    char* text = NULL;
    add(&version, sizeof(version));
    add_text(CALL(mm_version_string)());
    expect(CALL(mm_build_info)()[0] == '{', "mm_build_info is no JSON");
    add_text(CALL(mm_status_string)(MM_ERROR_BUSY));
    OK(mm_model_verify, whisper, NULL, &text, NULL);
    TAKE(text, strlen(text));
}

static void audio_functions(const struct way* way, const float* samples, const mm_run_options* run) {
    const mm_audio_chunk at_44100 = {samples, 4410, 44100}, at_16000 = {samples, 4096, 16000};
    float tiny[64];
    const mm_audio_chunk subnormal = {tiny, 64, 48000};
    float *floats = NULL, probability = -1.0f;
    size_t n = 0;
    mm_vad* vad = NULL;
    mm_vad_options options;
    mm_vad_segment* segments = NULL;
    OK(mm_resample, at_44100, 16000, run, &floats, &n, NULL);
    TAKE(floats, n * sizeof(float));
    for (uint32_t i = 0; i < 64; ++i) memcpy(&tiny[i], &i, sizeof(i)); /* subnormal numbers */
    OK(mm_resample, subnormal, 16000, run, &floats, &n, NULL);
    TAKE(floats, n * sizeof(float));
    OK(mm_vad_open, NULL, &vad, NULL);
    OK(mm_vad_process, vad, samples, 512, &probability);
    add(&probability, sizeof(probability));
    OK(mm_vad_reset, vad);
    OK(mm_vad_probabilities, vad, at_16000, run, &floats, &n, NULL);
    TAKE(floats, n * sizeof(float));
    OK(mm_vad_options_init, &options, sizeof(options));
    options.threshold = 0.01f;
    OK(mm_vad_segments, vad, at_16000, &options, run, &segments, &n, NULL);
    TAKE(segments, n * sizeof(*segments));
    CALL(mm_vad_close)(vad);
}

static void read_transcript(const struct way* way, mm_transcript* transcript) {
    mm_transcript_info info;
    mm_segment segment;
    mm_token token;
    mm_word word;
    info.struct_size = sizeof(info);
    segment.struct_size = sizeof(segment);
    token.struct_size = sizeof(token);
    word.struct_size = sizeof(word);
    OK(mm_transcript_info_get, transcript, &info);
    add(&info.duration, sizeof(info.duration));
    add(&info.n_segments, sizeof(info.n_segments));
    expect(info.n_segments > 0, "there is no segment");
    if (info.n_segments == 0) return;
    OK(mm_transcript_segment, transcript, 0, &segment);
    add_text(segment.text);
    OK(mm_transcript_token, transcript, 0, 0, &token);
    add(&token.id, sizeof(token.id));
    OK(mm_transcript_word, transcript, 0, 0, &word);
    add(&word.start, sizeof(word.start));
    add_text(CALL(mm_transcript_last_error)(transcript));
}

static void transcription(const struct way* way, mm_whisper* model, const float* samples) {
    static const float zero[1] = {0.0f};
    const mm_audio_chunk chunk = {samples, 8000, 16000};
    mm_transcribe_options options;
    mm_transcript* transcript = NULL;
    int32_t state = MM_STEP_MORE;
    OK(mm_transcribe_options_init, &options, sizeof(options));
    options.language = "en";
    options.temperatures = zero;
    options.n_temperatures = 1;
    options.beam_size = 1;
    options.max_new_tokens = 8;
    options.word_timestamps = MM_SWITCH_ON;
    options.no_speech_threshold = INFINITY;
    options.timestamps = MM_SWITCH_OFF;
    options.threads = 2;
    options.on_token = (mm_token_callback)way->callback(ON_TOKEN, (any_function)on_token);
    options.on_segment = (mm_segment_callback)way->callback(ON_SEGMENT, (any_function)on_segment);
    options.on_progress = (mm_progress_callback)way->callback(ON_PROGRESS, (any_function)on_progress);
    options.should_abort = (mm_abort_callback)way->callback(SHOULD_ABORT, (any_function)should_abort);
    options.user_data = &user_data_of_tour;
    OK(mm_whisper_transcribe, model, chunk, &options, &transcript, NULL);
    read_transcript(way, transcript);
    CALL(mm_transcript_close)(transcript);

    OK(mm_transcript_open, model, &options, &transcript, NULL);
    OK(mm_transcript_push, transcript, chunk);
    OK(mm_transcript_finish, transcript);
    while (state != MM_STEP_DONE && !tour_failures) OK(mm_transcript_step, transcript, &state);
    read_transcript(way, transcript);
    OK(mm_transcript_abort, transcript);
    CALL(mm_transcript_close)(transcript);
}

static void speech(const struct way* way, const char* path, const float* samples, const mm_run_options* run) {
    const mm_audio_chunk chunk = {samples, 8000, 16000};
    const int32_t tokens[] = {50258, 50259, 50359, 50363};
    float *mel = NULL, *encoded = NULL, *logits = NULL;
    size_t frames = 0, n = 0;
    int32_t* ids = NULL;
    char *text = NULL, *error = NULL;
    mm_whisper* model = NULL;
    mm_whisper_info info;
    mm_language* languages = NULL;
    expect(CALL(mm_whisper_open)("there is no such file", NULL, &model, &error) == MM_ERROR_IO, "it was opened");
    TAKE(error, strlen(error));
    OK(mm_whisper_open, path, NULL, &model, NULL);
    info.struct_size = sizeof(info);
    OK(mm_whisper_info_get, model, &info);
    add(&info.n_vocab, sizeof(info.n_vocab));
    OK(mm_whisper_log_mel, model, chunk, run, &mel, &frames, NULL);
    OK(mm_whisper_encode, model, mel, 40, 20, run, &encoded, &n, NULL);
    TAKE(mel, frames * (size_t)info.n_mels * sizeof(float));
    OK(mm_whisper_logits, model, encoded, 20, tokens, 4, run, &logits, &n, NULL);
    TAKE(logits, n * sizeof(float));
    TAKE(encoded, 20 * (size_t)info.n_audio_state * sizeof(float));
    OK(mm_whisper_tokenize, model, " hello world", 12, &ids, &n, NULL);
    OK(mm_whisper_detokenize, model, ids, n, &text, &frames, NULL);
    TAKE(ids, n * sizeof(*ids));
    TAKE(text, frames);
    OK(mm_whisper_detect_language, model, chunk, run, &languages, &n, NULL);
    TAKE(languages, n * sizeof(*languages));
    transcription(way, model, samples);
    CALL(mm_whisper_close)(model);
}

static void pictures(const struct way* way, const char* path, const char* picture, const mm_run_options* run) {
    size_t size = 0, n = 0, len = 0;
    unsigned char* file = file_contents(picture, &size);
    int32_t width = 0, height = 0, *ids = NULL;
    uint8_t *rgb = NULL, *other = NULL;
    float* embeddings = NULL;
    char* text = NULL;
    mm_clip* model = NULL;
    mm_clip_info info;
    const mm_bytes image = {file, size}, label = {"a cat", 5};
    OK(mm_image_decode, file, size, NULL, run, &rgb, &width, &height, NULL);
    const mm_pixels pixels = {rgb, width, height, 0};
    OK(mm_image_resize, &pixels, 20, 30, MM_FILTER_BICUBIC, run, &other, NULL);
    TAKE(other, 20 * 30 * 3);
    OK(mm_clip_open, path, NULL, &model, NULL);
    info.struct_size = sizeof(info);
    OK(mm_clip_info_get, model, &info);
    add(&info.embedding_dim, sizeof(info.embedding_dim));
    OK(mm_clip_space_id, model, NULL, &text, NULL);
    TAKE(text, strlen(text));
    OK(mm_clip_encode_image, model, &image, 1, NULL, run, &embeddings, &n, NULL);
    TAKE(embeddings, n * sizeof(float));
    OK(mm_clip_encode_pixels, model, &pixels, 1, NULL, run, &embeddings, &n, NULL);
    TAKE(embeddings, n * sizeof(float));
    OK(mm_clip_encode_text, model, &label, 1, NULL, run, &embeddings, &n, NULL);
    TAKE(embeddings, n * sizeof(float));
    OK(mm_clip_tokenize, model, "a cat", 5, &ids, &len, NULL);
    OK(mm_clip_encode_tokens, model, ids, len, NULL, run, &embeddings, &n, NULL);
    TAKE(embeddings, n * sizeof(float));
    OK(mm_clip_detokenize, model, ids, len, &text, &n, NULL);
    TAKE(ids, len * sizeof(*ids));
    TAKE(text, n);
    OK(mm_clip_preprocess_image, model, &image, NULL, run, &other, &n, NULL);
    TAKE(other, n);
    OK(mm_clip_preprocess_pixels, model, &pixels, NULL, run, &other, &n, NULL);
    TAKE(other, n);
    TAKE(rgb, (size_t)width * (size_t)height * 3);
    CALL(mm_clip_close)(model);
    free(file);
}

uint64_t tour(const struct way* way, const char* whisper, const char* clip, const char* picture) {
    const mm_run_options run = {sizeof(mm_run_options), 2,
                                (mm_abort_callback)way->callback(SHOULD_ABORT, (any_function)should_abort),
                                &user_data_of_tour};
    float* samples = audio(8000);
    digest = UINT64_C(14695981039346656037);
    memset(tour_callbacks, 0, sizeof(tour_callbacks));
    CALL(mm_set_log_callback)
    ((mm_log_callback)way->callback(ON_LOG, (any_function)on_log), &user_data_of_tour);
    basics(way, whisper);
    audio_functions(way, samples, &run);
    speech(way, whisper, samples, &run);
    pictures(way, clip, picture, &run);
    CALL(mm_set_log_callback)(NULL, NULL);
    for (int entry = ON_TOKEN; entry < N_ENTRIES; ++entry)
        expect(tour_callbacks[entry] > 0, "a callback was never called");
    free(samples);
    return digest;
}
