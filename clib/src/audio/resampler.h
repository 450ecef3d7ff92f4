// Polyphase windowed-sinc resampling (Kaiser window), streaming: the output does not depend on how the input is cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace mm {

class Resampler {
  public:
    // 8000 <= rates <= 192000. Equal rates copy.
    Resampler(uint32_t from_rate, uint32_t to_rate);
    ~Resampler();
    Resampler(Resampler&&) noexcept;
    Resampler& operator=(Resampler&&) noexcept;

    // Appends to `out` what can be computed so far.
    void push(const float* samples, size_t n, std::vector<float>& out);
    // The rest: in all ceil(n_in * to / from) samples have been appended then.
    void finish(std::vector<float>& out);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mm
