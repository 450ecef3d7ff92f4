/* Everything the library reads: a kind of input, how it is made, and the call that reads it. */
#ifndef ABI_PROBES_INPUTS_H
#define ABI_PROBES_INPUTS_H

#include <math.h>

#include "probe.h"

struct input {
    const char* name;
    size_t unit;                                  /* its type's alignment */
    size_t least, most;                           /* how many of it there may be */
    int heavy;                                    /* fewer lengths do */
    size_t (*fill)(unsigned char* to, size_t n);  /* returns the number of bytes */
    uint64_t (*call)(const void* data, size_t n); /* returns a digest of status and results */
};

static mm_whisper* whisper;
static mm_clip* clip;
static mm_vad* vad;
static struct file picture; /* the one that is decoded now */
static const char* model_path;

static mm_run_options run = {sizeof(mm_run_options), 1, NULL, NULL};

static uint64_t outcome(mm_status status, void* out, size_t size) {
    const uint64_t digest = add_bytes(add_bytes(DIGEST_START, &status, sizeof(status)), out, out ? size : 0);
    mm_free(out);
    return digest;
}

#define READS(name, type, ...)                             \
    static uint64_t name(const void* data, size_t count) { \
        type* out = NULL;                                  \
        size_t n = 0;                                      \
        mm_status status;                                  \
        __VA_ARGS__;                                       \
        return outcome(status, out, n * sizeof(*out));     \
    }

/* ---- Audio ---- */

static size_t fill_audio(unsigned char* to, size_t n) {
    make_audio((float*)(void*)to, n);
    return n * sizeof(float);
}

static mm_audio_chunk chunk(const void* data, size_t len, uint32_t rate) {
    mm_audio_chunk made = {(const float*)data, len, rate};
    return made;
}

READS(resample_down, float, status = mm_resample(chunk(data, count, 48000), 16000, &run, &out, &n, NULL))
READS(resample_up, float, status = mm_resample(chunk(data, count, 8000), 16000, &run, &out, &n, NULL))
READS(resample_not, float, status = mm_resample(chunk(data, count, 16000), 16000, &run, &out, &n, NULL))
READS(vad_probabilities, float, status = mm_vad_probabilities(vad, chunk(data, count, 16000), &run, &out, &n, NULL))
READS(vad_segments, mm_vad_segment,
      status = mm_vad_segments(vad, chunk(data, count, 16000), NULL, &run, &out, &n, NULL))
READS(vad_window, float, {
    float probability = 0;
    mm_vad_reset(vad);
    status = mm_vad_process(vad, (const float*)data, count, &probability);
    return outcome(status, NULL, 0) + add_bytes(DIGEST_START, &probability, sizeof(probability));
})
READS(log_mel, float, {
    status = mm_whisper_log_mel(whisper, chunk(data, count, 16000), &run, &out, &n, NULL);
    n *= 80;
})
READS(detect_language, mm_language,
      status = mm_whisper_detect_language(whisper, chunk(data, count, 16000), &run, &out, &n, NULL))

/* ---- Transcripts, and what their options point to ---- */

static uint64_t text_of(mm_status status, mm_transcript* transcript) {
    uint64_t digest = outcome(status, NULL, 0);
    mm_transcript_info info;
    mm_segment segment;
    info.struct_size = sizeof(info);
    segment.struct_size = sizeof(segment);
    if (mm_transcript_info_get(transcript, &info) == MM_OK) {
        digest = add_bytes(digest, &info.duration, sizeof(info.duration));
        for (size_t i = 0; i < info.n_segments && mm_transcript_segment(transcript, i, &segment) == MM_OK; ++i)
            digest = add_bytes(digest, segment.text, segment.text_len);
    }
    mm_transcript_close(transcript);
    return digest;
}

static uint64_t transcribe(const void* samples, size_t n, const mm_transcribe_options* options) {
    mm_transcript* transcript = NULL;
    const mm_status status = mm_whisper_transcribe(whisper, chunk(samples, n, 16000), options, &transcript, NULL);
    return text_of(status, transcript);
}

