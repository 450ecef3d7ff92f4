/* Replays cases through the public header and writes every byte that comes out: see ../replay.py.
 * Usage: replay CASES RESULTS WHISPERS MODEL...; of the models the first WHISPERS are Whisper's, the others CLIP's. */
#include <multimodal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the file: this, the integers, the data, padded to a multiple of 8 bytes. */
typedef struct {
    uint32_t operation, n_integers;
    uint64_t size;
} Head;

typedef struct {
    const int32_t* integers; /* model, threads, what else the operation needs */
    size_t n_integers;
    const void* data;
    size_t size;
} Case;

static FILE* results;
static char** models;
static int n_whispers;

/* ---- Results: name, type of the elements, their number, their bytes ---- */

static void put(const char* name, char type, const void* data, size_t count) {
    char head[24] = {0};
    const uint64_t n = count;
    const size_t width = type == 'd' ? 8 : type == 'b' ? 1 : 4;
    snprintf(head, 16, "%s", name);
    head[15] = type;
    memcpy(head + 16, &n, sizeof n);
    fwrite(head, 1, sizeof head, results);
    if (n) fwrite(data, width, count, results);
}

static void put_freed(const char* name, char type, void* data, size_t count) {
    put(name, type, data, count);
    mm_free(data);
}

static void put_text(const char* name, const char* format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put(name, 'b', text, strlen(text));
}

/* What a call that has failed says takes the place of what it computes. By pointer: arguments may be read before the
 * call that stores the message is made. */
static int is_ok(const char* name, mm_status status, char** error) {
    if (status != MM_OK) put_text(name, "%d %s", (int)status, *error ? *error : "");
    mm_free(*error);
    *error = NULL;
    return status == MM_OK;
}

/* ---- Inputs ---- */

static mm_run_options run_of(const Case* c) {
    mm_run_options run = {sizeof run, 0, NULL, NULL};
    run.threads = c->integers[1];
    return run;
}

static mm_audio_chunk chunk_of(const Case* c) {
    mm_audio_chunk chunk;
    chunk.samples = (const float*)c->data;
    chunk.len = c->size / sizeof(float);
    chunk.sample_rate = (uint32_t)c->integers[2];
    return chunk;
}

static mm_whisper* whisper_of(const Case* c) {
    static mm_whisper* open[16];
    const int32_t i = c->integers[0];
    char* error = NULL;
    if (!open[i] && mm_whisper_open(models[i], NULL, &open[i], &error) != MM_OK) {
        fprintf(stderr, "%s\n", error);
        exit(2);
    }
    return open[i];
}

static mm_clip* clip_of(const Case* c) {
    static mm_clip* open[16];
    const int32_t i = c->integers[0];
    char* error = NULL;
    if (!open[i] && mm_clip_open(models[n_whispers + i], NULL, &open[i], &error) != MM_OK) {
        fprintf(stderr, "%s\n", error);
        exit(2);
    }
    return open[i];
}

/* ---- Speech ---- */

static void resample(const Case* c) {
    const mm_run_options run = run_of(c);
    float* out = NULL;
    size_t n = 0;
    char* error = NULL;
    if (is_ok("resampled", mm_resample(chunk_of(c), (uint32_t)c->integers[3], &run, &out, &n, &error), &error))
        put_freed("resampled", 'f', out, n);
}

static void voice_activity(const Case* c) {
    const mm_run_options run = run_of(c);
    const mm_audio_chunk chunk = chunk_of(c);
    mm_vad* vad = NULL;
    mm_vad_segment* segments = NULL;
    mm_vad_options options = {0};
    float *out = NULL, probability = 0.0f;
    size_t n = 0;
    char* error = NULL;
    mm_vad_open(NULL, &vad, NULL);
    if (is_ok("probabilities", mm_vad_probabilities(vad, chunk, &run, &out, &n, &error), &error))
        put_freed("probabilities", 'f', out, n);
    options.struct_size = sizeof options;
    options.threshold = 0.02f; /* noise is no speech: near enough for decisions to be close */
    options.min_speech_ms = options.min_silence_ms = options.speech_pad_ms = 50;
    if (is_ok("segments", mm_vad_segments(vad, chunk, &options, &run, &segments, &n, &error), &error))
        put_freed("segments", 'd', segments, 2 * n);
    for (size_t i = 0; i + 512 <= chunk.len && i < 2048; i += 512)
        if (is_ok("window", mm_vad_process(vad, chunk.samples + i, 512, &probability), &error))
            put("window", 'f', &probability, 1);
    mm_vad_close(vad);
}

