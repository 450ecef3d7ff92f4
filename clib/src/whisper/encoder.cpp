// Whisper's audio encoder: two convolutions over time, then transformer blocks with full self-attention.
#include <algorithm>

#include "runtime/memory.h"
#include "whisper/inference.h"

namespace mm {

void encode(const Exec& exec, const WhisperModel& model, const float* mel, int frames, int audio_ctx, float* out) {
    const WhisperShape& s = model.shape;
    const size_t mels = static_cast<size_t>(s.n_mels), state = static_cast<size_t>(s.n_audio_state);
    const size_t in_rows = 2 * static_cast<size_t>(audio_ctx);

    // A convolution of three taps is a product over overlapping rows; a row of zeros before and after makes the
    // padding.
    Buffer<float> input((in_rows + 2) * mels);
    const size_t used = static_cast<size_t>(frames) * mels;
    std::fill_n(input.data(), mels, 0.0f);
    std::copy_n(mel, used, input.data() + mels);
    std::fill(input.data() + mels + used, input.end(), 0.0f);

    Buffer<float> hidden((in_rows + 2) * state);
    std::fill_n(hidden.data(), state, 0.0f);
    std::fill_n(hidden.data() + (in_rows + 1) * state, state, 0.0f);
    apply(exec, model.conv1, {input.data(), mels}, static_cast<int>(in_rows), {hidden.data() + state, state},
          Activation::gelu_erf);

    const Rows x{out, state};
    apply(exec, model.conv2, {hidden.data(), 2 * state}, audio_ctx, x, Activation::gelu_erf,
          {const_cast<float*>(model.audio_positions), state});

    transform(exec, {s.n_audio_state, s.n_audio_head, 4 * s.n_audio_state, Activation::gelu_erf}, model.encoder,
              {1, audio_ctx, false}, x);
    apply(exec, model.encoder_norm, x, audio_ctx, s.n_audio_state, x);
}

}  // namespace mm
