/* What C leaves to the processor, the compiler or libm, and what IEEE 754 does not: prints a line for each. */
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "host_state.h"

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}
static float float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

static uint64_t digest;
static void add(float x) { /* a NaN is a NaN */
    const uint32_t bits = x == x ? bits_of(x) : 0x7FC00000u;
    digest = (digest ^ bits) * UINT64_C(1099511628211);
}
static void show_digest(const char* name) {
    printf("%s %016llx\n", name, (unsigned long long)digest);
    digest = UINT64_C(14695981039346656037);
}

/* Every kind of number, subnormal ones too. */
static uint32_t state = 1;
static float any_float(void) {
    state = state * 1664525u + 1013904223u;
    return float_of(state ^ state >> 13);
}
/* Between 0.5 and 8. */
static float some_float(void) {
    state = state * 1664525u + 1013904223u;
    return float_of(0x3F000000u + (state >> 7 & 0x1FFFFFFu));
}

enum { N = 50000 };

static void ieee(void) {
    for (int i = 0; i < N; ++i) {
        const float a = any_float(), b = any_float(), c = any_float();
        volatile float product = a * b; /* rounded by itself */
        add(a + b);
        add(product);
        add(a / b);
        add(sqrtf(a));
        add(fmaf(a, b, c));
        add(product + c);
    }
    show_digest("ieee");
}

static void order_of_sums(void) {
    float in_order = 0.0f, lanes[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int i = 0; i < 4096; ++i) {
        const float x = some_float();
        in_order += x;
        lanes[i % 4] += x;
    }
    printf("sums %08x %08x\n", bits_of(in_order), bits_of((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])));
}

static void libm(void) {
#define GROUP(name, call)             \
    for (int i = 0; i < N; ++i) {     \
        const float x = some_float(); \
        add((float)(call));           \
    }                                 \
    show_digest("libm." name);
    GROUP("cbrt", cbrt((double)x))
    GROUP("lgamma", lgammaf(x))
    GROUP("erf", erff(x - 4.0f))
    GROUP("tan", tanf(x))
    GROUP("sinh", sinhf(x - 4.0f))
}

static void conversions(void) {
    volatile float large = 3e9f, nan = float_of(0x7FC00000u), minus = -1.0f, zero = 0.0f;
    printf("int32_of_3e9 %d\n", (int)(int32_t)large);
    printf("int32_of_nan %d\n", (int)(int32_t)nan);
    printf("uint32_of_minus_1 %u\n", (unsigned)(uint32_t)minus);
    printf("zero_by_zero %08x\n", bits_of(zero / zero));
}

/* 2^-126 * (1 - 2^-46), which rounds to FLT_MIN, the smallest number that is not subnormal: is it flushed? */
static void flushing(void) {
    volatile float a = float_of(0x20000001u), b = float_of(0x1FFFFFFEu);
    set_host_control(FE_TONEAREST, 1);
    volatile float product = a * b;
    set_host_control(FE_TONEAREST, 0);
    printf("flushed_at_the_boundary %08x\n", bits_of(product));
}

static void types(void) {
    unsigned char bytes[16];
    for (int i = 0; i < 16; ++i) bytes[i] = (unsigned char)(i + 1);
    struct unaligned {
        uint64_t value;
    } __attribute__((packed));
    volatile size_t at = 3;
    printf("char_is_signed %d\n", (char)-1 < 0);
    printf("wchar_is_signed %d\n", (int)(WCHAR_MIN < 0));
    printf("long_double_bits %d\n", LDBL_MANT_DIG);
    printf("unaligned %llx\n", (unsigned long long)((struct unaligned*)(void*)(bytes + at))->value);
}

int main(void) {
    digest = UINT64_C(14695981039346656037);
    ieee();
    order_of_sums();
    libm();
    conversions();
    flushing();
    types();
    return 0;
}
