/* What calls cost without a binding: nanoseconds of mm_abi_version, mm_vad_reset and mm_vad_process, the least of many.
 */
#define _POSIX_C_SOURCE 200809L
#include <multimodal.h>
#include <stdio.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

#define MEASURE(calls, call)                                      \
    do {                                                          \
        double least = 1e18;                                      \
        for (int round = 0; round < 1000; ++round) {              \
            const double started = now();                         \
            for (int i = 0; i < (calls); ++i) call;               \
            if (now() - started < least) least = now() - started; \
        }                                                         \
        printf("%.1f\n", least / (calls));                        \
    } while (0)

int main(void) {
    static float samples[512];
    float probability;
    mm_vad* vad = NULL;
    if (mm_vad_open(NULL, &vad, NULL) != MM_OK) return 1;
    MEASURE(1000, mm_abi_version());
    MEASURE(500, mm_vad_reset(vad));
    MEASURE(5, mm_vad_process(vad, samples, 512, &probability));
    mm_vad_close(vad);
    return 0;
}