static void layers(const Case* c) { /* integers: rate, audio_ctx, tokens */
    const mm_run_options run = run_of(c);
    mm_whisper* model = whisper_of(c);
    const int32_t audio_ctx = c->integers[3];
    float *mel = NULL, *encoded = NULL, *logits = NULL;
    size_t frames = 0, n = 0;
    mm_language* languages = NULL;
    char* error = NULL;
    mm_whisper_info info;
    info.struct_size = sizeof info;
    mm_whisper_info_get(model, &info);
    if (!is_ok("log-mel", mm_whisper_log_mel(model, chunk_of(c), &run, &mel, &frames, &error), &error)) return;
    put("log-mel", 'f', mel, frames * (size_t)info.n_mels);
    if (frames > 2 * (size_t)audio_ctx) frames = 2 * (size_t)audio_ctx;
    if (is_ok("encoder", mm_whisper_encode(model, mel, frames, audio_ctx, &run, &encoded, &n, &error), &error)) {
        put("encoder", 'f', encoded, n);
        const mm_status status =
            mm_whisper_logits(model, encoded, audio_ctx, c->integers + 4, c->n_integers - 4, &run, &logits, &n, &error);
        if (is_ok("logits", status, &error)) put_freed("logits", 'f', logits, n);
    }
    mm_free(mel);
    mm_free(encoded);
    if (is_ok("languages", mm_whisper_detect_language(model, chunk_of(c), &run, &languages, &n, &error), &error)) {
        char codes[sizeof languages->code * 128] = "";
        float chances[128];
        for (size_t i = 0; i < n && i < 128; ++i) {
            strcat(codes, languages[i].code);
            chances[i] = languages[i].probability;
        }
        put("probabilities", 'f', chances, n < 128 ? n : 128);
        put("languages", 'b', codes, strlen(codes));
        mm_free(languages);
    }
}

static void put_segment(mm_transcript* transcript, size_t index) {
    mm_segment segment;
    mm_token token;
    mm_word word;
    segment.struct_size = sizeof segment;
    token.struct_size = sizeof token;
    word.struct_size = sizeof word;
    mm_transcript_segment(transcript, index, &segment);
    for (size_t i = 0; i < segment.n_tokens; ++i) {
        mm_transcript_token(transcript, index, i, &token);
        put("token", 'i', &token.id, 1);
        put("probability", 'f', &token.probability, 1);
        const double times[] = {token.start, token.end};
        put("token's times", 'd', times, 2);
    }
    for (size_t i = 0; i < segment.n_words; ++i) {
        mm_transcript_word(transcript, index, i, &word);
        put("word", 'b', word.text, word.text_len);
        const double times[] = {word.start, word.end};
        put("word's times", 'd', times, 2);
        put("probability", 'f', &word.probability, 1);
    }
    const float means[] = {segment.temperature, segment.avg_logprob, segment.compression_ratio, segment.no_speech_prob};
    const double times[] = {segment.start, segment.end};
    put("segment", 'f', means, 4);
    put("times", 'd', times, 2);
    put("text", 'b', segment.text, segment.text_len);
}

