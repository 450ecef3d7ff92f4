// Log-mel spectrogram as openai/whisper defines it, computed incrementally: 25 ms Hann windows every 10 ms, 400-point
// power spectrum, mel filters, log10 of at least 1e-10. Clamping to (maximum - 8) and (x + 4) / 4 happen when a window
// is taken, with the maximum over all audio up to the end of that window.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/exec.h"

namespace mm {

class LogMel {
  public:
    static constexpr int kSampleRate = 16000;
    static constexpr int kHop = 160;
    static constexpr int kFft = 400;
    static constexpr int kBins = kFft / 2 + 1;

    // filters: [n_mels][201], kept by reference.
    LogMel(const float* filters, int n_mels);

    // Appends 16 kHz samples and computes the frames they complete. The signal is continued by reflection at its start
    // and by zeros after its end.
    void push(const Exec& exec, const float* samples, size_t n);
    void finish(const Exec& exec);  // computes the last frames: floor(samples / 160) in all

    int64_t frames() const;  // available so far, counted from the start of the audio
    bool finished() const;
    // Normalised frames [from, to) into out[to - from][n_mels]; `maximum_to` bounds the frames the maximum is over.
    void take(int64_t from, int64_t to, int64_t maximum_to, float* out) const;
    // Frees frames before `frame`: they can no longer be taken (their maximum is remembered).
    void discard_before(int64_t frame);

  private:
    const float* filters_;
    int n_mels_;
    std::vector<float> pending_;     // samples not yet fully used
    std::vector<float> log_;         // raw log10 frames from first_frame_
    std::vector<float> prefix_max_;  // maximum of all frames up to and including each
    int64_t first_frame_ = 0;
    int64_t n_samples_ = 0;
    bool finished_ = false;
};

}  // namespace mm
