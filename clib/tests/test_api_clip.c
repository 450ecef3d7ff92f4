/* CLIP through the header: embeddings, and what a host can hand in wrongly.
 * Usage: test_api_clip CLIP_MODEL SIGLIP_MODEL MODEL (of Whisper) */
#include <math.h>
#include <stdint.h>

#include "check.h"

#define BAD MM_ERROR_INVALID_ARGUMENT
#define UNSUPPORTED MM_ERROR_UNSUPPORTED
#define CLOSED MM_ERROR_INVALID_HANDLE

enum { SIZE = 32, DIM = 24, SIGLIP_DIM = 32, CONTEXT = 24, START = 528, END = 529 };

static mm_clip* clip;
static mm_clip* siglip;
static uint8_t picture[SIZE * SIZE * 3];

static mm_clip* open_clip(const char* path) {
    mm_clip* model = NULL;
    char* error = NULL;
    if (mm_clip_open(path, NULL, &model, &error) != MM_OK) {
        fprintf(stderr, "%s: %s\n", path, error);
        exit(2);
    }
    return model;
}

static mm_bytes bytes_of(const char* text) {
    mm_bytes bytes;
    bytes.data = text;
    bytes.len = strlen(text);
    return bytes;
}

static mm_pixels pixels_of(const uint8_t* data, int32_t width, int32_t height, size_t stride) {
    mm_pixels pixels;
    pixels.data = data;
    pixels.width = width;
    pixels.height = height;
    pixels.stride = stride;
    return pixels;
}

static void information(void) {
    mm_clip_info info;
    memset(&info, 0, sizeof(info));
    info.struct_size = sizeof(info);
    CHECK_STATUS(mm_clip_info_get(clip, &info), MM_OK);
    CHECK(info.embedding_dim == DIM && info.image_size == SIZE && info.patch_size == 8 && info.image_width == 32);
    CHECK(info.image_heads == 2 && info.image_layers == 2 && info.context_length == CONTEXT && info.n_vocab == END + 1);
    CHECK(info.text_width == 32 && info.text_heads == 4 && info.text_layers == 2 && info.has_tokenizer == 1);
    CHECK(info.uses_sigmoid == 0 && info.logit_scale == 20.0f && info.logit_bias == 0.0f && info.is_mapped == 1);
    CHECK(strcmp(info.weight_type, "f16") == 0 && info.weight_bytes > 10000);
    CHECK_STATUS(mm_clip_info_get(siglip, &info), MM_OK);
    CHECK(info.has_tokenizer == 0 && info.uses_sigmoid == 1 && info.logit_bias == -8.0f);
    info.struct_size = 8;
    CHECK_STATUS(mm_clip_info_get(clip, &info), BAD);
    CHECK_STATUS(mm_clip_info_get(clip, NULL), BAD);
}

static void opening(const char* path, const char* whisper) {
    mm_clip* other = clip;
    mm_whisper* speech = NULL;
    mm_open_options options;
    memset(&options, 0, sizeof(options));
    CHECK_MESSAGE(mm_clip_open(NULL, NULL, &other, &error), BAD, "path is NULL");
    CHECK(other == NULL);
    CHECK_MESSAGE(mm_clip_open(path, NULL, NULL, &error), BAD, "out is NULL");
    CHECK_MESSAGE(mm_clip_open("/no/such/file", NULL, &other, &error), MM_ERROR_IO, "/no/such/file");
    CHECK_MESSAGE(mm_clip_open(path, &options, &other, &error), BAD, "sizeof(mm_open_options)");
    options.struct_size = sizeof(options);
    options.sha256 = "12";
    CHECK_MESSAGE(mm_clip_open(path, &options, &other, &error), BAD, "64");
    CHECK_MESSAGE(mm_clip_open(whisper, NULL, &other, &error), MM_ERROR_BAD_MODEL, "a CLIP model is needed");
    CHECK_MESSAGE(mm_whisper_open(path, NULL, &speech, &error), MM_ERROR_BAD_MODEL, "a Whisper model is needed");
}

static void verifying(const char* path) {
    char *json = NULL, *error = NULL;
    CHECK_STATUS(mm_model_verify(path, NULL, &json, &error), MM_OK);
    CHECK(json && strstr(json, "\"kind\": \"images and texts\"") && strstr(json, "\"embedding_dim\": 24"));
    mm_free(json);
    mm_free(error);
}

/* ---- Embeddings ---- */

