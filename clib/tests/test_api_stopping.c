/* Stopping in time: should_abort is asked at least every 20 ms of work, in every call, with models as wide as large
 * ones. MM_TEST_INSTRUMENTED in the environment: times are those of a sanitizer.
 * Usage: test_api_stopping WIDE_MODEL WIDE_CLIP_MODEL
 *
 * Work is measured by the processor time of the thread that made the call, which a loaded machine does not stretch. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <time.h>

#include "check.h"
#include "picture_bytes.h"

#define MOST_WORK 0.020 /* seconds */
#define MOST_END 0.100  /* between the last question and the return, when memory goes back to the system */

static mm_whisper* model;
static mm_vad* vad;
static mm_clip* clip;
static double factor = 1.0;

struct watch {
    long asked, stop_at; /* stops at that question; 0: never */
    double last, longest;
    long longest_before; /* the question that took longest to come */
};

static double work_done(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void note(struct watch* watch) {
    const double work = work_done() - watch->last;
    if (work <= watch->longest) return;
    watch->longest = work;
    watch->longest_before = watch->asked;
}

static int32_t ask(void* user_data) {
    struct watch* watch = (struct watch*)user_data;
    ++watch->asked;
    note(watch);
    watch->last = work_done();
    return watch->asked == watch->stop_at;
}

/* ---- The calls ---- */

static mm_run_options run_options(struct watch* watch) {
    mm_run_options run;
    memset(&run, 0, sizeof(run));
    run.struct_size = sizeof(run);
    run.should_abort = ask;
    run.user_data = watch;
    return run;
}

static mm_transcribe_options demanding_options(struct watch* watch) {
    static char prompt[4096];
    static const float zero[1] = {0.0f};
    mm_transcribe_options o;
    CHECK_STATUS(mm_transcribe_options_init(&o, sizeof(o)), MM_OK);
    for (size_t i = 0; i + 1 < sizeof(prompt); ++i) prompt[i] = "the quick brown fox "[i % 20];
    o.initial_prompt = prompt; /* more than fits in */
    o.temperatures = zero;
    o.n_temperatures = 1;
    o.max_new_tokens = 6;
    o.timestamps = MM_SWITCH_OFF;
    o.word_timestamps = MM_SWITCH_ON;
    o.should_abort = ask;
    o.user_data = watch;
    return o;
}

static float* sound;
enum { RATE = 48000, SECONDS = 40 };

/* Language detection, beams, a long prompt, word times, 48 kHz. */
static mm_status transcribe(struct watch* watch) {
    mm_transcript* t = NULL;
    const mm_transcribe_options o = demanding_options(watch);
    const mm_status status = mm_whisper_transcribe(model, chunk_of(sound, (size_t)RATE * 20, RATE), &o, &t, NULL);
    CHECK((t != NULL) == (status == MM_OK));
    mm_transcript_close(t);
    return status;
}

/* All audio in one chunk, and the detector. */
static mm_status push(struct watch* watch) {
    mm_transcript* t = NULL;
    mm_transcribe_options o = demanding_options(watch);
    o.vad_filter = MM_SWITCH_ON;
    CHECK_STATUS(mm_transcript_open(model, &o, &t, NULL), MM_OK);
    mm_status status = mm_transcript_push(t, chunk_of(sound, (size_t)RATE * SECONDS, RATE));
    if (status == MM_OK) status = mm_transcript_finish(t);
    CHECK((mm_transcript_last_error(t)[0] != '\0') == (status != MM_OK));
    if (status != MM_OK) { /* for ever */
        int32_t state;
        CHECK_STATUS(mm_transcript_push(t, chunk_of(sound, 10, RATE)), status);
        CHECK_STATUS(mm_transcript_finish(t), status);
        CHECK_STATUS(mm_transcript_step(t, &state), status);
    }
    mm_transcript_close(t);
    return status;
}

static mm_status detect_language(struct watch* watch) {
    const mm_run_options run = run_options(watch);
    mm_language* languages = NULL;
    size_t n = 0;
    const mm_status status =
        mm_whisper_detect_language(model, chunk_of(sound, (size_t)RATE * 5, RATE), &run, &languages, &n, NULL);
    CHECK((languages != NULL) == (status == MM_OK) && (n == 99) == (status == MM_OK));
    mm_free(languages);
    return status;
}

static mm_status encode(struct watch* watch) {
    const mm_run_options run = run_options(watch);
    float* out = NULL;
    size_t n = 0;
    const mm_status status = mm_whisper_encode(model, sound, 3000, 0, &run, &out, &n, NULL);
    CHECK((out != NULL) == (status == MM_OK));
    mm_free(out);
    return status;
}

static mm_status logits(struct watch* watch) {
    static int32_t tokens[200];
    const mm_run_options run = run_options(watch);
    float* out = NULL;
    size_t n = 0;
    const mm_status status = mm_whisper_logits(model, sound, 1500, tokens, 200, &run, &out, &n, NULL);
    CHECK((out != NULL) == (status == MM_OK));
    mm_free(out);
    return status;
}

static mm_status log_mel(struct watch* watch) {
    const mm_run_options run = run_options(watch);
    float* out = NULL;
    size_t frames = 0;
    const mm_status status =
        mm_whisper_log_mel(model, chunk_of(sound, (size_t)RATE * SECONDS, RATE), &run, &out, &frames, NULL);
    CHECK((out != NULL) == (status == MM_OK) && frames == (status == MM_OK ? 100u * SECONDS : 0u));
    mm_free(out);
    return status;
}

static mm_status probabilities(struct watch* watch) {
    const mm_run_options run = run_options(watch);
    float* out = NULL;
    size_t n = 0;
    const mm_status status =
        mm_vad_probabilities(vad, chunk_of(sound, (size_t)RATE * SECONDS, RATE), &run, &out, &n, NULL);
    CHECK((out != NULL) == (status == MM_OK));
    mm_free(out);
    return status;
}

static mm_status segments(struct watch* watch) {
    const mm_run_options run = run_options(watch);
    mm_vad_segment* out = NULL;
    size_t n = 0;
    const mm_status status =
        mm_vad_segments(vad, chunk_of(sound, (size_t)16000 * SECONDS, 16000), NULL, &run, &out, &n, NULL);
    CHECK((out != NULL) == (status == MM_OK));
    mm_free(out);
    return status;
}

static mm_status resample(struct watch* watch) {
    const mm_run_options run = run_options(watch);
    float* out = NULL;
    size_t n = 0;
    const mm_status status = mm_resample(chunk_of(sound, (size_t)RATE * SECONDS, 192000), 44100, &run, &out, &n, NULL);
    CHECK((out != NULL) == (status == MM_OK));
    mm_free(out);
    return status;
}

static mm_status decode(struct watch* watch, picture_file file) {
    const mm_run_options run = run_options(watch);
    uint8_t* out = NULL;
    int32_t width = 0, height = 0;
    watch->last = work_done(); /* to make the file is no work of the library's */
    const mm_status status = mm_image_decode(file.data, file.len, NULL, &run, &out, &width, &height, NULL);
    CHECK((out != NULL) == (status == MM_OK));
    mm_free(out);
    free(file.data);
    return status;
}

static mm_status decode_png(struct watch* watch) {
    return decode(watch, make_png(4000, 1500, NULL, NULL, 0));
}

static mm_status decode_jpeg(struct watch* watch) {
    return decode(watch, make_scan_bomb(2000, 200));
}

static mm_status resize(struct watch* watch) {
    const mm_run_options run = run_options(watch);
    const mm_pixels image = {(const uint8_t*)sound, 1600, 1500, 0};
    uint8_t* out = NULL;
    const mm_status status = mm_image_resize(&image, 3000, 2000, MM_FILTER_BICUBIC, &run, &out, NULL);
    CHECK((out != NULL) == (status == MM_OK));
    mm_free(out);
    return status;
}

static mm_status pixels(struct watch* watch) {
    const mm_run_options run = run_options(watch);
    const uint8_t* bytes = (const uint8_t*)sound;
    const mm_pixels images[] = {{bytes, 2000, 1200, 0}, {bytes, 224, 224, 0}, {bytes, 300, 5000, 0}};
    float* out = NULL;
    size_t n = 0;
    const mm_status status = mm_clip_encode_pixels(clip, images, 3, NULL, &run, &out, &n, NULL);
    CHECK((out != NULL) == (status == MM_OK));
    mm_free(out);
    return status;
}

static mm_status texts(struct watch* watch) {
    const mm_run_options run = run_options(watch);
    mm_bytes inputs[40];
    float* out = NULL;
    size_t n = 0;
    for (size_t i = 0; i < 40; ++i) {
        inputs[i].data = "a photo of the cat and of the dog and of what else there may be in a photo";
        inputs[i].len = 10 + i;
    }
    const mm_status status = mm_clip_encode_text(clip, inputs, 40, NULL, &run, &out, &n, NULL);
    CHECK((out != NULL) == (status == MM_OK));
    mm_free(out);
    return status;
}

static const struct {
    const char* name;
    mm_status (*run)(struct watch* watch);
    int stops; /* how often it is stopped */
} calls[] = {{"transcribe", transcribe, 5},
             {"push and finish", push, 5},
             {"detect_language", detect_language, 3},
             {"encode", encode, 4},
             {"logits", logits, 3},
             {"log_mel", log_mel, 4},
             {"vad_probabilities", probabilities, 4},
             {"vad_segments", segments, 4},
             {"resample", resample, 4},
             {"image_decode, PNG", decode_png, 4},
             {"image_decode, JPEG of many scans", decode_jpeg, 4},
             {"image_resize", resize, 4},
             {"clip_encode_pixels", pixels, 4},
             {"clip_encode_text", texts, 4}};

struct longest {
    double work, end;
};

/* Runs a call until its question `stop_at`, or to its end; returns how many questions there were. */
static long watched(size_t which, long stop_at, struct longest* longest) {
    struct watch watch = {0, stop_at, work_done(), 0.0, 0};
    const mm_status status = calls[which].run(&watch);
    const double end = work_done() - watch.last;
    if (watch.longest > MOST_WORK * factor)
        fprintf(stderr, "%s, stopped at %ld: %.1f ms of work before question %ld of %ld\n", calls[which].name, stop_at,
                1e3 * watch.longest, watch.longest_before, watch.asked);
    CHECK(watch.longest < MOST_WORK * factor);
    CHECK(end < MOST_END * factor);
    CHECK_STATUS(status, stop_at > 0 && watch.asked >= stop_at ? MM_ERROR_ABORTED : MM_OK);
    CHECK(stop_at == 0 || watch.asked <= stop_at); /* asked no more after the answer */
    if (watch.longest > longest->work) longest->work = watch.longest;
    if (end > longest->end) longest->end = end;
    return watch.asked;
}

static void all_calls(void) {
    uint32_t seed = 7;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); ++i) {
        struct longest longest = {0.0, 0.0};
        const long questions = watched(i, 0, &longest);
        CHECK(questions > 2);
        for (int stop = 0; stop < calls[i].stops; ++stop) {
            seed = seed * 1664525u + 1013904223u;
            watched(i, 1 + (long)((double)questions * (double)seed / 4294967296.0), &longest);
        }
        printf("%s: %ld questions, at most %.1f ms of work before one, %.1f ms after the last\n", calls[i].name,
               questions, 1e3 * longest.work, 1e3 * longest.end);
    }
}

