// Weights in the layouts of model files, packed into panels.
#pragma once

#include "kernels/kernels.h"
#include "model/contents.h"

namespace mm {

// The type that a packed matrix has: f16 stays f16, all others become f32.
inline DType packed_type(WeightType type) {
    return type == WeightType::f16 ? DType::f16 : DType::f32;
}

// Packs [n][k], n and k as in the tensor's dims, into panel_elements(n, k) elements of packed_type. Rows past n become
// zero. Returns whether all values are finite.
bool pack_matrix(const Tensor& tensor, int n, int k, void* panels);

// Packs an f32 or f16 convolution [n][channels][taps] as a matrix with columns `tap * channels + channel`.
bool pack_convolution(const Tensor& tensor, int n, int channels, int taps, void* panels);

// All elements of a tensor of any type as f32, in the order of the file.
void unpack(const Tensor& tensor, float* out);

// Whether none of `count` f32 or f16 values at `data` (aligned) is NaN or infinite.
bool all_finite(DType type, const void* data, size_t count);

}  // namespace mm