static uint64_t with_options(const mm_transcribe_options* options) {
    static float samples[800];
    make_audio(samples, 800);
    return transcribe(samples, 800, options);
}

static uint64_t whole_audio(const void* data, size_t n) {
    const mm_transcribe_options options = short_options();
    return transcribe(data, n, &options);
}

static uint64_t pushed_audio(const void* data, size_t n) {
    const mm_transcribe_options options = short_options();
    mm_transcript* transcript = NULL;
    must(mm_transcript_open(whisper, &options, &transcript, NULL), "mm_transcript_open");
    const mm_status status = mm_transcript_push(transcript, chunk(data, n, 48000));
    mm_transcript_finish(transcript);
    return text_of(status, transcript);
}

#define OPTION(name, ...)                                \
    static uint64_t name(const void* data, size_t n) {   \
        mm_transcribe_options options = short_options(); \
        (void)n;                                         \
        __VA_ARGS__;                                     \
        return with_options(&options);                   \
    }
OPTION(language, options.language = (const char*)data)
OPTION(prompt, options.initial_prompt = (const char*)data)
OPTION(punctuation, {
    options.word_timestamps = MM_SWITCH_ON;
    options.prepend_punctuations = options.append_punctuations = (const char*)data;
})
OPTION(temperatures, {
    options.temperatures = (const float*)data;
    options.n_temperatures = n;
    options.log_prob_threshold = -HUGE_VALF; /* the first will do: all are read, one is decoded with */
    options.compression_ratio_threshold = HUGE_VALF;
})
OPTION(suppressed, options.suppress_tokens = (const int32_t*)data; options.n_suppress_tokens = n)

static size_t fill_temperatures(unsigned char* to, size_t n) {
    for (size_t i = 0; i < n; ++i) ((float*)(void*)to)[i] = (float)i / 64.0f;
    return n * sizeof(float);
}

/* ---- Tensors and tokens ---- */

enum { MELS = 80, WIDTH = 32 };

static size_t fill_mel(unsigned char* to, size_t n) {
    return fill_audio(to, n * MELS);
}
static size_t fill_encoded(unsigned char* to, size_t n) {
    return fill_audio(to, n * WIDTH);
}
static size_t fill_ids(unsigned char* to, size_t n) {
    for (size_t i = 0; i < n; ++i) ((int32_t*)(void*)to)[i] = (int32_t)(40 + i * 7 % 900);
    return n * sizeof(int32_t);
}
static size_t fill_clip_ids(unsigned char* to, size_t n) {
    fill_ids(to, n);
    for (size_t i = 0; i < n; ++i) ((int32_t*)(void*)to)[i] %= 512;
    if (n) ((int32_t*)(void*)to)[n - 1] = 529; /* the end */
    return n * sizeof(int32_t);
}

READS(encode, float, status = mm_whisper_encode(whisper, (const float*)data, count, 10, &run, &out, &n, NULL))
READS(logits_of_encoded, float, {
    const int32_t ids[] = {50258, 50259};
    status = mm_whisper_logits(whisper, (const float*)data, (int32_t)count, ids, 2, &run, &out, &n, NULL);
})
READS(logits_of_tokens, float, {
    static float encoded[4 * WIDTH];
    make_audio(encoded, 4 * WIDTH);
    status = mm_whisper_logits(whisper, encoded, 4, (const int32_t*)data, count, &run, &out, &n, NULL);
})
READS(tokenize, int32_t, status = mm_whisper_tokenize(whisper, (const char*)data, count, &out, &n, NULL))
READS(detokenize, char, status = mm_whisper_detokenize(whisper, (const int32_t*)data, count, &out, &n, NULL))
READS(clip_tokenize, int32_t, status = mm_clip_tokenize(clip, (const char*)data, count, &out, &n, NULL))
READS(clip_detokenize, char, status = mm_clip_detokenize(clip, (const int32_t*)data, count, &out, &n, NULL))
READS(clip_tokens, float, status = mm_clip_encode_tokens(clip, (const int32_t*)data, count, NULL, &run, &out, &n, NULL))

