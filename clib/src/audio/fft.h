// Fourier transform of real signals, four at a time: one in each lane of a vector, so that the bits of a result do not
// depend on what is transformed beside it.
#pragma once

#include <vector>

#include "audio/lanes.h"

namespace mm {

struct Complex4 {
    F32x4 re, im;
};

class RealFft {
  public:
    // n: even, n / 2 a product of 2, 4 and 5. Throws Error(INTERNAL) for others.
    explicit RealFft(int n);
    int size() const { return n_; }

    // signal: n / 2 elements, overwritten; sample 2i of the four signals in signal[i].re, sample 2i + 1 in
    // signal[i].im. spectrum: n / 2 + 1 elements, bins 0 to n / 2 of sum over t of x[t] * exp(-2 pi i * bin * t / n).
    void forward(Complex4* signal, Complex4* spectrum) const;

  private:
    struct Twiddle {
        float re, im;
    };
    int n_;
    std::vector<int> radices_;
    std::vector<Twiddle> twiddles_;  // of each pass in turn, in the order of their use
    std::vector<Twiddle> real_;      // exp(-2 pi i k / n)
};

}  // namespace mm
