#include "image/decode.h"

#include <string>
#include <utility>

#include "image/jpeg.h"
#include "image/metadata.h"
#include "image/png.h"

namespace mm {
namespace {

struct Format {
    const char* name;
    size_t offset;
    std::string start;
};

// Formats that pictures come in and that are not read here; null for what is none of them.
const char* other_format(Bytes bytes) {
    const Format formats[] = {
        {"GIF", 0, "GIF8"},
        {"WebP", 8, "WEBP"},
        {"BMP", 0, "BM"},
        {"TIFF", 0, std::string("II*\0", 4)},
        {"TIFF", 0, std::string("MM\0*", 4)},
        {"TIFF", 0, std::string("II+\0", 4)},
        {"TIFF", 0, std::string("MM\0+", 4)},
        {"AVIF", 4, "ftypavif"},
        {"HEIF", 4, "ftyphei"},
        {"HEIF", 4, "ftypmif1"},
        {"JPEG 2000", 0, "\xff\x4f\xff\x51"},
        {"JPEG 2000", 4, "jP  "},
        {"JPEG XL", 0, "\xff\x0a"},
        {"JPEG XL", 4, "JXL "},
        {"ICO", 0, std::string("\0\0\1\0", 4)},
        {"Photoshop", 0, "8BPS"},
        {"SVG", 0, "<svg"},
    };
    for (const Format& format : formats)
        if (bytes.from(format.offset).starts_with(format.start.data(), format.start.size())) return format.name;
    return nullptr;
}

[[noreturn]] void refuse(Bytes bytes) {
    if (bytes.len == 0) fail(MM_ERROR_INVALID_ARGUMENT, "the image is empty: it has no bytes");
    if (const char* name = other_format(bytes))
        fail(MM_ERROR_UNSUPPORTED,
             "this is a %s file; JPEG and PNG files are read: convert it, or decode it and hand in its pixels", name);
    std::string start;
    for (size_t i = 0; i < std::min<size_t>(bytes.len, 8); ++i) {
        constexpr char digits[] = "0123456789abcdef";
        start += {' ', digits[bytes.data[i] >> 4], digits[bytes.data[i] & 15]};
    }
    fail(MM_ERROR_INVALID_ARGUMENT, "not a JPEG or PNG file: its %zu bytes begin with%s", bytes.len, start.c_str());
}

}  // namespace

void check_size(uint64_t width, uint64_t height, const DecodeOptions& options) {
    // No product of two 32-bit numbers overflows.
    if (width > INT32_MAX || height > INT32_MAX || width * height > options.max_pixels)
        fail(MM_ERROR_INVALID_ARGUMENT,
             "the picture has %llu x %llu pixels, more than the limit of %llu: if you trust its source, raise "
             "max_pixels",
             static_cast<unsigned long long>(width), static_cast<unsigned long long>(height),
             static_cast<unsigned long long>(options.max_pixels));
}

Image decode_image(const void* data, size_t len, const DecodeOptions& options, StopSignal* stop) {
    const Bytes bytes{static_cast<const uint8_t*>(data), len};
    StopSignal never;
    if (!stop) stop = &never;
    stop->check();
    Metadata metadata;
    Image image;
    if (is_jpeg(bytes))
        image = decode_jpeg(bytes, options, *stop, metadata);
    else if (is_png(bytes))
        image = decode_png(bytes, options, *stop, metadata);
    else
        refuse(bytes);
    return options.exif_orientation ? turned(std::move(image), orientation(metadata), *stop) : std::move(image);
}

}  // namespace mm
