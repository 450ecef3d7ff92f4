// Decoding of JPEG and PNG files, orientation, and windows of resized pictures. tests/test_image.py compares with
// Pillow.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "check.h"
#include "image/decode.h"
#include "image/metadata.h"
#include "image/resize.h"
#include "picture_bytes.h"
#include "runtime/error.h"

namespace {

using mm::Image;

Image decode(const void* data, size_t len, bool exif_orientation = false) {
    mm::DecodeOptions options;
    options.exif_orientation = exif_orientation;
    return mm::decode_image(data, len, options, nullptr);
}

// The message of the error that decoding ends with; "" if it does not.
std::string refusal(const void* data, size_t len, mm_status status, uint64_t max_pixels = 1 << 20) {
    mm::DecodeOptions options;
    options.max_pixels = max_pixels;
    try {
        mm::decode_image(data, len, options, nullptr);
    } catch (const mm::Error& error) {
        CHECK(error.status() == status);
        return error.what();
    }
    return "";
}

bool has(const std::string& text, const char* part) {
    return text.find(part) != text.npos;
}

uint64_t digest(const Image& image) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (const uint8_t byte : image.pixels) hash = (hash ^ byte) * 0x100000001b3u;
    return hash;
}

// By Pillow 12.2.
void jpeg_files_have_known_pixels() {
    const Image baseline = decode(kBaselineJpeg, sizeof kBaselineJpeg);
    CHECK(baseline.width == 18 && baseline.height == 9 && digest(baseline) == 0xa1a1142b84a68f48u);
    const Image cmyk = decode(kProgressiveCmykJpeg, sizeof kProgressiveCmykJpeg);
    CHECK(cmyk.width == 18 && cmyk.height == 9 && digest(cmyk) == 0xde3ebd40fbd52902u);
}

void png_files_have_the_pixels_that_were_written() {
    const picture_file file = make_png(37, 23, nullptr, nullptr, 0);
    const Image image = decode(file.data, file.len);
    CHECK(image.width == 37 && image.height == 23);
    for (uint32_t y = 0; y < 23; ++y)
        for (uint32_t x = 0; x < 37; ++x)
            for (uint32_t c = 0; c < 3; ++c)
                CHECK(image.pixels[3 * (y * size_t{37} + x) + c] == pattern_sample(x, y, c));
    free(file.data);
}

// 16-bit grey is cut off at 255, 16-bit colours keep their upper bytes, and alpha is dropped.
void png_samples_of_16_bits() {
    const auto first_pixel = [](int colour, std::vector<uint8_t> row) {
        picture_file file = {nullptr, 0, 0};
        put_png_start(&file, 1, 1, 16, colour);
        put_png_rows(&file, row.data(), row.size());
        const Image image = decode(file.data, file.len);
        free(file.data);
        return std::vector<int>(image.pixels.begin(), image.pixels.end());
    };
    CHECK((first_pixel(0, {0, 0, 200}) == std::vector<int>{200, 200, 200}));
    CHECK((first_pixel(0, {0, 1, 2}) == std::vector<int>{255, 255, 255}));
    CHECK((first_pixel(4, {0, 7, 1, 9, 9}) == std::vector<int>{7, 7, 7}));
    CHECK((first_pixel(2, {0, 1, 9, 2, 9, 3, 9}) == std::vector<int>{1, 2, 3}));
    CHECK((first_pixel(6, {0, 1, 9, 2, 9, 3, 9, 0, 0}) == std::vector<int>{1, 2, 3}));
}

// A file of exactly the bytes that there are, so that sanitizers see what reads beyond.
std::string refusal_of_prefix(const uint8_t* data, size_t len) {
    const std::vector<uint8_t> prefix(data, data + len);
    return refusal(prefix.data(), prefix.size(), MM_ERROR_INVALID_ARGUMENT);
}

void what_is_cut_short_is_refused() {
    const picture_file png = make_png(9, 7, "tEXt", "key\0text", 8);
    // What is behind the pixels may lack: the stream's checksum, the chunk's, and the end.
    for (size_t n = 8; n < png.len - 20; ++n) CHECK(has(refusal_of_prefix(png.data, n), "cut short"));
    for (size_t n = png.len - 20; n <= png.len; ++n) CHECK(refusal_of_prefix(png.data, n).empty());
    free(png.data);
    for (size_t n = 3; n < sizeof kBaselineJpeg; ++n) CHECK(has(refusal_of_prefix(kBaselineJpeg, n), "cut short"));
    for (size_t n = 3; n < sizeof kProgressiveCmykJpeg; ++n)
        CHECK(has(refusal_of_prefix(kProgressiveCmykJpeg, n), "cut short"));
}

