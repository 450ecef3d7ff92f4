#include "runtime/text.h"

namespace mm {
namespace {

constexpr char kHex[] = "0123456789abcdef";

bool is_control(unsigned char byte) {
    return byte < 0x20 || byte == 0x7f;
}

}  // namespace

// The table of well-formed sequences in the Unicode standard, section 3.9: the range of the second byte depends on the
// first (no overlong forms, no surrogates, nothing above U+10FFFF).
size_t utf8_sequence(std::string_view bytes) {
    const auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
    if (bytes.empty()) return 0;
    const unsigned first = at(0);
    if (first < 0x80) return 1;
    if (first < 0xc2 || first > 0xf4) return 0;
    const size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (bytes.size() < length) return 0;
    const unsigned low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const unsigned high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at(1) < low || at(1) > high) return 0;
    for (size_t i = 2; i < length; ++i)
        if (at(i) < 0x80 || at(i) > 0xbf) return 0;
    return length;
}

std::string printable(std::string_view bytes, size_t limit) {
    std::string out;
    for (size_t i = 0; i < bytes.size();) {
        if (i >= limit) return out + "...";
        const unsigned char byte = static_cast<unsigned char>(bytes[i]);
        const size_t length = utf8_sequence(bytes.substr(i));
        if (length > 0 && !is_control(byte)) {
            out.append(bytes, i, length);
            i += length;
        } else {
            out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
            ++i;
        }
    }
    return out;
}

}  // namespace mm
