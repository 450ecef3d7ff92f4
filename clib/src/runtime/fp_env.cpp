#include "runtime/fp_env.h"

namespace mm {

#if defined(__x86_64__)

namespace {
constexpr unsigned kMxcsr = 0x1f80;      // all exceptions masked, round to nearest, no flush to zero, no flags
constexpr unsigned short kX87 = 0x037f;  // all exceptions masked, round to nearest, extended precision
}  // namespace

FpEnv::FpEnv() noexcept {
    unsigned saved;
    __asm__ __volatile__("stmxcsr %0" : "=m"(saved));
    __asm__ __volatile__("fnstcw %0" : "=m"(saved_x87_));
    saved_ = saved;
    __asm__ __volatile__("ldmxcsr %0" : : "m"(kMxcsr) : "memory");
    __asm__ __volatile__("fldcw %0" : : "m"(kX87) : "memory");
}

FpEnv::~FpEnv() {
    const unsigned saved = static_cast<unsigned>(saved_);
    __asm__ __volatile__("ldmxcsr %0" : : "m"(saved) : "memory");
    __asm__ __volatile__("fldcw %0" : : "m"(saved_x87_) : "memory");
}

#elif defined(__aarch64__)

// FPCR: zero means round to nearest, no flush to zero, NaNs propagated, no traps.
FpEnv::FpEnv() noexcept {
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(saved_));
    __asm__ __volatile__("msr fpcr, %0" : : "r"(0UL) : "memory");
}

FpEnv::~FpEnv() {
    __asm__ __volatile__("msr fpcr, %0" : : "r"(saved_) : "memory");
}

#else

FpEnv::FpEnv() noexcept {
    std::fegetenv(&saved_);
    std::fesetenv(FE_DFL_ENV);
}

FpEnv::~FpEnv() {
    std::fesetenv(&saved_);
}

#endif

}  // namespace mm
