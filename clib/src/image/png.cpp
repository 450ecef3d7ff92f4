#include "image/png.h"

#include <array>
#include <utility>

#include "image/inflater.h"
#include "image/png_chunks.h"

namespace mm {
namespace {

// Where the pixels of a pass of Adam7 lie; a picture that is not interlaced has one pass.
struct Pass {
    int left, top, x_step, y_step;
    int width(int of) const { return (of - left + x_step - 1) / x_step; }  // 0 where it has no column
};
constexpr Pass kWhole = {0, 0, 1, 1};
constexpr std::array<Pass, 7> kAdam7 = {
    {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}};

// Inflates the picture's data, row by row, into the picture. Where the stream ends at the end of a row, so does the
// picture; what is missing stays as it was.
class PixelReader {
  public:
    PixelReader(const PngHeader& header, Image& image)
        : header_(header),
          image_(image),
          rows_(header.layout, header.palette),
          row_(rows_.row_bytes(header.frame.width) + 1),
          previous_(row_.size()),
          rgb_(static_cast<size_t>(header.frame.width) * 3) {
        std::fill(previous_.begin(), previous_.end(), uint8_t{0});
        set_pass(0);
    }

    // With zero, or the first colour of the palette.
    void fill(StopSignal& stop) {
        const size_t n = static_cast<size_t>(image_.width), stride = view(image_).stride;
        for (size_t y = 0; y < static_cast<size_t>(image_.height); ++y) {
            stop.check();
            uint8_t* row = image_.pixels.data() + y * stride;
            for (size_t x = 0; x < n; ++x) std::copy_n(rows_.first_colour(), 3, row + 3 * x);
        }
    }

    // Takes a piece of the stream; true at the end of the picture.
    bool read(Bytes piece, const FileReader& file, StopSignal& stop) {
        z_stream& stream = inflater_.stream;
        stream.next_in = piece.data;
        stream.avail_in = static_cast<unsigned>(piece.len);
        while (stream.avail_in > 0) {
            stop.check();
            const size_t row_bytes = rows_.row_bytes(width_);
            stream.next_out = row_.data() + filled_;
            const size_t wanted = std::min<size_t>(row_bytes + 1 - filled_, kMost);
            stream.avail_out = static_cast<unsigned>(wanted);
            const int result = inflater_.run();
            if (result < 0) file.damaged(stream.msg ? stream.msg : "its compressed data is broken");
            filled_ += wanted - stream.avail_out;
            if (stream.avail_out > 0) return false;  // more of the stream is needed
            if (filled_ < row_bytes + 1) continue;   // a row that is longer than `kMost`
            if (!rows_.unfilter(row_.data(), previous_.data(), row_bytes)) file.damaged("a row has an unknown filter");
            store();
            filled_ = 0;
            if (!next_row() || result == Z_STREAM_END) return true;
            std::swap(row_, previous_);
        }
        return false;
    }

  private:
    static constexpr size_t kMost = size_t{1} << 30;  // a zlib stream counts with 32 bits

    Pass pass() const { return header_.interlaced ? kAdam7[static_cast<size_t>(pass_number_)] : kWhole; }

    void set_pass(int number) {
        pass_number_ = number;
        width_ = pass().width(header_.frame.width);
        y_ = pass().top;
    }

    // False after the last row. The row before the first of a pass is black.
    bool next_row() {
        y_ += pass().y_step;
        while (y_ >= header_.frame.height || width_ <= 0) {
            if (!header_.interlaced || pass_number_ == 6) return false;
            set_pass(pass_number_ + 1);
            std::fill(row_.begin(), row_.end(), uint8_t{0});
        }
        return true;
    }

    void store() {
        // As in Pillow, an interlaced frame of an animation starts in the corner.
        const int left = header_.interlaced ? 0 : header_.frame.left, top = header_.interlaced ? 0 : header_.frame.top;
        uint8_t* out =
            image_.pixels.data() + static_cast<size_t>(top + y_) * view(image_).stride + static_cast<size_t>(left) * 3;
        if (!header_.interlaced) {
            rows_.to_rgb(row_.data() + 1, width_, out);
            return;
        }
        rows_.to_rgb(row_.data() + 1, width_, rgb_.data());
        for (int x = 0; x < width_; ++x)
            std::copy_n(rgb_.data() + 3 * x, 3, out + 3 * (pass().left + x * pass().x_step));
    }

    const PngHeader& header_;
    Image& image_;
    PngRows rows_;
    Buffer<uint8_t> row_, previous_, rgb_;
    Inflater inflater_;
    size_t filled_ = 0;  // bytes of `row_`
    int pass_number_ = 0, width_ = 0, y_ = 0;
};

}  // namespace

Image decode_png(Bytes bytes, const DecodeOptions& options, StopSignal& stop, Metadata& metadata) {
    PngChunks chunks(bytes, stop, metadata);
    const PngHeader& header = chunks.read_header(options);
    Image image = make_image(header.width, header.height);
    PixelReader reader(header, image);
    reader.fill(stop);
    while (!reader.read(chunks.next_piece(), chunks.file(), stop)) {
    }
    chunks.read_rest();
    return image;
}

}  // namespace mm