/* ---- Text: not every length ends with a whole code point ---- */

static size_t fill_text(unsigned char* to, size_t n) {
    static const char text[] = "the cat, the dog's 1234 na\xc3\xafve \xe7\x8c\xab \xf0\x9f\x90\xb1  caf\xc3\xa9!\n";
    for (size_t i = 0; i < n; ++i) to[i] = (unsigned char)text[i % (sizeof(text) - 1)];
    return n;
}
static size_t fill_string(unsigned char* to, size_t n) {
    fill_text(to, n);
    to[n] = 0;
    return n + 1;
}
static size_t fill_language(unsigned char* to, size_t n) {
    memcpy(to, n == 2 ? "de" : "english, german", n);
    to[n] = 0;
    return n + 1;
}
/* The model's path behind n slashes. */
static size_t fill_path(unsigned char* to, size_t n) {
    memset(to, '/', n);
    strcpy((char*)to + n, model_path);
    return n + strlen(model_path) + 1;
}
static size_t fill_sha256(unsigned char* to, size_t n) {
    memset(to, 'a', n);
    to[n] = 0;
    return n + 1;
}

READS(clip_text, float, {
    const mm_bytes texts[] = {{data, count}, {"a cat", 5}};
    status = mm_clip_encode_text(clip, texts, 2, NULL, &run, &out, &n, NULL);
})
static uint64_t open_path(const void* data, size_t n) {
    mm_clip* opened = NULL;
    const mm_status status = mm_clip_open((const char*)data, NULL, &opened, NULL);
    (void)n;
    mm_clip_close(opened);
    return outcome(status, NULL, 0);
}
static uint64_t verify_path(const void* data, size_t n) {
    char* json = NULL;
    const mm_status status = mm_model_verify((const char*)data, NULL, &json, NULL);
    (void)n;
    return outcome(status, json, json ? strlen(json) : 0);
}
static uint64_t open_sha256(const void* data, size_t n) {
    const mm_open_options options = {sizeof(options), 0, (const char*)data};
    mm_clip* opened = NULL;
    const mm_status status = mm_clip_open(model_path, &options, &opened, NULL);
    (void)n;
    return outcome(status, NULL, 0);
}

/* ---- Pictures: every length that a file can be cut to, and with zeros behind it ---- */

static size_t fill_picture(unsigned char* to, size_t n) {
    const size_t whole = n < picture.size ? n : picture.size;
    memset(to, 0, n);
    memcpy(to, picture.data, whole);
    return n;
}
/* Rows of n pixels, 13 bytes further apart than they are long; nothing is behind the last. */
enum { ROWS = 5, GAP = 13 };
static mm_pixels pixels_of(const void* data, size_t n) {
    mm_pixels made = {(const uint8_t*)data, (int32_t)n, ROWS, 3 * n + GAP};
    return made;
}
static size_t fill_pixels(unsigned char* to, size_t n) {
    const size_t size = (ROWS - 1) * (3 * n + GAP) + 3 * n;
    for (size_t i = 0; i < size; ++i) to[i] = (unsigned char)(i * i / 5 + i);
    return size;
}

