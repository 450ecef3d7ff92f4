/* The process around the library: forks while other threads call, calls from exit handlers, files that change.
 * Usage: test_api_process MODEL */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static mm_whisper* model;
static atomic_int over;

/* Takes and releases the library's locks all the time. */
static void* hammer(void* argument) {
    (void)argument;
    while (!over) {
        mm_whisper_info info;
        mm_vad* vad = NULL;
        info.struct_size = sizeof(info);
        CHECK_STATUS(mm_whisper_info_get(model, &info), MM_OK);
        CHECK_STATUS(mm_vad_open(NULL, &vad, NULL), MM_OK);
        mm_vad_close(vad);
        mm_set_log_callback(NULL, NULL);
    }
    return NULL;
}

/* A child may use what it has inherited: it waits for no thread that it does not have. */
static void forks(void) {
    enum { THREADS = 3, FORKS = 300 };
    pthread_t threads[THREADS];
    int hung = 0, failed = 0;
    fflush(NULL);
    for (int i = 0; i < THREADS; ++i) pthread_create(&threads[i], NULL, hammer, NULL);
    for (int i = 0; i < FORKS && hung == 0; ++i) {
        int status = 0;
        const pid_t child = fork();
        if (child == 0) {
            mm_whisper_info info;
            mm_vad* vad = NULL;
            info.struct_size = sizeof(info);
            alarm(10);
            mm_set_log_callback(NULL, NULL);
            if (mm_vad_open(NULL, &vad, NULL) != MM_OK) _exit(2);
            mm_vad_close(vad);
            _exit(mm_whisper_info_get(model, &info) == MM_OK && info.n_mels == 80 ? 0 : 1);
        }
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status))
            ++hung;
        else if (status != 0)
            ++failed;
    }
    over = 1;
    for (int i = 0; i < THREADS; ++i) pthread_join(threads[i], NULL);
    if (hung || failed) fprintf(stderr, "forks: %d hung, %d failed\n", hung, failed);
    CHECK(hung == 0 && failed == 0);
}

static float expected;

static float first_probability(void) {
    float p = -1.0f, samples[512];
    mm_vad* vad = NULL;
    for (int i = 0; i < 512; ++i) samples[i] = (float)(i % 50 - 25) / 50.0f;
    if (mm_vad_open(NULL, &vad, NULL) != MM_OK || mm_vad_process(vad, samples, 512, &p) != MM_OK) return -1.0f;
    mm_vad_close(vad);
    return p;
}

/* Runs after whatever the library has registered for the exit. */
static void at_exit(void) {
    mm_whisper_info info;
    int32_t* ids = NULL;
    size_t n = 0;
    info.struct_size = sizeof(info);
    if (first_probability() != expected) _exit(2);
    if (mm_whisper_info_get(model, &info) != MM_OK) _exit(3);
    if (mm_whisper_tokenize(model, "words", 5, &ids, &n, NULL) != MM_OK) _exit(4);
    mm_free(ids);
    mm_whisper_close(model);
    _exit(0);
}

static void exit_handlers(const char* path) {
    int status = -1;
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        atexit(at_exit); /* before the first call */
        model = open_model(path);
        expected = first_probability();
        if (mm_build_info()[0] != '{' || expected < 0.0f) _exit(5);
        exit(1);
    }
    waitpid(child, &status, 0);
    if (status != 0) fprintf(stderr, "exit handler: wait status %#x\n", (unsigned)status);
    CHECK(status == 0);
}

/* ---- The file of an open model ---- */

static void copy_file(const char* from, const char* to) {
    static char block[1 << 16];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    if (!in || !out) exit(2);
    for (size_t n; (n = fread(block, 1, sizeof(block), in)) > 0;)
        if (fwrite(block, 1, n, out) != n) exit(2);
    fclose(in);
    if (fclose(out) != 0) exit(2);
}

static mm_status use(mm_whisper* opened) {
    float* out = NULL;
    size_t n = 0;
    const mm_status status = mm_whisper_encode(opened, NULL, 0, 4, NULL, &out, &n, NULL);
    mm_free(out);
    return status;
}

/* To remove it or put another one in its place is harmless; to cut it short ends the process with SIGBUS. */
static void changed_files(const char* path) {
    char folder[] = "/tmp/multimodal-process-XXXXXX", copy[64];
    int status = 0;
    mm_whisper* opened;
    if (!mkdtemp(folder)) exit(2);
    snprintf(copy, sizeof(copy), "%s/model.gguf", folder);
    copy_file(path, copy);
    opened = open_model(copy);
    unlink(copy);
    CHECK_STATUS(use(opened), MM_OK);
    copy_file(path, copy);
    CHECK_STATUS(use(opened), MM_OK);
    mm_whisper_close(opened);

    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        signal(SIGBUS, SIG_DFL);
        opened = open_model(copy);
        if (truncate(copy, 4096) != 0) _exit(2);
        use(opened);
        _exit(3);
    }
    waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    unlink(copy);
    rmdir(folder);
}

int main(int argc, char** argv) {
    const char* path = model_argument(argc, argv);
    exit_handlers(path);
    changed_files(path);
    model = open_model(path);
    forks();
    mm_whisper_close(model);
    return finish("test_api_process");
}
