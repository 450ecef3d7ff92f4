// Kernels spread over threads, and what is made of several of them: attention.
#include <algorithm>
#include <cstring>

#include "kernels/kernels.h"
#include "runtime/memory.h"
#include "runtime/thread_pool.h"

namespace mm {

namespace {

constexpr double kTaskWork = 8e7;     // multiply-adds in a task at most: about a millisecond
constexpr double kFewRowsWork = 1e6;  // the same where weights come from memory, not from a cache
constexpr int kMinPanels = 8;         // narrower tasks would read x too often
constexpr int kTasksPerThread = 4;    // so that threads end at about the same time
constexpr int kTaskRows = 64;         // rows of the elementwise kinds in a task

int ceil_div(int a, int b) {
    return (a + b - 1) / b;
}

}  // namespace

void linear(const Exec& exec, const LinearArgs& args) {
    const int panels = panel_count(args.w.n);
    if (args.rows <= 0 || panels == 0) return;
    const bool few = args.rows <= exec.kernels->few_rows;
    const double panel_work = static_cast<double>(kPanel) * std::max(1, args.w.k);
    // Parts are as high as possible, since each reads all its weights; then as wide as a task's work and the number of
    // threads allow.
    const int row_parts = ceil_div(args.rows, kLinearMaxRows);
    const int rows = ceil_div(args.rows, row_parts);
    const double fits = (few ? kFewRowsWork : kTaskWork) / (panel_work * rows);
    int part_panels = fits > kLinearMaxPanels ? kLinearMaxPanels : std::max(kMinPanels, static_cast<int>(fits));
    const int threads = slot_count(exec, row_parts * panels);
    while (threads > 1 && !few && part_panels > kMinPanels &&
           row_parts * ceil_div(panels, part_panels) < kTasksPerThread * threads)
        part_panels = std::max(kMinPanels, part_panels / 2);
    part_panels -= part_panels % kMinPanels;
    const int column_parts = ceil_div(panels, part_panels);
    const int n = row_parts * column_parts;
    const size_t scratch_size = few ? 0 : kLinearScratch;
    Buffer<float> scratch;
    if (!few) scratch = Buffer<float>(scratch_size * static_cast<size_t>(slot_count(exec, n)));
    parallel_for_slots(exec, n, [&](int task, int slot) {
        const int row = task / column_parts * rows, panel = task % column_parts * part_panels;
        exec.kernels->linear(args, row, std::min(args.rows, row + rows), panel, std::min(panels, panel + part_panels),
                             scratch.data() + scratch_size * static_cast<size_t>(slot));
    });
}

void layer_norm(const Exec& exec, const float* x, size_t x_stride, int rows, int n, const float* gamma,
                const float* beta, float eps, float* out, size_t out_stride) {
    parallel_for(exec, ceil_div(rows, kTaskRows), [&](int task) {
        const size_t row = static_cast<size_t>(task) * kTaskRows;
        exec.kernels->layer_norm(x + row * x_stride, x_stride, std::min(kTaskRows, rows - task * kTaskRows), n, gamma,
                                 beta, eps, out + row * out_stride, out_stride);
    });
}

void pack_panels(const float* src, size_t src_stride, int n, int k, float* dst) {
    for (int row = 0; row < n; row += kPanel) {
        const int lanes = std::min(kPanel, n - row);
        for (int col = 0; col < k; ++col, dst += kPanel) {
            for (int i = 0; i < lanes; ++i) dst[i] = src[static_cast<size_t>(row + i) * src_stride + col];
            std::fill(dst + lanes, dst + kPanel, 0.0f);
        }
    }
}

void pack_panels_transposed(const float* src, size_t src_stride, int n, int k, float* dst) {
    for (int row = 0; row < n; row += kPanel) {
        const int lanes = std::min(kPanel, n - row);
        for (int col = 0; col < k; ++col, dst += kPanel) {
            std::memcpy(dst, src + static_cast<size_t>(col) * src_stride + row,
                        static_cast<size_t>(lanes) * sizeof(float));
            std::fill(dst + lanes, dst + kPanel, 0.0f);
        }
    }
}

namespace {

// Scores, softmax and weighted sum of a few rows of one head, each by the kernel made for it.
struct HeadAttention {
    const float* q;
    size_t q_stride;
    int rows, keys, head_dim;
    const float* key_panels;
    const float* value_panels;
    size_t value_panel_stride;
    float* weights;
    size_t weights_stride;
    int causal_from = -1;  // row r sees only the first causal_from + r + 1 keys; negative: all
    float* out;
    size_t out_stride;
};

void attend(const Kernels& kernels, const HeadAttention& a, float* scratch) {
    LinearArgs scores{};
    scores.x = a.q;
    scores.x_stride = a.q_stride;
    scores.rows = a.rows;
    scores.w = {a.key_panels, DType::f32, a.keys, a.head_dim, static_cast<size_t>(a.head_dim) * kPanel};
    scores.out = a.weights;
    scores.out_stride = a.weights_stride;
    kernels.linear(scores, 0, a.rows, 0, panel_count(a.keys), scratch);
    if (a.causal_from < 0) {
        kernels.softmax(a.weights, a.weights_stride, a.rows, a.keys);
    } else {
        for (int r = 0; r < a.rows; ++r) {  // adding a zero for each hidden key changes no sum
            float* row = a.weights + static_cast<size_t>(r) * a.weights_stride;
            const int visible = a.causal_from + r + 1;
            kernels.softmax(row, a.weights_stride, 1, visible);
            std::fill(row + visible, row + a.keys, 0.0f);
        }
    }
    LinearArgs sum{};
    sum.x = a.weights;
    sum.x_stride = a.weights_stride;
    sum.rows = a.rows;
    sum.w = {a.value_panels, DType::f32, a.head_dim, a.keys, a.value_panel_stride};
    sum.out = a.out;
    sum.out_stride = a.out_stride;
    kernels.linear(sum, 0, a.rows, 0, panel_count(a.head_dim), scratch);
}

size_t round_up(size_t n) {  // keeps parts of a scratch buffer aligned
    return (n + 15) / 16 * 16;
}

}  // namespace

void attention(const Exec& exec, const AttentionArgs& a) {
    if (a.sequences <= 0 || a.queries <= 0 || a.heads <= 0) return;
    const size_t key_size = panel_elements(a.keys, a.head_dim), value_size = panel_elements(a.head_dim, a.keys);
    const int all_heads = a.sequences * a.heads;
    Buffer<float> key_panels(static_cast<size_t>(all_heads) * key_size);
    Buffer<float> value_panels(static_cast<size_t>(all_heads) * value_size);
    // Rows of a sequence's head in q, k, v or out.
    const auto rows_of = [&](int head, int rows, size_t stride) {
        return static_cast<size_t>(head / a.heads) * static_cast<size_t>(rows) * stride +
               static_cast<size_t>(head % a.heads) * static_cast<size_t>(a.head_dim);
    };
    parallel_for(exec, 2 * all_heads, [&](int task) {
        const int head = task / 2;
        if (task % 2 == 0)
            pack_panels(a.k + rows_of(head, a.keys, a.k_stride), a.k_stride, a.keys, a.head_dim,
                        key_panels.data() + static_cast<size_t>(head) * key_size);
        else
            pack_panels_transposed(a.v + rows_of(head, a.keys, a.v_stride), a.v_stride, a.head_dim, a.keys,
                                   value_panels.data() + static_cast<size_t>(head) * value_size);
    });
    const int blocks = ceil_div(a.queries, 56);  // so that scores of 1500 keys stay in the second-level cache
    const int rows = ceil_div(a.queries, blocks);
    const size_t weights_stride = round_up(static_cast<size_t>(a.keys)) + 16;
    const size_t scratch_size = kLinearScratch + static_cast<size_t>(rows) * weights_stride;
    const int n = blocks * all_heads;
    Buffer<float> scratch(scratch_size * static_cast<size_t>(slot_count(exec, n)));
    parallel_for_slots(exec, n, [&](int task, int slot) {
        const int head = task / blocks, row = task % blocks * rows;
        float* mine = scratch.data() + scratch_size * static_cast<size_t>(slot);
        HeadAttention h{};
        h.q = a.q + rows_of(head, a.queries, a.q_stride) + static_cast<size_t>(row) * a.q_stride;
        h.q_stride = a.q_stride;
        h.rows = std::min(rows, a.queries - row);
        if (h.rows <= 0) return;
        h.keys = a.causal ? row + h.rows : a.keys;
        h.causal_from = a.causal ? row : -1;
        h.head_dim = a.head_dim;
        h.key_panels = key_panels.data() + static_cast<size_t>(head) * key_size;
        h.value_panels = value_panels.data() + static_cast<size_t>(head) * value_size;
        h.value_panel_stride = static_cast<size_t>(a.keys) * kPanel;
        h.weights = mine + kLinearScratch;
        h.weights_stride = weights_stride;
        h.out = a.out + rows_of(head, a.queries, a.out_stride) + static_cast<size_t>(row) * a.out_stride;
        h.out_stride = a.out_stride;
        attend(*exec.kernels, h, mine);
    });
}

void cached_attention(const Exec& exec, const CachedAttentionArgs& a) {
    if (a.rows <= 0 || a.heads <= 0) return;
    // Consecutive rows that see the same keys share one reading of them.
    const auto group_end = [&](int row) {
        int end = row + 1;
        while (end < a.rows && end - row < exec.kernels->few_rows && a.key_cache[end] == a.key_cache[row] &&
               a.value_cache[end] == a.value_cache[row] && a.visible[end] == a.visible[row])
            ++end;
        return end;
    };
    const size_t capacity = static_cast<size_t>(a.capacity), head_dim = static_cast<size_t>(a.head_dim);
    const size_t scratch_size = static_cast<size_t>(exec.kernels->few_rows) * capacity;
    Buffer<float> scratch;
    if (a.weights == nullptr) scratch = Buffer<float>(scratch_size * static_cast<size_t>(slot_count(exec, a.heads)));
    parallel_for_slots(exec, a.heads, [&](int task, int slot) {
        const size_t head = static_cast<size_t>(task), base = head * capacity * head_dim;
        for (int row = 0, end; row < a.rows; row = end) {
            end = group_end(row);
            const size_t r = static_cast<size_t>(row);
            HeadAttention h{};
            h.q = a.q + r * a.q_stride + head * head_dim;
            h.q_stride = a.q_stride;
            h.rows = end - row;
            h.keys = a.visible[row];
            h.head_dim = a.head_dim;
            h.key_panels = a.key_cache[row] + base;
            h.value_panels = a.value_cache[row] + base;
            h.value_panel_stride = capacity * kPanel;
            h.weights_stride = a.weights != nullptr ? static_cast<size_t>(a.heads) * capacity : capacity;
            h.weights = a.weights != nullptr ? a.weights + r * h.weights_stride + head * capacity
                                             : scratch.data() + scratch_size * static_cast<size_t>(slot);
            h.out = a.out + r * a.out_stride + head * head_dim;
            h.out_stride = a.out_stride;
            attend(*exec.kernels, h, nullptr);
        }
    });
}

}  // namespace mm
