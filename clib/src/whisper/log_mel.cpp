#include "whisper/log_mel.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/kernels.h"
#include "runtime/error.h"

namespace mm {
namespace {

constexpr int kReflected = LogMel::kFft / 2;  // samples put before the first, so that frames are centred
constexpr int kLanes = 4;                     // frames transformed at once
constexpr int kTask = 128;                    // frames for one thread at a time: about 0.2 ms
constexpr size_t kSlice = size_t{1} << 19;    // samples taken in at once: bounds the copy that is made of the input
constexpr int kMaxMels = 128;
constexpr float kLeastPower = 1e-10f;

}  // namespace

LogMel::LogMel(const float* filters, int n_mels)
    : filters_(filters),
      n_mels_(n_mels),
      fft_(kFft),
      window_(kFft),
      discarded_max_(-std::numeric_limits<float>::infinity()) {
    if (n_mels < 1 || n_mels > kMaxMels)
        fail(MM_ERROR_INTERNAL, "n_mels is %d: 1 to %d are possible", n_mels, kMaxMels);
    for (int i = 0; i < kFft; i++) window_[i] = static_cast<float>(0.5 - 0.5 * cos_pi(2.0 * i / kFft));
    for (int m = 0; m < n_mels; m++) {
        const float* row = filters + m * kBins;
        Band band{0, kBins};
        while (band.begin < band.end && row[band.begin] == 0) band.begin++;
        while (band.end > band.begin && row[band.end - 1] == 0) band.end--;
        bands_.push_back(band);
    }
}

void LogMel::push(const Exec& exec, const float* samples, size_t n) {
    while (n > 0) {
        const size_t slice = std::min(n, kSlice);
        pending_.insert(pending_.end(), samples, samples + slice);
        n_samples_ += static_cast<int64_t>(slice);
        // Frame t covers samples 160 t - 200 to 160 t + 199; the reflected start needs sample 200.
        if (n_samples_ > kReflected) compute_until(exec, (n_samples_ - kReflected) / kHop + 1);
        samples += slice;
        n -= slice;
    }
}

void LogMel::finish(const Exec& exec) {
    if (finished_) return;
    constexpr size_t kZeros = kReflected + 1;  // enough for the last frame, and to reflect audio of no samples at all
    pending_.resize(pending_.size() + kZeros, 0.0f);
    try {
        compute_until(exec, n_samples_ / kHop);
    } catch (...) {
        pending_.resize(pending_.size() - kZeros);
        throw;
    }
    finished_ = true;
}

// Computes frames frames() to frame - 1, or changes nothing if that fails or is stopped.
void LogMel::compute_until(const Exec& exec, int64_t frame) {
    const int64_t n = frame - frames_;
    if (n <= 0) return;
    if (!started_) {
        std::vector<float> reflected(pending_.begin() + 1, pending_.begin() + 1 + kReflected);
        std::reverse(reflected.begin(), reflected.end());
        pending_.insert(pending_.begin(), reflected.begin(), reflected.end());
        started_ = true;
    }
    const size_t mels = static_cast<size_t>(n_mels_), held = blocks_.size();
    const int64_t first_block = first_frame_ / kBlock;
    try {
        for (int64_t b = first_block + static_cast<int64_t>(held); b * kBlock < frame; b++)
            blocks_.push_back({std::vector<float>(kBlock * mels), std::vector<float>(kBlock)});
        // Tasks begin at multiples of kTask, so that each stays within a block.
        const int64_t first_task = frames_ / kTask, last_task = (frame - 1) / kTask;
        parallel_for(exec, static_cast<int>(last_task - first_task + 1), [&](int task) {
            const int64_t from = std::max(frames_, (first_task + task) * kTask);
            const int64_t to = std::min(frame, (first_task + task + 1) * kTask);
            Block& block = block_of(from);
            const size_t at = static_cast<size_t>(from % kBlock);
            compute(*exec.kernels, pending_.data() + (from - frames_) * kHop, static_cast<int>(to - from),
                    block.log.data() + at * mels, block.maximum.data() + at);
        });
    } catch (...) {
        blocks_.resize(held);
        throw;
    }
    float maximum = maximum_until(frames_);
    for (int64_t i = frames_; i < frame; i++) {
        float& own = block_of(i).maximum[static_cast<size_t>(i % kBlock)];
        own = maximum = std::max(own, maximum);
    }
    frames_ = frame;
    pending_.erase(pending_.begin(), pending_.begin() + n * kHop);
}

float LogMel::maximum_until(int64_t frame) const {
    return frame > first_frame_ ? block_of(frame - 1).maximum[static_cast<size_t>((frame - 1) % kBlock)]
                                : discarded_max_;
}

// n frames: log[n][n_mels] and the maximum of each.
void LogMel::compute(const Kernels& k, const float* samples, int n, float* log, float* maximum) const {
    Complex4 signal[kFft / 2], spectrum[kBins];
    F32x4 power[kBins];
    float mel[kMaxMels * kLanes];
    for (int frame = 0; frame < n; frame += kLanes) {
        const int lanes = std::min(kLanes, n - frame);
        const float* x[kLanes];
        for (int l = 0; l < kLanes; l++) x[l] = samples + (frame + std::min(l, lanes - 1)) * kHop;
        for (int i = 0; i < kFft / 2; i++) {
            const int even = 2 * i, odd = 2 * i + 1;
            signal[i].re = window_[even] * F32x4{x[0][even], x[1][even], x[2][even], x[3][even]};
            signal[i].im = window_[odd] * F32x4{x[0][odd], x[1][odd], x[2][odd], x[3][odd]};
        }
        fft_.forward(signal, spectrum);
        for (int i = 0; i < kBins; i++) power[i] = spectrum[i].re * spectrum[i].re + spectrum[i].im * spectrum[i].im;
        for (int m = 0; m < n_mels_; m++) {
            const float* row = filters_ + m * kBins;
            F32x4 sum{};
            for (int i = bands_[m].begin; i < bands_[m].end; i++) sum += row[i] * power[i];
            const F32x4 least = splat4(kLeastPower);
            store4(mel + m * kLanes, sum > least ? sum : least);
        }
        k.log10(mel, n_mels_ * kLanes, mel);
        for (int l = 0; l < lanes; l++) {
            float* out = log + static_cast<size_t>(frame + l) * n_mels_;
            for (int m = 0; m < n_mels_; m++) out[m] = mel[m * kLanes + l];
            maximum[frame + l] = *std::max_element(out, out + n_mels_);
        }
    }
}

void LogMel::take(int64_t from, int64_t to, int64_t maximum_to, float* out) const {
    const float least = maximum_until(maximum_to) - 8;
    const size_t mels = static_cast<size_t>(n_mels_);
    for (int64_t frame = from; frame < to; frame++, out += mels) {
        const float* log = block_of(frame).log.data() + static_cast<size_t>(frame % kBlock) * mels;
        for (size_t i = 0; i < mels; i++) out[i] = (std::max(log[i], least) + 4) * 0.25f;
    }
}

void LogMel::discard_before(int64_t frame) {
    const int64_t first = std::min(frame, frames_);
    if (first <= first_frame_) return;
    discarded_max_ = maximum_until(first);
    const int64_t unused = first / kBlock - first_frame_ / kBlock;
    for (int64_t i = 0; i < unused && !blocks_.empty(); i++) blocks_.pop_front();
    first_frame_ = first;
}

}  // namespace mm
