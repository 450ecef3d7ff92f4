/* Who may use a handle when: busy handles, calls back in, closing while in use, stopping in time, many threads.
 * Usage: test_api_threads MODEL
 * MM_TEST_INSTRUMENTED in the environment: times are those of an emulator, valgrind or a sanitizer. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <pthread.h>
#include <time.h>

#include "check.h"

static mm_whisper* model;
static float* samples;
static mm_audio_chunk audio;

static double clock_seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double now(void) {
    return clock_seconds(CLOCK_MONOTONIC);
}

static void sleep_s(double s) {
    struct timespec t;
    t.tv_sec = (time_t)s;
    t.tv_nsec = (long)((s - (double)t.tv_sec) * 1e9);
    nanosleep(&t, NULL);
}

static mm_transcribe_options greedy(void) {
    static const float zero[1] = {0.0f};
    mm_transcribe_options o;
    CHECK_STATUS(mm_transcribe_options_init(&o, sizeof(o)), MM_OK);
    o.language = "en";
    o.beam_size = 1;
    o.temperatures = zero;
    o.n_temperatures = 1;
    o.max_new_tokens = 32;
    return o;
}

static mm_transcript* open_transcript(const mm_transcribe_options* o) {
    mm_transcript* t = NULL;
    CHECK_STATUS(mm_transcript_open(model, o, &t, NULL), MM_OK);
    CHECK_STATUS(mm_transcript_push(t, audio), MM_OK);
    CHECK_STATUS(mm_transcript_finish(t), MM_OK);
    return t;
}

static mm_status run(mm_transcript* t) {
    int32_t state = MM_STEP_MORE;
    mm_status status = MM_OK;
    while (status == MM_OK && state == MM_STEP_MORE) status = mm_transcript_step(t, &state);
    return status;
}

/* ---- A busy transcript ---- */

struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int entered, released, calls;
    mm_transcript* transcript;
    mm_status result;
};

static void all_calls_are_busy(mm_transcript* t) {
    int32_t state;
    mm_transcript_info info;
    mm_segment segment;
    mm_token token;
    mm_word word;
    info.struct_size = sizeof(info);
    segment.struct_size = sizeof(segment);
    token.struct_size = sizeof(token);
    word.struct_size = sizeof(word);
    CHECK_STATUS(mm_transcript_push(t, audio), MM_ERROR_BUSY);
    CHECK_STATUS(mm_transcript_finish(t), MM_ERROR_BUSY);
    CHECK_STATUS(mm_transcript_step(t, &state), MM_ERROR_BUSY);
    CHECK_STATUS(mm_transcript_info_get(t, &info), MM_ERROR_BUSY);
    CHECK_STATUS(mm_transcript_segment(t, 0, &segment), MM_ERROR_BUSY);
    CHECK_STATUS(mm_transcript_token(t, 0, 0, &token), MM_ERROR_BUSY);
    CHECK_STATUS(mm_transcript_word(t, 0, 0, &word), MM_ERROR_BUSY);
    CHECK(strcmp(mm_transcript_last_error(t), mm_status_string(MM_ERROR_BUSY)) == 0);
}

/* Called back in, the handle is busy; all others are not. */
static int32_t reenter(const mm_token* token, void* user_data) {
    struct gate* gate = (struct gate*)user_data;
    int32_t* ids = NULL;
    size_t n = 0;
    (void)token;
    if (gate->calls++ > 0) return 0;
    all_calls_are_busy(gate->transcript);
    CHECK_STATUS(mm_whisper_tokenize(model, "a", 1, &ids, &n, NULL), MM_OK);
    mm_free(ids);
    return 0;
}

static int32_t wait_at_gate(const mm_token* token, void* user_data) {
    struct gate* gate = (struct gate*)user_data;
    (void)token;
    pthread_mutex_lock(&gate->mutex);
    gate->entered = 1;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->released) pthread_cond_wait(&gate->changed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
    return 0;
}

static void* run_transcript(void* argument) {
    struct gate* gate = (struct gate*)argument;
    gate->result = run(gate->transcript);
    return NULL;
}

static void open_gate(struct gate* gate) {
    memset(gate, 0, sizeof(*gate));
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->changed, NULL);
}

