/* What a host is told, and by which threads: segments, log lines; how many threads work.
 * Usage: test_api_callbacks MODEL */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "check.h"

static mm_whisper* model;
static mm_audio_chunk audio; /* 5 s: three windows of quick() */

static mm_transcribe_options quick(void) {
    static const float zero[1] = {0.0f};
    mm_transcribe_options o;
    CHECK_STATUS(mm_transcribe_options_init(&o, sizeof(o)), MM_OK);
    o.language = "en";
    o.beam_size = 1;
    o.temperatures = zero;
    o.n_temperatures = 1;
    o.max_new_tokens = 6;
    o.audio_ctx = 100;
    o.no_speech_threshold = INFINITY;
    o.timestamps = MM_SWITCH_OFF;
    return o;
}

/* ---- on_segment ---- */

struct segments {
    int n, stop_at;
    char text[16][512];
    double start[16], end[16];
};

static int32_t on_segment(const mm_segment* segment, void* user_data) {
    struct segments* seen = (struct segments*)user_data;
    CHECK(segment->struct_size == sizeof(*segment) && segment->id == seen->n);
    CHECK(strlen(segment->text) == segment->text_len && segment->n_tokens > 0);
    if (seen->n < 16) {
        snprintf(seen->text[seen->n], sizeof(seen->text[0]), "%s", segment->text);
        seen->start[seen->n] = segment->start;
        seen->end[seen->n] = segment->end;
    }
    return ++seen->n == seen->stop_at;
}

static void segments(void) {
    static struct segments seen;
    mm_transcribe_options o = quick();
    mm_transcript* t = NULL;
    mm_transcript_info info;
    int32_t state;
    char* error = NULL;
    info.struct_size = sizeof(info);
    o.on_segment = on_segment;
    o.user_data = &seen;
    CHECK_STATUS(mm_whisper_transcribe(model, audio, &o, &t, NULL), MM_OK);
    CHECK_STATUS(mm_transcript_info_get(t, &info), MM_OK);
    CHECK(info.n_segments == (size_t)seen.n && seen.n >= 3);
    for (int i = 0; i < seen.n && i < 16; ++i) { /* those that are in the transcript, in order */
        mm_segment segment;
        segment.struct_size = sizeof(segment);
        CHECK_STATUS(mm_transcript_segment(t, (size_t)i, &segment), MM_OK);
        CHECK(strncmp(segment.text, seen.text[i], 511) == 0 && segment.start == seen.start[i]);
        CHECK(segment.end == seen.end[i]);
    }
    mm_transcript_close(t);

    memset(&seen, 0, sizeof(seen));
    seen.stop_at = 2;
    t = (mm_transcript*)&seen;
    CHECK_STATUS(mm_whisper_transcribe(model, audio, &o, &t, &error), MM_ERROR_ABORTED);
    CHECK(seen.n == 2 && t == NULL && error && strstr(error, "on_segment"));
    mm_free(error);

    memset(&seen, 0, sizeof(seen));
    seen.stop_at = 2;
    CHECK_STATUS(mm_transcript_open(model, &o, &t, NULL), MM_OK);
    CHECK_STATUS(mm_transcript_push(t, audio), MM_OK);
    CHECK_STATUS(mm_transcript_step(t, &state), MM_OK);
    CHECK_STATUS(mm_transcript_step(t, &state), MM_ERROR_ABORTED);
    CHECK_STATUS(mm_transcript_info_get(t, &info), MM_OK);
    CHECK(info.n_segments == 2); /* what was found stays */
    CHECK_STATUS(mm_transcript_step(t, &state), MM_ERROR_ABORTED);
    CHECK(seen.n == 2);
    mm_transcript_close(t);
}

/* ---- Log lines ---- */

struct log {
    atomic_int lines, inside, replaced, late;
};

