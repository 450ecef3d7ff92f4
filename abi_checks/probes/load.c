/* Loads a library as a plugin: what is broken is printed, a line each; the last line is "done".
 * Usage: load state LIBRARY             loading and unloading leaves the process's state as it was
 *        load often LIBRARY WHISPER N   so many times, with calls: nothing is left over
 *        load fork LIBRARY WHISPER      a child goes on using what its parent has opened */
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host_state.h"
#include "multimodal.h"

static void* open_library(const char* path) {
    void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        printf("broken: %s\n", dlerror());
        exit(1);
    }
    return library;
}

static void load_and_compare(const char* path) {
    static struct host_state before, loaded, unloaded;
    read_host_state(&before);
    void* library = open_library(path);
    read_host_state(&loaded);
    dlclose(library);
    read_host_state(&unloaded);
    before.error = loaded.error = unloaded.error = 0; /* dlopen's own */
    const char* difference = host_state_difference(&before, &loaded);
    if (*difference) printf("broken: after dlopen %s\n", difference);
    difference = host_state_difference(&before, &unloaded);
    if (*difference) printf("broken: after dlclose %s\n", difference);
}

/* ---- Work, by function pointers ---- */

struct library {
    __typeof__(&mm_whisper_open) open;
    __typeof__(&mm_whisper_close) close;
    __typeof__(&mm_whisper_encode) encode;
    __typeof__(&mm_image_resize) resize;
    __typeof__(&mm_free) free_buffer;
};

static struct library functions_of(void* handle) {
    struct library library;
    *(void**)&library.open = dlsym(handle, "mm_whisper_open");
    *(void**)&library.close = dlsym(handle, "mm_whisper_close");
    *(void**)&library.encode = dlsym(handle, "mm_whisper_encode");
    *(void**)&library.resize = dlsym(handle, "mm_image_resize");
    *(void**)&library.free_buffer = dlsym(handle, "mm_free");
    return library;
}

static uint64_t add(uint64_t digest, const void* data, size_t size) {
    for (size_t i = 0; i < size; ++i)
        digest = (digest ^ ((const unsigned char*)data)[i]) * UINT64_C(1099511628211); /* FNV-1a */
    return digest;
}

/* A digest of results, 0 if there are none: of a model, and of a picture that is resized on several threads. */
static uint64_t work(const struct library* library, mm_whisper* model) {
    enum { SIZE = 600, RESIZED = 299 };
    static uint8_t picture[SIZE * SIZE * 3];
    const mm_pixels pixels = {picture, SIZE, SIZE, 0};
    float* encoded = NULL;
    uint8_t* resized = NULL;
    size_t n = 0;
    uint64_t digest = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < sizeof(picture); ++i) picture[i] = (uint8_t)(i * i >> 5);
    if (library->encode(model, NULL, 0, 20, NULL, &encoded, &n, NULL) != MM_OK) return 0;
    digest = add(digest, encoded, n * sizeof(float));
    library->free_buffer(encoded);
    if (library->resize(&pixels, RESIZED, RESIZED, MM_FILTER_BICUBIC, NULL, &resized, NULL) != MM_OK) return 0;
    digest = add(digest, resized, RESIZED * RESIZED * 3);
    library->free_buffer(resized);
    return digest;
}

static mm_whisper* open_model(const struct library* library, const char* path) {
    mm_whisper* model = NULL;
    if (library->open(path, NULL, &model, NULL) != MM_OK) printf("broken: the model cannot be opened\n");
    return model;
}

/* ---- What may be left over ---- */

static int entries(const char* folder) {
    DIR* opened = opendir(folder);
    int n = 0;
    while (opened && readdir(opened)) ++n;
    if (opened) closedir(opened);
    return n;
}

static int mappings(void) {
    FILE* file = fopen("/proc/self/maps", "r");
    int n = 0;
    for (int c; file && (c = fgetc(file)) != EOF;) n += c == '\n';
    if (file) fclose(file);
    return n;
}