/* integers: rate, temperature in thousandths, beam_size, word times, voice activity, seed, samples of each piece */
static void transcribe(const Case* c) {
    const float temperature = (float)c->integers[3] / 1000.0f;
    mm_transcript* transcript = NULL;
    mm_transcript_info info;
    mm_transcribe_options options;
    mm_audio_chunk rest = chunk_of(c);
    int32_t state = MM_STEP_MORE;
    char* error = NULL;
    size_t next = 8;
    mm_transcribe_options_init(&options, sizeof options);
    options.threads = c->integers[1];
    options.temperatures = &temperature;
    options.n_temperatures = 1;
    options.beam_size = c->integers[4];
    options.best_of = 2;
    options.word_timestamps = c->integers[5] ? MM_SWITCH_ON : MM_SWITCH_OFF;
    options.vad_filter = c->integers[6] ? MM_SWITCH_ON : MM_SWITCH_OFF;
    options.seed = (uint64_t)c->integers[7];
    options.max_new_tokens = 6;
    options.no_speech_threshold = 2.0f; /* silence is transcribed, too */
    if (!is_ok("transcript", mm_transcript_open(whisper_of(c), &options, &transcript, &error), &error)) return;
    mm_status status = MM_OK;
    while (status == MM_OK && state != MM_STEP_DONE) {
        status = mm_transcript_step(transcript, &state);
        if (status != MM_OK || state != MM_STEP_NEEDS_AUDIO) continue;
        mm_audio_chunk piece = rest;
        if (next < c->n_integers && (size_t)c->integers[next] < rest.len) piece.len = (size_t)c->integers[next];
        ++next;
        status = rest.len ? mm_transcript_push(transcript, piece) : mm_transcript_finish(transcript);
        rest.samples += piece.len;
        rest.len -= piece.len;
    }
    if (status != MM_OK) put_text("transcript", "%d %s", (int)status, mm_transcript_last_error(transcript));
    info.struct_size = sizeof info;
    mm_transcript_info_get(transcript, &info);
    put("language", 'b', info.language, strlen(info.language));
    put("probability", 'f', &info.language_probability, 1);
    for (size_t i = 0; i < info.n_segments; ++i) put_segment(transcript, i);
    mm_transcript_close(transcript);
}

static void whisper_tokens(const Case* c) {
    mm_whisper* model = whisper_of(c);
    int32_t* ids = NULL;
    char *text = NULL, *error = NULL;
    size_t n = 0, length = 0;
    if (!is_ok("tokens", mm_whisper_tokenize(model, (const char*)c->data, c->size, &ids, &n, &error), &error)) return;
    put("tokens", 'i', ids, n);
    if (is_ok("text", mm_whisper_detokenize(model, ids, n, &text, &length, &error), &error))
        put_freed("text", 'b', text, length);
    mm_free(ids);
}

/* ---- Pictures and texts ---- */

static mm_bytes bytes_of(const Case* c) {
    mm_bytes bytes;
    bytes.data = c->data;
    bytes.len = c->size;
    return bytes;
}

static mm_pixels pixels_of(const Case* c) { /* integers: width, height */
    mm_pixels pixels;
    pixels.data = (const uint8_t*)c->data;
    pixels.width = c->integers[2];
    pixels.height = c->integers[3];
    pixels.stride = 0;
    return pixels;
}

static void resize(const Case* c) { /* integers: width, height, those of the result, filter */
    const mm_run_options run = run_of(c);
    const mm_pixels pixels = pixels_of(c);
    const int32_t width = c->integers[4], height = c->integers[5];
    uint8_t* out = NULL;
    char* error = NULL;
    if (is_ok("resized", mm_image_resize(&pixels, width, height, c->integers[6], &run, &out, &error), &error))
        put_freed("resized", 'b', out, 3 * (size_t)width * (size_t)height);
}

static void pixels(const Case* c) {
    const mm_run_options run = run_of(c);
    const mm_pixels image = pixels_of(c);
    uint8_t* square = NULL;
    float* out = NULL;
    size_t n = 0;
    char* error = NULL;
    if (!is_ok("square", mm_clip_preprocess_pixels(clip_of(c), &image, NULL, &run, &square, &n, &error), &error))
        return;
    put_freed("square", 'b', square, n);
    if (is_ok("embedding", mm_clip_encode_pixels(clip_of(c), &image, 1, NULL, &run, &out, &n, &error), &error))
        put_freed("embedding", 'f', out, n);
}

