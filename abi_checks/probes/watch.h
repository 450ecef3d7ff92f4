/* Watches calls that are made through intercept.h: what is broken is printed, a line each. */
#ifndef ABI_PROBES_WATCH_H
#define ABI_PROBES_WATCH_H

enum {
    WATCH_REGISTERS = 1, /* those that a callee must keep, in calls and callbacks */
    WATCH_STACK = 2,     /* alignment at entry, in calls and callbacks */
    WATCH_STATE = 4,     /* host_state.h: after calls as before, and in callbacks as before the call */
    WATCH_GARBAGE = 8    /* bits of argument registers that the argument does not reach are set before a call */
};

void watch(int what);
extern char latest_violations[4096]; /* of the latest call */

/* Generated from the header: which integer registers and stack slots hold 32 bits only. */
struct narrow {
    const char* function;
    unsigned registers, slots; /* bit i: of the i-th */
};
extern const struct narrow narrow_arguments[]; /* ends with NULL */

#endif
