#include "model/packing.h"

#include <algorithm>
#include <cstring>

#include "model/model_file.h"
#include "runtime/byte_order.h"

namespace mm {
namespace {

constexpr uint32_t kExponentF32 = 0x7f800000;
constexpr uint16_t kExponentF16 = 0x7c00;

// Written without an early exit, so that it becomes vector code.
bool all_finite(const float* values, size_t n) {
    uint32_t special = 0;
    for (size_t i = 0; i < n; ++i) {
        uint32_t bits;
        std::memcpy(&bits, values + i, sizeof bits);
        special |= (bits & kExponentF32) == kExponentF32;
    }
    return special == 0;
}
bool all_finite(const uint16_t* values, size_t n) {
    uint16_t special = 0;
    for (size_t i = 0; i < n; ++i)
        special = static_cast<uint16_t>(special | ((values[i] & kExponentF16) == kExponentF16));
    return special == 0;
}

// Transposes tiles of 16 rows by 32 columns, which stay in the first-level cache. load(row, column, width, out) reads
// `width` values of a row.
template <typename T, typename Load>
bool pack(int n, int k, T* panels, const Load& load) {
    T tile[kPanel][kBlock];
    bool finite = true;
    for (int panel = 0; panel < panel_count(n); ++panel) {
        std::memset(tile, 0, sizeof tile);
        const int rows = std::min(kPanel, n - panel * kPanel);
        for (int column = 0; column < k; column += kBlock) {
            const int width = std::min(kBlock, k - column);
            for (int r = 0; r < rows; ++r) load(panel * kPanel + r, column, width, tile[r]);
            finite &= all_finite(&tile[0][0], kPanel * kBlock);
            for (int c = 0; c < width; ++c, panels += kPanel)
                for (int r = 0; r < kPanel; ++r) panels[r] = tile[r][c];
        }
    }
    return finite;
}

template <typename T>
bool pack_plain(const uint8_t* data, int n, int k, T* panels) {
    const size_t row_bytes = static_cast<size_t>(k) * sizeof(T);
    return pack(n, k, panels, [&](int row, int column, int width, T* out) {
        copy_little_endian(data + static_cast<size_t>(row) * row_bytes + static_cast<size_t>(column) * sizeof(T),
                           static_cast<size_t>(width), out);
    });
}

template <typename T>
bool pack_taps(const uint8_t* data, int n, int channels, int taps, T* panels) {
    return pack(n, channels * taps, panels, [&](int row, int column, int width, T* out) {
        for (int i = 0; i < width; ++i) {
            const int tap = (column + i) / channels, channel = (column + i) % channels;
            const size_t index =
                (static_cast<size_t>(row) * static_cast<size_t>(channels) + static_cast<size_t>(channel)) *
                    static_cast<size_t>(taps) +
                static_cast<size_t>(tap);
            copy_little_endian(data + index * sizeof(T), 1, out + i);
        }
    });
}

}  // namespace

bool pack_matrix(const Tensor& tensor, int n, int k, void* panels) {
    const uint8_t* data = tensor.data;
    if (tensor.type == WeightType::f16) return pack_plain(data, n, k, static_cast<uint16_t*>(panels));
    if (tensor.type == WeightType::f32) return pack_plain(data, n, k, static_cast<float*>(panels));
    const size_t size = block_bytes(tensor.type);
    const size_t row_bytes = static_cast<size_t>(k / kBlock) * size;
    return pack(n, k, static_cast<float*>(panels), [&](int row, int column, int, float* out) {
        dequantize_block(tensor.type,
                         data + static_cast<size_t>(row) * row_bytes + static_cast<size_t>(column / kBlock) * size,
                         out);
    });
}

bool pack_convolution(const Tensor& tensor, int n, int channels, int taps, void* panels) {
    if (tensor.type == WeightType::f16)
        return pack_taps(tensor.data, n, channels, taps, static_cast<uint16_t*>(panels));
    return pack_taps(tensor.data, n, channels, taps, static_cast<float*>(panels));
}

void unpack(const Tensor& tensor, float* out) {
    const size_t block = block_elements(tensor.type), size = block_bytes(tensor.type);
    for (size_t i = 0; i < tensor.elements(); i += block) {
        const uint8_t* data = tensor.data + i / block * size;
        if (is_quantized(tensor.type)) {
            dequantize_block(tensor.type, data, out + i);
        } else if (tensor.type == WeightType::f16) {
            out[i] = half_to_float(read_little_endian<uint16_t>(data));
        } else {
            copy_little_endian(data, 1, out + i);
        }
    }
}

bool all_finite(DType type, const void* data, size_t count) {
    return type == DType::f16 ? all_finite(static_cast<const uint16_t*>(data), count)
                              : all_finite(static_cast<const float*>(data), count);
}

void panel_row(const Panels& w, int row, float* out) {
    const size_t start = static_cast<size_t>(row / kPanel) * w.panel_stride + static_cast<size_t>(row % kPanel);
    if (w.type == DType::f16) {
        const uint16_t* data = static_cast<const uint16_t*>(w.data) + start;
        for (int i = 0; i < w.k; ++i) out[i] = half_to_float(data[static_cast<size_t>(i) * kPanel]);
    } else {
        const float* data = static_cast<const float*>(w.data) + start;
        for (int i = 0; i < w.k; ++i) out[i] = data[static_cast<size_t>(i) * kPanel];
    }
}

}  // namespace mm
