#include <cstdlib>

#include "image/png.h"

namespace mm {
namespace {

// `n` is the bytes of a pixel, at least 1.
template <size_t n>
void undo_sub(uint8_t* row, size_t len) {
    for (size_t i = n; i < len; ++i) row[i] = static_cast<uint8_t>(row[i] + row[i - n]);
}

void undo_up(uint8_t* row, const uint8_t* above, size_t len) {
    for (size_t i = 0; i < len; ++i) row[i] = static_cast<uint8_t>(row[i] + above[i]);
}

template <size_t n>
void undo_average(uint8_t* row, const uint8_t* above, size_t len) {
    for (size_t i = 0; i < n; ++i) row[i] = static_cast<uint8_t>(row[i] + above[i] / 2);
    for (size_t i = n; i < len; ++i) row[i] = static_cast<uint8_t>(row[i] + (row[i - n] + above[i]) / 2);
}

template <size_t n>
void undo_paeth(uint8_t* row, const uint8_t* above, size_t len) {
    undo_up(row, above, n);
    for (size_t i = n; i < len; ++i) {
        const int a = row[i - n], b = above[i], c = above[i - n];
        const int pa = std::abs(b - c), pb = std::abs(a - c), pc = std::abs(a + b - 2 * c);
        const int nearest = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
        row[i] = static_cast<uint8_t>(row[i] + nearest);
    }
}

template <size_t n>
bool undo(uint8_t* row, const uint8_t* above, size_t len) {
    switch (row[0]) {
        case 0:
            return true;
        case 1:
            undo_sub<n>(row + 1, len);
            return true;
        case 2:
            undo_up(row + 1, above + 1, len);
            return true;
        case 3:
            undo_average<n>(row + 1, above + 1, len);
            return true;
        case 4:
            undo_paeth<n>(row + 1, above + 1, len);
            return true;
        default:
            return false;
    }
}

}  // namespace

bool PngLayout::is_known() const {
    switch (colour) {
        case 0:
            return depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
        case 3:
            return depth == 1 || depth == 2 || depth == 4 || depth == 8;
        case 2:
        case 4:
        case 6:
            return depth == 8 || depth == 16;
        default:
            return false;
    }
}

PngRows::PngRows(const PngLayout& layout, Bytes palette) : layout_(layout) {
    std::copy_n(palette.data, std::min<size_t>(palette.len / 3 * 3, sizeof palette_), palette_);
}

size_t PngRows::row_bytes(int width) const {
    return (static_cast<size_t>(width) * static_cast<size_t>(layout_.bits()) + 7) / 8;
}

bool PngRows::unfilter(uint8_t* row, const uint8_t* previous, size_t row_bytes) const {
    switch ((layout_.bits() + 7) / 8) {
        case 1:
            return undo<1>(row, previous, row_bytes);
        case 2:
            return undo<2>(row, previous, row_bytes);
        case 3:
            return undo<3>(row, previous, row_bytes);
        case 4:
            return undo<4>(row, previous, row_bytes);
        case 6:
            return undo<6>(row, previous, row_bytes);
        default:
            return undo<8>(row, previous, row_bytes);
    }
}

void PngRows::to_rgb(const uint8_t* in, int width, uint8_t* out) const {
    const int depth = layout_.depth;
    if (depth < 8) {  // grey or palette: several in a byte, the first in the highest bits
        const int mask = (1 << depth) - 1, scale = 255 / mask;
        for (int x = 0, bit = 0; x < width; ++x, bit += depth, out += 3) {
            const int value = in[bit / 8] >> (8 - depth - bit % 8) & mask;
            for (int c = 0; c < 3; ++c)
                out[c] = layout_.is_palette() ? palette_[3 * value + c] : static_cast<uint8_t>(value * scale);
        }
        return;
    }
    const int step = layout_.bits() / 8;
    if (layout_.is_palette()) {
        for (int x = 0; x < width; ++x, out += 3)
            for (int c = 0; c < 3; ++c) out[c] = palette_[3 * in[x] + c];
    } else if (layout_.colour == 0 && depth == 16) {  // Pillow cuts off what is above 255
        for (int x = 0; x < width; ++x, in += 2, out += 3) out[0] = out[1] = out[2] = in[0] == 0 ? in[1] : 255;
    } else if (layout_.channels() <= 2) {  // of 16 bits the upper 8 are taken, and alpha is dropped
        for (int x = 0; x < width; ++x, in += step, out += 3) out[0] = out[1] = out[2] = in[0];
    } else {
        const int next = depth / 8;
        for (int x = 0; x < width; ++x, in += step, out += 3) {
            out[0] = in[0];
            out[1] = in[next];
            out[2] = in[2 * next];
        }
    }
}

}  // namespace mm
