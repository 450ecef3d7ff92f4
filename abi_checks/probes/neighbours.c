/* Results of the library beside others in one process. Usage: neighbours WHISPER CLIP JPEG PNG GGML STEP...
 *
 * Steps are carried out in turn:
 *
 *   global:FILE, local:FILE: loads a library whose symbols all libraries see, or none does.
 *
 *   ours:FILE: loads a library of ours and opens models with it.
 *
 *   linked: opens models with the library that the program is linked with (-DLINKS_OURS).
 *
 *   results:N: prints the results of the N-th of ours, counted from 0.
 *
 *   stock:FILE: runs whisper.cpp's encoder and decoder, and prints the results. */
#include <dlfcn.h>

#include "calls.h"

enum { MOST = 4 };
static struct world worlds[MOST];
static int n_worlds;
static char** files; /* WHISPER CLIP JPEG PNG GGML */

static void* load(const char* path, int flag) {
    void* library = dlopen(path, RTLD_NOW | flag);
    if (!library) give_up(path, dlerror());
    return library;
}

static void* find(void* library, const char* name) {
    void* symbol = dlsym(library, name);
    if (!symbol) give_up(name, "is not there");
    return symbol;
}

static struct world* next_world(void) {
    if (n_worlds == MOST) give_up("ours", "too many");
    return &worlds[n_worlds++];
}

static void open_ours(struct world* w) {
    open_world(w, files[0], files[1], files[2], files[3]);
}

/* A function pointer is not a data pointer to ISO C, but to POSIX. */
static void open_loaded(const char* path) {
    void* library = load(path, RTLD_LOCAL);
    struct world* w = next_world();
#define FUNCTION(name) *(void**)&w->api.name = find(library, #name);
#include "functions.inc"
#undef FUNCTION
    open_ours(w);
}

#ifdef LINKS_OURS
static void open_linked(void) {
    struct world* w = next_world();
#define FUNCTION(name) w->api.name = name;
#include "functions.inc"
#undef FUNCTION
    open_ours(w);
}
#endif

static void print_results(const struct world* w) {
    char* message = NULL;
    for (int v = 0; v < 2; ++v)
        for (size_t i = 0; i < N_CALLS; ++i) {
            struct result result = {NULL, 0};
            const mm_status status = calls[i].make(w, v, &result);
            printf("%s %d %d %016llx\n", calls[i].name, v, (int)status,
                   (unsigned long long)add_bytes(DIGEST_START, result.data, result.size));
            w->api.mm_free(result.data);
        }
    /* Functions that the library itself calls. */
    struct {
        mm_run_options known;
        uint64_t unknown;
    } options = {{sizeof(options), 0, NULL, NULL}, 1};
    float* out = NULL;
    size_t n = 0;
    w->api.mm_resample(sound(w, 5, 16000), 8000, &options.known, &out, &n, &message);
    printf("%s\n", message ? message : "no message");
    w->api.mm_free(message);
    printf("%s, %s\n", w->api.mm_version_string(), w->api.mm_status_string(MM_ERROR_IO));
}

/* ---- whisper.cpp, by those of its functions that take neither structs nor enumerators ---- */

static void run_stock(const char* path) {
    void* library = load(path, RTLD_GLOBAL);
    void* (*init)(const char*);
    int (*mel)(void*, const float*, int, int);
    int (*encode)(void*, int, int);
    int (*decode)(void*, const int32_t*, int, int, int);
    int (*n_vocab)(void*);
    float* (*logits)(void*);
    void (*end)(void*);
    *(void**)&init = find(library, "whisper_init_from_file");
    *(void**)&mel = find(library, "whisper_pcm_to_mel");
    *(void**)&encode = find(library, "whisper_encode");
    *(void**)&decode = find(library, "whisper_decode");
    *(void**)&n_vocab = find(library, "whisper_n_vocab");
    *(void**)&logits = find(library, "whisper_get_logits");
    *(void**)&end = find(library, "whisper_free");

    static float samples[SECOND];
    const int32_t tokens[] = {50258, 50259, 50359};
    make_audio(samples, SECOND);
    void* context = init(files[4]);
    if (!context) give_up(files[4], "whisper.cpp does not open it");
    if (mel(context, samples, SECOND, 1) || encode(context, 0, 1) || decode(context, tokens, 3, 0, 1))
        give_up(path, "whisper.cpp fails");
    const size_t size = (size_t)n_vocab(context) * sizeof(float);
    printf("stock %zu %016llx\n", size, (unsigned long long)add_bytes(DIGEST_START, logits(context), size));
    end(context);
}

int main(int argc, char** argv) {
    if (argc < 7) give_up(argv[0], "usage: neighbours WHISPER CLIP JPEG PNG GGML STEP...");
    files = argv + 1;
    for (int i = 6; i < argc; ++i) {
        const char* argument = strchr(argv[i], ':');
        argument = argument ? argument + 1 : "";
        if (strncmp(argv[i], "global:", 7) == 0)
            load(argument, RTLD_GLOBAL);
        else if (strncmp(argv[i], "local:", 6) == 0)
            load(argument, RTLD_LOCAL);
        else if (strncmp(argv[i], "ours:", 5) == 0)
            open_loaded(argument);
        else if (strncmp(argv[i], "results:", 8) == 0 && atoi(argument) < n_worlds)
            print_results(&worlds[atoi(argument)]);
        else if (strncmp(argv[i], "stock:", 6) == 0)
            run_stock(argument);
#ifdef LINKS_OURS
        else if (strcmp(argv[i], "linked") == 0)
            open_linked();
#endif
        else
            give_up(argv[i], "is no step");
    }
    for (int i = 0; i < n_worlds; ++i) close_world(&worlds[i]);
    return verdict();
}
