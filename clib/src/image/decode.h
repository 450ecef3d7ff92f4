// JPEG and PNG files to pixels, as Pillow decodes them: the same pixels, and the same files refused.
#pragma once

#include "image/pixels.h"
#include "runtime/exec.h"

namespace mm {

struct DecodeOptions {
    bool exif_orientation = false;    // turn the picture as its EXIF data (or XMP) says
    uint64_t max_pixels = 178956970;  // what Pillow takes for a decompression bomb is larger
};

// Image.open(data).convert("RGB"), after ImageOps.exif_transpose if asked for. Throws Error: INVALID_ARGUMENT (no
// picture, damaged, cut short, too large), UNSUPPORTED (another format), ABORTED.
Image decode_image(const void* data, size_t len, const DecodeOptions& options, StopSignal* stop);

// For the decoders: refuses a picture before it takes memory. Throws Error(INVALID_ARGUMENT).
void check_size(uint64_t width, uint64_t height, const DecodeOptions& options);

}  // namespace mm
