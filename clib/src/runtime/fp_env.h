// The library's floating-point environment: round to nearest, no flush to zero, no traps; the host's is restored.
#pragma once

namespace mm {

class FpEnv {
  public:
    FpEnv() noexcept;
    ~FpEnv();
    FpEnv(const FpEnv&) = delete;
    FpEnv& operator=(const FpEnv&) = delete;

  private:
    unsigned long saved_ = 0;
    [[maybe_unused]] unsigned short saved_x87_ = 0;
};

}  // namespace mm
