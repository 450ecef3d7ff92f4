/* Calls between all sides, or between each of them and intercept.h, which stands for a callee that the standard knows.
 * What is broken is printed, a line each; the last line says how many calls there were.
 * Usage: sides pairs | places */
#include "sides.h"

#include <stdio.h>
#include <string.h>

#include "intercept.h"

static const char *caller, *callee;
static int function, faults;
enum { MOST_FAULTS = 40 };

void begin_call(const char* calling, const char* called, int index) {
    caller = calling;
    callee = called;
    function = index;
}

static unsigned char byte_of(int number, unsigned i) {
    return (unsigned char)(number ? number << 4 | (int)(i & 15) : 0x0F - (int)(i & 15));
}

STANDARD void fill(int number, void* value, unsigned size) {
    for (unsigned i = 0; i < size; ++i) ((unsigned char*)value)[i] = byte_of(number, i);
}

STANDARD void scribble(void* value, unsigned size) {
    memset(value, 0xEE, size);
}

static void print_bytes(const unsigned char* bytes, unsigned size) {
    for (unsigned i = 0; i < size; ++i) printf(" %02x", bytes[i]);
}

void report_fault(int number, const char* path, const void* got, unsigned offset, unsigned size, const char* where) {
    unsigned char expected[64];
    if (++faults > MOST_FAULTS) return;
    for (unsigned i = 0; i < size && i < sizeof(expected); ++i) expected[i] = byte_of(number, offset + i);
    printf("%s calls %s: %s: ", caller, callee, declarations[function]);
    if (number)
        printf("a%d%s", number, path);
    else
        printf("result%s", path);
    printf("%s:", where);
    print_bytes((const unsigned char*)got, size < 64 ? size : 64);
    printf(" instead of");
    print_bytes(expected, size < 64 ? size : 64);
    printf("\n");
}

static int is_filled(int number, const void* value, unsigned offset, unsigned size) {
    for (unsigned i = 0; i < size; ++i)
        if (((const unsigned char*)value)[i] != byte_of(number, offset + i)) return 0;
    return 1;
}

STANDARD void expect_scalar(int number, const char* path, const void* scalar, unsigned offset, unsigned size) {
    if (!is_filled(number, scalar, offset, size)) report_fault(number, path, scalar, offset, size, "");
}

STANDARD void expect_untouched(int number, const void* value, unsigned size) {
    if (!is_filled(number, value, 0, size)) report_fault(number, "", value, 0, size, ", the caller's own,");
}

/* ---- A callee that knows the standard ---- */

static void receive(struct frame* frame) {
    const struct travel* travel = &travels[function];
    unsigned char* arrays[] = {(unsigned char*)frame->integers, frame->vectors, (unsigned char*)frame->stack,
                               (unsigned char*)&frame->indirect};
    for (int i = 0; i < travel->n; ++i) {
        const struct place* place = &travel->places[i];
        char where[100];
        if (place->number == 0) continue;
        unsigned char* at = arrays[place->where] + place->at;
        if (place->by_address) at = *(unsigned char**)at + place->inside;
        snprintf(where, sizeof(where), " in %s", place->slot);
        if (!is_filled(place->number, at, place->offset, place->size))
            report_fault(place->number, place->path, at, place->offset, place->size, where);
        else if (place->by_address)
            scribble(at, place->size); /* it is a copy, or should be */
    }
    /* The result. */
    void* const memory = *(void**)arrays[N_INTEGERS == 6 ? IN_INTEGER : AT_INDIRECT];
    if (travel->result_size) {
        fill(0, memory, travel->result_size);
        return;
    }
    memset(frame->integers, 0xEE, sizeof(frame->integers));
    memset(frame->vectors, 0xEE, sizeof(frame->vectors));
    for (int i = 0; i < travel->n; ++i) {
        const struct place* place = &travel->places[i];
        if (place->number == 0)
            for (unsigned j = 0; j < place->size; ++j)
                arrays[place->where][place->at + j] = byte_of(0, place->offset + j);
    }
}

int main(int argc, char** argv) {
    const int places = argc == 2 && strcmp(argv[1], "places") == 0;
    int calls = 0;
    setvbuf(stdout, NULL, _IOLBF, 0); /* should it crash */
    intercept_after = receive;
    for (const struct side* const* from = sides; *from; ++from) {
        caller = (*from)->name;
        for (const struct side* const* to = sides; *to; ++to) {
            callee = places ? "the standard" : (*to)->name;
            for (function = 0; declarations[function]; ++function, ++calls)
                (*from)->functions[function].call(places ? intercept_call : (*to)->functions[function].callee);
            if (places) break;
        }
    }
    if (faults > MOST_FAULTS) printf("and %d more\n", faults - MOST_FAULTS);
    printf("calls: %d\n", calls);
    return 0;
}
