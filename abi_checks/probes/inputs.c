/* Inputs anywhere in memory, and memory that ends where they do.
 * Usage: inputs bounds | offsets DETAIL WHISPER CLIP PICTURE...
 * DETAIL: 2: every length; 1 and 0: short ones and those around multiples of 64 */
#include "inputs.h"

#include "guarded.h"

static int detail;
static size_t tried;
static uint64_t* room; /* where an input is made; aligned as malloc does */

static int near_a_multiple(size_t n, size_t unit) {
    return (n + 1) % unit <= 2;
}

static int is_wanted(const struct input* input, size_t n) {
    const int level = detail - input->heavy;
    if (n == input->least || n == input->most || n == picture.size || n <= 2 || level >= 2) return 1;
    if (level == 1) return n <= 66 || near_a_multiple(n, 64);
    if (level == 0 && n <= 18) return 1;
    for (size_t doubled = 64; level >= -1 && doubled <= (level ? 64 : 4096); doubled *= 2)
        if (n + 1 >= doubled && n <= doubled + 1) return 1;
    return 0;
}

/* The input at `at`, with other bytes around it that no result may depend on. */
static void try_at(const struct input* input, size_t n, unsigned char* at, size_t size, uint64_t expected) {
    const size_t before = (size_t)(at - guarded.begin), behind = guarded.size - before - size, most = 256;
    protect(PROT_READ | PROT_WRITE);
    memset(at - (before < most ? before : most), 0xFF, before < most ? before : most);
    memset(at + size, 0xFF, behind < most ? behind : most);
    memcpy(at, room, size);
    protect(PROT_READ);
    guarded.input = at;
    guarded.length = size;
    guarded.name = input->name;
    guarded.n = n;
    ++tried;
    if (input->call(at, n) != expected)
        fault("%s of %zu: other results %zu bytes behind a multiple of 64", input->name, n,
              (size_t)((uintptr_t)at % 64));
}

static void bounds(const struct input* input) {
    for (size_t n = input->least; n <= input->most; ++n) {
        if (!is_wanted(input, n)) continue;
        const size_t size = input->fill((unsigned char*)room, n);
        const uint64_t expected = input->call(room, n);
        unsigned char* end = guarded.begin + guarded.size - size;
        if ((uintptr_t)end % input->unit) give_up(input->name, "does not end where a page does");
        try_at(input, n, end, size, expected);
        try_at(input, n, guarded.begin, size, expected);
    }
}

static void offsets(const struct input* input) {
    const size_t lengths[] = {1, 7, 17, 64, 100, 333};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); ++i) {
        size_t n = lengths[i] < input->least ? input->least : lengths[i];
        if (n > input->most) n = input->most;
        if (i && (input->heavy > detail || n == input->least || n < lengths[i])) continue;
        const size_t size = input->fill((unsigned char*)room, n);
        const uint64_t expected = input->call(room, n);
        const size_t step = input->unit == 1 && input->heavy > detail ? 7 : input->unit;
        for (size_t offset = 0; offset < 64; offset += step)
            try_at(input, n, guarded.begin + 64 + offset, size, expected);
    }
}

int main(int argc, char** argv) {
    if (argc < 6) give_up(argv[0], "usage: inputs bounds | offsets DETAIL WHISPER CLIP PICTURE...");
    void (*look)(const struct input*) = strcmp(argv[1], "bounds") == 0 ? bounds : offsets;
    detail = atoi(argv[2]);
    model_path = argv[4];
    must(mm_whisper_open(argv[3], NULL, &whisper, NULL), argv[3]);
    must(mm_clip_open(argv[4], NULL, &clip, NULL), argv[4]);
    must(mm_vad_open(NULL, &vad, NULL), "mm_vad_open");
    make_guarded(131072);
    room = (uint64_t*)malloc(131072);
    if (!room) give_up("malloc", "no memory");
    picture = read_file(argv[5]);
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); ++i) look(&inputs[i]);
    for (int i = 5; i < argc; ++i) {
        free(picture.data);
        picture = read_file(argv[i]);
        for (size_t j = 0; j < sizeof(of_pictures) / sizeof(of_pictures[0]); ++j) look(&of_pictures[j]);
    }
    free(picture.data);
    free(room);
    mm_whisper_close(whisper);
    mm_clip_close(clip);
    mm_vad_close(vad);
    if (!faults) printf("%zu\n", tried);
    return verdict();
}
