// The matrix product: out = act((x W^T + bias) * scale) + residual, with W in panels.
//
// An output element is one accumulator: it starts at +0 and takes its k products in ascending order, one fused
// multiply-add each. A tile of rows and panels is held in registers while k runs, so each element of x and W that is
// loaded is used several times. Cutting k into blocks stores and reloads accumulators and changes no bit.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vec_math.h"

namespace mm {
namespace {

// Rows and panels of the register tile.
#if defined(MM_ISA_AVX512)
constexpr int kTileRows = 14, kTilePanels = 2;
#elif defined(MM_ISA_AVX2)
constexpr int kTileRows = 6, kTilePanels = 1;
#elif defined(MM_ISA_NEON)
constexpr int kTileRows = 6, kTilePanels = 1;
#else
constexpr int kTileRows = 4, kTilePanels = 1;
#endif

// Few rows: weights are read once, straight from memory, and more panels at a time hide the latency of the additions.
constexpr int few_rows_panels(int rows) {
#if defined(MM_ISA_AVX512)
    return rows == 1 ? 8 : rows == 2 ? 6 : rows <= 5 ? 4 : 3;
#else
    return rows == 1 ? 4 : rows == 2 ? 3 : rows == 3 ? 2 : 1;
#endif
}
constexpr int kFewRows = kTileRows < 8 ? kTileRows : 8;
constexpr int kFetchRows = 5;            // fewer take the weights faster than they come, fetched ahead or not
constexpr size_t kFetchDistance = 4096;  // bytes: the processor fetches ahead by itself, up to the end of a page

// k is cut into blocks of so many: a tile's weights and x fit the first-level cache.
constexpr int kDepth = 192;
constexpr int kDepthStride = kDepth + 16;                   // keeps rows of packed x out of each other's cache sets
constexpr int kSumStride = kLinearMaxPanels * kPanel + 16;  // the same for rows of accumulators
constexpr int kPackedRows = kLinearMaxRows;

MM_INLINE Vec load_weights(const float* p) {
    return load(p);
}
MM_INLINE Vec load_weights(const uint16_t* p) {
    return load_f16(p);
}

// Weights that are needed next and fetched meanwhile, some bytes of each panel in each step of k. Without, every tile
// that is the first to use a panel waits for the memory.
struct Ahead {
    uintptr_t panel;      // may be past the end of the weights: fetching nothing is no fault
    size_t panel_stride;  // bytes
    size_t step;          // bytes
};

// sum[r][p] += x[r][0 .. depth) . panel p
template <int kRows, int kPanels, bool kFetch, typename Weight>
MM_INLINE void accumulate(Vec (&sum)[kRows][kPanels], const float* x, size_t x_stride, const Weight* w,
                          size_t panel_stride, int depth, Ahead ahead) {
    for (int k = 0; k < depth; ++k) {
        if constexpr (kFetch) {
            MM_UNROLL for (int p = 0; p < kPanels; ++p) __builtin_prefetch(
                reinterpret_cast<const void*>(ahead.panel + static_cast<size_t>(p) * ahead.panel_stride), 0, 2);
            ahead.panel += ahead.step;
        }
        Vec b[kPanels];
        MM_UNROLL for (int p = 0; p < kPanels; ++p) b[p] = load_weights(w + static_cast<size_t>(p) * panel_stride);
        MM_UNROLL for (int r = 0; r < kRows; ++r) {
            const Vec a = broadcast(x[static_cast<size_t>(r) * x_stride]);
            MM_UNROLL for (int p = 0; p < kPanels; ++p) sum[r][p] = fma(a, b[p], sum[r][p]);
        }
        x += 1;
        w += kPanel;
    }
}

MM_INLINE Vec load_lanes(const float* p, int lanes) {
    return lanes == kPanel ? load(p) : load_partial(p, lanes, 0.0f);
}
MM_INLINE void store_lanes(float* p, int lanes, Vec a) {
    if (lanes == kPanel)
        store(p, a);
    else
        store_partial(p, lanes, a);
}

inline Vec activate(Activation activation, Vec x) {
    switch (activation) {
        case Activation::gelu_erf:
            return gelu_erf(x);
        case Activation::gelu_quick:
            return gelu_quick(x);
        case Activation::gelu_tanh:
            return gelu_tanh(x);
        case Activation::none:
            break;
    }
    return x;
}

// What follows the sums of a tile, in this order: bias, scale, activation, residual; each step rounds once. Not
// inlined: tiles of every height share it, which keeps them small, and reading sums back from the cache costs next to
// nothing.
__attribute__((noinline)) void finish(const LinearArgs& args, int row, int rows, int panel, int panels,
                                      const float* sums, int sums_stride) {
    for (int p = panel; p < panel + panels; ++p, sums += kPanel) {
        const int column = p * kPanel;
        const int lanes = args.w.n - column < kPanel ? args.w.n - column : kPanel;
        const Vec bias = args.bias != nullptr ? load_lanes(args.bias + column, lanes) : broadcast(0.0f);
        for (int r = 0; r < rows; ++r) {
            Vec sum = load(sums + r * sums_stride);
            if (args.bias != nullptr) sum = sum + bias;
            if (args.scale != 1.0f) sum = sum * broadcast(args.scale);
            sum = activate(args.activation, sum);
            const size_t at = static_cast<size_t>(row + r);
            if (args.residual != nullptr)
                sum = sum + load_lanes(args.residual + at * args.residual_stride + column, lanes);
            store_lanes(args.out + at * args.out_stride + column, lanes, sum);
        }
    }
}

// ---- Few rows ----

template <int kRows, int kPanels, typename Weight>
inline void few_rows_tile(const LinearArgs& args, int row, int panel) {
    Vec sum[kRows][kPanels];
    MM_UNROLL for (int r = 0; r < kRows; ++r) MM_UNROLL for (int p = 0; p < kPanels; ++p) sum[r][p] = broadcast(0.0f);
    const size_t stride = args.w.panel_stride;
    const Weight* const w = static_cast<const Weight*>(args.w.data) + static_cast<size_t>(panel) * stride;
    const Ahead ahead{reinterpret_cast<uintptr_t>(w) + kFetchDistance, stride * sizeof(Weight),
                      kPanel * sizeof(Weight)};
    accumulate<kRows, kPanels, kRows >= kFetchRows>(sum, args.x + static_cast<size_t>(row) * args.x_stride,
                                                    args.x_stride, w, stride, args.w.k, ahead);
    float sums[kRows * kPanels * kPanel];
    MM_UNROLL for (int r = 0; r < kRows; ++r) MM_UNROLL for (int p = 0; p < kPanels; ++p)
        store(sums + (r * kPanels + p) * kPanel, sum[r][p]);
    finish(args, row, kRows, panel, kPanels, sums, kPanels * kPanel);
}

template <int kRows, typename Weight>
inline void few_rows(const LinearArgs& args, int row, int panel0, int panel1) {
    constexpr int kPanels = few_rows_panels(kRows);
    int panel = panel0;
    for (; panel + kPanels <= panel1; panel += kPanels) few_rows_tile<kRows, kPanels, Weight>(args, row, panel);
    for (; panel < panel1; ++panel) few_rows_tile<kRows, 1, Weight>(args, row, panel);
}

template <int kRows, typename Weight>
inline void few_rows_of(int rows, const LinearArgs& args, int row, int panel0, int panel1) {
    if constexpr (kRows > 0) {
        if (rows == kRows)
            few_rows<kRows, Weight>(args, row, panel0, panel1);
        else
            few_rows_of<kRows - 1, Weight>(rows, args, row, panel0, panel1);
    }
}

// ---- Many rows ----

// Scratch of one call: a block of x, copied so that its rows are a constant apart; f16 weights made f32; and the
// accumulators between blocks of k.
struct Scratch {
    float x[kPackedRows * kDepthStride];
    float w[kTilePanels * kDepth * kPanel];
    float sum[kPackedRows * kSumStride];
};
static_assert(sizeof(Scratch) <= kLinearScratch * sizeof(float), "kLinearScratch must hold the scratch of every set");

struct Tile {
    const float* x;  // packed
    const float* w;
    size_t panel_stride;
    int depth;
    float* sum;        // rows are kSumStride apart
    bool first, last;  // block of k
    Ahead ahead;       // the next tile's weights
};

template <int kRows, int kPanels>
inline void many_rows_tile(const LinearArgs& args, const Tile& t, int row, int panel) {
    Vec sum[kRows][kPanels];
    float* const sums = t.sum;
    MM_UNROLL for (int r = 0; r < kRows; ++r) MM_UNROLL for (int p = 0; p < kPanels; ++p) sum[r][p] =
        t.first ? broadcast(0.0f) : load(sums + r * kSumStride + p * kPanel);
    accumulate<kRows, kPanels, true>(sum, t.x, kDepthStride, t.w, t.panel_stride, t.depth, t.ahead);
    MM_UNROLL for (int r = 0; r < kRows; ++r) MM_UNROLL for (int p = 0; p < kPanels; ++p)
        store(sums + r * kSumStride + p * kPanel, sum[r][p]);
    if (t.last) finish(args, row, kRows, panel, kPanels, sums, kSumStride);
}

template <int kRows, int kPanels>
inline void many_rows_tile_of(int rows, const LinearArgs& args, const Tile& t, int row, int panel) {
    if constexpr (kRows > 0) {
        if (rows == kRows)
            many_rows_tile<kRows, kPanels>(args, t, row, panel);
        else
            many_rows_tile_of<kRows - 1, kPanels>(rows, args, t, row, panel);
    }
}

// All row tiles of one group of kPanels panels, for one block of k. Heights differ by at most one, and each fetches the
// same share of the next group's weights.
template <int kPanels>
inline void row_tiles(const LinearArgs& args, Tile t, int row0, int rows, int panel) {
    const int tiles = (rows + kTileRows - 1) / kTileRows;
    t.ahead.step /= static_cast<size_t>(tiles);
    for (int i = 0, row = 0; i < tiles; ++i) {
        const int height = rows / tiles + (i < rows % tiles ? 1 : 0);
        many_rows_tile_of<kTileRows, kPanels>(height, args, t, row0 + row, panel);
        t.x += height * kDepthStride;
        t.ahead.panel += static_cast<size_t>(t.depth) * t.ahead.step;
        t.sum += height * kSumStride;
        row += height;
    }
}

inline void copy_block(const float* x, size_t x_stride, int rows, int depth, float* packed) {
    for (int r = 0; r < rows; ++r, x += x_stride, packed += kDepthStride) {
        int k = 0;
        for (; k + kLanes <= depth; k += kLanes) store(packed + k, load(x + k));
        for (; k < depth; ++k) packed[k] = x[k];
    }
}

// One block of k for kPanels panels: weights as f32, then the row tiles. The next group's weights start at element
// `next`.
template <int kPanels>
inline void panel_group(const LinearArgs& args, Scratch& scratch, Tile t, int row0, int rows, int panel, int k0,
                        size_t next) {
    const size_t first = static_cast<size_t>(panel) * args.w.panel_stride + static_cast<size_t>(k0) * kPanel;
    const size_t size = dtype_size(args.w.type);
    t.ahead = {reinterpret_cast<uintptr_t>(args.w.data) + next * size, args.w.panel_stride * size, kPanel * size};
    if (args.w.type == DType::f32) {
        t.w = static_cast<const float*>(args.w.data) + first;
        t.panel_stride = args.w.panel_stride;
    } else {
        const uint16_t* half = static_cast<const uint16_t*>(args.w.data) + first;
        for (int p = 0; p < kPanels; ++p, half += args.w.panel_stride)
            for (int k = 0; k < t.depth; ++k)
                store(scratch.w + (p * kDepth + k) * kPanel, load_f16(half + static_cast<size_t>(k) * kPanel));
        t.w = scratch.w;
        t.panel_stride = static_cast<size_t>(kDepth) * kPanel;
    }
    row_tiles<kPanels>(args, t, row0, rows, panel);
}

inline void many_rows(const LinearArgs& args, int row0, int rows, int panel0, int panels, Scratch& scratch) {
    Tile t{};
    t.x = scratch.x;
    int k0 = 0;
    do {  // once for k = 0 too: the epilogue must run
        t.depth = args.w.k - k0 < kDepth ? args.w.k - k0 : kDepth;
        t.first = k0 == 0;
        t.last = k0 + t.depth == args.w.k;
        copy_block(args.x + static_cast<size_t>(row0) * args.x_stride + k0, args.x_stride, rows, t.depth, scratch.x);
        // After the last panels, the first ones of the next block.
        const auto next = [&](int p) {
            return static_cast<size_t>(panel0 + (p < panels ? p : 0)) * args.w.panel_stride +
                   static_cast<size_t>(p < panels ? k0 : k0 + t.depth) * kPanel;
        };
        int p = 0;
        for (; p + kTilePanels <= panels; p += kTilePanels) {
            t.sum = scratch.sum + p * kPanel;
            panel_group<kTilePanels>(args, scratch, t, row0, rows, panel0 + p, k0, next(p + kTilePanels));
        }
        for (; p < panels; ++p) {
            t.sum = scratch.sum + p * kPanel;
            panel_group<1>(args, scratch, t, row0, rows, panel0 + p, k0, next(p + 1));
        }
        k0 += t.depth;
    } while (k0 < args.w.k);
}

void linear(const LinearArgs& args, int row0, int row1, int panel0, int panel1, float* scratch) {
    if (row1 - row0 <= kFewRows) {
        if (args.w.type == DType::f32)
            few_rows_of<kFewRows, float>(row1 - row0, args, row0, panel0, panel1);
        else
            few_rows_of<kFewRows, uint16_t>(row1 - row0, args, row0, panel0, panel1);
        return;
    }
    Scratch& s = *reinterpret_cast<Scratch*>(scratch);
    for (int row = row0; row < row1; row += kPackedRows)
        for (int panel = panel0; panel < panel1; panel += kLinearMaxPanels)
            many_rows(args, row, row1 - row < kPackedRows ? row1 - row : kPackedRows, panel,
                      panel1 - panel < kLinearMaxPanels ? panel1 - panel : kLinearMaxPanels, s);
}

}  // namespace
}  // namespace mm
