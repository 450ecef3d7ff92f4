/* Shows that watch.h sees what it is there for: calls functions that break the rules, each in one way, and compares
 * what is said of them. Prints a line for each that is not seen as expected, then how many there were. */
#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host_state.h"
#include "tour.h"
#include "watch.h"

typedef int (*callee)(any_function callback);

const struct narrow narrow_arguments[] = {{NULL, 0, 0}};

/* ---- Process state ---- */

static int bad_flushing(any_function callback) {
    (void)callback;
    set_host_control(FE_TONEAREST, 1);
    return 7;
}
static int bad_rounding(any_function callback) {
    (void)callback;
    set_host_control(FE_UPWARD, 0);
    return 7;
}
static int bad_rounding_in_callback(any_function callback) {
    set_host_control(FE_DOWNWARD, 0);
    callback();
    set_host_control(FE_TONEAREST, 0);
    return 7;
}
static int bad_errno(any_function callback) {
    (void)callback;
    errno = ENOENT;
    return 7;
}
static int bad_mask(any_function callback) {
    sigset_t set;
    (void)callback;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return 7;
}
static int bad_handler(any_function callback) {
    (void)callback;
    signal(SIGPIPE, SIG_IGN);
    return 7;
}
static int bad_umask(any_function callback) {
    (void)callback;
    umask(0777);
    return 7;
}
static int bad_folder(any_function callback) {
    (void)callback;
    return chdir("/proc") == 0 ? 7 : 0;
}
static int bad_locale(any_function callback) {
    (void)callback;
    uselocale(newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0));
    return 7;
}
static int bad_cancel_state(any_function callback) {
    (void)callback;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    return 7;
}

/* ---- bad_callees.S ---- */

#define DECLARE(name) int name(any_function callback);
#if defined(__x86_64__)
#define ASSEMBLY(f) f(bad_rbx) f(bad_rbp) f(bad_r12) f(bad_r13) f(bad_r14) f(bad_r15)
DECLARE(bad_direction)
DECLARE(bad_alignment)
#else
#define ASSEMBLY(f)                                                                                               \
    f(bad_x19) f(bad_x20) f(bad_x21) f(bad_x22) f(bad_x23) f(bad_x24) f(bad_x25) f(bad_x26) f(bad_x27) f(bad_x28) \
        f(bad_x29) f(bad_d8) f(bad_d9) f(bad_d10) f(bad_d11) f(bad_d12) f(bad_d13) f(bad_d14) f(bad_d15)
#endif
ASSEMBLY(DECLARE)
DECLARE(bad_stack_pointer)
DECLARE(bad_trust)
DECLARE(spends_all)

/* ---- What is said of them ---- */

static int tried;

static void quiet(void) {}

/* expected: a part of what must be said; "": nothing must be. */
static void try_callee(const char* name, callee function, const char* expected) {
    static struct host_state before;
    read_host_state(&before);
    const callee stand_in = (callee)intercepted.call(name, (any_function)function);
    const int result = stand_in(intercepted.callback(ON_LOG, quiet));
    set_host_control(FE_TONEAREST, 0); /* what the bad ones have changed */
    pthread_sigmask(SIG_SETMASK, &before.blocked, NULL);
    signal(SIGPIPE, SIG_DFL);
    umask(before.mask);
    if (chdir(before.folder) != 0) printf("unseen: there is no way back\n");
    uselocale(before.own_locale);
    pthread_setcancelstate(before.cancel_state, NULL);
    ++tried;
    const int seen = *expected ? strstr(latest_violations, expected) != NULL : *latest_violations == '\0';
    if (!seen || result != 7) printf("unseen: %s returned %d and had no \"%s\"\n", name, result, expected);
}

static void try_register(const char* name, callee function) {
    char expected[64];
    snprintf(expected, sizeof(expected), "%s is not kept", name + strlen("bad_"));
    try_callee(name, function, expected);
}

/* A caller is found out by what it computes. */
static void try_trust(void) {
    const callee stand_in = (callee)intercepted.call("bad_trust", (any_function)bad_trust);
    ++tried;
    if (stand_in(intercepted.callback(ON_LOG, quiet)) == 7) printf("unseen: bad_trust\n");
}

int main(void) {
    watch(WATCH_REGISTERS | WATCH_STACK | WATCH_STATE);
#define TRY(name) try_register(#name, name);
    ASSEMBLY(TRY)
    try_callee("spends_all", spends_all, "");
    try_callee("bad_stack_pointer", bad_stack_pointer, "the stack pointer is not kept");
    try_trust();
#if defined(__x86_64__)
    try_callee("bad_direction", bad_direction, "the direction flag is set at return");
    try_callee("bad_alignment", bad_alignment, "on_log: the stack pointer is at 0x8 modulo 16");
    try_callee("bad_flushing", bad_flushing, "state: bad_flushing: MXCSR was 0x1f80 and is 0x9fc0");
    try_callee("bad_rounding", bad_rounding, "MXCSR was 0x1f80 and is 0x5f80; the x87 control word was 0x37f");
    try_callee("bad_rounding_in_callback", bad_rounding_in_callback, "callbacks: on_log: MXCSR");
#else
    try_callee("bad_flushing", bad_flushing, "state: bad_flushing: FPCR was 0 and is 0x1000000");
    try_callee("bad_rounding", bad_rounding, "FPCR was 0 and is 0x400000");
    try_callee("bad_rounding_in_callback", bad_rounding_in_callback, "callbacks: on_log: FPCR");
#endif
    try_callee("bad_errno", bad_errno, "errno was 0x1092 and is 0x2");
    try_callee("bad_mask", bad_mask, "signal 10 blocked was 0 and is 0x1");
    try_callee("bad_handler", bad_handler, "handler of signal 13");
    try_callee("bad_umask", bad_umask, "umask");
    try_callee("bad_folder", bad_folder, "the current folder");
    try_callee("bad_locale", bad_locale, "the thread's locale");
    try_callee("bad_cancel_state", bad_cancel_state, "the cancel state");
    printf("tried: %d\n", tried);
    return 0;
}
