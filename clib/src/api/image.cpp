// Pictures: decoding and resizing.
#include "api/image.h"

#include "api/guard.h"
#include "api/options.h"
#include "api/run.h"

namespace mm::api {
namespace {

DecodeOptions read_options(const mm_image_options* given) {
    const mm_image_options o = read_struct(given);
    DecodeOptions options;
    options.exif_orientation = read_switch(o.exif_orientation, false, "exif_orientation");
    if (o.max_pixels != 0) options.max_pixels = o.max_pixels;
    return options;
}

Filter read_filter(int32_t filter) {
    switch (filter) {
        case MM_FILTER_BICUBIC:
            return Filter::bicubic;
        case MM_FILTER_BILINEAR:
            return Filter::bilinear;
        default:
            fail(MM_ERROR_INVALID_ARGUMENT, "filter is %d: use MM_FILTER_BICUBIC (0) or MM_FILTER_BILINEAR (1)",
                 filter);
    }
}

void check_new_size(int32_t size, const char* name) {
    constexpr int32_t most = 1 << 24;
    if (size < 1 || size > most)
        fail(MM_ERROR_INVALID_ARGUMENT, "%s is %d pixels: it must be 1 to %d", name, size, most);
}

}  // namespace

PixelView checked_view(const mm_pixels& pixels) {
    if (!pixels.data) fail(MM_ERROR_INVALID_ARGUMENT, "the data of the pixels is NULL: it must point to RGB8 rows");
    if (pixels.width < 1 || pixels.height < 1)
        fail(MM_ERROR_INVALID_ARGUMENT, "the pixels are %d wide and %d high: both must be at least 1", pixels.width,
             pixels.height);
    const size_t row = size_t{3} * static_cast<size_t>(pixels.width);
    const size_t stride = pixels.stride ? pixels.stride : row;
    if (stride < row)
        fail(MM_ERROR_INVALID_ARGUMENT,
             "stride is %zu bytes, less than the %zu of a row: it must be at least 3 * width, or 0 for packed rows",
             stride, row);
    if (stride > static_cast<size_t>(PTRDIFF_MAX) / static_cast<size_t>(pixels.height))
        fail(MM_ERROR_INVALID_ARGUMENT, "stride is %zu bytes: %d rows of it are more than memory can hold", stride,
             pixels.height);
    return {pixels.data, pixels.width, pixels.height, stride};
}

}  // namespace mm::api

using namespace mm::api;

mm_status mm_image_decode(const void* data, size_t len, const mm_image_options* options, const mm_run_options* run,
                          uint8_t** out, int32_t* width, int32_t* height, char** error_out) {
    clear(out, width, height);
    const std::fenv_t host = host_environment();
    return guard(error_out, [&] {
        MM_REQUIRE(out);
        MM_REQUIRE(width);
        MM_REQUIRE(height);
        if (len > 0) MM_REQUIRE(data);
        const mm::DecodeOptions decode = read_options(options);
        Run running(run, host);
        mm::Image image = mm::decode_image(data, len, decode, &running.stop());
        *width = image.width;
        *height = image.height;
        *out = image.pixels.release();
    });
}

mm_status mm_image_resize(const mm_pixels* pixels, int32_t width, int32_t height, int32_t filter,
                          const mm_run_options* run, uint8_t** out, char** error_out) {
    clear(out);
    const std::fenv_t host = host_environment();
    return guard(error_out, [&] {
        MM_REQUIRE(pixels);
        MM_REQUIRE(out);
        const mm::PixelView from = checked_view(*pixels);
        check_new_size(width, "width");
        check_new_size(height, "height");
        const mm::Filter with = read_filter(filter);
        Run running(run, host);
        mm::Image image = mm::make_image(width, height);
        mm::resize(running.exec(), from, width, height, with, 0, 0, width, height, image.pixels.data());
        *out = image.pixels.release();
    });
}
