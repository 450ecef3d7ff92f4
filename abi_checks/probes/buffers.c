/* What the library hands out: where it lies, whose it is, how it is freed.
 * Usage: buffers aligned | own | freed WHISPER CLIP JPEG PNG */
#include <errno.h>
#include <stdatomic.h>

#include "calls.h"

static struct world world = {
    .api =
        {
#define FUNCTION(name) name,
#include "functions.inc"
#undef FUNCTION
        },
};

static struct result make(const struct call* call, int v) {
    struct result result = {NULL, 0};
    const mm_status status = call->make(&world, v, &result);
    if (status != MM_OK || !result.data || !result.size)
        fault("%s gave status %d and %zu bytes", call->name, (int)status, result.size);
    return result;
}

static uint64_t digest(struct result result) {
    return add_bytes(DIGEST_START, result.data, result.size);
}

/* ---- Alignment: all buffers are kept meanwhile, and all differ, so that chance aligns none of them ---- */

enum { KEPT = 12 };

static void aligned(void) {
    for (size_t i = 0; i < N_CALLS; ++i) {
        struct result kept[KEPT];
        void* between[KEPT];
        for (int v = 0; v < KEPT; ++v) {
            kept[v] = make(&calls[i], v);
            between[v] = malloc(16 + 16 * (size_t)v);
            const size_t off = (uintptr_t)kept[v].data % 64;
            if (off)
                fault("%s: a buffer of %zu bytes lies %zu bytes behind a multiple of 64", calls[i].name, kept[v].size,
                      off);
        }
        for (int v = 0; v < KEPT; ++v) {
            mm_free(kept[v].data);
            free(between[v]);
        }
    }
}

/* ---- Ownership: a buffer is its caller's alone, to write to and to keep ---- */

static void own(void) {
    for (size_t i = 0; i < N_CALLS; ++i) {
        const char* name = calls[i].name;
        const struct result first = make(&calls[i], 2), second = make(&calls[i], 3);
        const uint64_t expected = digest(first), other = digest(second);
        const char *a = (const char*)first.data, *b = (const char*)second.data;
        if (!a || !b || (a < b + second.size && b < a + first.size)) {
            fault("%s: two results share memory", name);
            continue; /* to free both would be to free one twice */
        }
        memset(second.data, 0x5A, second.size);
        if (digest(first) != expected) fault("%s: a result changed with another one", name);
        mm_free(second.data);
        const struct result third = make(&calls[i], 3);
        if (digest(third) != other) fault("%s: what was written to a result is in a later one", name);
        if (digest(first) != expected) fault("%s: a result changed when another one was freed", name);
        mm_free(first.data);
        mm_free(third.data);
    }
}

/* ---- What is freed: this program's allocator stands in for the C library's and counts ---- */

static atomic_long blocks; /* that are in use */

void* __libc_malloc(size_t size);
void* __libc_calloc(size_t n, size_t size);
void* __libc_realloc(void* block, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void __libc_free(void* block);

static void* counted(void* block) {
    if (block) ++blocks;
    return block;
}
void* malloc(size_t size) {
    return counted(__libc_malloc(size));
}
void* calloc(size_t n, size_t size) {
    return counted(__libc_calloc(n, size));
}
void* realloc(void* block, size_t size) {
    void* moved = __libc_realloc(block, size);
    return block ? moved : counted(moved);
}
void* memalign(size_t alignment, size_t size) {
    return counted(__libc_memalign(alignment, size));
}
void* aligned_alloc(size_t alignment, size_t size) {
    return memalign(alignment, size);
}
int posix_memalign(void** out, size_t alignment, size_t size) {
    void* block = memalign(alignment, size);
    if (!block) return ENOMEM;
    *out = block;
    return 0;
}
void free(void* block) {
    if (block) --blocks;
    __libc_free(block);
}

static void freed(void) {
    for (size_t i = 0; i < N_CALLS; ++i) {
        for (int v = 0; v < 2; ++v) mm_free(make(&calls[i], v).data); /* what lives as long as the process */
        for (int v = 0; v < 2; ++v) {
            const long before = blocks;
            void* buffer = make(&calls[i], v).data;
            const long held = blocks - before;
            mm_free(buffer);
            const long left = blocks - before;
            if (held != 1) fault("%s: a buffer that was handed out holds %ld blocks of memory", calls[i].name, held);
            if (left) fault("%s: %ld blocks are left when its buffer is freed", calls[i].name, left);
        }
    }
    const long before = blocks;
    mm_free(NULL);
    if (blocks != before) fault("mm_free(NULL) does something");
}

int main(int argc, char** argv) {
    if (argc != 6) give_up(argv[0], "usage: buffers aligned | own | freed WHISPER CLIP JPEG PNG");
    open_world(&world, argv[2], argv[3], argv[4], argv[5]);
    if (strcmp(argv[1], "aligned") == 0)
        aligned();
    else if (strcmp(argv[1], "own") == 0)
        own();
    else if (strcmp(argv[1], "freed") == 0)
        freed();
    else
        give_up(argv[1], "is none of aligned, own, freed");
    close_world(&world);
    if (!faults)
        for (size_t i = 0; i < N_CALLS; ++i) puts(calls[i].name);
    return verdict();
}
