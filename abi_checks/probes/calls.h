/* Every call that hands out a buffer, through a table of functions, so that more than one library can be asked. */
#ifndef ABI_PROBES_CALLS_H
#define ABI_PROBES_CALLS_H

#include "probe.h"

/* The functions of a library. */
struct api {
#define FUNCTION(name) __typeof__(name)* name;
#include "functions.inc"
#undef FUNCTION
};

#define SECOND 16000

/* What calls are given. */
struct world {
    struct api api;
    mm_whisper* whisper;
    mm_clip* clip;
    mm_vad* vad;
    const char* path; /* of the CLIP model, the smaller one */
    struct file jpeg, png;
    float audio[SECOND];
    uint8_t pixels[3 * 64 * 64];
};

struct result {
    void* data;
    size_t size; /* in bytes */
};

/* `v` makes sizes vary. */
struct call {
    const char* name;
    mm_status (*make)(const struct world* w, int v, struct result* r);
};

/* struct world must not move: `path` is kept. */
static inline void open_world(struct world* w, const char* whisper, const char* clip, const char* jpeg,
                              const char* png) {
    w->path = clip;
    w->jpeg = read_file(jpeg);
    w->png = read_file(png);
    make_audio(w->audio, SECOND);
    for (size_t i = 0; i < sizeof(w->pixels); ++i) w->pixels[i] = (uint8_t)(i * i / 7 + i);
    must(w->api.mm_whisper_open(whisper, NULL, &w->whisper, NULL), whisper);
    must(w->api.mm_clip_open(clip, NULL, &w->clip, NULL), clip);
    must(w->api.mm_vad_open(NULL, &w->vad, NULL), "mm_vad_open");
}

static inline void close_world(struct world* w) {
    w->api.mm_whisper_close(w->whisper);
    w->api.mm_clip_close(w->clip);
    w->api.mm_vad_close(w->vad);
    free(w->jpeg.data);
    free(w->png.data);
}

static inline mm_audio_chunk sound(const struct world* w, size_t len, uint32_t rate) {
    mm_audio_chunk chunk = {w->audio, len, rate};
    return chunk;
}

static inline mm_pixels picture(const struct world* w, int v) {
    mm_pixels pixels = {w->pixels, 20 + v, 30, 3 * 64};
    return pixels;
}

/* Defines a call: `n` elements of type `type` at `out`, its status. */
#define CALL(name, type, ...)                                                             \
    static inline mm_status call_##name(const struct world* w, int v, struct result* r) { \
        const mm_run_options run = one_thread();                                          \
        type* out = NULL;                                                                 \
        size_t n = 0;                                                                     \
        mm_status status;                                                                 \
        (void)run, (void)v;                                                               \
        __VA_ARGS__;                                                                      \
        r->data = out;                                                                    \
        r->size = n * sizeof(*out);                                                       \
        return status;                                                                    \
    }
#define TEXT_LENGTH (out ? strlen(out) + 1 : 0)

CALL(mm_model_verify, char, status = w->api.mm_model_verify(w->path, NULL, &out, NULL); n = TEXT_LENGTH)
CALL(mm_resample, float, status = w->api.mm_resample(sound(w, 300 + 7 * (size_t)v, 44100), 16000, &run, &out, &n, NULL))
CALL(mm_vad_probabilities, float,
     status = w->api.mm_vad_probabilities(w->vad, sound(w, 900 + 512 * (size_t)v, 16000), &run, &out, &n, NULL))
CALL(mm_vad_segments, mm_vad_segment, {
    mm_vad_options options = {sizeof(options), 2e-4f, 1e-4f, -1, -1, -1, 0};
    status = w->api.mm_vad_segments(w->vad, sound(w, 4000 + 512 * (size_t)v, 16000), &options, &run, &out, &n, NULL);
})
CALL(mm_whisper_detect_language, mm_language,
     status = w->api.mm_whisper_detect_language(w->whisper, sound(w, 3000 + (size_t)v * 160, 16000), &run, &out, &n,
                                                NULL))
CALL(mm_whisper_log_mel, float, {
    status = w->api.mm_whisper_log_mel(w->whisper, sound(w, 1600 + (size_t)v * 160, 16000), &run, &out, &n, NULL);
    n *= 80;
})
CALL(mm_whisper_encode, float, status = w->api.mm_whisper_encode(w->whisper, w->audio, 10, 5 + v, &run, &out, &n, NULL))
CALL(mm_whisper_logits, float, {
    const int32_t ids[] = {50258, 50259, 50359, 50363};
    status = w->api.mm_whisper_logits(w->whisper, w->audio, 6, ids, 1 + (size_t)v % 4, &run, &out, &n, NULL);
})
CALL(mm_whisper_tokenize, int32_t,
     status = w->api.mm_whisper_tokenize(w->whisper, " hello world, and a cat", 7 + (size_t)v, &out, &n, NULL))
