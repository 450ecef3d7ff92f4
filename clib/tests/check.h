/* The least a test program needs: CHECK prints what failed and where; finish() gives the exit code. */
#ifndef MM_TESTS_CHECK_H
#define MM_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "multimodal.h"

static int checks_failed = 0;

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            ++checks_failed;                                                        \
            fprintf(stderr, "%s:%d: FAILED: %s\n", __FILE__, __LINE__, #condition); \
        }                                                                           \
    } while (0)

/* The status a call returned, with its name where it is another. */
#define CHECK_STATUS(call, expected)                                                                             \
    do {                                                                                                         \
        const mm_status got_ = (call);                                                                           \
        if (got_ != (expected)) {                                                                                \
            ++checks_failed;                                                                                     \
            fprintf(stderr, "%s:%d: FAILED: %s\n  gave %d (%s), expected %d\n", __FILE__, __LINE__, #call, got_, \
                    mm_status_string(got_), (expected));                                                         \
        }                                                                                                        \
    } while (0)

/* The same for a call with `char **error_out`, named `error` there: its message must have `part` in it. */
#define CHECK_MESSAGE(call, expected, part)                                                         \
    do {                                                                                            \
        char* error = NULL;                                                                         \
        CHECK_STATUS(call, expected);                                                               \
        if (!error || !strstr(error, part)) {                                                       \
            ++checks_failed;                                                                        \
            fprintf(stderr, "%s:%d: FAILED: the message \"%s\" lacks \"%s\"\n", __FILE__, __LINE__, \
                    error ? error : "(none)", part);                                                \
        }                                                                                           \
        mm_free(error);                                                                             \
    } while (0)

static inline int finish(const char* name) {
    if (checks_failed)
        fprintf(stderr, "%s: %d checks failed\n", name, checks_failed);
    else
        printf("%s: ok\n", name);
    return checks_failed ? 1 : 0;
}

/* The path of a model, given as the only argument. */
static inline const char* model_argument(int argc, char** argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s MODEL\n", argv[0]);
        exit(2);
    }
    return argv[1];
}

static inline mm_whisper* open_model(const char* path) {
    mm_whisper* model = NULL;
    char* error = NULL;
    if (mm_whisper_open(path, NULL, &model, &error) != MM_OK) {
        fprintf(stderr, "%s: %s\n", path, error);
        exit(2);
    }
    return model;
}

/* Seeded noise in [-1, 1), the same everywhere. */
static inline float* noise(size_t n, uint32_t seed) {
    float* samples = (float*)malloc((n ? n : 1) * sizeof(float));
    if (!samples) exit(2);
    for (size_t i = 0; i < n; ++i) {
        seed = seed * 1664525u + 1013904223u;
        samples[i] = (float)(int32_t)seed / 2147483648.0f;
    }
    return samples;
}

static inline mm_audio_chunk chunk_of(const float* samples, size_t len, uint32_t rate) {
    mm_audio_chunk chunk;
    chunk.samples = samples;
    chunk.len = len;
    chunk.sample_rate = rate;
    return chunk;
}

#endif
