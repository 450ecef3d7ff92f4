// Pictures of 8-bit red, green and blue.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/memory.h"

namespace mm {

struct PixelView {
    const uint8_t* data;
    int width, height;
    size_t stride;  // bytes from row to row
};

struct Image {
    int width = 0, height = 0;
    Buffer<uint8_t> pixels;  // [height][width][3]
};

inline Image make_image(int width, int height) {
    return {width, height, Buffer<uint8_t>(size_t{3} * static_cast<size_t>(width) * static_cast<size_t>(height))};
}

inline PixelView view(const Image& image) {
    return {image.pixels.data(), image.width, image.height, size_t{3} * static_cast<size_t>(image.width)};
}

}  // namespace mm
