/* See watch.h. */
#include "watch.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host_state.h"
#include "intercept.h"
#include "tour.h"

char latest_violations[4096];

static int watched;
static struct host_state before_call; /* of the outermost call */
static int depth;

static const char* name_of(const struct frame* frame) {
    static const char* const names[N_ENTRIES] = {"", "on_token", "on_segment", "on_progress", "should_abort", "on_log"};
    return frame->entry == CALL ? called : names[frame->entry];
}

__attribute__((format(printf, 3, 4))) static void violation(const char* kind, const struct frame* frame,
                                                            const char* format, ...) {
    const size_t used = strlen(latest_violations);
    va_list arguments;
    va_start(arguments, format);
    int n = snprintf(latest_violations + used, sizeof(latest_violations) - used, "%s%s: %s: ", used ? "\n" : "", kind,
                     name_of(frame));
    vsnprintf(latest_violations + used + n, sizeof(latest_violations) - used - (size_t)n, format, arguments);
    va_end(arguments);
}

static void set_garbage(struct frame* frame) {
    const struct narrow* narrow = narrow_arguments;
    while (narrow->function && strcmp(narrow->function, called) != 0) ++narrow;
    if (!narrow->function) return;
    for (int i = 0; i < 8; ++i) {
        uint64_t* slot = (uint64_t*)frame->stack + i;
        if (narrow->registers >> i & 1) frame->integers[i] |= UINT64_C(0xA5A5A5A5) << 32;
        if (narrow->slots >> i & 1) *slot |= UINT64_C(0xA5A5A5A5) << 32;
    }
}

static void before(struct frame* frame) {
    const int error = errno;
    if (depth++ == 0) latest_violations[0] = '\0';
    if (watched & WATCH_STACK) {
        if (frame->stack % 16)
            violation("stack", frame, "the stack pointer is at %#x modulo 16", (unsigned)(frame->stack % 16));
#if defined(__x86_64__)
        if (frame->flags[0] & 0x400) violation("stack", frame, "the direction flag is set at entry");
#endif
    }
    if (watched & WATCH_GARBAGE && frame->entry == CALL) set_garbage(frame);
    errno = error;
    if (!(watched & WATCH_STATE)) return;
    if (depth == 1) {
        errno = 4242; /* which the library must not change */
        read_host_state(&before_call);
    } else {
        struct host_state now;
        read_host_state(&now);
        now.error = before_call.error;               /* means nothing in a callback */
        now.cancel_state = before_call.cancel_state; /* is put off in there */
        const char* difference = host_state_difference(&before_call, &now);
        if (*difference) violation("callbacks", frame, "%s", difference);
    }
}

static void after(struct frame* frame) {
    struct host_state now;
    read_host_state(&now);
    --depth;
    if (watched & WATCH_STATE && depth == 0) {
        const char* difference = host_state_difference(&before_call, &now);
        if (*difference) violation("state", frame, "%s", difference);
    }
    if (watched & WATCH_REGISTERS) {
        for (int i = 0; i < N_KEPT; ++i)
            if (!is_kept(frame, i)) violation("registers", frame, "%s is not kept", kept_name(i));
#if defined(__aarch64__)
        for (int i = 0; i < 8; ++i)
            if (!is_low_half_kept(frame, i)) violation("registers", frame, "d%d is not kept", FIRST_HIGHER + i);
#else
        if (frame->flags[1] & 0x400) violation("registers", frame, "the direction flag is set at return");
#endif
        if (frame->stack_after != frame->stack) violation("registers", frame, "the stack pointer is not kept");
    }
    if (depth == 0 && *latest_violations) puts(latest_violations);
    errno = now.error;
}

void watch(int what) {
    watched = what;
    intercept_before = before;
    intercept_after = after;
}
