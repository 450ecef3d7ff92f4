/* See host_state.h. */
#include "host_state.h"

#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t host_control(void) {
#if defined(__x86_64__)
    unsigned mxcsr;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    return mxcsr & 0xFFC0u;
#elif defined(__aarch64__)
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr;
#else
#error "say how this processor's floating-point control word is read"
#endif
}

void set_host_control(int rounding, int flush) {
    fesetround(rounding);
#if defined(__x86_64__)
    const unsigned mxcsr = (unsigned)(host_control() & ~0x8040u) | (flush ? 0x8040u : 0u);
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
#else
    const uint64_t bit = UINT64_C(1) << 24, fpcr = (host_control() & ~bit) | (flush ? bit : 0);
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr));
#endif
}

void read_host_state(struct host_state* state) {
    const int error = errno;
    memset(state, 0, sizeof(*state));
    state->error = error;
    state->control = host_control();
#if defined(__x86_64__)
    unsigned short x87;
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    state->x87 = x87;
#endif
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state->cancel_state);
    pthread_setcancelstate(state->cancel_state, NULL);
    pthread_sigmask(SIG_BLOCK, NULL, &state->blocked);
    for (int i = 1; i < N_SIGNALS; ++i) sigaction(i, NULL, &state->handlers[i]);
    state->mask = umask(0);
    umask(state->mask);
    if (!getcwd(state->folder, sizeof(state->folder))) state->folder[0] = '\0';
    snprintf(state->locale, sizeof(state->locale), "%s", setlocale(LC_ALL, NULL));
    state->own_locale = uselocale((locale_t)0);
    errno = error;
}

static char text[4096];

static void differs(const char* what, unsigned long long before, unsigned long long after) {
    const size_t used = strlen(text);
    if (before != after)
        snprintf(text + used, sizeof(text) - used, "%s%s was %#llx and is %#llx", used ? "; " : "", what, before,
                 after);
}

const char* host_state_difference(const struct host_state* before, const struct host_state* after) {
    char name[32];
    text[0] = '\0';
#if defined(__x86_64__)
    differs("MXCSR", before->control, after->control);
    differs("the x87 control word", before->x87, after->x87);
#else
    differs("FPCR", before->control, after->control);
#endif
    differs("errno", (unsigned)before->error, (unsigned)after->error);
    differs("the cancel state", (unsigned)before->cancel_state, (unsigned)after->cancel_state);
    for (int i = 1; i < N_SIGNALS; ++i) {
        snprintf(name, sizeof(name), "signal %d blocked", i);
        differs(name, sigismember(&before->blocked, i) == 1, sigismember(&after->blocked, i) == 1);
        snprintf(name, sizeof(name), "handler of signal %d", i);
        differs(name, (uintptr_t)before->handlers[i].sa_handler, (uintptr_t)after->handlers[i].sa_handler);
        snprintf(name, sizeof(name), "flags of signal %d", i);
        differs(name, (unsigned)before->handlers[i].sa_flags, (unsigned)after->handlers[i].sa_flags);
    }
    differs("umask", before->mask, after->mask);
    if (strcmp(before->folder, after->folder) != 0) differs("the current folder", 0, 1);
    if (strcmp(before->locale, after->locale) != 0) differs("the locale", 0, 1);
    differs("the thread's locale", (uintptr_t)before->own_locale, (uintptr_t)after->own_locale);
    return text;
}
