/* What a process has set up for itself, and a library must leave as it is. */
#ifndef ABI_PROBES_HOST_STATE_H
#define ABI_PROBES_HOST_STATE_H

#include <locale.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { N_SIGNALS = 65 };

struct host_state {
    uint64_t control; /* rounding, flushing and traps: MXCSR without its flags | FPCR */
    uint64_t x87;     /* the same of the x87 unit */
    int error;        /* errno */
    int cancel_state; /* of pthread_setcancelstate */
    sigset_t blocked; /* signals of this thread */
    struct sigaction handlers[N_SIGNALS];
    mode_t mask;         /* umask */
    char folder[4096];   /* the current one */
    char locale[512];    /* of the process, all categories */
    locale_t own_locale; /* of this thread */
};

/* The control word alone. */
uint64_t host_control(void);
/* Rounding as in <fenv.h>, and whether subnormals are flushed to zero. */
void set_host_control(int rounding, int flush);

void read_host_state(struct host_state* state);
/* Names what differs, with both values, separated by "; "; "" if nothing does. */
const char* host_state_difference(const struct host_state* before, const struct host_state* after);

#endif
