#include "image/png_chunks.h"

#include <string_view>
#include <utility>

#include "image/inflater.h"
#include "runtime/utf8.h"

namespace mm {
namespace {

constexpr size_t kPiece = 65536;  // pixels are handed over so: where a stream is damaged, its cuts make a difference
constexpr size_t kMostText = size_t{1} << 20, kMostTexts = size_t{64} << 20;  // decompressed; Pillow's limits

bool is_word(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::string_view text_of(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data), bytes.len};
}

bool is_utf8(Bytes bytes) {
    return valid_utf8_prefix(text_of(bytes)) == bytes.len;
}

// Cuts `rest` in two at its first zero byte; false if there is none.
bool split(Bytes& rest, Bytes& before) {
    const uint8_t* zero = rest.find(0);
    if (!zero) return false;
    const size_t at = static_cast<size_t>(zero - rest.data);
    before = rest.first(at);
    rest = rest.from(at + 1);
    return true;
}

// One transparent entry of a palette, which for the rest is opaque.
bool is_simple_transparency(Bytes body) {
    size_t zeros = 0;
    if (body.len > 0 && body.data[body.len - 1] == '\n') --body.len;  // Pillow looks with a regular expression
    for (size_t i = 0; i < body.len; ++i) {
        zeros += body.data[i] == 0;
        if (body.data[i] != 0 && body.data[i] != 0xFF) return false;
    }
    return zeros == 1;
}

// The EXIF data that ImageMagick writes as hexadecimal text behind three lines; nothing if it is none.
std::vector<uint8_t> parse_raw_profile(Bytes text) {
    std::string_view rest = text_of(text);
    for (int line = 0; line < 3; ++line) {
        const size_t end = rest.find('\n');
        if (end == rest.npos) return {};
        rest.remove_prefix(end + 1);
    }
    std::vector<uint8_t> result;
    int high = -1;
    for (const char c : rest) {
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit >= 0 && high >= 0) result.push_back(static_cast<uint8_t>(high << 4 | digit));
        if (digit < 0 && (high >= 0 || !(c == ' ' || (c >= '\t' && c <= '\r')))) return {};
        high = digit < 0 || high >= 0 ? -1 : digit;
    }
    return high < 0 ? result : std::vector<uint8_t>();
}

}  // namespace

PngChunks::PngChunks(Bytes bytes, StopSignal& stop, Metadata& metadata)
    : file_("PNG", bytes), stop_(stop), metadata_(metadata) {}

const PngHeader& PngChunks::read_header(const DecodeOptions& options) {
    copies_ = options.exif_orientation;
    file_.need(8);  // the signature
    for (Chunk chunk;;) {
        if (!try_next(chunk)) file_.cut_short();
        if (chunk.name.is("IEND")) file_.damaged("it ends without a picture");
        if (chunk.name.is("IDAT") || chunk.name.is("fdAT")) {
            enter_data(chunk);
            break;
        }
        const Bytes body = read_body(chunk);
        check_crc(chunk, body);
    }
    in_header_ = false;
    check_header(options);
    return header_;
}

void PngChunks::check_header(const DecodeOptions& options) {
    if (!header_.layout.is_known()) file_.damaged("it has no header that says how pixels are stored");
    if (width_ == 0 || height_ == 0) file_.damaged("its width or height is 0");
    check_size(width_, height_, options);
    if (header_.has_palette && (!header_.layout.is_palette() || header_.palette.len > 770))
        file_.damaged("its palette does not fit its header");
    header_.width = static_cast<int>(width_);
    header_.height = static_cast<int>(height_);
    header_.frame = {0, 0, header_.width, header_.height};
    if (animation_.has_frame) {
        const Animation& a = animation_;
        if (a.width == 0 || a.height == 0 || uint64_t{a.left} + a.width > width_ ||
            uint64_t{a.top} + a.height > height_)
            file_.damaged("the first picture of its animation does not fit in");
        header_.frame = {static_cast<int>(a.left), static_cast<int>(a.top), static_cast<int>(a.width),
                         static_cast<int>(a.height)};
    }
    // Pixels that come before any frame are a picture beside the animation.
    is_animated_ = animation_.is_declared && animation_.n_frames + (animation_.has_frame ? 0u : 1u) > 1;
}

