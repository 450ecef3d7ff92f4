// Kernels: one meaning, several instruction sets. Every function here gives the same bits on each of them.
//
// Arithmetic is fixed: a matrix product has one accumulator per output element, starts at +0, and adds its terms over k
// in ascending order, one fused multiply-add each. Reductions over a row (softmax, norm) use 16 lanes (lane i takes
// elements i, i + 16, ...) that are combined in a fixed tree: 8, 4, 2, 1. exp, erf and the like are polynomials of
// ours. Width, tile and blocking are free, since no output bit depends on them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/exec.h"

namespace mm {

constexpr int kPanel = 16;  // output channels per panel

enum class DType : int32_t { f32 = 0, f16 = 1 };
inline size_t dtype_size(DType t) {
    return t == DType::f16 ? 2 : 4;
}

// A matrix W with n outputs and k inputs, as ceil(n / 16) panels. Panel p holds, for each k in order, W[16p ..
// 16p+15][k]; rows past n are zero. Element (row, col) is at data[(row / 16) * panel_stride + col * 16 + row % 16].
struct Panels {
    const void* data = nullptr;  // 64-byte aligned
    DType type = DType::f32;
    int n = 0;
    int k = 0;
    size_t panel_stride = 0;  // elements from panel to panel: 16 * k, or more where the matrix can grow
};
inline int panel_count(int n) {
    return (n + kPanel - 1) / kPanel;
}
inline size_t panel_elements(int n, int k) {
    return static_cast<size_t>(panel_count(n)) * kPanel * static_cast<size_t>(k);
}

enum class Activation : int32_t { none = 0, gelu_erf = 1, gelu_quick = 2, gelu_tanh = 3 };

// out[m][n] = act((x[m] . W[n] + bias[n]) * scale) + residual[m][n]. Rows of x may overlap (a convolution over time is
// a product whose rows are `x_stride` apart and `w.k` long).
struct LinearArgs {
    const float* x;
    size_t x_stride;  // floats from row to row
    int rows;
    Panels w;
    const float* bias = nullptr;  // [n]
    float scale = 1.0f;           // applied to (x . W + bias) before the activation
    Activation activation = Activation::none;
    const float* residual = nullptr;  // [rows][n], added last; may be `out`
    size_t residual_stride = 0;
    float* out;
    size_t out_stride;
};

// A part of the product that is worked on at a time is at most so large; larger parts are cut.
constexpr int kLinearMaxRows = 112;
constexpr int kLinearMaxPanels = 32;
constexpr size_t kLinearScratch = 112 * 208 + 2 * 192 * 16 + 112 * 528;  // floats

// One instruction set's kernels. Each works on a part of its output, chosen by the caller; none allocates or throws.
struct Kernels {
    const char* name;  // "avx512", "avx2", "neon", "scalar"
    int few_rows;      // up to so many rows, `linear` reads the weights once and needs no scratch

    // Rows [row0, row1) and panels [panel0, panel1) of the product. scratch: kLinearScratch floats, 64-byte aligned,
    // may be null for up to few_rows rows.
    void (*linear)(const LinearArgs& args, int row0, int row1, int panel0, int panel1, float* scratch);
    // In place over each row of x[rows][n]: softmax of the first n columns.
    void (*softmax)(float* x, size_t stride, int rows, int n);
    // out[r][i] = (x[r][i] - mean) / sqrt(var + eps) * gamma[i] + beta[i]
    void (*layer_norm)(const float* x, size_t x_stride, int rows, int n, const float* gamma, const float* beta,
                       float eps, float* out, size_t out_stride);
    // log of the sum of exp(x[i]), with the maximum factored out.
    float (*log_sum_exp)(const float* x, int n);
    // Elementwise, in place or not.
    void (*exp)(const float* x, int n, float* out);
    void (*log)(const float* x, int n, float* out);  // natural; x > 0
    void (*log10)(const float* x, int n, float* out);
    void (*tanh)(const float* x, int n, float* out);
    void (*erf)(const float* x, int n, float* out);
    void (*sigmoid)(const float* x, int n, float* out);
    void (*activate)(Activation a, const float* x, int n, float* out);
    void (*add)(const float* a, const float* b, int n, float* out);
    // Conversion by round to nearest even; exact from f16.
    void (*f16_to_f32)(const uint16_t* x, size_t n, float* out);
    void (*f32_to_f16)(const float* x, size_t n, uint16_t* out);
};

// The set in use: the best this processor runs, or the one MM_ISA names. Throws Error(UNSUPPORTED) for a name that is
// unknown or that this processor cannot run.
const Kernels& kernels();
// Compiled sets that this processor runs, best first; count in *n.
const Kernels* const* available_kernels(int* n);
// All compiled sets' names, comma separated.
const char* compiled_kernels();

// sin(pi * x) and cos(pi * x) in double, and exp in double, for tables built once: our own, so the same everywhere.
double sin_pi(double x);
double cos_pi(double x);
double exp_d(double x);
double log_d(double x);

// ---- Parallel forms (kernels/ops.cpp) ----

// The whole product, split over threads.
void linear(const Exec& exec, const LinearArgs& args);
void layer_norm(const Exec& exec, const float* x, size_t x_stride, int rows, int n, const float* gamma,
                const float* beta, float eps, float* out, size_t out_stride);

// Packs rows [0, n) of a row-major matrix [n][k] (row stride in floats) into f32 panels; dst has panel_elements(n, k).
void pack_panels(const float* src, size_t src_stride, int n, int k, float* dst);
// Packs the transpose: src is [k][n] row-major.
void pack_panels_transposed(const float* src, size_t src_stride, int n, int k, float* dst);

// Scaled dot-product attention of whole sequences: q, k, v are [rows][heads * d] (q already scaled), out likewise.
// `sequences` of them lie one behind the other, each with `queries` rows of q and out and `keys` rows of k and v.
// Softmax over all keys or, if causal (then queries == keys), over those up to the query's own row.
struct AttentionArgs {
    const float* q;
    const float* k;
    const float* v;
    size_t q_stride, k_stride, v_stride;
    int sequences = 1;
    int queries, keys, heads, head_dim;
    bool causal = false;
    float* out;
    size_t out_stride;
};
void attention(const Exec& exec, const AttentionArgs& args);

// Attention over cached panels: for each head, keys as panels [keys / 16][d][16] (n = keys, k = d) and values as panels
// [d / 16][keys][16] (n = d, k = keys). Row r sees the first `visible[r]` keys of cache `cache[r]`.
struct CachedAttentionArgs {
    const float* q;  // [rows][heads * d], already scaled
    size_t q_stride;
    int rows, heads, head_dim;
    int capacity;                     // keys each cache has room for, a multiple of 16
    const float* const* key_cache;    // [rows]: base of that row's cache, heads * capacity * d floats
    const float* const* value_cache;  // [rows]
    const int* visible;               // [rows], 1 .. capacity
    float* out;                       // [rows][heads * d]
    size_t out_stride;
    float* weights = nullptr;  // optional [rows][heads][capacity]: the softmax
};
void cached_attention(const Exec& exec, const CachedAttentionArgs& args);

}  // namespace mm
