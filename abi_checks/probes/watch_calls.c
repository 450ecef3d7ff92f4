/* Every public function of the library, watched: with valid arguments, then with all of them zero.
 * Usage: watch_calls registers | stack | state | garbage | rounding WHISPER CLIP PICTURE */
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_state.h"
#include "tour.h"
#include "watch.h"

static char** inputs;

static uint64_t tour_of(const struct way* way) {
    return tour(way, inputs[0], inputs[1], inputs[2]);
}

static int failures;

static void expect_digest(uint64_t got, uint64_t expected, const char* when) {
    if (got == expected) return;
    ++failures;
    printf("%s: results differ: digest %016llx instead of %016llx\n", when, (unsigned long long)got,
           (unsigned long long)expected);
}

/* Whatever the host has set its processor to. */
static void in_each_rounding_mode(uint64_t expected) {
    static const struct {
        const char* name;
        int mode;
    } modes[] = {
        {"to nearest", FE_TONEAREST}, {"upward", FE_UPWARD}, {"downward", FE_DOWNWARD}, {"to zero", FE_TOWARDZERO}};
    for (int i = 0; i < 8; ++i) {
        char when[64];
        snprintf(when, sizeof(when), "rounding %s, subnormals %s", modes[i / 2].name,
                 i % 2 ? "flushed to zero" : "kept");
        set_host_control(modes[i / 2].mode, i % 2);
        const uint64_t got = tour_of(&intercepted); /* the state is watched, too */
        set_host_control(FE_TONEAREST, 0);
        expect_digest(got, expected, when);
    }
}

int main(int argc, char** argv) {
    static const struct {
        const char* name;
        int watched;
    } modes[] = {{"registers", WATCH_REGISTERS},
                 {"stack", WATCH_STACK},
                 {"state", WATCH_STATE},
                 {"garbage", WATCH_GARBAGE},
                 {"rounding", WATCH_STATE}};
    int watched = 0;
    for (size_t i = 0; argc == 5 && i < sizeof(modes) / sizeof(*modes); ++i)
        if (strcmp(argv[1], modes[i].name) == 0) watched = modes[i].watched;
    if (!watched) return 2;
    inputs = argv + 2;
    const uint64_t expected = tour_of(&directly);
    watch(watched);
    expect_digest(tour_of(&intercepted), expected, "watched");
    if (strcmp(argv[1], "rounding") == 0) in_each_rounding_mode(expected);
    print_called();
    call_with_zeros(&intercepted);
    printf("%s\n", violations || failures || tour_failures ? "broken" : "kept");
    return violations || failures || tour_failures ? 1 : 0;
}
