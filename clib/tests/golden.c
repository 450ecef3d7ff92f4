/* Writes what must be bit-identical for every processor, compiler, kernel set and number of threads:
 *
 *     golden MODEL THREADS FOLDER
 *
 * puts log_mel, encoder, logits, vad, resampled (little-endian float32) and transcript (text) into FOLDER. The
 * digests are in tests/golden/speech.json, which tests/test_golden.py holds every build against. MODEL is a Whisper
 * model whose encoder takes at least CONTEXT positions. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "multimodal.h"
#include "words.h"

enum { RATE = 16000, SAMPLES = 3 * RATE + 77, CONTEXT = 100 };

static void stop(const char* what, const char* why) {
    fprintf(stderr, "golden: %s: %s\n", what, why ? why : "failed");
    exit(1);
}

static void must(mm_status status, const char* what, const char* error) {
    if (status != MM_OK) stop(what, error ? error : mm_status_string(status));
}

static FILE* create(const char* folder, const char* name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE* file = fopen(path, "wb");
    if (!file) stop(path, "cannot be written");
    return file;
}

static void save(const char* folder, const char* name, const float* values, size_t n) {
    FILE* file = create(folder, name);
    if (!write_words(file, values, n) || fclose(file) != 0) stop(name, "cannot be written");
}

/* Noise that swells and fades, by integer arithmetic, so that every platform has the same samples. */
static void make_noise(float* samples, int32_t n) {
    uint32_t state = 12345;
    int32_t smooth = 0;
    for (int32_t i = 0; i < n; ++i) {
        state = state * 1664525u + 1013904223u;
        smooth += ((int32_t)(state >> 16) - 32768 - smooth) / 4;
        const int32_t position = i % 8000;
        const int32_t envelope = position < 4000 ? position : 8000 - position;
        samples[i] = (float)(smooth * envelope / 4000) / 32768.0f;
    }
}

static void print_transcript(FILE* file, mm_whisper* model, mm_audio_chunk chunk,
                             const mm_transcribe_options* options) {
    char* error = NULL;
    mm_transcript* transcript = NULL;
    must(mm_whisper_transcribe(model, chunk, options, &transcript, &error), "mm_whisper_transcribe", error);
    mm_transcript_info info = {.struct_size = sizeof info};
    must(mm_transcript_info_get(transcript, &info), "mm_transcript_info_get", NULL);
    if (info.n_segments == 0) stop("mm_whisper_transcribe", "gave no segment to compare");
    for (size_t s = 0; s < info.n_segments; ++s) {
        mm_segment segment = {.struct_size = sizeof segment};
        must(mm_transcript_segment(transcript, s, &segment), "mm_transcript_segment", NULL);
        fprintf(file, "%a %a %a %a %a %a\n", segment.start, segment.end, (double)segment.temperature,
                (double)segment.avg_logprob, (double)segment.compression_ratio, (double)segment.no_speech_prob);
        for (size_t t = 0; t < segment.n_tokens; ++t) {
            mm_token token = {.struct_size = sizeof token};
            must(mm_transcript_token(transcript, s, t, &token), "mm_transcript_token", NULL);
            fprintf(file, "  %" PRId32 " %a\n", token.id, (double)token.probability);
        }
        for (size_t w = 0; w < segment.n_words; ++w) {
            mm_word word = {.struct_size = sizeof word};
            must(mm_transcript_word(transcript, s, w, &word), "mm_transcript_word", NULL);
            fprintf(file, "  %a %a %a\n", word.start, word.end, (double)word.probability);
        }
    }
    mm_transcript_close(transcript);
}

/* Beam search and, as noise passes no threshold, sampling; then words. */
static void save_transcripts(mm_whisper* model, mm_audio_chunk chunk, int32_t threads, const char* folder) {
    mm_transcribe_options options;
    must(mm_transcribe_options_init(&options, sizeof options), "mm_transcribe_options_init", NULL);
    options.language = "en";
    options.threads = threads;
    options.audio_ctx = CONTEXT;
    options.beam_size = 3;
    options.max_new_tokens = 12;
    options.no_speech_threshold = INFINITY;
    options.seed = 7;
    FILE* file = create(folder, "transcript");
    print_transcript(file, model, chunk, &options);
    options.log_prob_threshold = -INFINITY;
    options.timestamps = MM_SWITCH_OFF;
    options.word_timestamps = MM_SWITCH_ON;
    print_transcript(file, model, chunk, &options);
    if (fclose(file) != 0) stop("transcript", "cannot be written");
}

int main(int argc, char** argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s MODEL THREADS FOLDER\n", argv[0]);
        return 2;
    }
    const int32_t threads = atoi(argv[2]);
    const char* folder = argv[3];
    const int32_t tokens[] = {50258, 50259, 50359, 50363, 400, 17, 4000, 9, 1200, 31, 77, 20000, 5, 5, 812, 44, 2};
    const size_t n_tokens = sizeof tokens / sizeof *tokens;
    char* error = NULL;
    static float noise[SAMPLES];
    make_noise(noise, SAMPLES);
    const mm_audio_chunk chunk = {noise, SAMPLES, RATE};

    mm_whisper* model = NULL;
    must(mm_whisper_open(argv[1], NULL, &model, &error), "mm_whisper_open", error);
    mm_whisper_info info = {.struct_size = sizeof info};
    must(mm_whisper_info_get(model, &info), "mm_whisper_info_get", NULL);

    const mm_run_options run = {.struct_size = sizeof run, .threads = threads};
    float *mel = NULL, *encoded = NULL, *logits = NULL;
    size_t frames = 0, n_encoded = 0, n_logits = 0;
    must(mm_whisper_log_mel(model, chunk, NULL, &mel, &frames, &error), "mm_whisper_log_mel", error);
    save(folder, "log_mel", mel, frames * (size_t)info.n_mels);
    if (frames > 2 * CONTEXT) frames = 2 * CONTEXT;
    must(mm_whisper_encode(model, mel, frames, CONTEXT, &run, &encoded, &n_encoded, &error), "mm_whisper_encode",
         error);
    save(folder, "encoder", encoded, n_encoded);
    must(mm_whisper_logits(model, encoded, CONTEXT, tokens, n_tokens, &run, &logits, &n_logits, &error),
         "mm_whisper_logits", error);
    save(folder, "logits", logits, n_logits);
    mm_free(mel);
    mm_free(encoded);
    mm_free(logits);
    save_transcripts(model, chunk, threads, folder);
    mm_whisper_close(model);

    mm_vad* vad = NULL;
    float* values = NULL;
    size_t n = 0;
    must(mm_vad_open(NULL, &vad, &error), "mm_vad_open", error);
    must(mm_vad_probabilities(vad, chunk, NULL, &values, &n, &error), "mm_vad_probabilities", error);
    save(folder, "vad", values, n);
    mm_free(values);
    mm_vad_close(vad);

    const mm_audio_chunk at_44100 = {noise, SAMPLES, 44100};
    must(mm_resample(at_44100, RATE, NULL, &values, &n, &error), "mm_resample", error);
    save(folder, "resampled", values, n);
    mm_free(values);
    return 0;
}