static void embeddings(void) {
    float *one = NULL, *two = NULL;
    size_t n = 0;
    mm_pixels images[2];
    images[0] = pixels_of(picture, SIZE, SIZE, 0);
    images[1] = pixels_of(picture + 6, 20, 25, 3 * SIZE);
    CHECK_STATUS(mm_clip_encode_pixels(clip, images, 2, NULL, NULL, &two, &n, NULL), MM_OK);
    CHECK(n == 2 * DIM && (uintptr_t)two % 64 == 0);
    CHECK_STATUS(mm_clip_encode_pixels(clip, images + 1, 1, NULL, NULL, &one, &n, NULL), MM_OK);
    CHECK(n == DIM && memcmp(one, two + DIM, DIM * sizeof(float)) == 0);
    double length = 0.0;
    for (int i = 0; i < DIM; ++i) length += (double)one[i] * one[i];
    CHECK(fabs(length - 1.0) < 1e-6);
    mm_free(two);

    mm_clip_options raw;
    memset(&raw, 0, sizeof(raw));
    raw.struct_size = sizeof(raw);
    raw.normalize = MM_SWITCH_OFF;
    CHECK_STATUS(mm_clip_encode_pixels(clip, images + 1, 1, &raw, NULL, &two, &n, NULL), MM_OK);
    length = 0.0;
    for (int i = 0; i < DIM; ++i) length += (double)two[i] * two[i];
    CHECK(fabs(length - 1.0) > 1e-3);
    for (int i = 0; i < DIM; ++i) CHECK(fabs(two[i] / sqrt(length) - one[i]) < 1e-6);
    mm_free(one);
    mm_free(two);

    CHECK_STATUS(mm_clip_encode_pixels(clip, NULL, 0, NULL, NULL, &one, &n, NULL), MM_OK);
    CHECK(one != NULL && n == 0); /* something to free, as after every success */
    mm_free(one);
}

static void preprocessing(void) {
    uint8_t *square = NULL, *again = NULL;
    float *direct = NULL, *prepared = NULL;
    size_t n = 0;
    const mm_pixels image = pixels_of(picture, 29, 31, 3 * SIZE);
    CHECK_STATUS(mm_clip_preprocess_pixels(clip, &image, NULL, NULL, &square, &n, NULL), MM_OK);
    CHECK(n == sizeof(picture) && (uintptr_t)square % 64 == 0);
    const mm_pixels done = pixels_of(square, SIZE, SIZE, 0);
    CHECK_STATUS(mm_clip_preprocess_pixels(clip, &done, NULL, NULL, &again, &n, NULL), MM_OK);
    CHECK(memcmp(square, again, n) == 0);
    CHECK_STATUS(mm_clip_encode_pixels(clip, &image, 1, NULL, NULL, &direct, &n, NULL), MM_OK);
    CHECK_STATUS(mm_clip_encode_pixels(clip, &done, 1, NULL, NULL, &prepared, &n, NULL), MM_OK);
    CHECK(memcmp(direct, prepared, n * sizeof(float)) == 0);
    mm_free(direct);
    mm_free(prepared);
    mm_free(square);
    mm_free(again);
}

