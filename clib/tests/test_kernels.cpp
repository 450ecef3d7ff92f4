// Matrix product, norms, softmax and attention: against float64, against the arithmetic that kernels.h fixes, and every
// instruction set against the scalar one, bit for bit.
#include <algorithm>

#include "kernel_test.h"

using namespace kernel_test;
using mm::DType;
using mm::Kernels;
using mm::LinearArgs;

namespace {

// kernels.h in its own words.
float specified_product(const float* x, const float* w, int k) {
    float sum = 0.0f;
    for (int i = 0; i < k; ++i) sum = std::fma(x[i], w[i], sum);
    return sum;
}

struct Case {
    int rows, k, n;
    size_t x_stride;
};

void product(const Case& c, int variant) {
    Random random(static_cast<uint64_t>(c.rows * 31 + c.k * 7 + c.n));
    const size_t rows = static_cast<size_t>(c.rows), n = static_cast<size_t>(c.n), k = static_cast<size_t>(c.k);
    const Matrix w(random, c.n, c.k);
    const std::vector<float> x = random.vector(rows * c.x_stride + k + 1), bias = random.vector(n + 1);
    const size_t out_stride = n + static_cast<size_t>(variant) * 3;
    const std::vector<float> residual = random.vector(rows * out_stride + 1);
    for (const Kernels* kernels : sets()) {
        for (DType type : {DType::f32, DType::f16}) {
            std::vector<float> out = residual;  // the residual may be the output itself
            LinearArgs args{};
            args.x = x.data();
            args.x_stride = c.x_stride;
            args.rows = c.rows;
            args.w = w.panels(type);
            args.out = out.data();
            args.out_stride = out_stride;
            if (variant > 0) {
                args.bias = bias.data();
                args.scale = 0.125f;
                args.activation = static_cast<mm::Activation>(variant % 4);
                args.residual = out.data();
                args.residual_stride = out_stride;
            }
            mm::linear(exec_with(kernels), args);
            for (size_t r = 0; r < rows; ++r) {
                for (size_t j = 0; j < out_stride; ++j) {
                    const size_t at = r * out_stride + j;
                    float expected = residual[at];
                    if (j < n) {
                        expected = specified_product(x.data() + r * c.x_stride, w.rows.data() + j * k, c.k);
                        if (variant > 0) {
                            expected = (expected + bias[j]) * 0.125f;
                            sets().back()->activate(args.activation, &expected, 1, &expected);
                            expected = expected + residual[at];
                        }
                    }
                    CHECK(same(out[at], expected), "%s: %d x %d x %d, type %d, variant %d: [%zu][%zu] is %a, not %a",
                          kernels->name, c.rows, c.k, c.n, static_cast<int>(type), variant, r, j,
                          static_cast<double>(out[at]), static_cast<double>(expected));
                }
            }
        }
    }
}

void products() {
    for (int rows : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 27, 29})
        for (int n : {1, 16, 17, 48, 130}) product({rows, 33, n, 33}, rows % 4);
    for (int k : {0, 1, 2, 15, 255, 256, 257, 511, 700})
        for (int rows : {1, 5, 20}) product({rows, k, 40, static_cast<size_t>(k) + 5}, k % 4);
    product({20, 48, 30, 16}, 1);  // overlapping rows: a convolution
    product({111, 3, 515, 3}, 2);  // more panels than are worked on at a time
    product({300, 260, 33, 261}, 3);
    product({113, 20, 1, 20}, 0);
    product({0, 5, 0, 5}, 0);
}

// Infinite, huge, subnormal and equal values go through like any other.
void extreme_products() {
    const float values[] = {0.0f, -0.0f, 1e30f, -1e30f, 0x1p-140f, -0x1p-149f, 1.0f, HUGE_VALF, 3e38f};
    Random random(5);
    for (int rows : {1, 9}) {
        Matrix w(random, 20, 19);
        for (float& v : w.rows) v = values[random.below(7)];
        mm::pack_panels(w.rows.data(), 19, 20, 19, w.f32.data());
        std::vector<float> x(static_cast<size_t>(rows) * 19), out(static_cast<size_t>(rows) * 20);
        for (float& v : x) v = values[random.below(9)];
        for (const Kernels* kernels : sets()) {
            LinearArgs args{};
            args.x = x.data();
            args.x_stride = 19;
            args.rows = rows;
            args.w = w.panels(DType::f32);
            args.out = out.data();
            args.out_stride = 20;
            mm::linear(exec_with(kernels), args);
            for (size_t i = 0; i < out.size(); ++i)
                CHECK(same(out[i], specified_product(&x[i / 20 * 19], &w.rows[i % 20 * 19], 19)), "%s: element %zu",
                      kernels->name, i);
        }
    }
}

