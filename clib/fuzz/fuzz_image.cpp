// Any bytes as a picture: decoded, turned and resized, whole and in a window. make_seeds.py writes inputs to start
// from.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "image/decode.h"
#include "image/resize.h"
#include "runtime/error.h"

namespace {

void require(bool ok) {
    if (!ok) __builtin_trap();
}

// Sizes depend on the picture, so that inputs reach each direction and rule.
void resize(const mm::Image& image, mm::Filter filter) {
    const mm::Exec exec = mm::make_exec(1, nullptr);
    const int width = 1 + image.pixels[0] % 64, height = 1 + image.pixels[1] % 64;
    const mm::Image whole = [&] {
        mm::Image out = mm::make_image(width, height);
        mm::resize(exec, view(image), width, height, filter, 0, 0, width, height, out.pixels.data());
        return out;
    }();
    const int left = width / 3, top = height / 2, w = width - left, h = height - top;
    mm::Image window = mm::make_image(w, h);
    mm::resize(exec, view(image), width, height, filter, left, top, w, h, window.pixels.data());
    for (int y = 0; y < h; ++y)
        require(std::memcmp(window.pixels.data() + 3 * y * w, whole.pixels.data() + 3 * ((top + y) * width + left),
                            3 * static_cast<size_t>(w)) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    mm::DecodeOptions options;
    options.max_pixels = 1 << 16;
    options.exif_orientation = true;
    try {
        const mm::Image image = mm::decode_image(data, size, options, nullptr);
        require(image.width > 0 && image.height > 0);
        require(image.pixels.size() ==
                size_t{3} * static_cast<size_t>(image.width) * static_cast<size_t>(image.height));
        require(static_cast<uint64_t>(image.width) * static_cast<uint64_t>(image.height) <= options.max_pixels);
        resize(image, mm::Filter::bicubic);
        resize(image, mm::Filter::bilinear);
    } catch (const mm::Error& e) {
        require(e.status() == MM_ERROR_INVALID_ARGUMENT || e.status() == MM_ERROR_UNSUPPORTED);
        require(!std::getenv("MM_FUZZ_SEEDS"));  // make_seeds.py's inputs must not be refused
    }
    return 0;
}