Bytes PngChunks::next_piece() {
    while (data_left_ == 0) {
        file_.read(4);  // its CRC, which Pillow does not check
        Chunk chunk;
        if (!try_next(chunk) || !(chunk.name.is("IDAT") || chunk.name.is("DDAT") || chunk.name.is("fdAT")))
            file_.cut_short();
        enter_data(chunk);
    }
    const Bytes piece = file_.read(std::min<uint64_t>(data_left_, kPiece));
    if (piece.len == 0) file_.cut_short();
    data_left_ -= std::min<uint64_t>(data_left_, kPiece);
    return piece;
}

void PngChunks::read_rest() {
    file_.read(data_left_);
    for (Chunk chunk;;) {
        file_.read(4);  // a CRC
        if (!try_next(chunk) || chunk.name.is("IEND")) break;
        if (chunk.name.is("fcTL") && is_animated_) break;  // the next picture
        if (chunk.name.is("IDAT") || chunk.name.is("fdAT")) {
            enter_data(chunk);
            file_.need(data_left_);
        } else {
            read_body(chunk);
        }
    }
    // Only where Pillow does not copy the picture to turn it.
    if (needs_palette_ && !header_.has_palette && !copies_)
        file_.damaged("its transparent colour is of a palette that it lacks");
}

// False at the end of the file, and for what is no chunk.
bool PngChunks::try_next(Chunk& chunk) {
    stop_.check();
    const Bytes start = file_.read(8);
    if (start.len < 8) return false;
    chunk = {start.from(4), start.u32(0)};
    return std::all_of(chunk.name.data, chunk.name.data + 4, is_word);
}

void PngChunks::enter_data(const Chunk& chunk) {
    data_left_ = chunk.length;
    if (!chunk.name.is("fdAT")) return;
    if (chunk.length < 4) file_.damaged("a chunk fdAT is too short");
    const uint32_t number = file_.need(4).u32(0);
    if (!animation_.has_sequence) file_.damaged("the chunks of its animation are out of order");
    continue_sequence(number);
    data_left_ -= 4;
}

void PngChunks::continue_sequence(uint32_t number) {
    Animation& a = animation_;
    if (a.has_sequence ? number == 0 || number - 1 != a.sequence : number != 0)
        file_.damaged("the chunks of its animation are out of order");
    a.has_sequence = true;
    a.sequence = number;
}

void PngChunks::check_crc(const Chunk& chunk, Bytes body) {
    uLong crc = crc32_z(0, chunk.name.data, 4);
    for (Bytes rest = body; rest.len > 0; rest = rest.from(size_t{4} << 20)) {
        stop_.check();
        crc = crc32_z(crc, rest.data, rest.first(size_t{4} << 20).len);
    }
    if (file_.need(4).u32(0) != crc) file_.damaged("the checksum of a chunk is wrong");
}

void PngChunks::require(Bytes body, size_t least) {
    if (body.len < least) file_.damaged("a chunk is too short");
}

Bytes PngChunks::read_body(const Chunk& chunk) {
    const Bytes body = file_.need(chunk.length);
    const Bytes name = chunk.name;
    if (name.is("IHDR")) {
        image_header(body);
    } else if (name.is("PLTE")) {
        if (in_header_ && header_.layout.is_palette()) {
            header_.has_palette = true;
            header_.palette = body;
        }
    } else if (name.is("tRNS")) {
        transparency(body);
    } else if (name.is("iCCP")) {
        colour_profile(body);
    } else if (name.is("gAMA")) {
        require(body, 4);
    } else if (name.is("cHRM")) {
        if (body.len % 4 != 0) file_.damaged("a chunk has a wrong size");
    } else if (name.is("sRGB")) {
        require(body, 1);
    } else if (name.is("pHYs")) {
        require(body, 9);
    } else if (name.is("tEXt")) {
        plain_text(body);
    } else if (name.is("zTXt")) {
        compressed_text(body);
    } else if (name.is("iTXt")) {
        international_text(body);
    } else if (name.is("eXIf")) {
        metadata_.set_exif(body);
    } else if (name.is("acTL")) {
        animation_control(body);
    } else if (name.is("fcTL")) {
        frame_control(body);
    }
    return body;
}

void PngChunks::image_header(Bytes body) {
    require(body, 13);
    if (in_header_) {
        width_ = body.u32(0);
        height_ = body.u32(4);
        const PngLayout layout{body.data[8], body.data[9]};
        if (layout.is_known()) header_.layout = layout;
        header_.interlaced = header_.interlaced || body.data[12] != 0;
    }
    if (body.data[11] != 0) file_.damaged("its filter method is unknown");
}

