/* Calls every public function once with valid arguments. */
#ifndef ABI_PROBES_TOUR_H
#define ABI_PROBES_TOUR_H

#include <stdint.h>

#include "intercept.h"
#include "multimodal.h"

/* How calls are made: what is called in place of a function of the library, and handed to it in place of a callback. */
struct way {
    any_function (*call)(const char* name, any_function function);
    any_function (*callback)(int entry, any_function function);
};

extern const struct way directly;
extern const struct way intercepted; /* through intercept.S; what `intercept_before` and `intercept_after` see */
extern const char* called;           /* the function that the latest call through `intercepted` was of */

/* In place of a function's name, where `way` is a way: WAY_CALL(mm_free)(buffer). */
#define WAY_CALL(function) ((__typeof__(&function))way->call(#function, (any_function)function))

void print_called(void); /* all functions that were called through `intercepted` */

/* A digest of all results; what went wrong is printed and counted. */
uint64_t tour(const struct way* way, const char* whisper, const char* clip, const char* picture);
/* Every function with arguments that are all zero; generated from the header. */
void call_with_zeros(const struct way* way);
extern int tour_failures;
extern int tour_callbacks[N_ENTRIES]; /* how often each was called */

#endif