static void texts(void) {
    float *batch = NULL, *tokens_too = NULL;
    int32_t* ids = NULL;
    char* text = NULL;
    size_t n = 0, n_ids = 0;
    mm_bytes inputs[3];
    inputs[0] = bytes_of("The  CAT");
    inputs[1] = bytes_of("a photo of the dog and of the cat and of the dog and of the cat and the dog and what not");
    inputs[2].data = NULL; /* an empty text */
    inputs[2].len = 0;
    CHECK_STATUS(mm_clip_encode_text(clip, inputs, 3, NULL, NULL, &batch, &n, NULL), MM_OK);
    CHECK(n == 3 * DIM);
    for (int i = 0; i < 3; ++i) {
        CHECK_STATUS(mm_clip_tokenize(clip, (const char*)inputs[i].data, inputs[i].len, &ids, &n_ids, NULL), MM_OK);
        CHECK(n_ids >= 2 && n_ids <= CONTEXT && ids[0] == START && ids[n_ids - 1] == END);
        CHECK((i == 1) == (n_ids == CONTEXT) && (i == 2) == (n_ids == 2));
        CHECK_STATUS(mm_clip_encode_tokens(clip, ids, n_ids, NULL, NULL, &tokens_too, &n, NULL), MM_OK);
        CHECK(n == DIM && memcmp(batch + i * DIM, tokens_too, n * sizeof(float)) == 0);
        mm_free(tokens_too);
        if (i == 0) {
            CHECK_STATUS(mm_clip_detokenize(clip, ids, n_ids, &text, &n, NULL), MM_OK);
            CHECK(n == 7 && strcmp(text, "the cat") == 0);
            mm_free(text);
        }
        mm_free(ids);
    }
    mm_free(batch);

    /* What is behind the end token is never seen. */
    const int32_t padded[] = {START, 100, END, 7, END, 9};
    CHECK_STATUS(mm_clip_encode_tokens(clip, padded, 3, NULL, NULL, &batch, &n, NULL), MM_OK);
    CHECK_STATUS(mm_clip_encode_tokens(clip, padded, 6, NULL, NULL, &tokens_too, &n, NULL), MM_OK);
    CHECK(memcmp(batch, tokens_too, n * sizeof(float)) == 0);
    mm_free(batch);
    mm_free(tokens_too);

    /* SigLIP sees its padding, and pools the last token. */
    const int32_t own[CONTEXT] = {5, 6, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    CHECK_STATUS(mm_clip_encode_tokens(siglip, own, 2, NULL, NULL, &batch, &n, NULL), MM_OK);
    CHECK_STATUS(mm_clip_encode_tokens(siglip, own, CONTEXT, NULL, NULL, &tokens_too, &n, NULL), MM_OK);
    CHECK(n == SIGLIP_DIM && memcmp(batch, tokens_too, n * sizeof(float)) == 0);
    mm_free(batch);
    mm_free(tokens_too);
}

static void spaces(void) {
    char *on = NULL, *off = NULL, *other = NULL;
    mm_clip_options raw;
    memset(&raw, 0, sizeof(raw));
    raw.struct_size = sizeof(raw);
    raw.normalize = MM_SWITCH_OFF;
    CHECK_STATUS(mm_clip_space_id(clip, NULL, &on, NULL), MM_OK);
    CHECK_STATUS(mm_clip_space_id(clip, &raw, &off, NULL), MM_OK);
    CHECK_STATUS(mm_clip_space_id(siglip, NULL, &other, NULL), MM_OK);
    CHECK(strlen(on) == 16 && strspn(on, "0123456789abcdef") == 16);
    CHECK(strcmp(on, off) != 0 && strcmp(on, other) != 0);
    mm_free(off);
    CHECK_STATUS(mm_clip_space_id(clip, NULL, &off, NULL), MM_OK);
    CHECK(strcmp(on, off) == 0);
    mm_free(on);
    mm_free(off);
    mm_free(other);
    CHECK_MESSAGE(mm_clip_space_id(clip, NULL, NULL, &error), BAD, "out is NULL");
}

/* ---- Wrong calls ---- */

static void wrong_images(void) {
    float* out = (float*)picture;
    uint8_t* square = picture;
    size_t n = 7;
    mm_pixels images[2];
    images[0] = pixels_of(picture, SIZE, SIZE, 0);
    images[1] = pixels_of(picture, SIZE, SIZE, 3 * SIZE - 1);
    CHECK_MESSAGE(mm_clip_encode_pixels(clip, images, 2, NULL, NULL, &out, &n, &error), BAD, "images[1]: ");
    CHECK(out == NULL && n == 0);
    CHECK_MESSAGE(mm_clip_encode_pixels(clip, images + 1, 1, NULL, NULL, &out, &n, &error), BAD, "stride");
    images[1] = pixels_of(picture, 0, SIZE, 0);
    CHECK_MESSAGE(mm_clip_encode_pixels(clip, images + 1, 1, NULL, NULL, &out, &n, &error), BAD, "0");
    images[1] = pixels_of(picture, 5, -1, 0);
    CHECK_MESSAGE(mm_clip_preprocess_pixels(clip, images + 1, NULL, NULL, &square, &n, &error), BAD, "-1");
    CHECK(square == NULL);
    images[1] = pixels_of(NULL, 5, 5, 0);
    CHECK_MESSAGE(mm_clip_encode_pixels(clip, images + 1, 1, NULL, NULL, &out, &n, &error), BAD, "NULL");
    CHECK_MESSAGE(mm_clip_encode_pixels(clip, NULL, 1, NULL, NULL, &out, &n, &error), BAD, "images is NULL");
    CHECK_MESSAGE(mm_clip_encode_pixels(clip, images, 1, NULL, NULL, NULL, &n, &error), BAD, "out is NULL");
    CHECK_MESSAGE(mm_clip_encode_pixels(clip, images, 1, NULL, NULL, &out, NULL, &error), BAD, "out_len is NULL");
    CHECK_MESSAGE(mm_clip_encode_pixels(clip, images, SIZE_MAX, NULL, NULL, &out, &n, &error), BAD, "at most");

    mm_bytes file = bytes_of("this is no picture");
    CHECK_MESSAGE(mm_clip_encode_image(clip, &file, 1, NULL, NULL, &out, &n, &error), BAD, "");
    CHECK_MESSAGE(mm_clip_preprocess_image(clip, &file, NULL, NULL, &square, &n, &error), BAD, "");
    CHECK_MESSAGE(mm_clip_preprocess_image(clip, NULL, NULL, NULL, &square, &n, &error), BAD, "image is NULL");
    file.data = NULL;
    CHECK_MESSAGE(mm_clip_encode_image(clip, &file, 1, NULL, NULL, &out, &n, &error), BAD, "data is NULL");
    file.len = 0;
    CHECK_MESSAGE(mm_clip_encode_image(clip, &file, 1, NULL, NULL, &out, &n, &error), BAD, "empty");

    mm_clip_options options;
    memset(&options, 0, sizeof(options));
    CHECK_MESSAGE(mm_clip_encode_pixels(clip, images, 1, &options, NULL, &out, &n, &error), BAD, "struct_size is 0");
    options.struct_size = sizeof(options);
    options.normalize = 5;
    CHECK_MESSAGE(mm_clip_encode_pixels(clip, images, 1, &options, NULL, &out, &n, &error), BAD, "normalize is 5");
    options.normalize = 0;
    options.exif_orientation = -2;
    CHECK_MESSAGE(mm_clip_encode_pixels(clip, images, 1, &options, NULL, &out, &n, &error), BAD,
                  "exif_orientation is -2");
    mm_run_options run;
    memset(&run, 0, sizeof(run));
    run.struct_size = sizeof(run);
    run.threads = -1;
    CHECK_MESSAGE(mm_clip_encode_pixels(clip, images, 1, NULL, &run, &out, &n, &error), BAD, "threads is -1");
}

static void wrong_texts(void) {
    float* out = (float*)picture;
    int32_t* ids = NULL;
    char* text = NULL;
    size_t n = 7;
    const int32_t no_end[] = {START, 5}, outside[] = {START, END + 1};
    mm_bytes inputs[2];
    inputs[0] = bytes_of("a cat");
    inputs[1] = bytes_of("caf\xc3\xa9 \xff");
    CHECK_MESSAGE(mm_clip_encode_text(clip, inputs, 2, NULL, NULL, &out, &n, &error), BAD, "texts[1]: ");
    CHECK(out == NULL && n == 0);
    CHECK_MESSAGE(mm_clip_encode_text(clip, inputs + 1, 1, NULL, NULL, &out, &n, &error), BAD, "6");
    CHECK_MESSAGE(mm_clip_tokenize(clip, "\xff", 1, &ids, &n, &error), BAD, "0");
    CHECK_MESSAGE(mm_clip_tokenize(clip, NULL, 1, &ids, &n, &error), BAD, "text is NULL");
    inputs[1].data = NULL;
    CHECK_MESSAGE(mm_clip_encode_text(clip, inputs + 1, 1, NULL, NULL, &out, &n, &error), BAD, "data is NULL");
    CHECK_MESSAGE(mm_clip_encode_text(clip, NULL, 1, NULL, NULL, &out, &n, &error), BAD, "texts is NULL");
    CHECK_MESSAGE(mm_clip_encode_tokens(clip, NULL, 1, NULL, NULL, &out, &n, &error), BAD, "tokens is NULL");
    CHECK_MESSAGE(mm_clip_encode_tokens(clip, no_end, 0, NULL, NULL, &out, &n, &error), BAD, "n_tokens is 0");
    CHECK_MESSAGE(mm_clip_encode_tokens(clip, no_end, CONTEXT + 1, NULL, NULL, &out, &n, &error), BAD, "1 to 24");
    CHECK_MESSAGE(mm_clip_encode_tokens(clip, no_end, 2, NULL, NULL, &out, &n, &error), BAD, "the end token 529");
    CHECK_MESSAGE(mm_clip_encode_tokens(clip, outside, 2, NULL, NULL, &out, &n, &error), BAD, "tokens[1] is 530");
    CHECK_MESSAGE(mm_clip_detokenize(clip, outside, 2, &text, &n, &error), BAD, "tokens[1] is 530");

    CHECK_MESSAGE(mm_clip_encode_text(siglip, inputs, 1, NULL, NULL, &out, &n, &error), UNSUPPORTED, "no tokenizer");
    CHECK_MESSAGE(mm_clip_tokenize(siglip, "a", 1, &ids, &n, &error), UNSUPPORTED, "no tokenizer");
    CHECK_MESSAGE(mm_clip_detokenize(siglip, no_end, 1, &text, &n, &error), UNSUPPORTED, "no tokenizer");
}

static int32_t stop_at_once(void* user_data) {
    ++*(int*)user_data;
    return 1;
}

static void stopping(void) {
    float* out = NULL;
    size_t n = 0;
    int asked = 0;
    const mm_pixels image = pixels_of(picture, SIZE, SIZE, 0);
    const mm_bytes text = bytes_of("the cat");
    mm_run_options run;
    memset(&run, 0, sizeof(run));
    run.struct_size = sizeof(run);
    run.should_abort = stop_at_once;
    run.user_data = &asked;
    CHECK_MESSAGE(mm_clip_encode_pixels(clip, &image, 1, NULL, &run, &out, &n, &error), MM_ERROR_ABORTED, "");
    CHECK_MESSAGE(mm_clip_encode_text(clip, &text, 1, NULL, &run, &out, &n, &error), MM_ERROR_ABORTED, "");
    CHECK(out == NULL && asked == 2);
}

static void closed_handles(mm_clip* closed) {
    float* out = NULL;
    int32_t* ids = NULL;
    uint8_t* square = NULL;
    char* text = NULL;
    size_t n = 0;
    const int32_t id = 0;
    const mm_pixels image = pixels_of(picture, SIZE, SIZE, 0);
    const mm_bytes bytes = bytes_of("x");
    mm_clip_info info;
    info.struct_size = sizeof(info);
    mm_clip* wrong[3];
    wrong[0] = NULL;
    wrong[1] = closed;
    wrong[2] = (mm_clip*)picture;
    for (int i = 0; i < 3; ++i) {
        mm_clip* m = wrong[i];
        CHECK_STATUS(mm_clip_info_get(m, &info), CLOSED);
        CHECK_MESSAGE(mm_clip_space_id(m, NULL, &text, &error), CLOSED, "handle");
        CHECK_MESSAGE(mm_clip_encode_image(m, &bytes, 1, NULL, NULL, &out, &n, &error), CLOSED, "handle");
        CHECK_MESSAGE(mm_clip_encode_pixels(m, &image, 1, NULL, NULL, &out, &n, &error), CLOSED, "handle");
        CHECK_MESSAGE(mm_clip_encode_text(m, &bytes, 1, NULL, NULL, &out, &n, &error), CLOSED, "handle");
        CHECK_MESSAGE(mm_clip_encode_tokens(m, &id, 1, NULL, NULL, &out, &n, &error), CLOSED, "handle");
        CHECK_MESSAGE(mm_clip_preprocess_image(m, &bytes, NULL, NULL, &square, &n, &error), CLOSED, "handle");
        CHECK_MESSAGE(mm_clip_preprocess_pixels(m, &image, NULL, NULL, &square, &n, &error), CLOSED, "handle");
        CHECK_MESSAGE(mm_clip_tokenize(m, "x", 1, &ids, &n, &error), CLOSED, "handle");
        CHECK_MESSAGE(mm_clip_detokenize(m, &id, 1, &text, &n, &error), CLOSED, "handle");
        mm_clip_close(m);
    }
}

int main(int argc, char** argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s CLIP_MODEL SIGLIP_MODEL MODEL\n", argv[0]);
        return 2;
    }
    for (size_t i = 0; i < sizeof(picture); ++i) picture[i] = (uint8_t)(i * i / 7);
    clip = open_clip(argv[1]);
    siglip = open_clip(argv[2]);
    information();
    opening(argv[1], argv[3]);
    verifying(argv[1]);
    embeddings();
    preprocessing();
    texts();
    spaces();
    wrong_images();
    wrong_texts();
    stopping();
    mm_clip_close(siglip);
    closed_handles(siglip);
    mm_clip_close(clip);
    return finish("test_api_clip");
}