CALL(mm_whisper_detokenize, char, {
    int32_t ids[32];
    for (int32_t i = 0; i < 32; ++i) ids[i] = 180 + 30 * i;
    status = w->api.mm_whisper_detokenize(w->whisper, ids, 3 + (size_t)v, &out, &n, NULL);
    n += out != NULL; /* the final NUL, too */
})
CALL(mm_image_decode, uint8_t, {
    const struct file* file = v % 2 ? &w->png : &w->jpeg;
    int32_t width = 0;
    int32_t height = 0;
    status = w->api.mm_image_decode(file->data, file->size, NULL, &run, &out, &width, &height, NULL);
    n = 3 * (size_t)width * (size_t)height;
})
CALL(mm_image_resize, uint8_t, {
    const mm_pixels pixels = picture(w, v);
    status = w->api.mm_image_resize(&pixels, 15 + v, 17, v % 2, &run, &out, NULL);
    n = out ? 3 * (15 + (size_t)v) * 17 : 0;
})
CALL(mm_clip_space_id, char, status = w->api.mm_clip_space_id(w->clip, NULL, &out, NULL); n = TEXT_LENGTH)
CALL(mm_clip_encode_image, float, {
    const mm_bytes images[] = {{w->jpeg.data, w->jpeg.size}, {w->png.data, w->png.size}};
    status = w->api.mm_clip_encode_image(w->clip, images, 1 + (size_t)v % 2, NULL, &run, &out, &n, NULL);
})
CALL(mm_clip_encode_pixels, float, {
    const mm_pixels images[] = {picture(w, v), picture(w, v + 5)};
    status = w->api.mm_clip_encode_pixels(w->clip, images, 1 + (size_t)v % 2, NULL, &run, &out, &n, NULL);
})
CALL(mm_clip_encode_text, float, {
    const mm_bytes texts[] = {{"a cat", 5}, {"the dog", 7}, {"na\xc3\xafve caf\xc3\xa9", 12}};
    status = w->api.mm_clip_encode_text(w->clip, texts, 1 + (size_t)v % 3, NULL, &run, &out, &n, NULL);
})
CALL(mm_clip_encode_tokens, float, {
    const int32_t ids[] = {528, 513, 515, 100, 101, 102, 529};
    status = w->api.mm_clip_encode_tokens(w->clip, ids + v % 5, 7 - (size_t)v % 5, NULL, &run, &out, &n, NULL);
})
CALL(mm_clip_preprocess_image, uint8_t, {
    const mm_bytes image = {v % 2 ? w->png.data : w->jpeg.data, v % 2 ? w->png.size : w->jpeg.size};
    status = w->api.mm_clip_preprocess_image(w->clip, &image, NULL, &run, &out, &n, NULL);
})
CALL(mm_clip_preprocess_pixels, uint8_t, {
    const mm_pixels pixels = picture(w, v);
    status = w->api.mm_clip_preprocess_pixels(w->clip, &pixels, NULL, &run, &out, &n, NULL);
})
CALL(mm_clip_tokenize, int32_t,
     status = w->api.mm_clip_tokenize(w->clip, "a photo of the cat and the dog", 10 + (size_t)v, &out, &n, NULL))
CALL(mm_clip_detokenize, char, {
    int32_t ids[32];
    for (int32_t i = 0; i < 32; ++i) ids[i] = 300 + 7 * i;
    status = w->api.mm_clip_detokenize(w->clip, ids, 3 + (size_t)v, &out, &n, NULL);
    n += out != NULL;
})
/* Its buffer is the message. */
CALL(error_out, char, {
    mm_whisper* model = NULL;
    const char* paths[] = {"there is no such file", "nor is there a file that is named so"};
    status = w->api.mm_whisper_open(paths[v % 2], NULL, &model, &out) == MM_ERROR_IO ? MM_OK : MM_ERROR_INTERNAL;
    n = TEXT_LENGTH;
})

#define ENTRY(name) \
    { #name, call_##name }
static const struct call calls[] = {
    ENTRY(mm_model_verify),
    ENTRY(mm_resample),
    ENTRY(mm_vad_probabilities),
    ENTRY(mm_vad_segments),
    ENTRY(mm_whisper_detect_language),
    ENTRY(mm_whisper_log_mel),
    ENTRY(mm_whisper_encode),
    ENTRY(mm_whisper_logits),
    ENTRY(mm_whisper_tokenize),
    ENTRY(mm_whisper_detokenize),
    ENTRY(mm_image_decode),
    ENTRY(mm_image_resize),
    ENTRY(mm_clip_space_id),
    ENTRY(mm_clip_encode_image),
    ENTRY(mm_clip_encode_pixels),
    ENTRY(mm_clip_encode_text),
    ENTRY(mm_clip_encode_tokens),
    ENTRY(mm_clip_preprocess_image),
    ENTRY(mm_clip_preprocess_pixels),
    ENTRY(mm_clip_tokenize),
    ENTRY(mm_clip_detokenize),
    ENTRY(error_out),
};
#define N_CALLS (sizeof(calls) / sizeof(calls[0]))

#endif
