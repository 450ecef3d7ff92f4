// The library's floating-point environment: round to nearest, no flush to zero, no traps; the host's is restored.
#pragma once

#include <cfenv>

namespace mm {

class FpEnv {
  public:
    FpEnv() noexcept;
    ~FpEnv();
    FpEnv(const FpEnv&) = delete;
    FpEnv& operator=(const FpEnv&) = delete;

  private:
#if defined(__x86_64__) || defined(__aarch64__)  // written there to be quick
    unsigned long saved_ = 0;
    [[maybe_unused]] unsigned short saved_x87_ = 0;
#else
    std::fenv_t saved_;
#endif
};

}  // namespace mm
