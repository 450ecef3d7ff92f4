// The forward pass: encoder once per window, decoder step by step over cached keys and values.
#pragma once

#include <memory>
#include <vector>

#include "kernels/kernels.h"
#include "whisper/model.h"

namespace mm {

// Encoder output of `mel` [frames][n_mels] (padded with zeros to 2 * audio_ctx frames) into out
// [audio_ctx][n_audio_state].
void encode(const Exec& exec, const WhisperModel& model, const float* mel, int frames, int audio_ctx, float* out);

// One window's decoding state: cross-attention keys and values, and up to `max_sequences` self-attention caches. Memory
// is kept from window to window. All results depend only on the audio and tokens given, never on earlier ones.
class Inference {
  public:
    Inference(std::shared_ptr<const WhisperModel> model, int max_sequences);
    ~Inference();

    // Encodes a window and computes its cross-attention keys and values; drops all sequences.
    void set_window(const Exec& exec, const float* mel, int frames, int audio_ctx);
    // The same from encoder output [audio_ctx][n_audio_state].
    void set_encoded(const Exec& exec, const float* encoded, int audio_ctx);

    // Sequence 0 becomes its first `keep` cached tokens followed by tokens[0..n); logits of the rows in `rows` (indices
    // into tokens, ascending) go to logits[n_rows][n_vocab]. keep + n <= n_text_ctx.
    void prefill(const Exec& exec, const int32_t* tokens, int n, int keep, const int* rows, int n_rows, float* logits);
    // Sequence i becomes a copy of what sequence parents[i] was, for i in [0, n). Only what differs is copied.
    void reorder(const Exec& exec, const int* parents, int n);
    // Appends tokens[i] to sequence i for i in [0, n); logits[n][n_vocab].
    void step(const Exec& exec, const int32_t* tokens, int n, float* logits);
    // Tokens cached in each sequence (all sequences have the same length).
    int length() const;

    // Cross-attention of the model's alignment heads for a whole token sequence, teacher-forced from the start:
    // weights[head][n][audio_ctx], and, if not null, logits [n][n_vocab]. Sequence 0 is replaced.
    void align(const Exec& exec, const int32_t* tokens, int n, float* weights, float* logits);
    int audio_ctx() const;
    const WhisperModel& model() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mm