/* Ten hours are only looked through when the first answers stop that. */
static void long_audio(void) {
    const size_t n = (size_t)16000 * 36000;
    float* silence = (float*)calloc(n, sizeof(float));
    struct watch watch = {0, 4, work_done(), 0.0, 0};
    const mm_run_options run = run_options(&watch);
    float* out = NULL;
    size_t frames = 0;
    if (!silence) exit(2);
    CHECK_STATUS(mm_whisper_log_mel(model, chunk_of(silence, n, 16000), &run, &out, &frames, NULL), MM_ERROR_ABORTED);
    CHECK(watch.asked == 4 && watch.longest < MOST_WORK * factor);
    free(silence);
}

int main(int argc, char** argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s WIDE_MODEL WIDE_CLIP_MODEL\n", argv[0]);
        return 2;
    }
    model = open_model(argv[1]);
    CHECK_STATUS(mm_clip_open(argv[2], NULL, &clip, NULL), MM_OK);
    if (getenv("MM_TEST_INSTRUMENTED")) factor = 40.0;
    sound = noise((size_t)RATE * SECONDS, 1);
    CHECK_STATUS(mm_vad_open(NULL, &vad, NULL), MM_OK);
    all_calls();
    long_audio();
    mm_vad_close(vad);
    mm_clip_close(clip);
    mm_whisper_close(model);
    free(sound);
    return finish("test_api_stopping");
}