void PngChunks::transparency(Bytes body) {
    if (header_.layout.is_palette())
        needs_palette_ = is_simple_transparency(body);
    else if (header_.layout.is_known() && header_.layout.colour <= 2)
        require(body, header_.layout.colour == 2 ? 6 : 2);
}

void PngChunks::colour_profile(Bytes body) {
    Bytes name;
    if (!split(body, name) || body.len == 0 || body.data[0] != 0) file_.damaged("its colour profile is broken");
    body = body.from(1);
    inflate_text(body);  // which refuses too much of it
}

void PngChunks::plain_text(Bytes body) {
    Bytes key;
    if (!split(body, key)) key = std::exchange(body, {});
    if (key.len == 0) return;
    if (key.is("exif")) metadata_.set_exif(body);
    store_text(key, body, body.len);
}

void PngChunks::compressed_text(Bytes body) {
    Bytes key;
    if (!split(body, key)) key = std::exchange(body, {});
    if (body.len > 0 && body.data[0] != 0) file_.damaged("a text is compressed in an unknown way");
    body = body.from(1);
    if (!inflate_text(body)) body = {};
    if (key.len > 0) store_text(key, body, body.len);
}

void PngChunks::international_text(Bytes body) {
    Bytes key, language, translated;
    if (!split(body, key) || body.len < 2) return;
    const bool is_compressed = body.data[0] != 0, is_known = body.data[1] == 0;
    body = body.from(2);
    if (!split(body, language) || !split(body, translated)) return;
    if (is_compressed && !(is_known && inflate_text(body))) return;
    if (key.is("XML:com.adobe.xmp")) metadata_.xmp.assign(body.data, body.data + body.len);
    if (!is_utf8(language) || !is_utf8(translated) || !is_utf8(body)) return;
    const auto continues = [](uint8_t c) { return (c & 0xC0) == 0x80; };
    const auto n = std::count_if(body.data, body.data + body.len, continues);
    store_text(key, body, body.len - static_cast<size_t>(n));
}

// `length`: in characters.
void PngChunks::store_text(Bytes key, Bytes text, size_t length) {
    if (key.is("Raw profile type exif")) metadata_.raw_profile = parse_raw_profile(text);
    if (key.is("XML:com.adobe.xmp")) metadata_.xmp_property.assign(text.data, text.data + text.len);
    text_length_ += length;
    if (text_length_ > kMostTexts) file_.damaged("its texts are larger than 64 MiB");
}

// Replaces a text by what it was before it was compressed, or by as much of it as there is; false if it is broken.
bool PngChunks::inflate_text(Bytes& text) {
    inflated_.reserve_discard(kMostText);
    Inflater inflater;
    inflater.stream.next_in = text.data;
    inflater.stream.avail_in = static_cast<unsigned>(text.len);
    inflater.stream.next_out = inflated_.data();
    inflater.stream.avail_out = static_cast<unsigned>(kMostText);
    const int result = inflater.run();
    if (result != Z_OK && result != Z_BUF_ERROR && result != Z_STREAM_END) return false;
    if (result != Z_STREAM_END && inflater.stream.avail_out == 0 && inflater.stream.avail_in > 0)
        file_.damaged("a text or colour profile is larger than 1 MiB");
    text = {inflated_.data(), kMostText - inflater.stream.avail_out};
    return true;
}

void PngChunks::animation_control(Bytes body) {
    require(body, 8);
    const uint32_t n = body.u32(0);
    if (animation_.is_declared) {  // twice: Pillow takes it for no animation
        animation_.is_declared = false;
    } else if (n >= 1 && n <= 0x80000000) {
        animation_.is_declared = true;
        animation_.n_frames = n;
    }
}

void PngChunks::frame_control(Bytes body) {
    require(body, 26);
    continue_sequence(body.u32(0));
    Animation& a = animation_;
    a.has_frame = true;
    a.width = body.u32(4);
    a.height = body.u32(8);
    a.left = body.u32(12);
    a.top = body.u32(16);
    if (uint64_t{a.left} + a.width > width_ || uint64_t{a.top} + a.height > height_)
        file_.damaged("a picture of its animation does not fit in");
}

}  // namespace mm