static int next_key(void) {
    pthread_key_t key = 0;
    pthread_key_create(&key, NULL);
    pthread_key_delete(key);
    return (int)key;
}

struct inventory {
    int descriptors, threads, mappings, keys;
};

/* A thread that was joined may be listed for a moment longer: what is left over is what stays. */
static void wait_for_threads(int expected) {
    for (int i = 0; i < 500 && entries("/proc/self/task") > expected; ++i) usleep(10000);
}

static struct inventory take_inventory(void) {
    const struct inventory found = {entries("/proc/self/fd"), entries("/proc/self/task"), mappings(), next_key()};
    return found;
}

static int has_cores(void) {
    cpu_set_t allowed;
    return sched_getaffinity(0, sizeof(allowed), &allowed) == 0 && CPU_COUNT(&allowed) > 1;
}

static void compare(const char* what, int before, int after) {
    if (after > before) printf("broken: %s: %d after ten times, and %d in the end\n", what, before, after);
}

static void load_often(const char* path, const char* whisper, int times) {
    const struct inventory before = take_inventory();
    struct inventory early = before;
    uint64_t first = 0;
    for (int i = 0; i < times; ++i) {
        void* handle = open_library(path);
        const struct library library = functions_of(handle);
        mm_whisper* model = open_model(&library, whisper);
        const uint64_t digest = work(&library, model);
        if (i == 0) first = digest;
        if (digest != first || digest == 0) printf("broken: the result of time %d differs\n", i + 1);
        if (i == times - 1 && has_cores() && entries("/proc/self/task") == before.threads)
            printf("broken: no thread was started, so that none could be left over\n");
        library.close(model);
        if (dlclose(handle) != 0) printf("broken: %s\n", dlerror());
        if (i == 9) { /* by then allocators have what they want */
            wait_for_threads(before.threads);
            early = take_inventory();
        }
    }
    wait_for_threads(early.threads);
    const struct inventory late = take_inventory();
    compare("open descriptors", early.descriptors, late.descriptors);
    compare("threads", early.threads, late.threads);
    compare("mappings", early.mappings, late.mappings);
    compare("thread-specific keys", early.keys, late.keys);
}

/* Once with the parent's threads at hand, once before it had any. */
static void fork_and_compare(const char* path, const char* whisper, int worked) {
    const struct library library = functions_of(open_library(path));
    mm_whisper* model = open_model(&library, whisper);
    uint64_t expected = worked ? work(&library, model) : 0, from_child = 0;
    int ends[2], status = 0;
    if (pipe(ends) != 0) exit(1);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        alarm(10);
        const uint64_t digest = work(&library, model);
        library.close(model);
        _exit(write(ends[1], &digest, sizeof(digest)) == sizeof(digest) ? 0 : 1);
    }
    waitpid(child, &status, 0);
    if (status != 0 || read(ends[0], &from_child, sizeof(from_child)) != sizeof(from_child))
        printf("broken: the child %s\n", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "failed");
    const uint64_t afterwards = work(&library, model);
    if (worked && afterwards != expected) printf("broken: the parent's result differs after the fork\n");
    if (status == 0 && from_child != afterwards) printf("broken: the child's result differs\n");
    library.close(model);
    close(ends[0]);
    close(ends[1]);
}

int main(int argc, char** argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 3 && strcmp(argv[1], "state") == 0) {
        load_and_compare(argv[2]);
    } else if (argc == 5 && strcmp(argv[1], "often") == 0) {
        load_often(argv[2], argv[3], atoi(argv[4]));
    } else if (argc == 4 && strcmp(argv[1], "fork") == 0) {
        fork_and_compare(argv[2], argv[3], 0);
        fork_and_compare(argv[2], argv[3], 1);
    } else {
        return 2;
    }
    printf("done\n");
    return 0;
}