static void on_log(int32_t level, const char* message, void* user_data) {
    struct log* log = (struct log*)user_data;
    CHECK(level >= MM_LOG_DEBUG && level <= MM_LOG_WARNING && message[0] != '\0');
    CHECK(atomic_fetch_add(&log->inside, 1) == 0); /* one line at a time */
    const struct timespec moment = {0, 200000};
    nanosleep(&moment, NULL);
    atomic_fetch_sub(&log->inside, 1);
    if (log->replaced) ++log->late;
    ++log->lines;
}

/* Of attempts that fail. */
static mm_transcribe_options chatty(void) {
    static const float temperatures[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    mm_transcribe_options o = quick();
    o.temperatures = temperatures;
    o.n_temperatures = 4;
    o.log_prob_threshold = -1e-6f;
    o.max_new_tokens = 1;
    o.audio_ctx = 20;
    return o;
}

static atomic_int over;

static void* chat(void* argument) {
    const mm_transcribe_options o = chatty();
    (void)argument;
    while (!over) {
        mm_transcript* t = NULL;
        CHECK_STATUS(mm_whisper_transcribe(model, chunk_of(audio.samples, 16000, 16000), &o, &t, NULL), MM_OK);
        mm_transcript_close(t);
    }
    return NULL;
}

static void log_lines(void) {
    enum { rounds = 31 };
    static struct log round[rounds];
    const mm_transcribe_options o = chatty();
    const struct timespec moment = {0, 3000000};
    pthread_t threads[3];
    mm_transcript* t = NULL;
    mm_set_log_callback(on_log, &round[0]);
    CHECK_STATUS(mm_whisper_transcribe(model, chunk_of(audio.samples, 16000, 16000), &o, &t, NULL), MM_OK);
    mm_transcript_close(t);
    CHECK(round[0].lines >= 4);

    for (int i = 0; i < 3; ++i) pthread_create(&threads[i], NULL, chat, NULL);
    for (int i = 1; i < rounds; ++i) {
        mm_set_log_callback(on_log, &round[i]);
        round[i - 1].replaced = 1; /* after return the previous one runs no more */
        do {
            nanosleep(&moment, NULL);
        } while (!round[i].lines); /* each has run before the next replaces it */
    }
    mm_set_log_callback(NULL, NULL);
    round[rounds - 1].replaced = 1;
    over = 1;
    for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
    for (int i = 0; i < rounds; ++i) CHECK(round[i].late == 0);
}

/* ---- threads = 1 ---- */

/* Processor time of the process but for this thread, in seconds. */
static double work_of_others(void) {
    struct timespec all, own;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &all);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &own);
    return (double)(all.tv_sec - own.tv_sec) + 1e-9 * (double)(all.tv_nsec - own.tv_nsec);
}

static double own_work(void) {
    struct timespec own;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &own);
    return (double)own.tv_sec + 1e-9 * (double)own.tv_nsec;
}

static void one_thread(void) {
    const mm_run_options one = {sizeof(mm_run_options), 1, NULL, NULL};
    mm_transcribe_options o = quick();
    mm_transcript* t = NULL;
    mm_language* languages = NULL;
    size_t n = 0;
    o.threads = 1;
    o.word_timestamps = MM_SWITCH_ON;
    const struct timespec rest = {0, 20000000}; /* workers of earlier calls go to sleep */
    nanosleep(&rest, NULL);
    const double others = work_of_others(), own = own_work();
    CHECK_STATUS(mm_whisper_transcribe(model, audio, &o, &t, NULL), MM_OK);
    CHECK_STATUS(mm_whisper_detect_language(model, audio, &one, &languages, &n, NULL), MM_OK);
    const double by_others = work_of_others() - others, by_own = own_work() - own;
    printf("threads = 1: %.1f ms on this thread, %.3f ms on others\n", 1e3 * by_own, 1e3 * by_others);
    CHECK(by_others < 0.01 * by_own);
    mm_transcript_close(t);
    mm_free(languages);
}

int main(int argc, char** argv) {
    float* samples = noise(16000 * 5, 1);
    model = open_model(model_argument(argc, argv));
    audio = chunk_of(samples, 16000 * 5, 16000);
    segments();
    one_thread();
    log_lines();
    mm_whisper_close(model);
    free(samples);
    return finish("test_api_callbacks");
}
