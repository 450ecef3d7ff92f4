// Voice activity detection with the Silero network (16 kHz, 32 ms windows), and speech segments from its probabilities.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "model/model_file.h"
#include "multimodal.h"

namespace mm {

class Vad {
  public:
    static constexpr int kWindow = 512;
    static constexpr int kContext = 64;  // samples of the previous window that the network sees again

    explicit Vad(std::shared_ptr<ModelFile> file);             // general.architecture must be "silero-vad"
    static std::shared_ptr<const Vad> builtin();               // loaded once per process
    static std::shared_ptr<const Vad> open(const char* path);  // NULL: builtin

    struct State {
        std::array<float, 128> hidden{};
        std::array<float, 128> cell{};
        std::array<float, kContext> context{};
    };
    // Probability of speech in the next window; the weights are shared, the state is the caller's.
    float process(State& state, const float* samples /* [512] */) const;

  private:
    struct Weights;
    std::shared_ptr<const Weights> weights_;
};

// Options with every default filled in; throws Error(INVALID_ARGUMENT) for a value out of range.
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
    // No run that will still come starts before this sample.
    int64_t settled() const;
    // Samples before this one are needed no more.

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace mm
