#include "image/metadata.h"

#include <string_view>

namespace mm {
namespace {

constexpr int kOrientationTag = 0x0112;

// The TIFF file that EXIF data is, read as Pillow reads it: up to the first entry whose data is not there.
class Tiff {
  public:
    explicit Tiff(Bytes bytes) : bytes_(bytes), little_(bytes.starts_with("II")) {}

    bool is_valid() const {
        return bytes_.len >= 8 &&
               (bytes_.starts_with("MM\0*") || bytes_.starts_with("MM\0+") || bytes_.starts_with("II*\0") ||
                bytes_.starts_with("MM*\0") || bytes_.starts_with("II\0*"));
    }
    // Sets `value` (0 for what is no number) and returns true if there is the tag.
    bool orientation(int& value) const {
        const size_t start = u32(4);
        bool found = false;
        if (bytes_.from(start).len < 2) return false;
        const uint32_t n = u16(start);
        for (size_t i = 0; i < n; ++i) {
            const size_t entry = start + 2 + 12 * i;
            if (bytes_.from(entry).len < 12) break;
            const uint64_t unit = size_of(u16(entry + 2)), size = unit * u32(entry + 4);
            if (size == 0) continue;  // an unknown type, or no values
            size_t at = entry + 8;
            if (size > 4) {
                at = u32(at);
                if (bytes_.from(at).len < size) break;
            }
            if (u16(entry) != kOrientationTag) continue;
            value = number(static_cast<int>(u16(entry + 2)), at);
            found = true;
        }
        return found;
    }

  private:
    uint32_t u16(size_t at) const {
        const uint8_t* p = bytes_.data + at;
        return static_cast<uint32_t>(little_ ? p[1] << 8 | p[0] : p[0] << 8 | p[1]);
    }
    uint32_t u32(size_t at) const { return little_ ? u16(at + 2) << 16 | u16(at) : u16(at) << 16 | u16(at + 2); }
    static uint64_t size_of(uint32_t type) {
        constexpr uint8_t sizes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8};
        return type < sizeof sizes ? sizes[type] : 0;
    }
    // An integer, or a fraction that is one.
    int number(int type, size_t at) const {
        uint64_t value = 0;
        switch (type) {
            case 3:  // SHORT, SIGNED SHORT
            case 8:
                value = u16(at);
                break;
            case 4:  // LONG, SIGNED LONG, IFD
            case 9:
            case 13:
                value = u32(at);
                break;
            case 6:  // SIGNED BYTE
                value = bytes_.data[at];
                break;
            case 5:  // RATIONAL, SIGNED RATIONAL
            case 10: {
                const uint32_t over = u32(at), under = u32(at + 4);
                value = under != 0 && over % under == 0 ? over / under : 0;
                break;
            }
            case 16:  // LONG8
                value = u32(at + (little_ ? 4 : 0)) != 0 ? 0 : u32(at + (little_ ? 0 : 4));
                break;
            default:;
        }
        return value <= 8 ? static_cast<int>(value) : 0;
    }

    Bytes bytes_;
    bool little_;
};

// The first of tiff:Orientation="N" and <tiff:Orientation>N.
int orientation_of_xmp(const std::vector<uint8_t>& xmp) {
    constexpr std::string_view name = "tiff:Orientation";
    const std::string_view text(reinterpret_cast<const char*>(xmp.data()), xmp.size());
    for (size_t at = 0; (at = text.find(name, at)) != text.npos;) {
        at += name.size();
        const std::string_view rest = text.substr(at, 3);
        const size_t quote = rest.substr(0, 2) == "=\"" ? 2 : rest.substr(0, 1) == ">" ? 1 : 0;
        if (quote > 0 && quote < rest.size() && rest[quote] >= '0' && rest[quote] <= '9') return rest[quote] - '0';
    }
    return 1;
}

}  // namespace

int orientation(const Metadata& metadata) {
    const std::vector<uint8_t>& data = metadata.has_exif ? metadata.exif : metadata.raw_profile;
    Bytes exif{data.data(), data.size()};
    while (exif.starts_with("Exif\0\0")) exif = exif.from(6);
    int value = 1;
    const Tiff tiff(exif);
    if (!(tiff.is_valid() && tiff.orientation(value)))
        value = orientation_of_xmp(metadata.xmp_property.empty() ? metadata.xmp : metadata.xmp_property);
    return value >= 1 && value <= 8 ? value : 1;
}

Image turned(Image image, int orientation, StopSignal& stop) {
    if (orientation == 1) return image;
    // Where the pixel of the first row and column of the result comes from, and the way from there to the next pixel of
    // its row and to its next row, in pixels.
    const ptrdiff_t w = image.width, h = image.height;
    const ptrdiff_t right = w - 1, bottom = (h - 1) * w;
    struct Walk {
        ptrdiff_t start, step, line;
    };
    const Walk walks[] = {{right, -1, w},  {right + bottom, -1, -w}, {bottom, 1, -w}, {0, w, 1},
                          {bottom, -w, 1}, {right + bottom, -w, -1}, {right, w, -1}};
    const Walk walk = walks[orientation - 2];
    Image result = orientation >= 5 ? make_image(image.height, image.width) : make_image(image.width, image.height);
    // In tiles: a column of a large picture would lie on as many pages.
    constexpr int kTile = 32;
    for (int top = 0; top < result.height; top += kTile) {
        stop.check();
        for (int left = 0; left < result.width; left += kTile) {
            for (int y = top; y < std::min(result.height, top + kTile); ++y) {
                ptrdiff_t from = walk.start + y * walk.line + left * walk.step;
                ptrdiff_t to = static_cast<ptrdiff_t>(y) * result.width + left;
                for (int x = left; x < std::min(result.width, left + kTile); ++x, from += walk.step, ++to)
                    for (int c = 0; c < 3; ++c) result.pixels.data()[3 * to + c] = image.pixels.data()[3 * from + c];
            }
        }
    }
    return result;
}

}  // namespace mm