void damaged_files_end_with_a_reason() {
    const picture_file png = make_png(9, 7, "tEXt", "key\0text", 8);
    std::vector<uint8_t> bytes(png.data, png.data + png.len);
    bytes[20] ^= 1;  // of the width
    CHECK(has(refusal(bytes.data(), bytes.size(), MM_ERROR_INVALID_ARGUMENT), "checksum"));
    free(png.data);
    // Each byte of each file in turn: pixels or a reason, and no fault.
    const mm::Bytes files[] = {{kBaselineJpeg, sizeof kBaselineJpeg},
                               {kProgressiveCmykJpeg, sizeof kProgressiveCmykJpeg}};
    for (const mm::Bytes& file : files) {
        for (size_t i = 3; i < file.len; ++i) {
            bytes.assign(file.data, file.data + file.len);
            bytes[i] ^= 0x55;
            try {
                mm::DecodeOptions options;
                options.max_pixels = 1 << 16;
                mm::decode_image(bytes.data(), bytes.size(), options, nullptr);
            } catch (const mm::Error& error) {
                CHECK(error.status() == MM_ERROR_INVALID_ARGUMENT || error.status() == MM_ERROR_UNSUPPORTED);
                CHECK(std::strlen(error.what()) > 20);
            }
        }
    }
}

void sizes_are_limited_before_memory_is_taken() {
    const auto refused = [](uint32_t width, uint32_t height, uint64_t max_pixels) {
        picture_file file = {nullptr, 0, 0};
        put_png_start(&file, width, height, 8, 2);
        put_chunk(&file, "IDAT", "", 0);
        const std::string message = refusal(file.data, file.len, MM_ERROR_INVALID_ARGUMENT, max_pixels);
        free(file.data);
        return message;
    };
    CHECK(has(refused(30000, 30000, mm::DecodeOptions().max_pixels), "30000 x 30000"));
    CHECK(has(refused(0xFFFFFFFF, 1, UINT64_MAX), "4294967295 x 1"));
    CHECK(has(refused(0xFFFFFFFF, 0xFFFFFFFF, UINT64_MAX), "max_pixels"));
    CHECK(has(refused(0, 5, UINT64_MAX), "width or height is 0"));
    CHECK(has(refusal(kBaselineJpeg, sizeof kBaselineJpeg, MM_ERROR_INVALID_ARGUMENT, 161), "18 x 9 pixels"));
    CHECK(refusal(kBaselineJpeg, sizeof kBaselineJpeg, MM_ERROR_INVALID_ARGUMENT, 162).empty());
}

void other_formats_are_named() {
    CHECK(has(refusal(nullptr, 0, MM_ERROR_INVALID_ARGUMENT), "empty"));
    CHECK(has(refusal("RIFF\0\0\0\0WEBPVP8 ", 16, MM_ERROR_UNSUPPORTED), "WebP"));
    CHECK(has(refusal("GIF89a", 6, MM_ERROR_UNSUPPORTED), "GIF"));
    CHECK(has(refusal("\0\0\0\x1c"
                      "ftypavif",
                      12, MM_ERROR_UNSUPPORTED),
              "AVIF"));
    CHECK(has(refusal("hello", 5, MM_ERROR_INVALID_ARGUMENT), "68 65 6c 6c 6f"));
}

// ---- Orientation ----------------------------------------------------------------------------------------------------

void every_orientation_puts_each_pixel_in_its_place() {
    const int w = 45, h = 70;  // more than a tile
    mm::StopSignal stop;
    for (int orientation = 1; orientation <= 8; ++orientation) {
        Image image = mm::make_image(w, h);
        for (int i = 0; i < w * h; ++i)
            for (int c = 0; c < 3; ++c)
                image.pixels[3 * static_cast<size_t>(i) + c] = static_cast<uint8_t>(i >> (4 * c));
        const Image turned = mm::turned(std::move(image), orientation, stop);
        const bool swapped = orientation >= 5;
        CHECK(turned.width == (swapped ? h : w) && turned.height == (swapped ? w : h));
        for (int y = 0; y < turned.height; ++y) {
            for (int x = 0; x < turned.width; ++x) {
                // As the EXIF specification says where row 0 and column 0 of the stored picture are.
                const int along = swapped ? y : x, down = swapped ? x : y;
                const bool right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
                const bool bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
                const int from = (bottom ? h - 1 - down : down) * w + (right ? w - 1 - along : along);
                const uint8_t* pixel = turned.pixels.data() + 3 * (y * turned.width + x);
                for (int c = 0; c < 3; ++c) CHECK(pixel[c] == static_cast<uint8_t>(from >> (4 * c)));
            }
        }
    }
}

int orientation_of(const std::string& exif) {
    mm::Metadata metadata;
    metadata.set_exif({reinterpret_cast<const uint8_t*>(exif.data()), exif.size()});
    return mm::orientation(metadata);
}