static void file(const Case* c) {
    const mm_run_options run = run_of(c);
    const mm_bytes image = bytes_of(c);
    uint8_t *rgb = NULL, *square = NULL;
    int32_t width = 0, height = 0;
    float* out = NULL;
    size_t n = 0;
    char* error = NULL;
    mm_status status = mm_image_decode(image.data, image.len, NULL, &run, &rgb, &width, &height, &error);
    if (!is_ok("pixels", status, &error)) return;
    put_text("size", "%d x %d", (int)width, (int)height);
    put_freed("pixels", 'b', rgb, 3 * (size_t)width * (size_t)height);
    status = mm_clip_preprocess_image(clip_of(c), &image, NULL, &run, &square, &n, &error);
    if (!is_ok("square", status, &error)) return;
    put_freed("square", 'b', square, n);
    if (is_ok("embedding", mm_clip_encode_image(clip_of(c), &image, 1, NULL, &run, &out, &n, &error), &error))
        put_freed("embedding", 'f', out, n);
}

static void text(const Case* c) {
    const mm_run_options run = run_of(c);
    const mm_bytes bytes = bytes_of(c);
    mm_clip_options raw = {0};
    int32_t* ids = NULL;
    float* out = NULL;
    size_t n = 0;
    char *written = NULL, *error = NULL;
    if (is_ok("tokens", mm_clip_tokenize(clip_of(c), (const char*)c->data, c->size, &ids, &n, &error), &error)) {
        size_t length = 0;
        put("tokens", 'i', ids, n);
        error = NULL;
        if (is_ok("text", mm_clip_detokenize(clip_of(c), ids, n, &written, &length, &error), &error))
            put_freed("text", 'b', written, length);
        mm_free(ids);
    }
    raw.struct_size = sizeof raw;
    raw.normalize = MM_SWITCH_OFF;
    if (is_ok("projection", mm_clip_encode_text(clip_of(c), &bytes, 1, &raw, &run, &out, &n, &error), &error))
        put_freed("projection", 'f', out, n);
    if (is_ok("embedding", mm_clip_encode_text(clip_of(c), &bytes, 1, NULL, &run, &out, &n, &error), &error))
        put_freed("embedding", 'f', out, n);
}

static void clip_ids(const Case* c) { /* integers: tokens */
    const mm_run_options run = run_of(c);
    float* out = NULL;
    size_t n = 0;
    char* error = NULL;
    const mm_status status =
        mm_clip_encode_tokens(clip_of(c), c->integers + 2, c->n_integers - 2, NULL, &run, &out, &n, &error);
    if (is_ok("embedding", status, &error)) put_freed("embedding", 'f', out, n);
}

/* In the order of OPERATIONS of ../replay.py. */
static void (*const operations[])(const Case*) = {resample, voice_activity, layers, transcribe, whisper_tokens,
                                                  resize,   pixels,         file,   text,       clip_ids};

int main(int argc, char** argv) {
    FILE* cases = argc > 4 ? fopen(argv[1], "rb") : NULL;
    results = cases ? fopen(argv[2], "wb") : NULL;
    if (!results) {
        fprintf(stderr, "usage: %s CASES RESULTS WHISPERS MODEL...\n", argv[0]);
        return 2;
    }
    n_whispers = atoi(argv[3]);
    models = argv + 4;
    Head head;
    while (fread(&head, sizeof head, 1, cases) == 1) {
        const size_t integers = head.n_integers * sizeof(int32_t);
        const size_t size = (integers + head.size + 7) / 8 * 8;
        char* body = (char*)malloc(size + 1);
        if (!body || fread(body, 1, size, cases) != size || head.operation >= sizeof operations / sizeof *operations) {
            fprintf(stderr, "%s: not such a file\n", argv[1]);
            return 2;
        }
        const Case c = {(const int32_t*)(const void*)body, head.n_integers, body + integers, head.size};
        operations[head.operation](&c);
        put("", 'b', NULL, 0); /* ends the case */
        free(body);
    }
    return fclose(results) == 0 ? 0 : 2;
}