void rows_of(int n, int rows, float scale, float offset) {
    Random random(static_cast<uint64_t>(n + rows));
    const size_t stride = static_cast<size_t>(n) + 3, size = static_cast<size_t>(rows) * stride + 1;
    std::vector<float> x = random.vector(size, scale);
    for (float& v : x) v += offset;
    const std::vector<float> gamma = random.vector(static_cast<size_t>(n) + 1), beta = random.vector(gamma.size());
    std::vector<float> soft_spec, norm_spec;
    for (size_t s = sets().size(); s-- > 0;) {
        const Kernels& k = *sets()[s];
        std::vector<float> soft = x, norm(size, 9.0f);
        k.softmax(soft.data(), stride, rows, n);
        mm::layer_norm(exec_with(&k), x.data(), stride, rows, n, gamma.data(), beta.data(), 1e-5f, norm.data(), stride);
        if (soft_spec.empty()) {
            soft_spec = soft;
            norm_spec = norm;
        }
        for (size_t i = 0; i < size; ++i)
            CHECK(same(soft[i], soft_spec[i]) && same(norm[i], norm_spec[i]), "%s: row of %d, element %zu", k.name, n,
                  i);
        for (int r = 0; r < rows; ++r) {
            const float* row = &x[static_cast<size_t>(r) * stride];
            double most = -HUGE_VAL, sum = 0, mean = 0, variance = 0;
            for (int i = 0; i < n; ++i) most = std::max<double>(most, row[i]);
            for (int i = 0; i < n; ++i) sum += std::exp(row[i] - most), mean += row[i];
            mean /= n;
            for (int i = 0; i < n; ++i) variance += (row[i] - mean) * (row[i] - mean);
            const double deviation = std::sqrt(variance / n + 1e-5);
            for (int i = 0; i < n; ++i) {
                const size_t at = static_cast<size_t>(r) * stride + static_cast<size_t>(i);
                const double p = std::exp(row[i] - most) / sum;
                CHECK(std::fabs(soft[at] - p) <= (1e-6 + 6e-8 * (most - row[i]) + 4e-10 * n) * p + 3e-45,
                      "%s: softmax of %d", k.name, n);
                const size_t c = static_cast<size_t>(i);
                const double z = (row[i] - mean) / deviation * gamma[c] + beta[c];
                const double slack = 1e-5 + 4e-7 * std::fabs(mean) / deviation;
                CHECK(std::fabs(norm[at] - z) <= slack, "%s: norm of %d is off by %g", k.name, n, norm[at] - z);
            }
            if (n > 0)
                CHECK(std::fabs(k.log_sum_exp(row, n) - (most + std::log(sum))) <= 1e-6 * (1 + std::fabs(most)),
                      "%s: log_sum_exp of %d", k.name, n);
            CHECK(same(k.log_sum_exp(row, n), sets().back()->log_sum_exp(row, n)), "%s: log_sum_exp of %d", k.name, n);
            CHECK(soft[static_cast<size_t>(r) * stride + static_cast<size_t>(n)] == row[n],
                  "softmax wrote behind its row");
        }
    }
}

void reductions() {
    for (int n = 1; n <= 70; ++n) rows_of(n, 2, 3.0f, 0.0f);
    rows_of(1500, 130, 20.0f, 0.0f);
    rows_of(51865, 1, 20.0f, -5.0f);
    rows_of(40, 3, 0.0f, 2.0f);      // all equal
    rows_of(40, 3, 1e-3f, 1000.0f);  // a large mean
    rows_of(40, 3, 3e4f, 0.0f);      // softmax with one winner
}

// Softmax of q k^T, times v, in double.
void exact_attention(const float* q, const float* k, const float* v, size_t stride, int keys, int d, double* out,
                     std::vector<double>& weights) {
    weights.assign(static_cast<size_t>(keys), 0);
    double most = -HUGE_VAL, sum = 0;
    for (int j = 0; j < keys; ++j) {
        double& s = weights[static_cast<size_t>(j)];
        for (int i = 0; i < d; ++i)
            s += static_cast<double>(q[i]) * k[static_cast<size_t>(j) * stride + static_cast<size_t>(i)];
        most = std::max(most, s);
    }
    for (double& w : weights) sum += w = std::exp(w - most);
    for (double& w : weights) w /= sum;
    for (int i = 0; i < d; ++i) {
        out[i] = 0;
        for (int j = 0; j < keys; ++j)
            out[i] += weights[static_cast<size_t>(j)] * v[static_cast<size_t>(j) * stride + static_cast<size_t>(i)];
    }
}