void exif_data_is_read_as_far_as_it_goes() {
    const std::string entry("\x12\x01\x03\0\x01\0\0\0\x06\0\0\0", 12);
    const std::string start("II*\0\x08\0\0\0", 8), one("\x01\0", 2), two("\x02\0", 2);
    CHECK(orientation_of(start + one + entry) == 6);
    CHECK(orientation_of(std::string("Exif\0\0Exif\0\0", 12) + start + one + entry) == 6);
    CHECK(orientation_of(start + two + entry) == 6);  // the second entry is not there
    // An entry before it whose 2 ** 31 bytes are not there ends it; one that has no values, or of no known type, does
    // not.
    CHECK(orientation_of(start + two + std::string("\x0f\x01\x02\0\0\0\0\x80\x08\0\0\0", 12) + entry) == 1);
    CHECK(orientation_of(start + two + std::string("\x0f\x01\x02\0\0\0\0\0\x08\0\0\0", 12) + entry) == 6);
    CHECK(orientation_of(start + two + std::string("\x0f\x01\x63\0\xff\xff\xff\xff\x08\0\0\0", 12) + entry) == 6);
    CHECK(orientation_of(std::string("II*\0\xff\xff\xff\xff", 8) + one + entry) == 1);
    CHECK(orientation_of(std::string("no TIFF file", 12)) == 1);
    CHECK(orientation_of("") == 1);
    const std::string big_endian("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x04\0\0\0\x01\0\0\0\x03", 22);
    CHECK(orientation_of(big_endian) == 3);
    for (size_t n = 0; n < big_endian.size(); ++n) CHECK(orientation_of(big_endian.substr(0, n)) == 1);
}

// ---- Resizing -------------------------------------------------------------------------------------------------------

void a_window_is_cut_out_of_the_whole() {
    const Image image = [] {
        const picture_file file = make_png(150, 110, nullptr, nullptr, 0);
        Image decoded = decode(file.data, file.len);
        free(file.data);
        return decoded;
    }();
    uint32_t seed = 5;
    const auto below = [&](int n) {
        seed = seed * 1664525u + 1013904223u;
        return static_cast<int>((uint64_t{seed} * static_cast<uint32_t>(n)) >> 32);
    };
    const bool slow = std::getenv("MM_TEST_INSTRUMENTED") != nullptr;
    for (int i = 0; i < (slow ? 20 : 200); ++i) {
        const mm::PixelView from{image.pixels.data() + 3 * below(20), 130, 1 + below(110), 450};
        const int width = i % 5 == 0 ? from.width : 1 + below(200), height = i % 7 == 0 ? from.height : 1 + below(200);
        const mm::Filter filter = i % 2 ? mm::Filter::bicubic : mm::Filter::bilinear;
        Image whole = mm::make_image(width, height);
        mm::resize(mm::make_exec(1, nullptr), from, width, height, filter, 0, 0, width, height, whole.pixels.data());
        const int left = below(width), top = below(height), w = 1 + below(width - left), h = 1 + below(height - top);
        Image window = mm::make_image(w, h);
        mm::resize(mm::make_exec(3, nullptr), from, width, height, filter, left, top, w, h, window.pixels.data());
        for (int y = 0; y < h; ++y) {
            const uint8_t* expected = whole.pixels.data() + 3 * ((top + y) * width + left);
            CHECK(std::memcmp(window.pixels.data() + 3 * y * w, expected, 3 * static_cast<size_t>(w)) == 0);
        }
    }
}

void a_picture_of_one_colour_keeps_it() {
    std::vector<uint8_t> pixels(3 * 64 * 3, 0);
    for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = i % 3 == 0 ? 255 : i % 3 == 1 ? 128 : 1;
    for (const mm::Filter filter : {mm::Filter::bicubic, mm::Filter::bilinear}) {
        Image out = mm::make_image(11, 29);
        mm::resize(mm::make_exec(0, nullptr), {pixels.data(), 64, 3, 192}, 11, 29, filter, 0, 0, 11, 29,
                   out.pixels.data());
        for (size_t i = 0; i < out.pixels.size(); ++i) CHECK(out.pixels[i] == pixels[i % 3]);
    }
}

}  // namespace

int main() {
    jpeg_files_have_known_pixels();
    png_files_have_the_pixels_that_were_written();
    png_samples_of_16_bits();
    what_is_cut_short_is_refused();
    damaged_files_end_with_a_reason();
    sizes_are_limited_before_memory_is_taken();
    other_formats_are_named();
    every_orientation_puts_each_pixel_in_its_place();
    exif_data_is_read_as_far_as_it_goes();
    a_window_is_cut_out_of_the_whole();
    a_picture_of_one_colour_keeps_it();
    return finish("test_image");
}
