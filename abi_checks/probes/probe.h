/* What the probes share: faults that are told, digests, sound, files and models. */
#ifndef ABI_PROBES_PROBE_H
#define ABI_PROBES_PROBE_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "multimodal.h"

static int faults;

/* The first ones are printed, a line each. */
static inline void fault(const char* format, ...) {
    va_list values;
    if (++faults > 12) return;
    va_start(values, format);
    vprintf(format, values);
    va_end(values);
    putchar('\n');
    fflush(stdout);
}

/* What main returns. */
static inline int verdict(void) {
    if (faults > 12) printf("and %d more\n", faults - 12);
    return faults ? 1 : 0;
}

static inline void give_up(const char* what, const char* why) {
    printf("%s: %s\n", what, why);
    exit(2);
}

static inline void must(mm_status status, const char* what) {
    if (status == MM_OK) return;
    printf("%s: status %d\n", what, (int)status);
    exit(2);
}

/* FNV-1a. */
#define DIGEST_START UINT64_C(14695981039346656037)
static inline uint64_t add_bytes(uint64_t digest, const void* data, size_t size) {
    const unsigned char* bytes = (const unsigned char*)data;
    for (size_t i = 0; i < size; ++i) digest = (digest ^ bytes[i]) * UINT64_C(1099511628211);
    return digest;
}

/* A sample of noise in [-0.5, 0.5), exact everywhere. */
static inline float next_sample(uint32_t* state) {
    *state = *state * 1664525u + 1013904223u;
    return (float)((int32_t)(*state >> 8) - 8388608) / 16777216.0f;
}

static inline void make_audio(float* samples, size_t n) {
    uint32_t state = 1;
    for (size_t i = 0; i < n; ++i) samples[i] = next_sample(&state);
}

struct file {
    unsigned char* data;
    size_t size;
};

static inline struct file read_file(const char* path) {
    struct file file = {NULL, 0};
    FILE* stream = fopen(path, "rb");
    if (!stream) give_up(path, "cannot be opened");
    fseek(stream, 0, SEEK_END);
    file.size = (size_t)ftell(stream);
    rewind(stream);
    file.data = (unsigned char*)malloc(file.size + 1);
    if (!file.data || fread(file.data, 1, file.size, stream) != file.size) give_up(path, "cannot be read");
    fclose(stream);
    return file;
}

static inline mm_run_options one_thread(void) {
    mm_run_options run = {sizeof(mm_run_options), 1, NULL, NULL};
    return run;
}

/* Short windows and little text. */
static inline mm_transcribe_options short_options(void) {
    static const float zero[1] = {0.0f};
    mm_transcribe_options options;
    memset(&options, 0, sizeof(options));
    options.struct_size = sizeof(options);
    options.language = "en";
    options.threads = 1;
    options.beam_size = 1;
    options.temperatures = zero;
    options.n_temperatures = 1;
    options.max_new_tokens = 3;
    options.audio_ctx = 10;
    return options;
}

#endif