void whole_attention(int sequences, int queries, int keys, int heads, int d, bool causal) {
    Random random(static_cast<uint64_t>(queries * keys));
    const size_t stride = static_cast<size_t>(heads * d) + 2;
    const size_t query_size = static_cast<size_t>(queries) * stride, key_size = static_cast<size_t>(keys) * stride;
    const size_t n = static_cast<size_t>(sequences);
    const std::vector<float> q = random.vector(n * query_size), k = random.vector(n * key_size),
                             v = random.vector(n * key_size);
    std::vector<float> spec;
    for (size_t s = sets().size(); s-- > 0;) {
        std::vector<float> out(q.size(), 5.0f);
        mm::AttentionArgs a{};
        a.q = q.data();
        a.k = k.data();
        a.v = v.data();
        a.q_stride = a.k_stride = a.v_stride = a.out_stride = stride;
        a.sequences = sequences;
        a.queries = queries;
        a.keys = keys;
        a.heads = heads;
        a.head_dim = d;
        a.causal = causal;
        a.out = out.data();
        mm::attention(exec_with(sets()[s]), a);
        if (spec.empty()) spec = out;
        for (size_t i = 0; i < out.size(); ++i)
            CHECK(same(out[i], spec[i]), "%s: attention %d x %d, element %zu", sets()[s]->name, queries, keys, i);
        // A sequence's bits do not depend on its neighbours, nor a causal row's on the rows behind it.
        std::vector<float> alone(query_size, 5.0f);
        a.sequences = 1;
        if (causal) a.queries = a.keys = (queries + 1) / 2;
        for (size_t i = 0; i < n; ++i) {
            a.q = q.data() + i * query_size;
            a.k = k.data() + i * key_size;
            a.v = v.data() + i * key_size;
            a.out = alone.data();
            mm::attention(exec_with(sets()[s]), a);
            for (size_t j = 0; j < static_cast<size_t>(a.queries) * stride; ++j)
                CHECK(same(alone[j], spec[i * query_size + j]), "%s: attention of sequence %zu alone, element %zu",
                      sets()[s]->name, i, j);
        }
    }
    std::vector<double> weights, exact(static_cast<size_t>(d));
    for (int r = 0; r < sequences * queries; ++r) {
        for (int h = 0; h < heads; ++h) {
            const size_t base = static_cast<size_t>(h * d), at = static_cast<size_t>(r) * stride + base;
            const size_t first = static_cast<size_t>(r / queries) * key_size + base;
            const int visible = causal ? r % queries + 1 : keys;
            exact_attention(&q[at], &k[first], &v[first], stride, visible, d, exact.data(), weights);
            for (int i = 0; i < d; ++i)
                CHECK(std::fabs(spec[at + static_cast<size_t>(i)] - exact[static_cast<size_t>(i)]) < 5e-6,
                      "attention %d x %d, row %d", queries, keys, r);
        }
    }
}

