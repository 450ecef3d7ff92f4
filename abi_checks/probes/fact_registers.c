/* Which vector registers a function that keeps to the standard destroys for its caller. It says to the compiler which
 * registers it needs (numbers 8, 9, 15, and on AArch64 16); the compiler saves those that it must. */
#include <stdio.h>

#include "intercept.h"

#if defined(__x86_64__)
#define NEEDED "xmm8", "xmm9", "xmm15", "rbx", "r12"
#define SPEND "pxor %%xmm8, %%xmm8; pxor %%xmm9, %%xmm9; pxor %%xmm15, %%xmm15; xorl %%ebx, %%ebx; xorl %%r12d, %%r12d"
#define NAME "xmm"
#else
#define NEEDED "v8", "v9", "v15", "v16", "x19", "x25"
#define SPEND "movi v8.2d, #0; movi v9.2d, #0; movi v15.2d, #0; movi v16.2d, #0; mov x19, xzr; mov x25, xzr"
#define NAME "v"
#endif

static void spends(void) {
    __asm__ volatile(SPEND : : : NEEDED);
}
#if defined(__x86_64__)
static __attribute__((ms_abi)) void spends_on_windows(void) { /* as Windows has it, for the same processor */
    __asm__ volatile(SPEND : : : NEEDED);
}
#endif

static void print_lost(struct frame* frame) {
    for (int i = 0; i < N_KEPT; ++i)
        if (!is_kept(frame, i)) printf(" %s", kept_name(i));
    for (int i = 0; i < N_HIGHER; ++i) {
        const int low = is_low_half_kept(frame, i), high = is_high_half_kept(frame, i);
        if (!low || !high) printf(" %s%d%s", NAME, FIRST_HIGHER + i, low ? "(upper half)" : high ? "(lower half)" : "");
    }
}

static void show(const char* name, any_function function) {
    printf("%s:", name);
    intercept_targets[CALL] = function;
    intercept_call();
    printf("\n");
}

int main(void) {
    intercept_after = print_lost;
    show("standard", spends);
#if defined(__x86_64__)
    show("windows", (any_function)spends_on_windows);
#endif
    return 0;
}
