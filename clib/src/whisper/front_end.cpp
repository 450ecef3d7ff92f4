#include "whisper/front_end.h"

#include <algorithm>
#include <cmath>

#include "runtime/error.h"

namespace mm {

FrontEnd::FrontEnd(const WhisperModel& model, const TranscribeOptions& options)
    : mel_(model.mel_filters, model.shape.n_mels) {
    if (!options.vad_filter) return;
    vad_ = Vad::builtin();
    runs_.emplace(options.vad);
}

void FrontEnd::push(const Exec& exec, const mm_audio_chunk& chunk) {
    if (sample_rate_ != 0 && chunk.sample_rate != sample_rate_)
        fail(MM_ERROR_INVALID_ARGUMENT, "sample_rate is %u but audio before it had %u; one transcript has one rate",
             chunk.sample_rate, sample_rate_);
    if (sample_rate_ == 0 && chunk.sample_rate != LogMel::kSampleRate)
        resampler_.emplace(chunk.sample_rate, LogMel::kSampleRate);
    sample_rate_ = chunk.sample_rate;
    pushed_ += chunk.len;
    const size_t piece = chunk.sample_rate;  // a second at a time, which is resampled in a few milliseconds
    for (size_t i = 0; i < chunk.len; i += piece) {
        if (exec.stop) exec.stop->check();
        const size_t n = std::min(piece, chunk.len - i);
        if (!resampler_) {
            filter(exec, chunk.samples + i, n);
            continue;
        }
        resampled_.clear();
        resampler_->push(chunk.samples + i, n, resampled_);
        filter(exec, resampled_.data(), resampled_.size());
    }
}

void FrontEnd::finish(const Exec& exec) {
    if (resampler_) {
        resampled_.clear();
        resampler_->finish(resampled_);
        filter(exec, resampled_.data(), resampled_.size());
    }
    if (vad_) {
        const size_t total = undecided_.size();
        if (vad_done_ < total) {
            undecided_.resize(vad_done_ + Vad::kWindow, 0.0f);
            runs_->push(vad_->process(vad_state_, undecided_.data() + vad_done_));
            undecided_.resize(total);
        }
        runs_->finish(first_undecided_ + static_cast<int64_t>(total));
        keep_settled(exec);
    }
    mel_.finish(exec);
}

void FrontEnd::filter(const Exec& exec, const float* samples, size_t n) {
    if (!vad_) {
        mel_.push(exec, samples, n);
        return;
    }
    undecided_.insert(undecided_.end(), samples, samples + n);
    for (; vad_done_ + Vad::kWindow <= undecided_.size(); vad_done_ += Vad::kWindow) {
        if (exec.stop) exec.stop->check();
        runs_->push(vad_->process(vad_state_, undecided_.data() + vad_done_));
    }
    keep_settled(exec);
}

void FrontEnd::keep_settled(const Exec& exec) {
    for (const SpeechRun& run : runs_->take_pieces()) {
        const int64_t n = run.end - run.begin;
        mel_.push(exec, undecided_.data() + (run.begin - first_undecided_), static_cast<size_t>(n));
        kept_samples_ += n;
        const int64_t shift = run.end - kept_samples_;
        if (!kept_.empty() && kept_.back().shift == shift)  // the next piece of the same run
            kept_.back().filtered_end = kept_samples_;
        else
            kept_.push_back({kept_samples_, shift});
    }
    const int64_t drop = std::min(runs_->settled() - first_undecided_, static_cast<int64_t>(vad_done_));
    if (drop <= 0) return;
    undecided_.erase(undecided_.begin(), undecided_.begin() + drop);
    first_undecided_ += drop;
    vad_done_ -= static_cast<size_t>(drop);
}

double FrontEnd::duration() const {
    return sample_rate_ == 0 ? 0.0 : static_cast<double>(pushed_) / static_cast<double>(sample_rate_);
}

double FrontEnd::duration_after_vad() const {
    return vad_ ? static_cast<double>(kept_samples_) / LogMel::kSampleRate : duration();
}

const FrontEnd::Run* FrontEnd::run_at(double seconds, bool is_end) const {
    if (kept_.empty()) return nullptr;
    const auto sample = static_cast<int64_t>(std::llround(seconds * LogMel::kSampleRate));
    const auto ends_before = [&](const Run& run) {
        return is_end ? run.filtered_end < sample : run.filtered_end <= sample;
    };
    const auto at = std::partition_point(kept_.begin(), kept_.end(), ends_before);
    return at == kept_.end() ? &kept_.back() : &*at;
}

double FrontEnd::original_time(double seconds, bool is_end) const {
    const Run* run = run_at(seconds, is_end);
    return run ? seconds + static_cast<double>(run->shift) / LogMel::kSampleRate : seconds;
}

double FrontEnd::original_time_near(double seconds, double anchor) const {
    const Run* run = run_at(anchor, false);
    return run ? seconds + static_cast<double>(run->shift) / LogMel::kSampleRate : seconds;
}

}  // namespace mm
