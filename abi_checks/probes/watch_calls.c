/* Every public function of the library, watched: with valid arguments, then with all of them zero. What is broken is
 * printed, a line each, after the word that says what was watched; the last line is "done".
 * Usage: watch_calls calls | modes WHISPER CLIP PICTURE
 *   calls  registers, stack, state, callbacks; then results with garbage in unused bits of arguments
 *   modes  results in all rounding modes, and with subnormals flushed to zero */
#include <fenv.h>
#include <stdio.h>
#include <string.h>

#include "host_state.h"
#include "tour.h"
#include "watch.h"

static char** inputs;

static uint64_t tour_of(const struct way* way) {
    return tour(way, inputs[0], inputs[1], inputs[2]);
}

static void expect_digest(const char* kind, uint64_t got, uint64_t expected, const char* when) {
    if (got != expected)
        printf("%s: %s results differ: their digest is %016llx instead of %016llx\n", kind, when,
               (unsigned long long)got, (unsigned long long)expected);
}

static void calls(void) {
    watch(WATCH_REGISTERS | WATCH_STACK | WATCH_STATE);
    const uint64_t first = tour_of(&intercepted); /* before any other call: what is changed once is changed here */
    const uint64_t expected = tour_of(&directly);
    expect_digest("registers", first, expected, "where callbacks destroy what they may,");
    print_called();
    call_with_zeros(&intercepted);
    watch(WATCH_GARBAGE);
    expect_digest("garbage", tour_of(&intercepted), expected, "with garbage in unused bits of arguments");
}

static void modes(void) {
    static const struct {
        const char* name;
        int rounding, flush;
    } all[] = {{"to nearest, subnormals flushed to zero", FE_TONEAREST, 1},
               {"upward", FE_UPWARD, 0},
               {"downward, subnormals flushed to zero", FE_DOWNWARD, 1},
               {"to zero", FE_TOWARDZERO, 0}};
    const uint64_t expected = tour_of(&directly);
    watch(WATCH_STATE);
    for (int i = 0; i < 4; ++i) {
        char when[100];
        snprintf(when, sizeof(when), "in a host that rounds %s,", all[i].name);
        set_host_control(all[i].rounding, all[i].flush);
        const uint64_t got = tour_of(&intercepted);
        set_host_control(FE_TONEAREST, 0);
        expect_digest("modes", got, expected, when);
    }
}

int main(int argc, char** argv) {
    if (argc != 5) return 2;
    inputs = argv + 2;
    if (strcmp(argv[1], "calls") == 0)
        calls();
    else
        modes();
    printf("done\n");
    return 0;
}
