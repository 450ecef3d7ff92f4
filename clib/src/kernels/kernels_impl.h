// The kernels: one source, compiled by each isa_*.cpp for its instruction set. The including file sets MM_ISA_... (see
// vec.h), MM_KERNEL_TABLE and MM_KERNEL_NAME.
#pragma once

#include "kernels/kernels.h"
#include "kernels/linear_impl.h"
#include "kernels/vec_math.h"

namespace mm {
namespace {

// Calls visit(vector, index, lanes) over x, the last, incomplete vector filled up with `fill`.
template <typename Visit>
MM_INLINE void for_each_vector(const float* x, int n, float fill, Visit visit) {
    int i = 0;
    for (; i + kLanes <= n; i += kLanes) visit(load(x + i), i, kLanes);
    if (i < n) visit(load_partial(x + i, n - i, fill), i, n - i);
}

template <typename Function>
MM_INLINE void map(const float* x, int n, float* out, Function function) {
    for_each_vector(x, n, 1.0f, [&](Vec v, int i, int lanes) { store_lanes(out + i, lanes, function(v)); });
}

float row_max(const float* x, int n) {
    Vec most = broadcast(-__builtin_inff());
    for_each_vector(x, n, -__builtin_inff(), [&](Vec v, int, int) { most = max(v, most); });
    return reduce_max(most);
}

void softmax(float* x, size_t stride, int rows, int n) {
    for (int r = 0; r < rows; ++r, x += stride) {
        const Vec most = broadcast(row_max(x, n));
        Vec sum = broadcast(0.0f);
        for_each_vector(x, n, -__builtin_inff(), [&](Vec v, int i, int lanes) {
            const Vec e = exp(v - most);
            sum = sum + e;
            store_lanes(x + i, lanes, e);
        });
        const Vec inverse = broadcast(1.0f / reduce_add(sum));
        map(x, n, x, [&](Vec v) { return v * inverse; });
    }
}

float log_sum_exp(const float* x, int n) {
    const float most = row_max(x, n);
    Vec sum = broadcast(0.0f);
    for_each_vector(x, n, -__builtin_inff(), [&](Vec v, int, int) { sum = sum + exp(v - broadcast(most)); });
    float lanes[kLanes];
    store(lanes, log(broadcast(reduce_add(sum))));
    return most + lanes[0];
}

void layer_norm(const float* x, size_t x_stride, int rows, int n, const float* gamma, const float* beta, float eps,
                float* out, size_t out_stride) {
    const float count = static_cast<float>(n);
    for (int r = 0; r < rows; ++r, x += x_stride, out += out_stride) {
        Vec sum = broadcast(0.0f);
        for_each_vector(x, n, 0.0f, [&](Vec v, int, int) { sum = sum + v; });
        const float mean = reduce_add(sum) / count;
        const Vec center = broadcast(mean);
        Vec squares = broadcast(0.0f);
        for_each_vector(x, n, mean, [&](Vec v, int, int) {  // filled with the mean: adds zero
            const Vec d = v - center;
            squares = fma(d, d, squares);
        });
        const Vec scale = broadcast(1.0f / __builtin_sqrtf(reduce_add(squares) / count + eps));
        for_each_vector(x, n, 0.0f, [&](Vec v, int i, int lanes) {
            const Vec normal = (v - center) * scale;
            store_lanes(out + i, lanes, fma(normal, load_lanes(gamma + i, lanes), load_lanes(beta + i, lanes)));
        });
    }
}

void exp_array(const float* x, int n, float* out) {
    map(x, n, out, [](Vec v) { return exp(v); });
}
void log_array(const float* x, int n, float* out) {
    map(x, n, out, [](Vec v) { return log(v); });
}
void log10_array(const float* x, int n, float* out) {
    map(x, n, out, [](Vec v) { return log10(v); });
}
void tanh_array(const float* x, int n, float* out) {
    map(x, n, out, [](Vec v) { return tanh(v); });
}
void erf_array(const float* x, int n, float* out) {
    map(x, n, out, [](Vec v) { return erf(v); });
}
void sigmoid_array(const float* x, int n, float* out) {
    map(x, n, out, [](Vec v) { return sigmoid(v); });
}
void activate_array(Activation activation, const float* x, int n, float* out) {
    map(x, n, out, [&](Vec v) { return activate(activation, v); });
}
void add(const float* a, const float* b, int n, float* out) {
    for_each_vector(a, n, 0.0f,
                    [&](Vec v, int i, int lanes) { store_lanes(out + i, lanes, v + load_lanes(b + i, lanes)); });
}

void f16_to_f32(const uint16_t* x, size_t n, float* out) {
    size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) store(out + i, load_f16(x + i));
    if (i < n) {
        uint16_t last[kLanes] = {};
        for (size_t j = i; j < n; ++j) last[j - i] = x[j];
        store_partial(out + i, static_cast<int>(n - i), load_f16(last));
    }
}
void f32_to_f16(const float* x, size_t n, uint16_t* out) {
    size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) store_f16(out + i, load(x + i));
    if (i < n) {
        uint16_t last[kLanes];
        store_f16(last, load_partial(x + i, static_cast<int>(n - i), 0.0f));
        for (size_t j = i; j < n; ++j) out[j] = last[j - i];
    }
}

}  // namespace

extern const Kernels MM_KERNEL_TABLE;
const Kernels MM_KERNEL_TABLE = {MM_KERNEL_NAME, kFewRows,  linear,      softmax,    layer_norm, log_sum_exp,
                                 exp_array,      log_array, log10_array, tanh_array, erf_array,  sigmoid_array,
                                 activate_array, add,       f16_to_f32,  f32_to_f16};

}  // namespace mm