READS(decode, uint8_t, {
    int32_t width = 0;
    int32_t height = 0;
    status = mm_image_decode(data, count, NULL, &run, &out, &width, &height, NULL);
    n = 3 * (size_t)width * (size_t)height;
})
READS(clip_image, float, {
    const mm_bytes image = {data, count};
    status = mm_clip_encode_image(clip, &image, 1, NULL, &run, &out, &n, NULL);
})
READS(clip_preprocess, uint8_t, {
    const mm_bytes image = {data, count};
    status = mm_clip_preprocess_image(clip, &image, NULL, &run, &out, &n, NULL);
})
READS(resize_bicubic, uint8_t, {
    const mm_pixels pixels = pixels_of(data, count);
    status = mm_image_resize(&pixels, 7, 9, MM_FILTER_BICUBIC, &run, &out, NULL);
    n = 3 * 7 * 9;
})
READS(resize_bilinear, uint8_t, {
    const mm_pixels pixels = pixels_of(data, count);
    status = mm_image_resize(&pixels, 40, 3, MM_FILTER_BILINEAR, &run, &out, NULL);
    n = 3 * 40 * 3;
})
READS(resize_not, uint8_t, {
    const mm_pixels pixels = pixels_of(data, count);
    status = mm_image_resize(&pixels, pixels.width, ROWS, MM_FILTER_BICUBIC, &run, &out, NULL);
    n = 3 * count * ROWS;
})
READS(clip_pixels, float, {
    const mm_pixels pixels = pixels_of(data, count);
    status = mm_clip_encode_pixels(clip, &pixels, 1, NULL, &run, &out, &n, NULL);
})
READS(clip_preprocess_pixels, uint8_t, {
    const mm_pixels pixels = pixels_of(data, count);
    status = mm_clip_preprocess_pixels(clip, &pixels, NULL, &run, &out, &n, NULL);
})

/* ---- Arrays of structs ---- */

static uint8_t some_pixels[3 * 40 * 40];

static size_t fill_bytes_array(unsigned char* to, size_t n) {
    static const char text[] = "the cat and the dog";
    for (size_t i = 0; i < n; ++i) ((mm_bytes*)(void*)to)[i] = (mm_bytes){text, i % sizeof(text)};
    return n * sizeof(mm_bytes);
}
static size_t fill_pixels_array(unsigned char* to, size_t n) {
    for (size_t i = 0; i < n; ++i)
        ((mm_pixels*)(void*)to)[i] = (mm_pixels){some_pixels + i, (int32_t)(1 + i % 39), 20, 3 * 40};
    return n * sizeof(mm_pixels);
}
READS(texts, float, status = mm_clip_encode_text(clip, (const mm_bytes*)data, count, NULL, &run, &out, &n, NULL))
READS(many_pixels, float,
      status = mm_clip_encode_pixels(clip, (const mm_pixels*)data, count, NULL, &run, &out, &n, NULL))

/* ---- Options, followed by n words that this release does not know ---- */

#define OPTIONS(name, type, set, type_out, ...)              \
    static size_t fill_##name(unsigned char* to, size_t n) { \
        type* options = (type*)(void*)to;                    \
        const size_t size = sizeof(type) + 8 * n;            \
        memset(to, 0, size);                                 \
        set;                                                 \
        options->struct_size = (uint32_t)size;               \
        return size;                                         \
    }                                                        \
    READS(name, type_out, {                                  \
        const type* options = (const type*)data;             \
        (void)count;                                         \
        __VA_ARGS__;                                         \
    })
static const float half_sound[8] = {0.5f, 0.25f};
OPTIONS(run_options, mm_run_options, options->threads = 1, float,
        status = mm_resample(chunk(half_sound, 8, 8000), 16000, options, &out, &n, NULL))
OPTIONS(vad_options, mm_vad_options, options->threshold = 0.25f, mm_vad_segment,
        status = mm_vad_segments(vad, chunk(half_sound, 8, 16000), options, &run, &out, &n, NULL))
OPTIONS(image_options, mm_image_options, options->max_pixels = 100000, uint8_t, {
    int32_t width = 0;
    int32_t height = 0;
    status = mm_image_decode(picture.data, picture.size, options, &run, &out, &width, &height, NULL);
    n = 3 * (size_t)width * (size_t)height;
})
OPTIONS(clip_options, mm_clip_options, options->normalize = MM_SWITCH_OFF, float, {
    const mm_bytes text = {"a cat", 5};
    status = mm_clip_encode_text(clip, &text, 1, options, &run, &out, &n, NULL);
})
OPTIONS(open_options, mm_open_options, options->lock_memory = MM_SWITCH_OFF, char, {
    mm_clip* opened = NULL;
    status = mm_clip_open(model_path, options, &opened, NULL);
    mm_clip_close(opened);
})
OPTIONS(transcribe_options, mm_transcribe_options, *options = short_options(), char, {
    status = MM_OK;
    return with_options(options);
})

/* ---- The table ---- */

