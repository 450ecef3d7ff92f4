// Log-mel spectrogram as openai/whisper defines it, computed incrementally: 25 ms Hann windows every 10 ms, 400-point
// power spectrum, mel filters, log10 of at least 1e-10. Clamping to (maximum - 8) and (x + 4) / 4 happen when a window
// is taken, with the maximum over all audio up to the end of that window.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "audio/fft.h"
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
    void finish(const Exec& exec);  // computes the last frames: floor(samples / 160) in all; no push after it

    int64_t frames() const { return frames_; }  // available so far, counted from the start of the audio
    bool finished() const { return finished_; }
    // Normalised frames [from, to) into out[to - from][n_mels]; `maximum_to` (at least 1, and not before the discarded
    // frames) bounds the frames the maximum is over.
    void take(int64_t from, int64_t to, int64_t maximum_to, float* out) const;
    // Frees frames before `frame`: they can no longer be taken (their maximum is remembered).
    void discard_before(int64_t frame);

  private:
    // Frames are kept in blocks, so that audio of any length is neither moved nor copied as more of it comes and goes.
    struct Block {
        std::vector<float> log;      // raw log10, [kBlock][n_mels]
        std::vector<float> maximum;  // of all frames up to and including each, once it is there
    };
    static constexpr int kBlock = 1024;
    struct Band {
        int begin, end;  // the bins a filter is not zero in
    };
    void compute_until(const Exec& exec, int64_t frame);
    Block& block_of(int64_t frame) { return blocks_[static_cast<size_t>(frame / kBlock - first_frame_ / kBlock)]; }
    const Block& block_of(int64_t frame) const {
        return blocks_[static_cast<size_t>(frame / kBlock - first_frame_ / kBlock)];
    }
    float maximum_until(int64_t frame) const;  // of all frames before it
    void compute(const Kernels& k, const float* samples, int n, float* log, float* maximum) const;

    const float* filters_;
    int n_mels_;
    RealFft fft_;
    std::vector<Band> bands_;
    std::vector<float> window_;
    std::vector<float> pending_;  // samples from the start of the next frame on
    std::deque<Block> blocks_;    // of them the first holds frame first_frame_ / kBlock * kBlock on
    float discarded_max_;         // maximum of all frames before first_frame_
    int64_t first_frame_ = 0;     // that is not discarded
    int64_t frames_ = 0;
    int64_t n_samples_ = 0;
    bool started_ = false;  // pending_ begins with the reflected start
    bool finished_ = false;
};

}  // namespace mm
