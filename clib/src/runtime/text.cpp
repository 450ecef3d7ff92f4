#include "runtime/text.h"

namespace mm {

namespace {

// What a lead byte promises (Unicode standard, table 3-7): the length, and the range of the second byte, which is where
// overlong forms, surrogates and values above U+10FFFF are ruled out.
struct Lead {
    int length;
    unsigned char second_min, second_max;
};

Lead lead_byte(unsigned char byte) {
    if (byte >= 0xC2 && byte <= 0xDF) return {2, 0x80, 0xBF};
    if (byte == 0xE0) return {3, 0xA0, 0xBF};
    if (byte == 0xED) return {3, 0x80, 0x9F};
    if (byte >= 0xE1 && byte <= 0xEF) return {3, 0x80, 0xBF};
    if (byte == 0xF0) return {4, 0x90, 0xBF};
    if (byte >= 0xF1 && byte <= 0xF3) return {4, 0x80, 0xBF};
    if (byte == 0xF4) return {4, 0x80, 0x8F};
    return {0, 0, 0};
}

}  // namespace

CodePoint code_point_at(std::string_view text, size_t offset) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[offset + i]); };
    if (byte(0) < 0x80) return {byte(0), 1, true, false};
    const Lead lead = lead_byte(byte(0));
    if (lead.length == 0) return {CodePoint::kReplacement, 1, false, false};
    char32_t value = byte(0) & (0x7F >> lead.length);
    for (int i = 1; i < lead.length; ++i) {
        if (offset + i == text.size()) return {CodePoint::kReplacement, i, false, true};
        const unsigned char min = i == 1 ? lead.second_min : 0x80, max = i == 1 ? lead.second_max : 0xBF;
        if (byte(i) < min || byte(i) > max) return {CodePoint::kReplacement, i, false, false};
        value = value << 6 | (byte(i) & 0x3F);
    }
    return {value, lead.length, true, false};
}

std::string printable(std::string_view bytes, size_t limit) {
    constexpr char kHex[] = "0123456789abcdef";
    std::string out;
    for (size_t i = 0; i < bytes.size();) {
        if (i >= limit) return out + "...";
        const CodePoint c = code_point_at(bytes, i);
        if (c.valid && c.value >= 0x20 && c.value != 0x7f) {
            out.append(bytes, i, static_cast<size_t>(c.length));
            i += static_cast<size_t>(c.length);
        } else {
            const unsigned char byte = static_cast<unsigned char>(bytes[i++]);
            out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
        }
    }
    return out;
}

}  // namespace mm