static const struct input inputs[] = {
    {"samples to resample down", 4, 0, 4096, 0, fill_audio, resample_down},
    {"samples to resample up", 4, 0, 4096, 0, fill_audio, resample_up},
    {"samples that stay", 4, 0, 4096, 0, fill_audio, resample_not},
    {"samples for speech probabilities", 4, 0, 4096, 1, fill_audio, vad_probabilities},
    {"samples for runs of speech", 4, 0, 4096, 1, fill_audio, vad_segments},
    {"a window of samples", 4, 512, 512, 0, fill_audio, vad_window},
    {"samples for log-mel", 4, 0, 4096, 0, fill_audio, log_mel},
    {"samples for a language", 4, 0, 4096, 2, fill_audio, detect_language},
    {"samples to transcribe", 4, 0, 4096, 2, fill_audio, whole_audio},
    {"samples to push", 4, 0, 4096, 1, fill_audio, pushed_audio},
    {"a language's name", 1, 0, 15, 1, fill_language, language},
    {"a prompt", 1, 0, 4096, 2, fill_string, prompt},
    {"punctuation", 1, 0, 64, 2, fill_string, punctuation},
    {"temperatures", 4, 1, 64, 2, fill_temperatures, temperatures},
    {"suppressed tokens", 4, 0, 4096, 2, fill_ids, suppressed},
    {"frames of log-mel", 4, 0, 20, 1, fill_mel, encode},
    {"encoder output", 4, 1, 40, 1, fill_encoded, logits_of_encoded},
    {"tokens for logits", 4, 1, 32, 1, fill_ids, logits_of_tokens},
    {"text to tokenize", 1, 0, 4096, 0, fill_text, tokenize},
    {"tokens to detokenize", 4, 0, 4096, 0, fill_ids, detokenize},
    {"text for CLIP's tokens", 1, 0, 4096, 0, fill_text, clip_tokenize},
    {"CLIP's tokens to detokenize", 4, 0, 4096, 0, fill_clip_ids, clip_detokenize},
    {"CLIP's tokens to embed", 4, 1, 24, 1, fill_clip_ids, clip_tokens},
    {"text to embed", 1, 0, 4096, 1, fill_text, clip_text},
    {"a path to open", 1, 0, 4096, 1, fill_path, open_path},
    {"a path to verify", 1, 0, 4096, 2, fill_path, verify_path},
    {"a digest", 1, 0, 70, 1, fill_sha256, open_sha256},
    {"pixels to resize, bicubic", 1, 1, 4096, 1, fill_pixels, resize_bicubic},
    {"pixels to resize, bilinear", 1, 1, 4096, 1, fill_pixels, resize_bilinear},
    {"pixels that stay", 1, 1, 4096, 1, fill_pixels, resize_not},
    {"pixels to embed", 1, 1, 4096, 2, fill_pixels, clip_pixels},
    {"pixels to preprocess", 1, 1, 4096, 1, fill_pixels, clip_preprocess_pixels},
    {"an array of texts", 8, 0, 64, 2, fill_bytes_array, texts},
    {"an array of pictures", 8, 0, 32, 2, fill_pixels_array, many_pixels},
    {"mm_run_options", 8, 0, 40, 0, fill_run_options, run_options},
    {"mm_vad_options", 4, 0, 40, 0, fill_vad_options, vad_options},
    {"mm_image_options", 8, 0, 40, 0, fill_image_options, image_options},
    {"mm_clip_options", 8, 0, 40, 1, fill_clip_options, clip_options},
    {"mm_open_options", 8, 0, 40, 1, fill_open_options, open_options},
    {"mm_transcribe_options", 8, 0, 40, 1, fill_transcribe_options, transcribe_options},
};
/* Of each picture. */
static const struct input of_pictures[] = {
    {"a picture to decode", 1, 0, 4096, 0, fill_picture, decode},
    {"a picture to embed", 1, 0, 4096, 2, fill_picture, clip_image},
    {"a picture to preprocess", 1, 0, 4096, 2, fill_picture, clip_preprocess},
};

#endif
