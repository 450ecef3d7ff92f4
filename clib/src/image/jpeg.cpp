#include "image/jpeg.h"

#include <cstdio>
#include <new>

extern "C" {
#include <jpeglib.h>
// after it
#include <jerror.h>
}

namespace mm {
namespace {

// What libjpeg calls. Its errors are thrown through it: it is compiled with -fexceptions, and owns nothing but its
// pools.
[[noreturn]] void throw_error(j_common_ptr codec) {
    if (codec->err->msg_code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
    char text[JMSG_LENGTH_MAX];
    codec->err->format_message(codec, text);
    fail(MM_ERROR_INVALID_ARGUMENT, "the JPEG file is damaged: %s", text);
}
void say_nothing(j_common_ptr) {}
void do_nothing(j_decompress_ptr) {}
boolean wait_for_more(j_decompress_ptr) {
    return FALSE;
}
void check_stop(j_common_ptr codec) {
    static_cast<StopSignal*>(codec->client_data)->check();
}
void skip(j_decompress_ptr codec, long n);

// libjpeg over a file in memory. It gets the file in pieces of Pillow's size and stops at the end of each: where data
// is damaged, what comes out depends on where it had to wait.
class Decompressor {
  public:
    Decompressor(Bytes bytes, StopSignal& stop) : file_("JPEG", bytes), stop_(stop) {
        codec.err = jpeg_std_error(&errors_);
        errors_.error_exit = throw_error;
        errors_.output_message = say_nothing;
        codec.client_data = &stop;  // kept by jpeg_create_decompress
        try {
            jpeg_create_decompress(&codec);
        } catch (...) {
            jpeg_destroy_decompress(&codec);
            throw;
        }
        source_.self = this;
        source_.init_source = source_.term_source = do_nothing;
        source_.fill_input_buffer = wait_for_more;
        source_.skip_input_data = mm::skip;
        source_.resync_to_restart = jpeg_resync_to_restart;
        codec.src = &source_;
        progress_.progress_monitor = check_stop;
        codec.progress = &progress_;
        source_.next_input_byte = bytes.data;
    }
    ~Decompressor() { jpeg_destroy_decompress(&codec); }
    Decompressor(const Decompressor&) = delete;
    Decompressor& operator=(const Decompressor&) = delete;

    void read_header() {
        give_more();
        for (int result; (result = jpeg_read_header(&codec, FALSE)) != JPEG_HEADER_OK;)
            if (result == JPEG_SUSPENDED) give_more();
    }
    void start() {
        while (!jpeg_start_decompress(&codec)) give_more();
    }
    void read_row(uint8_t* row) {
        stop_.check();
        while (jpeg_read_scanlines(&codec, &row, 1) != 1) give_more();
    }
    // Looks at what follows the picture, as far as it has been handed over.
    void finish() { jpeg_finish_decompress(&codec); }

    void skip(size_t n) {
        const size_t now = std::min(n, source_.bytes_in_buffer);
        source_.next_input_byte += now;
        source_.bytes_in_buffer -= now;
        to_skip_ = n - now;
    }
    static Decompressor& of(j_decompress_ptr codec) { return *static_cast<Source*>(codec->src)->self; }

    jpeg_decompress_struct codec{};

  private:
    struct Source : jpeg_source_mgr {
        Decompressor* self;
    };
    static constexpr size_t kPiece = 65536;

    void give_more() {
        do {
            stop_.check();
            const size_t n = file_.read(kPiece).len;
            if (n == 0) file_.cut_short();
            source_.bytes_in_buffer += n;
            skip(to_skip_);
        } while (to_skip_ > 0);
    }

    FileReader file_;
    StopSignal& stop_;
    jpeg_error_mgr errors_{};
    Source source_{};
    jpeg_progress_mgr progress_{};
    size_t to_skip_ = 0;
};

void skip(j_decompress_ptr codec, long n) {
    if (n > 0) Decompressor::of(codec).skip(static_cast<size_t>(n));
}

// Rows of grey or CMYK become RGB as Pillow converts them.
void grey_to_rgb(const uint8_t* in, int n, uint8_t* out) {
    for (int x = 0; x < n; ++x, out += 3) out[0] = out[1] = out[2] = in[x];
}

// `in` is inverted, which is Adobe's way and taken for granted.
void cmyk_to_rgb(const uint8_t* in, int n, uint8_t* out) {
    for (int x = 0; x < n; ++x, in += 4, out += 3) {
        const int white = in[3];
        for (int c = 0; c < 3; ++c) {
            const int product = (255 - in[c]) * white + 128;
            out[c] = static_cast<uint8_t>(white - ((product + (product >> 8)) >> 8));
        }
    }
}

}  // namespace

#define MM_TEXT_OF(x) #x
#define MM_TEXT(x) MM_TEXT_OF(x)
const char* jpeg_decoder_version() {
    return MM_TEXT(LIBJPEG_TURBO_VERSION);
}

Image decode_jpeg(Bytes bytes, const DecodeOptions& options, StopSignal& stop, Metadata& metadata) {
    const JpegHeader header = read_jpeg_header(bytes, metadata);
    check_size(static_cast<uint64_t>(header.width), static_cast<uint64_t>(header.height), options);
    Decompressor decompressor(bytes, stop);
    jpeg_decompress_struct& codec = decompressor.codec;
    decompressor.read_header();
    codec.out_color_space = header.components == 1 ? JCS_GRAYSCALE : header.components == 3 ? JCS_RGB : JCS_CMYK;
    decompressor.start();
    if (codec.output_width != static_cast<unsigned>(header.width) ||
        codec.output_height != static_cast<unsigned>(header.height) || codec.output_components != header.components)
        fail(MM_ERROR_INVALID_ARGUMENT, "the JPEG file is damaged: it has two frame headers that differ");

    Image image = make_image(header.width, header.height);
    const size_t stride = view(image).stride;
    Buffer<uint8_t> row(static_cast<size_t>(header.width) * 4);
    for (int y = 0; y < header.height; ++y) {
        uint8_t* out = image.pixels.data() + static_cast<size_t>(y) * stride;
        decompressor.read_row(header.components == 3 ? out : row.data());
        if (header.components == 1) grey_to_rgb(row.data(), header.width, out);
        if (header.components == 4) cmyk_to_rgb(row.data(), header.width, out);
    }
    decompressor.finish();
    return image;
}

}  // namespace mm
