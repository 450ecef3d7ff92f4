// From chunks of audio to log-mel frames: resampling to 16 kHz, the optional voice activity filter, and the way back
// from time in the filtered audio to time in the original.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "audio/resampler.h"
#include "whisper/log_mel.h"
#include "whisper/transcribe_options.h"
#include "whisper/vad.h"

namespace mm {

class FrontEnd {
  public:
    FrontEnd(const WhisperModel& model, const TranscribeOptions& options);

    // The chunk must have been checked (audio/pcm.h). Refused for its rate, it leaves everything as it was.
    void push(const Exec& exec, const mm_audio_chunk& chunk);
    void finish(const Exec& exec);

    LogMel& mel() { return mel_; }
    const LogMel& mel() const { return mel_; }
    double duration() const;            // seconds pushed
    double duration_after_vad() const;  // of them, kept

    // Original time of a time in the filtered audio; the same where there is no filter. At the border of two runs of
    // speech an end belongs to the earlier one. `anchor`: the time whose run is to be used.
    double original_time(double seconds, bool is_end) const;
    double original_time_near(double seconds, double anchor) const;

  private:
    struct Run {
        int64_t filtered_end;  // in the filtered audio, samples
        int64_t shift;         // samples left out before this run ends
    };
    void filter(const Exec& exec, const float* samples, size_t n);
    void keep_settled(const Exec& exec);
    const Run* run_at(double seconds, bool is_end) const;

    LogMel mel_;
    uint32_t sample_rate_ = 0;
    uint64_t pushed_ = 0;
    std::optional<Resampler> resampler_;
    std::vector<float> resampled_;

    // Voice activity filter.
    std::shared_ptr<const Vad> vad_;
    std::optional<SpeechRuns> runs_;
    Vad::State vad_state_;
    std::vector<float> undecided_;  // samples whose run is not known yet, from first_undecided_
    int64_t first_undecided_ = 0;
    size_t vad_done_ = 0;  // of undecided_, seen by the detector
    std::vector<Run> kept_;
    int64_t kept_samples_ = 0;
};

}  // namespace mm
