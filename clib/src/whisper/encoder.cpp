// Whisper's audio encoder: two convolutions over time, then transformer blocks with full self-attention.
#include <algorithm>
#include <cmath>

#include "runtime/memory.h"
#include "whisper/inference.h"
#include "whisper/layers.h"

namespace mm {

void encode(const Exec& exec, const WhisperModel& model, const float* mel, int frames, int audio_ctx, float* out) {
    const WhisperShape& s = model.shape;
    const size_t mels = static_cast<size_t>(s.n_mels), state = static_cast<size_t>(s.n_audio_state);
    const size_t rows = static_cast<size_t>(audio_ctx), in_rows = 2 * rows;

    // A convolution of three taps is a product over overlapping rows; a row of zeros before and after makes the
    // padding.
    Buffer<float> input((in_rows + 2) * mels);
    const size_t used = static_cast<size_t>(frames) * mels;
    std::fill_n(input.data(), mels, 0.0f);
    std::copy_n(mel, used, input.data() + mels);
    std::fill(input.data() + mels + used, input.end(), 0.0f);

    Buffer<float> hidden(std::max((in_rows + 2) * state, rows * 4 * state));
    std::fill_n(hidden.data(), state, 0.0f);
    std::fill_n(hidden.data() + (in_rows + 1) * state, state, 0.0f);
    apply(exec, model.conv1, {input.data(), mels}, static_cast<int>(in_rows), {hidden.data() + state, state},
          Activation::gelu_erf);

    const Rows x{out, state};
    apply(exec, model.conv2, {hidden.data(), 2 * state}, audio_ctx, x, Activation::gelu_erf,
          {const_cast<float*>(model.audio_positions), state});

    Buffer<float> normed_buffer(rows * state), qkv(rows * 3 * state);
    const Rows normed{normed_buffer.data(), state}, mlp{hidden.data(), 4 * state};
    const Rows q{qkv.data(), 3 * state}, k{qkv.data() + state, 3 * state}, v{qkv.data() + 2 * state, 3 * state};
    const int head_dim = s.n_audio_state / s.n_audio_head;
    const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));

    for (const EncoderLayer& layer : model.encoder) {
        apply(exec, layer.self.norm, x, audio_ctx, s.n_audio_state, normed);
        apply(exec, layer.self.query, normed, audio_ctx, q, Activation::none, {}, scale);
        apply(exec, layer.self.key, normed, audio_ctx, k);
        apply(exec, layer.self.value, normed, audio_ctx, v);
        attention(exec, {q.data, k.data, v.data, q.stride, k.stride, v.stride, audio_ctx, audio_ctx, s.n_audio_head,
                         head_dim, normed.data, normed.stride});
        apply(exec, layer.self.out, normed, audio_ctx, x, Activation::none, x);

        apply(exec, layer.mlp_norm, x, audio_ctx, s.n_audio_state, normed);
        apply(exec, layer.mlp_in, normed, audio_ctx, mlp, Activation::gelu_erf);
        apply(exec, layer.mlp_out, mlp, audio_ctx, x, Activation::none, x);
    }
    apply(exec, model.encoder_norm, x, audio_ctx, s.n_audio_state, x);
}

}  // namespace mm
