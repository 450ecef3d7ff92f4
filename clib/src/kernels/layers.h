// The layers that models are made of, and how they are applied to rows of activations.
#pragma once

#include "kernels/kernels.h"

namespace mm {

struct Linear {
    Panels w;
    const float* bias = nullptr;
};

struct Norm {
    const float* gamma = nullptr;
    const float* beta = nullptr;
    float epsilon = 1e-5f;  // of torch.nn.LayerNorm
};

struct Rows {
    float* data = nullptr;
    size_t stride = 0;  // floats from row to row
};

// to = act((x . W + bias) * scale) + residual, row by row; `to` may be `residual`.
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
    layer_norm(exec, x.data, x.stride, rows, n, norm.gamma, norm.beta, norm.epsilon, to.data, to.stride);
}

}  // namespace mm
