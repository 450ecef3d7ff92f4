// The chunks of a PNG file in Pillow's order, with what it checks of each and what it does not.
#pragma once

#include "image/png.h"

namespace mm {

struct PngFrame {
    int left, top, width, height;
};

struct PngHeader {
    int width = 0, height = 0;
    PngLayout layout{};
    bool interlaced = false;
    bool has_palette = false;
    Bytes palette;
    PngFrame frame{};  // where the pixels go: everywhere, but in the first picture of some animations
};

class PngChunks {
  public:
    PngChunks(Bytes bytes, StopSignal& stop, Metadata& metadata);

    // Reads up to the first chunk with pixels. Throws Error.
    const PngHeader& read_header(const DecodeOptions& options);
    // The next piece of the compressed pixels, at most 64 KiB and not empty. Throws Error(INVALID_ARGUMENT).
    Bytes next_piece();
    // Reads what follows the pixels. Throws Error(INVALID_ARGUMENT).
    void read_rest();
    const FileReader& file() const { return file_; }

  private:
    struct Chunk {
        Bytes name;
        uint32_t length;
    };
    // Of an animation, as far as its chunks have been read.
    struct Animation {
        bool is_declared = false;
        uint32_t n_frames = 0;
        bool has_frame = false;
        uint32_t left = 0, top = 0, width = 0, height = 0;  // of the frame
        bool has_sequence = false;
        uint32_t sequence = 0;
    };

    bool try_next(Chunk& chunk);
    void enter_data(const Chunk& chunk);
    void continue_sequence(uint32_t number);
    Bytes read_body(const Chunk& chunk);
    void check_crc(const Chunk& chunk, Bytes body);
    void check_header(const DecodeOptions& options);
    void require(Bytes body, size_t least);

    void image_header(Bytes body);
    void transparency(Bytes body);
    void colour_profile(Bytes body);
    void plain_text(Bytes body);
    void compressed_text(Bytes body);
    void international_text(Bytes body);
    void store_text(Bytes key, Bytes text, size_t length);
    bool inflate_text(Bytes& text);
    void animation_control(Bytes body);
    void frame_control(Bytes body);

    FileReader file_;
    StopSignal& stop_;
    Metadata& metadata_;
    PngHeader header_;
    uint32_t width_ = 0, height_ = 0;
    bool in_header_ = true;
    bool needs_palette_ = false;
    bool copies_ = false;
    uint64_t data_left_ = 0;    // in the chunk of pixels at hand
    uint64_t text_length_ = 0;  // of all texts
    Buffer<uint8_t> inflated_;  // one text
    Animation animation_;
    bool is_animated_ = false;  // has more than one picture
};

}  // namespace mm