static void wait_until_entered(struct gate* gate) {
    pthread_mutex_lock(&gate->mutex);
    while (!gate->entered) pthread_cond_wait(&gate->changed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
}

static void release(struct gate* gate) {
    pthread_mutex_lock(&gate->mutex);
    gate->released = 1;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
}

static void busy(void) {
    struct gate gate;
    pthread_t thread;
    int32_t state = 7;
    mm_transcribe_options o = greedy();
    o.user_data = &gate;

    open_gate(&gate); /* from a callback */
    o.on_token = reenter;
    gate.transcript = open_transcript(&o);
    CHECK_STATUS(run(gate.transcript), MM_OK);
    CHECK(gate.calls > 0);
    CHECK(strcmp(mm_transcript_last_error(gate.transcript), "") == 0); /* others' refusals are not its own */
    mm_transcript_close(gate.transcript);

    open_gate(&gate); /* from another thread, which may stop it */
    o.on_token = wait_at_gate;
    gate.transcript = open_transcript(&o);
    pthread_create(&thread, NULL, run_transcript, &gate);
    wait_until_entered(&gate);
    all_calls_are_busy(gate.transcript);
    CHECK_STATUS(mm_transcript_abort(gate.transcript), MM_OK);
    release(&gate);
    pthread_join(thread, NULL);
    CHECK(gate.result == MM_ERROR_ABORTED);
    CHECK_STATUS(mm_transcript_step(gate.transcript, &state), MM_ERROR_ABORTED); /* and every later step */
    CHECK(state == 0 && mm_transcript_last_error(gate.transcript)[0] != '\0');
    mm_transcript_close(gate.transcript);

    open_gate(&gate); /* closed while in use */
    gate.transcript = open_transcript(&o);
    pthread_create(&thread, NULL, run_transcript, &gate);
    wait_until_entered(&gate);
    mm_transcript_close(gate.transcript);
    CHECK_STATUS(mm_transcript_abort(gate.transcript), MM_ERROR_INVALID_HANDLE);
    release(&gate);
    pthread_join(thread, NULL);
    CHECK(gate.result == MM_OK || gate.result == MM_ERROR_INVALID_HANDLE); /* of the step after that one */
}

/* ---- Stopping in time, by another thread; test_api_stopping.c: by the callback ---- */

static int by_size(const void* a, const void* b) {
    const double x = *(const double*)a, y = *(const double*)b;
    return (x > y) - (x < y);
}

static void report(const char* what, double* seconds, int n, double bound, double factor) {
    CHECK(n > 0);
    if (n == 0) return;
    qsort(seconds, (size_t)n, sizeof(double), by_size);
    printf("%s: median %.1f ms, 95%% %.1f ms, longest %.1f ms of %d\n", what, 1e3 * seconds[n / 2],
           1e3 * seconds[n * 95 / 100], 1e3 * seconds[n - 1], n);
    CHECK(seconds[n / 2] < 0.020 * factor);
    CHECK(seconds[n - 1] < bound * factor);
}

enum { POINTS = 24 };

static void stop_in_time(void) {
    const double factor = getenv("MM_TEST_INSTRUMENTED") ? 40.0 : 1.0;
    const double slack = 0.500; /* for wall-clock times of single ones on a loaded machine */
    double latency[POINTS], whole;
    uint32_t seed = 7;
    int n = 0;
    mm_transcribe_options o = greedy();
    mm_transcript* t = NULL;
    o.beam_size = 3;
    o.max_new_tokens = 64;
    whole = now();
    CHECK_STATUS(mm_whisper_transcribe(model, audio, &o, &t, NULL), MM_OK);
    whole = now() - whole;
    mm_transcript_close(t);
    printf("whole transcription: %.0f ms\n", 1e3 * whole);

    for (int i = 0; i < POINTS; ++i) { /* by mm_transcript_abort from another thread */
        struct gate gate;
        pthread_t thread;
        double asked;
        open_gate(&gate);
        gate.transcript = open_transcript(&o);
        pthread_create(&thread, NULL, run_transcript, &gate);
        seed = seed * 1664525u + 1013904223u;
        sleep_s(whole * 0.7 * (double)seed / 4294967296.0);
        asked = now();
        CHECK_STATUS(mm_transcript_abort(gate.transcript), MM_OK);
        pthread_join(thread, NULL);
        CHECK(gate.result == MM_ERROR_ABORTED || gate.result == MM_OK);
        if (gate.result == MM_ERROR_ABORTED) latency[n++] = now() - asked;
        mm_transcript_close(gate.transcript);
    }
    report("mm_transcript_abort", latency, n, slack, factor);
}

/* ---- Many threads ---- */

enum { THREADS = 16 };

struct worker {
    mm_status status;
    char text[4096];
    double logprob;
};

static void* transcribe(void* argument) {
    struct worker* worker = (struct worker*)argument;
    mm_transcript* t = NULL;
    mm_transcript_info info;
    mm_segment segment;
    mm_transcribe_options o = greedy();
    size_t used = 0;
    o.audio_ctx = 100;
    info.struct_size = sizeof(info);
    segment.struct_size = sizeof(segment);
    worker->status = mm_whisper_transcribe(model, chunk_of(samples, 16000 * 4, 16000), &o, &t, NULL);
    if (worker->status != MM_OK) return NULL;
    worker->status = mm_transcript_info_get(t, &info);
    for (size_t i = 0; i < info.n_segments; ++i) {
        mm_transcript_segment(t, i, &segment);
        used += (size_t)snprintf(worker->text + used, sizeof(worker->text) - used, "%.200s|", segment.text);
        worker->logprob += (double)segment.avg_logprob;
        if (used > sizeof(worker->text) - 256) break;
    }
    mm_transcript_close(t);
    return NULL;
}

static void many_threads(void) {
    static struct worker workers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; ++i) pthread_create(&threads[i], NULL, transcribe, &workers[i]);
    for (int i = 0; i < THREADS; ++i) pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; ++i) {
        CHECK(workers[i].status == MM_OK);
        CHECK(strcmp(workers[i].text, workers[0].text) == 0 && workers[i].logprob == workers[0].logprob);
    }
}

