// Tells what the flags it is compiled with make of arithmetic, and what the processor, or its emulator, computes.
// Usage: arithmetic LIBRARY, which is loaded before anything is computed.
#include <dlfcn.h>

#include <cfenv>
#include <cfloat>
#include <cinttypes>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#define APART __attribute__((noinline, noclone))

namespace {

// ---- What the compiler was allowed to do ----

APART float multiply_add(float a, float b, float c) {
    return a * b + c;
}
APART float multiply_then_add(float a, float b, float c) {
    const float product = a * b;
    const float sum = product + c;
    return sum;
}
APART double multiply_add(double a, double b, double c) {
    return a * b + c;
}
APART float add_then_subtract(float a, float b) {
    return (a + b) - a;
}
APART float sum_of_eight(const float* values) {
    float sum = 0.0f;
    for (int i = 0; i < 8; ++i) sum += values[i];
    return sum;
}
APART void divide_all(float* values, int n, float by) {
    for (int i = 0; i < n; ++i) values[i] /= by;
}
APART float add_zero(float a) {
    return a + 0.0f;
}
APART bool is_itself(float a) {
    return a == a;
}

const char* separator = "";
void tell(const char* what, bool is_so) {
    std::printf("%s\"%s\": %s", separator, what, is_so ? "true" : "false");
    separator = ", ";
}

void compiler() {
    // Exact products need 25 and 54 bits: the lowest is lost unless the sum is fused with it.
    volatile float a = 1.0f + 0x1p-12f, product = 1.0f + 0x1p-11f;
    volatile double d = 1.0 + 0x1p-27, d_product = 1.0 + 0x1p-26;
    tell("contracts expressions", multiply_add(a, a, -product) != 0.0f || multiply_add(d, d, -d_product) != 0.0);
    tell("contracts across statements", multiply_then_add(a, a, -product) != 0.0f);

    volatile float one = 1.0f, small = 0x1p-30f;
    const float terms[8] = {0x1p24f, one, one, one, one, one, one, one};  // from left to right each is lost
    tell("reassociates", add_then_subtract(one, small) != 0.0f || sum_of_eight(terms) != 0x1p24f);

    volatile float five = 5.0f, three = 3.0f;
    float quotients[16];
    for (float& quotient : quotients) quotient = five;
    divide_all(quotients, 16, three);
    bool is_reciprocal = false;
    for (const float quotient : quotients) is_reciprocal |= quotient != 5.0f / 3.0f;
    tell("multiplies by reciprocals", is_reciprocal);

    volatile float zero = 0.0f, negative_zero = -0.0f;
    const float positive = add_zero(negative_zero);
    uint32_t positive_bits;  // std::signbit may ignore them, too
    std::memcpy(&positive_bits, &positive, sizeof positive_bits);
    tell("ignores signs of zero", positive_bits != 0);
    tell("ignores NaN", is_itself(zero / zero));
    tell("computes wider than declared", FLT_EVAL_METHOD != 0);
}

// ---- What loading the library did ----

uint64_t control() {
#if defined(__x86_64__)
    return _mm_getcsr() & ~0x3Fu;  // without what has happened so far
#elif defined(__aarch64__)
    uint64_t value;
    __asm__ volatile("mrs %0, fpcr" : "=r"(value));
    return value;
#else
    return static_cast<uint64_t>(std::fegetround());
#endif
}

void process(uint64_t before) {
    volatile float least = FLT_MIN, half = 0.5f;
    tell("flushes subnormals", least * half == 0.0f);
    tell("has another floating-point environment", control() != before);
}

// ---- What the processor computes ----

uint32_t state;
uint32_t bits() {
    state = state * 1664525u + 1013904223u;
    return state ^ state >> 15;
}
uint64_t hash;
void mix(uint64_t value) {
    for (int i = 0; i < 8; ++i) hash = (hash ^ (value >> 8 * i & 0xFF)) * UINT64_C(1099511628211);
}

// Which NaN a computation gives is the processor's to choose, and nobody's result.
void mix_float(float value) {
    uint32_t u = 0x7FC00000u;
    if (value == value) std::memcpy(&u, &value, sizeof u);
    mix(u);
}
void mix_double(double value) {
    uint64_t u = UINT64_C(0x7FF8000000000000);
    if (value == value) std::memcpy(&u, &value, sizeof u);
    mix(u);
}

// Any bits at all half of the time, subnormals often; else numbers of one magnitude, so that sums have something to
// round.
float any_float() {
    uint32_t u = bits();
    const uint32_t kind = bits() % 8;
    if (kind == 0) u &= 0x807FFFFFu;
    if (kind > 3) u = (u & 0x80FFFFFFu) | 0x3F000000u;
    float value;
    std::memcpy(&value, &u, sizeof value);
    return value;
}
double any_double() {
    uint64_t u = static_cast<uint64_t>(bits()) << 32;
    u |= bits();
    const uint32_t kind = bits() % 8;
    if (kind == 0) u &= UINT64_C(0x800FFFFFFFFFFFFF);
    if (kind > 3) u = (u & UINT64_C(0x801FFFFFFFFFFFFF)) | UINT64_C(0x3FE0000000000000);
    double value;
    std::memcpy(&value, &u, sizeof value);
    return value;
}

template <typename Group>
void group(const char* name, Group compute) {
    state = 1;
    hash = UINT64_C(14695981039346656037);
    for (int i = 0; i < 20000; ++i) compute();
    std::printf("%s\"%s\": \"%016" PRIx64 "\"", separator, name, hash);
    separator = ", ";
}

template <typename Value, typename Any, typename Mix>
void groups(const char* type, Any any, Mix mixed) {
    char name[64];
    const auto named = [&](const char* operation) {
        std::snprintf(name, sizeof name, "%s of %s", operation, type);
        return name;
    };
    // Arguments are drawn one after the other: the order in which a call evaluates them is the compiler's.
    const auto binary = [&](const char* operation, Value (*compute)(Value, Value)) {
        group(named(operation), [&] {
            const Value a = any();
            const Value b = any();
            mixed(compute(a, b));
        });
    };
    binary("sums", [](Value a, Value b) { return a + b; });
    binary("differences", [](Value a, Value b) { return a - b; });
    binary("products", [](Value a, Value b) { return a * b; });
    binary("quotients", [](Value a, Value b) { return a / b; });
    group(named("square roots"), [&] { mixed(std::sqrt(any())); });
    group(named("fused multiply-adds"), [&] {
        const Value a = any();
        const Value b = any();
        const Value c = any();
        mixed(std::fma(a, b, c));
    });
    group(named("comparisons"), [&] {
        const Value a = any();
        const Value b = any();
        mix(static_cast<uint64_t>(a < b) | static_cast<uint64_t>(a == b) << 1 | static_cast<uint64_t>(a > b) << 2);
    });
    group(named("integers"), [&] {
        const Value a = any();
        if (a > -2147483648.0 && a < 2147483520.0) mix(static_cast<uint32_t>(static_cast<int32_t>(a)));
        mixed(static_cast<Value>(static_cast<int32_t>(bits())));
    });
}

void processor() {
    std::printf("}, \"groups\": {");
    separator = "";
    groups<float>("float", any_float, mix_float);
    groups<double>("double", any_double, mix_double);
    group("double to float", [] { mix_float(static_cast<float>(any_double())); });
    group("float to double", [] { mix_double(static_cast<double>(any_float())); });
    std::printf("}");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const uint64_t before = control();
    if (!dlopen(argv[1], RTLD_NOW)) {
        std::fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    std::printf("{\"compiler\": {");
    compiler();
    process(before);
    processor();
    std::printf("}\n");
    return 0;
}
