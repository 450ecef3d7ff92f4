/* The host's rounding mode, flush-to-zero, floating-point traps and locale neither matter nor are changed.
 * Usage: test_api_environment MODEL */
#define _GNU_SOURCE /* feenableexcept */
#include <fenv.h>
#include <locale.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "check.h"

static mm_whisper* model;
static mm_vad* vad;
static float* samples;

/* The control word with rounding and flushing: MXCSR (its control bits) or FPCR. */
static uint64_t control(void) {
#if defined(__x86_64__)
    return _mm_getcsr() & 0xFFC0u;
#elif defined(__aarch64__)
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr;
#else
#error "say how this processor's floating-point control word is read"
#endif
}

static void flush_to_zero(void) {
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040u); /* FTZ and DAZ */
#else
    const uint64_t fpcr = control() | (UINT64_C(1) << 24);
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr));
#endif
}

/* ---- A digest of everything the library computes ---- */

static uint64_t digest;
static uint64_t host_control;
static int disturb;

static void add(const void* data, size_t size) {
    const unsigned char* bytes = (const unsigned char*)data;
    for (size_t i = 0; i < size; ++i) digest = (digest ^ bytes[i]) * UINT64_C(1099511628211); /* FNV-1a */
}

static void add_floats(float* values, size_t n) {
    CHECK(values != NULL);
    if (values) add(values, n * sizeof(float));
    mm_free(values);
}

/* Callbacks run in the host's environment, and may change it without harm. */
static int32_t on_token(const mm_token* token, void* user_data) {
    (void)user_data;
    add(&token->id, sizeof(token->id));
    add(&token->probability, sizeof(token->probability));
    CHECK(control() == host_control);
    if (disturb) fesetround(FE_TOWARDZERO);
    return 0;
}

static uint64_t everything(void) {
    static const float zero[1] = {0.0f};
    const int32_t tokens[] = {50258, 50259, 50359, 50363, 300};
    const mm_audio_chunk audio = chunk_of(samples, 44100, 44100);
    float *mel = NULL, *encoded = NULL, *floats = NULL;
    size_t n = 0, frames = 0;
    mm_transcript* t = NULL;
    mm_transcribe_options o;
    const mm_run_options two_threads = {sizeof(mm_run_options), 2, NULL, NULL};
    digest = UINT64_C(14695981039346656037);
    host_control = control();
    CHECK_STATUS(mm_resample(audio, 16000, NULL, &floats, &n, NULL), MM_OK);
    add_floats(floats, n);
    CHECK_STATUS(mm_vad_probabilities(vad, audio, NULL, &floats, &n, NULL), MM_OK);
    add_floats(floats, n);
    CHECK_STATUS(mm_whisper_log_mel(model, audio, NULL, &mel, &frames, NULL), MM_OK);
    CHECK_STATUS(mm_whisper_encode(model, mel, frames, 60, &two_threads, &encoded, &n, NULL), MM_OK);
    add_floats(mel, frames * 80);
    CHECK_STATUS(mm_whisper_logits(model, encoded, 60, tokens, 5, &two_threads, &floats, &n, NULL), MM_OK);
    add_floats(floats, n);
    mm_free(encoded);
    CHECK_STATUS(mm_transcribe_options_init(&o, sizeof(o)), MM_OK);
    o.beam_size = 2;
    o.temperatures = zero;
    o.n_temperatures = 1;
    o.max_new_tokens = 12;
    o.audio_ctx = 60;
    o.on_token = on_token;
    CHECK_STATUS(mm_whisper_transcribe(model, audio, &o, &t, NULL), MM_OK);
    mm_transcript_close(t);
    CHECK(control() == host_control);
    return digest;
}

static void floating_point(void) {
    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    fenv_t original;
    const uint64_t expected = everything();
    fegetenv(&original);
    for (int i = 0; i < 4; ++i) {
        for (int flush = 0; flush < 2; ++flush) {
            fesetround(modes[i]);
            if (flush) flush_to_zero();
            const uint64_t got = everything();
            const int mode = fegetround();
            fesetenv(&original);
            CHECK(got == expected);
            CHECK(mode == modes[i]);
        }
    }
    disturb = 1;
    CHECK(everything() == expected);
    disturb = 0;
#ifdef __GLIBC__
    feclearexcept(FE_ALL_EXCEPT);
    feenableexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW); /* a host that wants signals for them; x86 only */
    CHECK(everything() == expected);
    fesetenv(&original);
#endif
}

#ifdef __GLIBC__
/* A locale that writes 1.5 as "1,5", in glibc's binary form, since no system is sure to have one installed. */
static void write_comma_locale(const char* folder) {
    char path[4096];
    FILE* file;
    static const uint32_t words[] = {
        0x20031115 ^ LC_NUMERIC,
        6,
        32,
        34,
        36,
        40,
        44,
        48,         /* magic, number of fields, their offsets */
        0x0000002C, /* 32: "," and, at 34, "" */
        0x0000007F, /* 36: grouping: none */
        0x0000002C,
        0x00000000, /* 40, 44: both as wide characters */
        0x2D465455,
        0x00000038, /* 48: "UTF-8" */
    };
    snprintf(path, sizeof(path), "%s/comma", folder);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/comma/LC_NUMERIC", folder);
    file = fopen(path, "wb");
    if (!file || fwrite(words, sizeof(words), 1, file) != 1 || fclose(file) != 0) exit(2);
}

static void remove_comma_locale(const char* folder) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/comma/LC_NUMERIC", folder);
    unlink(path);
    snprintf(path, sizeof(path), "%s/comma", folder);
    rmdir(path);
    rmdir(folder);
}

static void locale(const char* model_path) {
    char folder[] = "/tmp/multimodal-locale-XXXXXX", text[16];
    const uint64_t expected = everything();
    char *plain = NULL, *json = NULL;
    mm_whisper* again = NULL;
    CHECK_STATUS(mm_model_verify(model_path, NULL, &plain, NULL), MM_OK);
    if (!mkdtemp(folder)) exit(2);
    write_comma_locale(folder);
    setenv("LOCPATH", folder, 1);
    CHECK(setlocale(LC_NUMERIC, "comma") != NULL);
    snprintf(text, sizeof(text), "%.1f", 1.5);
    CHECK(strcmp(text, "1,5") == 0);
    CHECK(everything() == expected);
    CHECK_STATUS(mm_model_verify(model_path, NULL, &json, NULL), MM_OK);
    CHECK(plain && json && strcmp(plain, json) == 0);
    CHECK_STATUS(mm_whisper_open(model_path, NULL, &again, NULL), MM_OK);
    mm_whisper_close(again);
    snprintf(text, sizeof(text), "%.1f", 1.5);
    CHECK(strcmp(text, "1,5") == 0);
    setlocale(LC_NUMERIC, "C");
    mm_free(plain);
    mm_free(json);
    remove_comma_locale(folder);
}
#endif

int main(int argc, char** argv) {
    const char* path = model_argument(argc, argv);
    model = open_model(path);
    CHECK_STATUS(mm_vad_open(NULL, &vad, NULL), MM_OK);
    samples = noise(44100, 3);
    floating_point();
#ifdef __GLIBC__
    locale(path);
#endif
    mm_vad_close(vad);
    mm_whisper_close(model);
    free(samples);
    return finish("test_api_environment");
}
