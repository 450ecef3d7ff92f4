/* A function that can stand for any other: called in its place, it notes the registers and the stack that it is given,
 * calls the function it stands for with the same, all registers that this one must keep filled with patterns, and notes
 * what comes back. Without such a function it returns what `after` leaves in the frame.
 *
 * On return every register that a callee may destroy is destroyed, so that a caller that relies on one is found out. */
#ifndef ABI_PROBES_INTERCEPT_H
#define ABI_PROBES_INTERCEPT_H

#include <stdint.h>

#if defined(__x86_64__)
#define N_INTEGERS 6 /* argument registers: rdi rsi rdx rcx r8 r9 */
#define N_KEPT 6     /* rbx rbp r12 r13 r14 r15 */
#define N_HIGHER 8   /* xmm8 to xmm15 */
#define FIRST_HIGHER 8
#elif defined(__aarch64__)
#define N_INTEGERS 8 /* x0 to x7 */
#define N_KEPT 11    /* x19 to x29 */
#define N_HIGHER 24  /* v8 to v31 */
#define FIRST_HIGHER 8
#else
#error "say which registers this processor's functions must keep"
#endif

typedef void (*any_function)(void);

/* intercept.S knows the offsets. */
struct frame {
    uint64_t integers[8];             /*   0: argument registers; after the call the result's: rax rdx | x0 x1 */
    uint64_t indirect;                /*  64: x8, the address of memory for the result */
    uint64_t stack;                   /*  72: address of the first argument on the stack */
    unsigned char vectors[128];       /*  80: xmm0 to xmm7 | v0 to v7; the result's: xmm0 xmm1 | v0 to v3 */
    any_function target;              /* 208: NULL: none */
    uint64_t entry;                   /* 216: which of the entry points */
    uint64_t return_address;          /* 224 */
    uint64_t flags[2];                /* 232: processor flags at entry, and after the call (x86-64) */
    uint64_t stack_after;             /* 248: stack pointer after the call; `stack` if all is well */
    uint64_t saved[11];               /* 256: the caller's registers that a callee must keep */
    uint64_t filled[11];              /* 344: what the target found in them, */
    uint64_t kept[11];                /* 432: and left */
    uint64_t unused[7];               /* 520 */
    unsigned char saved_higher[384];  /* 576: the same for vector registers from number 8 on */
    unsigned char filled_higher[384]; /* 960 */
    unsigned char kept_higher[384];   /* 1344, of 1728 */
};

/* Entry points, to be cast to the type of the function that is stood for. The first is for calls of the library, the
 * others for its callbacks: those return an integer. */
enum { CALL, ON_TOKEN, ON_SEGMENT, ON_PROGRESS, SHOULD_ABORT, ON_LOG, N_ENTRIES };
void intercept_call(void);
void intercept_on_token(void);
void intercept_on_segment(void);
void intercept_on_progress(void);
void intercept_should_abort(void);
void intercept_on_log(void);
extern any_function intercept_targets[N_ENTRIES];

/* Called before and after the function that is stood for; NULL: nothing is. */
extern void (*intercept_before)(struct frame* frame);
extern void (*intercept_after)(struct frame* frame);

/* Whether a register (by its index in `kept` or `kept_higher`) came back as it was; its name. */
int is_kept(const struct frame* frame, int i);
const char* kept_name(int i);
int is_low_half_kept(const struct frame* frame, int i); /* of vector register FIRST_HIGHER + i */
int is_high_half_kept(const struct frame* frame, int i);

#endif
