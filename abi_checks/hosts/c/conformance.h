/* How results are printed: a line of JSON for each case. See ../README.md. */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <inttypes.h>
#include <multimodal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a case prints is collected here, and escaped when it is printed. */
static char value[8192];

static void begin(void) {
    value[0] = '\0';
}

static void add(const char* format, ...) {
    const size_t used = strlen(value);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value + used, sizeof value - used, format, arguments);
    va_end(arguments);
}

static void end(const char* name) {
    printf("{\"case\": \"%s\", \"value\": \"", name);
    for (const char* c = value; *c; ++c) printf(*c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    puts("\"}");
}

/* FNV-1a of elements of `width` bytes, 1 or 4. Those of 4 are turned where the processor is not little-endian. */
static uint64_t digest(uint64_t start, const void* data, size_t count, size_t width) {
    const unsigned char* bytes = (const unsigned char*)data;
    for (size_t i = 0; i < count; ++i, bytes += width) {
        uint32_t element = *bytes;
        if (width == 4) memcpy(&element, bytes, sizeof element);
        for (size_t j = 0; j < width; ++j, element >>= 8) start = (start ^ (element & 255)) * UINT64_C(1099511628211);
    }
    return start;
}

#define NOTHING UINT64_C(14695981039346656037)

static void add_digest(const void* data, size_t count, size_t width) {
    add("%016" PRIx64, digest(NOTHING, data, count, width));
}

static void add_float(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    add("%08" PRIx32, bits);
}

static void add_double(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    add("%016" PRIx64, bits);
}

/* `length` is what the library said; `count` elements of `width` bytes. It is freed. */
static void add_buffer(void* data, size_t length, size_t count, size_t width) {
    add("%zu ", length);
    add_digest(data, count, width);
    add(" %d", (int)((uintptr_t)data % 64));
    mm_free(data);
}

static void add_refusal(mm_status status, char* error) {
    add("%d %s", (int)status, error ? error : "");
    mm_free(error);
}

static void add_ids(const int32_t* ids, size_t n) {
    for (size_t i = 0; i < n; ++i) add(i ? ",%d" : "%d", (int)ids[i]);
}

/* Samples that are the same in every language. */
static float* audio(size_t n) {
    float* samples = (float*)malloc(n * sizeof(float));
    uint32_t state = 1;
    if (!samples) abort();
    for (size_t i = 0; i < n; ++i) {
        state = state * UINT32_C(1664525) + UINT32_C(1013904223);
        samples[i] = (float)((int32_t)(state >> 8) - 8388608) / 16777216.0f;
    }
    return samples;
}

static mm_audio_chunk chunk_of(const float* samples, size_t n, uint32_t rate) {
    mm_audio_chunk chunk;
    chunk.samples = samples;
    chunk.len = n;
    chunk.sample_rate = rate;
    return chunk;
}

#endif
