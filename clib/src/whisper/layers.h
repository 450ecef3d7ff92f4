// What the encoder and the decoder share: rows of activations and the layers applied to them.
#pragma once

#include "kernels/kernels.h"
#include "whisper/model.h"

namespace mm {

constexpr float kNormEpsilon = 1e-5f;  // of torch.nn.LayerNorm, as in all of Whisper

struct Rows {
    float* data = nullptr;
    size_t stride = 0;  // floats from row to row
};

// to = act(x . W + bias) * scale + residual, row by row; `to` may be `residual`.
inline void apply(const Exec& exec, const Linear& layer, Rows x, int rows, Rows to,
                  Activation activation = Activation::none, Rows residual = {}, float scale = 1.0f) {
    LinearArgs a{};
    a.x = x.data;
    a.x_stride = x.stride;
    a.rows = rows;
    a.w = layer.w;
    a.bias = layer.bias;
    a.scale = scale;
    a.activation = activation;
    a.residual = residual.data;
    a.residual_stride = residual.stride;
    a.out = to.data;
    a.out_stride = to.stride;
    linear(exec, a);
}

// `to` may be `x`.
inline void apply(const Exec& exec, const Norm& norm, Rows x, int rows, int n, Rows to) {
    layer_norm(exec, x.data, x.stride, rows, n, norm.gamma, norm.beta, kNormEpsilon, to.data, to.stride);
}

}  // namespace mm
