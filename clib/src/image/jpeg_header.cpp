// What Pillow does to a JPEG file before libjpeg sees it: sizes and metadata come from here, and some refusals.
#include "image/jpeg.h"

namespace mm {
namespace {

class HeaderReader {
  public:
    HeaderReader(Bytes bytes, Metadata& metadata) : file_("JPEG", bytes), metadata_(metadata) {}

    JpegHeader read() {
        file_.need(3);  // the start of image, and the first 0xFF
        for (bool after_ff = true;;) {
            if (!after_ff) {  // between segments: whatever is not 0xFF is skipped
                after_ff = byte() == 0xFF;
                continue;
            }
            const int marker = byte();
            if (marker == 0xFF) continue;  // padding
            after_ff = false;
            if (marker == 0) continue;  // an escaped 0xFF
            if (marker < 0xC0) file_.damaged("it has a marker that no JPEG file has");
            segment(marker);
            if (marker == kStartOfScan) break;
        }
        if (header_.components == 0) file_.damaged("it has no frame header before its first scan");
        if (header_.width == 0 || header_.height == 0) file_.damaged("its width or height is 0");
        return header_;
    }

  private:
    static constexpr int kStartOfScan = 0xDA;

    int byte() { return *file_.need(1).data; }

    Bytes body() {
        const uint32_t length = file_.need(2).u16(0);
        return file_.need(length > 2 ? length - 2 : 0);
    }

    void segment(int marker) {
        if (marker >= 0xE0 && marker <= 0xEF)
            application(marker, body());
        else if (marker == 0xDB)
            quantization(body());
        else if (marker == 0xC4 || marker == 0xCC || marker == kStartOfScan || marker == 0xDC || marker == 0xDD ||
                 marker == 0xDF || marker == 0xFE)
            body();
        else if ((marker < 0xD0 && marker != 0xC8) || marker == 0xDE)
            frame(body());
        // All others have no body.
    }

    void frame(Bytes s) {
        if (s.len < 6 || s.len % 3 != 0) file_.damaged("its frame header is incomplete");
        header_ = {static_cast<int>(s.u16(3)), static_cast<int>(s.u16(1)), s.data[5]};
        if (s.data[0] != 8) fail(MM_ERROR_UNSUPPORTED, "the JPEG file has %d bits per sample; 8 are read", s.data[0]);
        if (header_.components != 1 && header_.components != 3 && header_.components != 4)
            fail(MM_ERROR_UNSUPPORTED, "the JPEG file has %d components; 1, 3 or 4 are read", header_.components);
        if (profile_.len > 0 && profile_.len < 14) file_.damaged("its colour profile is incomplete");
        profile_ = {};
    }

    static bool is_less(Bytes a, Bytes b) {
        return std::lexicographical_compare(a.data, a.data + a.len, b.data, b.data + b.len);
    }

    void quantization(Bytes s) {
        while (s.len > 0) {
            const size_t length = s.data[0] / 16 == 0 ? 65 : 129;
            if (s.len < length) file_.damaged("a quantization table is incomplete");
            s = s.from(length);
        }
    }

    void application(int marker, Bytes s) {
        if (marker == 0xE0 && s.starts_with("JFIF")) {
            if (s.len < 7) file_.damaged("its JFIF segment is incomplete");
        } else if (marker == 0xE1 && s.starts_with("Exif\0\0")) {
            const Bytes more = metadata_.has_exif ? s.from(6) : s;  // long data is spread over several segments
            metadata_.exif.insert(metadata_.exif.end(), more.data, more.data + more.len);
            metadata_.has_exif = true;
        } else if (marker == 0xE1 && s.starts_with("http://ns.adobe.com/xap/1.0/\0")) {
            const Bytes xmp = s.from(sizeof "http://ns.adobe.com/xap/1.0/");
            metadata_.xmp.assign(xmp.data, xmp.data + xmp.len);
        } else if (marker == 0xE2 && s.starts_with("ICC_PROFILE\0")) {
            if (profile_.len == 0 || is_less(s, profile_)) profile_ = s;
        } else if (marker == 0xED && s.starts_with("Photoshop 3.0\0")) {
            photoshop(s);
        } else if (marker == 0xEE && s.starts_with("Adobe")) {
            if (s.len < 7) file_.damaged("its Adobe segment is incomplete");
        }
    }

    // Only looks whether the resources can be walked through.
    void photoshop(Bytes s) {
        size_t at = 14;
        while (s.from(at).starts_with("8BIM")) {
            at += 4;
            if (s.from(at).len < 2) return;
            at += 2;
            if (s.from(at).len == 0) file_.damaged("a resource of Photoshop's is incomplete");
            at += 1 + size_t{s.data[at]};
            at += at & 1;
            if (s.from(at).len < 4) return;
            at += 4 + size_t{s.u32(at)};
            at += at & 1;
        }
    }

    FileReader file_;
    Metadata& metadata_;
    JpegHeader header_{};
    Bytes profile_;  // the first in order of all pieces of the colour profile: the one that Pillow looks into
};

}  // namespace

JpegHeader read_jpeg_header(Bytes bytes, Metadata& metadata) {
    return HeaderReader(bytes, metadata).read();
}

}  // namespace mm
