/* Writes what must be bit-identical for every processor, compiler, kernel set and number of threads, of a CLIP model:
 *
 *     golden_clip MODEL THREADS FOLDER IMAGE...
 *
 * puts decoded and resized (RGB8), pictures, pixels and texts (embeddings, little-endian float32), tokens (int32) and
 * space (text) into FOLDER. The digests are in tests/golden/, which tests/test_golden.py holds every build against.
 * IMAGEs are JPEG and PNG files. Fails where an embedding depends on what else is in its batch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "multimodal.h"
#include "words.h"

enum { PATTERNS = 5, MAX_FILE = 1 << 20, MAX_IMAGES = 16 };

static void stop(const char* what, const char* why) {
    fprintf(stderr, "golden_clip: %s: %s\n", what, why ? why : "failed");
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

static void append(FILE* file, const void* bytes, size_t n) {
    if (n > 0 && fwrite(bytes, n, 1, file) != 1) stop("a result", "cannot be written");
}

static mm_bytes read_file(const char* path) {
    unsigned char* data = malloc(MAX_FILE);
    FILE* file = fopen(path, "rb");
    if (!data || !file) stop(path, "cannot be read");
    const size_t n = fread(data, 1, MAX_FILE, file);
    fclose(file);
    return (mm_bytes){data, n};
}

static void append_words(FILE* file, const void* words, size_t n) {
    if (!write_words(file, words, n)) stop("a result", "cannot be written");
}

/* Gradients with noise, by integer arithmetic, so that every platform has the same samples; rows lie apart. */
static mm_pixels make_pattern(int32_t seed) {
    const int32_t width = 20 + 37 * seed, height = 90 - 13 * seed;
    const size_t stride = 3 * (size_t)width + (size_t)seed;
    uint8_t* data = malloc(stride * (size_t)height);
    if (!data) stop("malloc", NULL);
    uint32_t state = 99u + (uint32_t)seed;
    for (int32_t y = 0; y < height; ++y) {
        for (int32_t x = 0; x < 3 * width; ++x) {
            state = state * 1664525u + 1013904223u;
            data[(size_t)y * stride + (size_t)x] = (uint8_t)((uint32_t)(x * (seed + 1) + 2 * y) / 2 + (state >> 27));
        }
    }
    return (mm_pixels){data, width, height, stride};
}

static void save_decoded(const char* folder, const mm_bytes* images, size_t n, const mm_run_options* run) {
    FILE *decoded = create(folder, "decoded"), *resized = create(folder, "resized");
    char* error = NULL;
    for (size_t i = 0; i < n; ++i) {
        uint8_t *pixels = NULL, *small = NULL;
        int32_t width = 0, height = 0;
        must(mm_image_decode(images[i].data, images[i].len, NULL, run, &pixels, &width, &height, &error),
             "mm_image_decode", error);
        append(decoded, pixels, 3 * (size_t)width * (size_t)height);
        const mm_pixels picture = {pixels, width, height, 0};
        for (int32_t filter = MM_FILTER_BICUBIC; filter <= MM_FILTER_BILINEAR; ++filter) {
            must(mm_image_resize(&picture, 41, 29, filter, run, &small, &error), "mm_image_resize", error);
            append(resized, small, 3 * 41 * 29);
            mm_free(small);
        }
        mm_free(pixels);
    }
    if (fclose(decoded) != 0 || fclose(resized) != 0) stop("decoded", "cannot be written");
}

/* A batch and each of its members alone: the same bits. */
static void check_alone(const float* batch, const float* alone, size_t i, size_t dim, const char* what) {
    if (memcmp(batch + i * dim, alone, dim * sizeof(float)) != 0) stop(what, "depends on what else is in its batch");
}

static void save_images(mm_clip* model, const char* folder, const mm_bytes* images, size_t n, size_t dim,
                        const mm_run_options* run) {
    char* error = NULL;
    float *batch = NULL, *alone = NULL;
    size_t len = 0;
    FILE* file = create(folder, "pictures");
    must(mm_clip_encode_image(model, images, n, NULL, run, &batch, &len, &error), "mm_clip_encode_image", error);
    append_words(file, batch, len);
    for (size_t i = 0; i < n; ++i) {
        must(mm_clip_encode_image(model, images + i, 1, NULL, run, &alone, &len, &error), "mm_clip_encode_image",
             error);
        check_alone(batch, alone, i, dim, "a picture");
        mm_free(alone);
    }
    mm_free(batch);
    if (fclose(file) != 0) stop("pictures", "cannot be written");

    const mm_clip_options raw = {.struct_size = sizeof raw, .normalize = MM_SWITCH_OFF};
    mm_pixels patterns[PATTERNS];
    for (int32_t i = 0; i < PATTERNS; ++i) patterns[i] = make_pattern(i);
    file = create(folder, "pixels");
    must(mm_clip_encode_pixels(model, patterns, PATTERNS, &raw, run, &batch, &len, &error), "mm_clip_encode_pixels",
         error);
    append_words(file, batch, len);
    mm_free(batch);
    for (int32_t i = 0; i < PATTERNS; ++i) free((void*)patterns[i].data);
    if (fclose(file) != 0) stop("pixels", "cannot be written");
}