static mm_vad* shared_vad;

static void* hammer_vad(void* argument) {
    long* done = (long*)argument;
    for (int i = 0; i < 100; ++i) {
        float p = -1.0f;
        const mm_status status = mm_vad_process(shared_vad, samples + 512 * i, 512, &p);
        if (status == MM_OK) {
            ++*done;
            CHECK(p >= 0.0f && p <= 1.0f);
        } else {
            CHECK(status == MM_ERROR_BUSY && p == 0.0f);
        }
    }
    return NULL;
}

static void shared_detector(void) {
    pthread_t threads[4];
    long done[4] = {0, 0, 0, 0};
    CHECK_STATUS(mm_vad_open(NULL, &shared_vad, NULL), MM_OK);
    for (int i = 0; i < 4; ++i) pthread_create(&threads[i], NULL, hammer_vad, &done[i]);
    for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
    CHECK(done[0] + done[1] + done[2] + done[3] > 0);
    CHECK_STATUS(mm_vad_reset(shared_vad), MM_OK);
    mm_vad_close(shared_vad);
}

/* ---- A model that is closed while threads transcribe with it ---- */

static void close_while_in_use(const char* path) {
    pthread_t threads[4];
    static struct worker workers[4];
    mm_whisper* kept = model;
    model = open_model(path);
    for (int i = 0; i < 4; ++i) pthread_create(&threads[i], NULL, transcribe, &workers[i]);
    sleep_s(0.01);
    mm_whisper_close(model);
    for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; ++i) CHECK(workers[i].status == MM_OK || workers[i].status == MM_ERROR_INVALID_HANDLE);
    model = kept;
}

/* ---- Cancelled threads ---- */

static void* endless(void* argument) {
    (void)argument;
    for (;;) {
        float* out;
        size_t n;
        CHECK_STATUS(mm_resample(chunk_of(samples, 1600, 16000), 8000, NULL, &out, &n, NULL), MM_OK);
        mm_free(out);
        pthread_testcancel();
    }
    return NULL;
}

static void cancelled_threads(void) {
    for (int i = 0; i < 20; ++i) {
        pthread_t thread;
        void* result = NULL;
        pthread_create(&thread, NULL, endless, NULL);
        sleep_s(0.001);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        CHECK(result == PTHREAD_CANCELED);
    }
}

int main(int argc, char** argv) {
    const char* path = model_argument(argc, argv);
    model = open_model(path);
    samples = noise(16000 * 10, 1);
    audio = chunk_of(samples, 16000 * 10, 16000);
    busy();
    stop_in_time();
    many_threads();
    shared_detector();
    close_while_in_use(path);
    cancelled_threads();
    mm_whisper_close(model);
    free(samples);
    return finish("test_api_threads");
}
