// PNG files, walked through as Pillow does it, over zlib's inflate.
#pragma once

#include <vector>

#include "image/decode.h"
#include "image/metadata.h"

namespace mm {

inline bool is_png(Bytes bytes) {
    return bytes.starts_with("\x89PNG\r\n\x1a\n");
}

Image decode_png(Bytes bytes, const DecodeOptions& options, StopSignal& stop, Metadata& metadata);

// How the samples of a picture are stored, by its header.
struct PngLayout {
    int depth, colour;  // of the header
    bool is_palette() const { return colour == 3; }
    int channels() const { return colour == 2 ? 3 : colour == 4 ? 2 : colour == 6 ? 4 : 1; }
    int bits() const { return depth * channels(); }
    bool is_known() const;  // one of the fifteen that there are
};

// Unfilters rows and turns them into RGB.
class PngRows {
  public:
    PngRows(const PngLayout& layout, Bytes palette);

    const uint8_t* first_colour() const { return palette_; }  // black without a palette
    size_t row_bytes(int width) const;                        // without the filter's byte
    // Undoes the filter of `row`, which starts with its number; false for an unknown one.
    bool unfilter(uint8_t* row, const uint8_t* previous, size_t row_bytes) const;
    void to_rgb(const uint8_t* row, int width, uint8_t* out) const;

  private:
    PngLayout layout_;
    uint8_t palette_[256 * 3] = {};  // what the file does not give is black
};

}  // namespace mm