// Rows with caches of their own and shared ones, seeing different numbers of keys; what is not visible is poisoned.
void cached(int rows, int capacity, bool want_weights) {
    constexpr int kHeads = 2, kDim = 32;
    Random random(static_cast<uint64_t>(rows * 1000 + capacity));
    const size_t width = kHeads * kDim, size = static_cast<size_t>(capacity) * width;
    const int caches = 1 + rows / 3;
    std::vector<int> visible;
    std::vector<const float*> keys, values;
    std::vector<mm::Buffer<float>> key_cache, value_cache;
    std::vector<std::vector<float>> plain_k, plain_v;
    std::vector<int> filled;
    for (int c = 0; c < caches; ++c) {
        filled.push_back(1 + random.below(capacity));
        plain_k.push_back(random.vector(size));
        plain_v.push_back(random.vector(size));
        key_cache.emplace_back(size);
        value_cache.emplace_back(size);
        std::fill(key_cache.back().begin(), key_cache.back().end(), std::nanf(""));
        std::fill(value_cache.back().begin(), value_cache.back().end(), std::nanf(""));
        for (int h = 0; h < kHeads; ++h) {
            float* k = key_cache.back().data() + static_cast<size_t>(h * capacity * kDim);
            float* v = value_cache.back().data() + static_cast<size_t>(h * capacity * kDim);
            for (int j = 0; j < filled.back(); ++j) {
                for (int i = 0; i < kDim; ++i) {
                    const size_t from = static_cast<size_t>(j) * width + static_cast<size_t>(h * kDim + i);
                    k[(j / 16 * kDim + i) * 16 + j % 16] = plain_k.back()[from];
                    v[(i / 16 * capacity + j) * 16 + i % 16] = plain_v.back()[from];
                }
            }
        }
    }
    for (int r = 0; r < rows; ++r) {
        const size_t c = static_cast<size_t>(r / 3);
        keys.push_back(key_cache[c].data());
        values.push_back(value_cache[c].data());
        visible.push_back(r % 3 == 2 ? 1 + random.below(filled[c]) : filled[c]);
    }
    const std::vector<float> q = random.vector(static_cast<size_t>(rows) * width);
    std::vector<float> spec, spec_weights;
    const size_t capacity_size = static_cast<size_t>(capacity);
    for (size_t s = sets().size(); s-- > 0;) {
        std::vector<float> out(q.size()), weights(static_cast<size_t>(rows) * kHeads * capacity_size, 0.0f);
        mm::CachedAttentionArgs a{};
        a.q = q.data();
        a.q_stride = a.out_stride = width;
        a.rows = rows;
        a.heads = kHeads;
        a.head_dim = kDim;
        a.capacity = capacity;
        a.key_cache = keys.data();
        a.value_cache = values.data();
        a.visible = visible.data();
        a.out = out.data();
        if (want_weights) a.weights = weights.data();
        mm::cached_attention(exec_with(sets()[s]), a);
        if (spec.empty()) {
            spec = out;
            spec_weights = weights;
        }
        for (size_t i = 0; i < out.size(); ++i)
            CHECK(bits_of(out[i]) == bits_of(spec[i]), "%s: cached attention, element %zu", sets()[s]->name, i);
        for (size_t i = 0; i < weights.size(); ++i)
            CHECK(bits_of(weights[i]) == bits_of(spec_weights[i]), "%s: attention weights, %zu", sets()[s]->name, i);
    }
    std::vector<double> weights, exact(kDim);
    for (int r = 0; r < rows; ++r) {
        const size_t row = static_cast<size_t>(r), c = row / 3;
        for (int h = 0; h < kHeads; ++h) {
            const size_t base = static_cast<size_t>(h * kDim), at = row * width + base;
            exact_attention(&q[at], &plain_k[c][base], &plain_v[c][base], width, visible[row], kDim, exact.data(),
                            weights);
            for (int i = 0; i < kDim; ++i)
                CHECK(std::fabs(spec[at + static_cast<size_t>(i)] - exact[static_cast<size_t>(i)]) < 2e-6,
                      "cached attention, row %d", r);
            for (int j = 0; want_weights && j < visible[row]; ++j)
                CHECK(
                    std::fabs(
                        spec_weights[(row * kHeads + static_cast<size_t>(h)) * capacity_size + static_cast<size_t>(j)] -
                        weights[static_cast<size_t>(j)]) < 1e-6,
                    "attention weights, row %d", r);
        }
    }
}

void packing() {
    Random random(9);
    for (int n : {1, 15, 16, 17, 40}) {
        for (int k : {1, 5, 33}) {
            const size_t un = static_cast<size_t>(n), uk = static_cast<size_t>(k);
            const std::vector<float> rows = random.vector(un * (uk + 2));
            std::vector<float> turned(uk * (un + 1));
            for (size_t r = 0; r < un; ++r)
                for (size_t c = 0; c < uk; ++c) turned[c * (un + 1) + r] = rows[r * (uk + 2) + c];
            std::vector<float> a(mm::panel_elements(n, k), 3.0f), b(a);
            mm::pack_panels(rows.data(), uk + 2, n, k, a.data());
            mm::pack_panels_transposed(turned.data(), un + 1, n, k, b.data());
            for (size_t i = 0; i < a.size(); ++i) {
                const size_t row = i / (16 * uk) * 16 + i % 16, col = i / 16 % uk;
                const float expected = row < un ? rows[row * (uk + 2) + col] : 0.0f;
                CHECK(a[i] == expected && b[i] == expected, "panel element %zu of %d x %d", i, n, k);
            }
        }
    }
}

// No result depends on the number of threads.
void threads() {
    Random random(11);
    const Matrix w(random, 600, 300);
    const std::vector<float> x = random.vector(230 * 300);
    std::vector<float> first;
    for (int n : {1, 2, 3, 7, 0}) {
        std::vector<float> out(230 * 600);
        LinearArgs args{};
        args.x = x.data();
        args.x_stride = 300;
        args.rows = 230;
        args.w = w.panels(DType::f16);
        args.out = out.data();
        args.out_stride = 600;
        mm::linear(exec_with(&mm::kernels(), n), args);
        if (first.empty()) first = out;
        CHECK(out == first, "%d threads", n);
    }
}

}  // namespace

int main() {
    products();
    extreme_products();
    reductions();
    for (int queries : {1, 14, 57, 130}) whole_attention(1, queries, queries == 14 ? 300 : queries, 2, 64, false);
    whole_attention(2, 3, 40, 1, 20, false);
    for (int queries : {1, 9, 77, 130}) whole_attention(3, queries, queries, 2, 32, true);
    for (int rows : {1, 2, 5, 9, 16})
        for (int capacity : {16, 48, 448}) cached(rows, capacity, rows % 2 == 1);
    packing();
    threads();
    return result();
}
