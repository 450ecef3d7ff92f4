/* The part of intercept.h that is C. */
#include "intercept.h"

#include <stddef.h>
#include <string.h>

any_function intercept_targets[N_ENTRIES];
void (*intercept_before)(struct frame* frame);
void (*intercept_after)(struct frame* frame);

/* A frame for each call that is under way: callbacks may call the library. */
static struct frame frames[16];
struct frame* intercept_top = frames;

typedef char
    offsets_are_those_of_intercept_S[offsetof(struct frame, target) == 208 && offsetof(struct frame, saved) == 256 &&
                                             offsetof(struct frame, saved_higher) == 576 && sizeof(struct frame) == 1728
                                         ? 1
                                         : -1];

/* Called by intercept.S. */
void intercept_enter(struct frame* frame) {
    frame->target = intercept_targets[frame->entry];
    for (int i = 0; i < N_KEPT; ++i) frame->filled[i] = UINT64_C(0xC0DEC0DE00000000) + (uint64_t)i * 0x01010101u;
    for (size_t i = 0; i < sizeof(frame->filled_higher); ++i) frame->filled_higher[i] = (unsigned char)(i * 7 + 1);
    if (intercept_before) intercept_before(frame);
}

void intercept_leave(struct frame* frame) {
    if (intercept_after) intercept_after(frame);
    if (frame->entry != CALL) { /* what a function that returns an integer leaves there is garbage */
        frame->integers[1] = UINT64_C(0xDEADDEADDEADDEAD);
        memset(frame->vectors, 0xDE, sizeof(frame->vectors));
    }
}

int is_kept(const struct frame* frame, int i) {
    return frame->kept[i] == frame->filled[i];
}

const char* kept_name(int i) {
#if defined(__x86_64__)
    static const char* const names[] = {"rbx", "rbp", "r12", "r13", "r14", "r15"};
#else
    static const char* const names[] = {"x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29"};
#endif
    return names[i];
}

static int is_half_kept(const struct frame* frame, int at) {
    return memcmp(frame->kept_higher + at, frame->filled_higher + at, 8) == 0;
}

int is_low_half_kept(const struct frame* frame, int i) {
    return is_half_kept(frame, i * 16);
}

int is_high_half_kept(const struct frame* frame, int i) {
    return is_half_kept(frame, i * 16 + 8);
}
