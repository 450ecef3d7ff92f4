// Which of the compiled instruction sets is used.
#include <cstdlib>
#include <cstring>
#include <string>

#include "kernels/kernels.h"
#include "runtime/cpu.h"
#include "runtime/error.h"
#include "runtime/immortal.h"

namespace mm {

extern const Kernels kernels_scalar;
#if defined(__x86_64__)
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
#elif defined(__aarch64__)
extern const Kernels kernels_neon;
#endif

namespace {

struct Available {
    const Kernels* sets[3];
    int n = 0;
    Available() {
#if defined(__x86_64__)
        if (cpu_has_avx512()) sets[n++] = &kernels_avx512;
        if (cpu_has_avx2()) sets[n++] = &kernels_avx2;
#elif defined(__aarch64__)
        sets[n++] = &kernels_neon;  // part of the architecture
#endif
        sets[n++] = &kernels_scalar;
    }
};

const Available& available() {
    return immortal([] { return Available(); });
}

const Kernels& choose() {
    const Available& sets = available();
    const char* wanted = std::getenv("MM_ISA");  // NOLINT(concurrency-mt-unsafe): asked once
    if (wanted == nullptr || *wanted == '\0') return *sets.sets[0];
    std::string names;
    for (int i = 0; i < sets.n; ++i) {
        if (std::strcmp(sets.sets[i]->name, wanted) == 0) return *sets.sets[i];
        names += (i > 0 ? ", " : "") + std::string(sets.sets[i]->name);
    }
    fail(MM_ERROR_UNSUPPORTED, "MM_ISA is \"%.40s\", which is not among the instruction sets usable here: %s", wanted,
         names.c_str());
}

}  // namespace

const Kernels& kernels() {
    return *immortal([] { return &choose(); });
}

const Kernels* const* available_kernels(int* n) {
    *n = available().n;
    return available().sets;
}

const char* compiled_kernels() {
#if defined(__x86_64__)
    return "avx512,avx2,scalar";
#elif defined(__aarch64__)
    return "neon,scalar";
#else
    return "scalar";
#endif
}

Exec make_exec(int threads, StopSignal* stop) {
    Exec exec;
    exec.kernels = &kernels();
    exec.threads = threads;
    exec.stop = stop;
    return exec;
}

}  // namespace mm
