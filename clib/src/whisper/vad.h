// Voice activity detection with the Silero network (16 kHz, 32 ms windows), and speech segments from its probabilities.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "model/model_file.h"
#include "multimodal.h"

namespace mm {

class Vad {
  public:
    static constexpr int kWindow = 512;
    static constexpr int kContext = 64;  // samples of the previous window that the network sees again
    static constexpr int kHidden = 128;

    explicit Vad(std::shared_ptr<ModelFile> file);             // general.architecture must be "silero-vad"
    static std::shared_ptr<const Vad> builtin();               // loaded once per process
    static std::shared_ptr<const Vad> open(const char* path);  // NULL: builtin

    struct State {
        std::array<float, kHidden> hidden{};
        std::array<float, kHidden> cell{};
        std::array<float, kContext> context{};
    };
    // Probability of speech in the next window; the weights are shared, the state is the caller's.
    float process(State& state, const float* samples /* [512] */) const;

  private:
    struct Weights;
    std::shared_ptr<const Weights> weights_;
};

// Options with every default filled in, -1 ("none") as 0; throws Error(INVALID_ARGUMENT) for a value out of range.
mm_vad_options resolve_vad_options(const mm_vad_options* options);

// Runs of speech as sample ranges at 16 kHz, found incrementally: the runs do not depend on how audio is cut.
struct SpeechRun {
    int64_t begin, end;
};
class SpeechRuns {
  public:
    explicit SpeechRuns(const mm_vad_options& resolved);
    void push(float probability);  // of the next window
    void finish(int64_t total_samples);
    // Runs that can no longer change, in order; taking removes them.
    std::vector<SpeechRun> take();
    // The same samples sooner, in pieces: a run that is still growing is given as far as it is certain, and its rest
    // follows in pieces that begin where the last one ended.
    std::vector<SpeechRun> take_pieces();
    // No run or piece that will still come starts before this sample: those before it are needed no more.
    int64_t settled() const;

  private:
    // A run that has begun and not ended, in samples without padding.
    struct Open {
        int64_t begin;
        int64_t silence = kNone;    // start of the silence it may end with
        SpeechRun longest{0, 0};    // silence inside it
        int64_t first_cut = kNone;  // start of the first silence inside it that is long enough to cut at
    };
    static constexpr int64_t kNone = -1;
    void close(int64_t end);
    int64_t certain_end() const;
    bool certain() const;
    int64_t next_begin() const;
    int64_t padded(int64_t begin) const;

    float threshold_, neg_threshold_;
    int64_t min_speech_, min_silence_, pad_;  // samples
    double max_speech_;

    int64_t windows_ = 0;
    int64_t total_ = kNone;        // samples, once finished
    std::vector<SpeechRun> runs_;  // ended and not taken, without padding
    std::optional<Open> open_;
    int64_t lead_;           // padding before the next run to be taken
    int64_t given_ = kNone;  // where the pieces taken of that run end
};

}  // namespace mm
