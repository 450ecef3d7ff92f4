// Runs of speech from the probabilities of windows, by the rules of Silero VAD 6.2 (get_speech_timestamps):
// - speech starts with a window of at least `threshold` and ends where the probability fell below `neg_threshold` and
// did
//   not reach `threshold` again for min_silence; it is dropped unless it is longer than min_speech;
// - a run that gets longer than max_speech is cut at its longest silence of more than 98 ms, and goes on behind it; if
// it
//   has none it is cut where it is;
// - runs are padded on both sides; where two would overlap they meet in the middle of the silence between them.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "runtime/error.h"
#include "whisper/vad.h"

namespace mm {
namespace {

constexpr int64_t kSamplesPerMs = 16;
constexpr int64_t kShortestCut = 98 * kSamplesPerMs;
constexpr int32_t kMaxMs = 3600 * 1000;

float resolve_probability(const char* name, float value, float by_default) {
    if (value == 0.0f) return by_default;
    if (!(value > 0.0f && value < 1.0f))
        fail(MM_ERROR_INVALID_ARGUMENT, "%s is %g: it must lie between 0 and 1, or be 0 for the default (%g)", name,
             static_cast<double>(value), static_cast<double>(by_default));
    return value;
}

int32_t resolve_ms(const char* name, int32_t value, int32_t by_default) {
    if (value < -1 || value > kMaxMs)
        fail(MM_ERROR_INVALID_ARGUMENT, "%s is %d: it must be 1 to %d ms, 0 for the default (%d) or -1 for none", name,
             value, kMaxMs, by_default);
    return value == 0 ? by_default : std::max(value, 0);
}

}  // namespace

SpeechRuns::SpeechRuns(const mm_vad_options& resolved)
    : threshold_(resolved.threshold),
      neg_threshold_(resolved.neg_threshold),
      min_speech_(resolved.min_speech_ms * kSamplesPerMs),
      min_silence_(resolved.min_silence_ms * kSamplesPerMs),
      pad_(resolved.speech_pad_ms * kSamplesPerMs),
      max_speech_(resolved.max_speech_s > 0 ? 16000.0 * static_cast<double>(resolved.max_speech_s) - Vad::kWindow -
                                                  2.0 * static_cast<double>(pad_)
                                            : std::numeric_limits<double>::infinity()),
      lead_(pad_) {}

void SpeechRuns::push(float probability) {
    const int64_t now = windows_++ * Vad::kWindow;
    const bool speech = probability >= threshold_;
    if (!open_) {
        if (speech) open_ = Open{now};
        return;
    }
    if (speech && open_->silence != kNone) {
        const int64_t length = now - open_->silence;
        if (length > kShortestCut && open_->first_cut == kNone) open_->first_cut = open_->silence;
        if (length > open_->longest.end - open_->longest.begin) open_->longest = {open_->silence, now};
        open_->silence = kNone;
    }
    if (static_cast<double>(now - open_->begin) > max_speech_) {
        if (open_->first_cut == kNone) {
            close(now);
            return;
        }
        const SpeechRun pause = open_->longest;
        close(pause.begin);
        open_ = Open{pause.end};
    }
    if (probability < neg_threshold_) {
        if (open_->silence == kNone) open_->silence = now;
        if (now - open_->silence < min_silence_) return;
        if (open_->silence - open_->begin > min_speech_)
            close(open_->silence);
        else
            open_.reset();
    }
}

void SpeechRuns::finish(int64_t total_samples) {
    total_ = total_samples;
    if (open_ && total_ - open_->begin > min_speech_) close(total_);
    open_.reset();
}

void SpeechRuns::close(int64_t end) {
    runs_.push_back({open_->begin, end});
    open_.reset();
}

// Samples up to here belong to the open run if it is kept. Only the last window may be cut short by the end of audio.
int64_t SpeechRuns::certain_end() const {
    int64_t end = (windows_ - 1) * Vad::kWindow;
    if (open_->silence != kNone) end = open_->silence;
    if (std::isfinite(max_speech_) && open_->first_cut != kNone) end = open_->first_cut;
    return end;
}

// Whether the open run will be kept.
bool SpeechRuns::certain() const {
    return open_ && certain_end() - open_->begin > min_speech_;
}

// Where the next run to be taken begins, without padding, or the earliest it can.
int64_t SpeechRuns::next_begin() const {
    if (!runs_.empty()) return runs_.front().begin;
    if (open_) return open_->begin;
    return windows_ * Vad::kWindow + (total_ != kNone ? lead_ : 0);  // none comes after the end
}

// Where the next run to be taken begins, if it begins so without padding and what was given of it.
int64_t SpeechRuns::padded(int64_t begin) const {
    return given_ != kNone ? given_ : std::max<int64_t>(0, begin - lead_);
}

int64_t SpeechRuns::settled() const {
    return padded(next_begin());
}

std::vector<SpeechRun> SpeechRuns::take() {
    std::vector<SpeechRun> taken;
    size_t n = 0;
    for (; n < runs_.size(); n++) {
        const SpeechRun run = runs_[n];
        const bool last = n + 1 == runs_.size();
        // The run after it: its beginning, or the earliest it can have.
        int64_t next = (windows_ - 1) * Vad::kWindow;
        if (!last)
            next = runs_[n + 1].begin;
        else if (open_)
            next = open_->begin;
        const int64_t between = next - run.end;
        int64_t end, lead = pad_;
        if (last && total_ != kNone) {
            end = std::min(total_, run.end + pad_);
        } else if (between >= 2 * pad_) {
            end = run.end + pad_;
        } else if (!last || certain()) {
            end = run.end + between / 2;
            lead = between / 2;
        } else {
            break;
        }
        const int64_t begin = padded(run.begin);
        if (begin < end) taken.push_back({begin, end});  // else all of it was given in pieces
        lead_ = lead;
        given_ = kNone;
    }
    runs_.erase(runs_.begin(), runs_.begin() + static_cast<std::ptrdiff_t>(n));
    return taken;
}

std::vector<SpeechRun> SpeechRuns::take_pieces() {
    std::vector<SpeechRun> pieces = take();
    int64_t end = kNone;
    if (!runs_.empty())
        end = runs_.front().end;
    else if (certain())
        end = certain_end();
    if (end == kNone) return pieces;
    const int64_t begin = padded(next_begin());
    if (end > begin) {
        pieces.push_back({begin, end});
        given_ = end;
    }
    return pieces;
}

mm_vad_options resolve_vad_options(const mm_vad_options* options) {
    mm_vad_options o = options ? *options : mm_vad_options{};
    o.struct_size = sizeof o;
    o.threshold = resolve_probability("threshold", o.threshold, 0.5f);
    o.neg_threshold = resolve_probability("neg_threshold", o.neg_threshold, std::max(o.threshold - 0.15f, 0.01f));
    o.min_speech_ms = resolve_ms("min_speech_ms", o.min_speech_ms, 250);
    o.min_silence_ms = resolve_ms("min_silence_ms", o.min_silence_ms, 2000);
    o.speech_pad_ms = resolve_ms("speech_pad_ms", o.speech_pad_ms, 400);
    // Room for one window and the padding, which count towards the length of a run.
    const float shortest = static_cast<float>(2 * o.speech_pad_ms + 64) / 1000.0f;
    if (o.max_speech_s != 0.0f && !(o.max_speech_s >= shortest && o.max_speech_s <= std::numeric_limits<float>::max()))
        fail(MM_ERROR_INVALID_ARGUMENT,
             "max_speech_s is %g: it must be 0 (never cut) or at least %g (speech_pad_ms on both sides, and 64 ms)",
             static_cast<double>(o.max_speech_s), static_cast<double>(shortest));
    return o;
}

}  // namespace mm