static void save_texts(mm_clip* model, const char* folder, size_t dim, const mm_run_options* run) {
    const char* texts[] = {"",
                           "a cat and the dog",
                           "The Cat!",
                           "photo of 12 caf\xc3\xa9s",
                           "e\xcc\x81 \xf0\x9f\x98\x80",
                           "it's the dog's photo, and what is behind the context is cut off: cat cat cat cat cat cat"};
    const size_t n = sizeof texts / sizeof *texts;
    mm_bytes inputs[sizeof texts / sizeof *texts];
    FILE *embeddings = create(folder, "texts"), *tokens = create(folder, "tokens");
    char* error = NULL;
    float *batch = NULL, *alone = NULL;
    int32_t* ids = NULL;
    size_t len = 0;
    for (size_t i = 0; i < n; ++i) inputs[i] = (mm_bytes){texts[i], strlen(texts[i])};
    must(mm_clip_encode_text(model, inputs, n, NULL, run, &batch, &len, &error), "mm_clip_encode_text", error);
    append_words(embeddings, batch, len);
    for (size_t i = 0; i < n; ++i) {
        must(mm_clip_tokenize(model, texts[i], inputs[i].len, &ids, &len, &error), "mm_clip_tokenize", error);
        append_words(tokens, ids, len);
        must(mm_clip_encode_tokens(model, ids, len, NULL, run, &alone, &len, &error), "mm_clip_encode_tokens", error);
        check_alone(batch, alone, i, dim, "a text");
        mm_free(alone);
        mm_free(ids);
    }
    mm_free(batch);
    if (fclose(embeddings) != 0 || fclose(tokens) != 0) stop("texts", "cannot be written");
}

/* For models without a tokenizer. */
static void save_token_ids(mm_clip* model, const char* folder, const mm_run_options* run) {
    const int32_t ids[] = {3, 500, 77, 12, 12, 9};
    char* error = NULL;
    float* embedding = NULL;
    size_t len = 0;
    FILE* file = create(folder, "texts");
    for (size_t n = 1; n <= sizeof ids / sizeof *ids; ++n) {
        must(mm_clip_encode_tokens(model, ids, n, NULL, run, &embedding, &len, &error), "mm_clip_encode_tokens", error);
        append_words(file, embedding, len);
        mm_free(embedding);
    }
    if (fclose(file) != 0) stop("texts", "cannot be written");
}

int main(int argc, char** argv) {
    if (argc < 5 || argc > 4 + MAX_IMAGES) {
        fprintf(stderr, "usage: %s MODEL THREADS FOLDER IMAGE...\n", argv[0]);
        return 2;
    }
    const char* folder = argv[3];
    const mm_run_options run = {.struct_size = sizeof run, .threads = atoi(argv[2])};
    const size_t n = (size_t)(argc - 4);
    mm_bytes images[MAX_IMAGES];
    for (size_t i = 0; i < n; ++i) images[i] = read_file(argv[4 + i]);

    char *error = NULL, *space = NULL;
    mm_clip* model = NULL;
    must(mm_clip_open(argv[1], NULL, &model, &error), "mm_clip_open", error);
    mm_clip_info info = {.struct_size = sizeof info};
    must(mm_clip_info_get(model, &info), "mm_clip_info_get", NULL);
    save_decoded(folder, images, n, &run);
    save_images(model, folder, images, n, (size_t)info.embedding_dim, &run);
    if (info.has_tokenizer)
        save_texts(model, folder, (size_t)info.embedding_dim, &run);
    else
        save_token_ids(model, folder, &run);
    must(mm_clip_space_id(model, NULL, &space, &error), "mm_clip_space_id", error);
    FILE* file = create(folder, "space");
    append(file, space, strlen(space));
    if (fclose(file) != 0) stop("space", "cannot be written");
    mm_free(space);
    mm_clip_close(model);
    for (size_t i = 0; i < n; ++i) free((void*)images[i].data);
    return 0;
}
