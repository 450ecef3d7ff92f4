// Pillow's antialiased resampling, bit for bit.
#pragma once

#include "image/pixels.h"
#include "runtime/exec.h"

namespace mm {

enum class Filter { bicubic, bilinear };

// The window [left, left + window_width) x [top, top + window_height) of Image.resize((width, height), filter), as
// [window_height][window_width][3]. Only what the window needs is computed. All sizes must be positive.
void resize(const Exec& exec, const PixelView& from, int width, int height, Filter filter, int left, int top,
            int window_width, int window_height, uint8_t* out);

}  // namespace mm
