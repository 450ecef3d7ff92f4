#include "whisper/utf8.h"

#include "whisper/tokenizer.h"
#include "whisper/unicode_tables.h"

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

size_t valid_utf8_prefix(std::string_view text) {
    size_t offset = 0;
    while (offset < text.size()) {
        const CodePoint c = code_point_at(text, offset);
        if (!c.valid) break;
        offset += c.length;
    }
    return offset;
}

std::u32string decode_utf8(std::string_view text) {
    std::u32string code_points;
    for (size_t offset = 0; offset < text.size();) {
        const CodePoint c = code_point_at(text, offset);
        code_points.push_back(c.value);
        offset += c.length;
    }
    return code_points;
}

bool is_strippable(char32_t code_point) {
    return is_white_space(code_point) || (code_point >= 0x1C && code_point <= 0x1F);
}

std::string_view strip(std::string_view text) {
    size_t begin = 0;
    while (begin < text.size()) {
        const CodePoint c = code_point_at(text, begin);
        if (!is_strippable(c.value)) break;
        begin += c.length;
    }
    size_t end = begin;  // end of the last code point that stays
    for (size_t offset = begin; offset < text.size();) {
        const CodePoint c = code_point_at(text, offset);
        offset += c.length;
        if (!is_strippable(c.value)) end = offset;
    }
    return text.substr(begin, end - begin);
}

std::string repair_utf8(const std::string& bytes) {
    std::string text;
    text.reserve(bytes.size());
    for (size_t offset = 0; offset < bytes.size();) {
        const CodePoint c = code_point_at(bytes, offset);
        if (c.valid) {
            text.append(bytes, offset, c.length);
        } else {
            text.append("\xEF\xBF\xBD");
        }
        offset += c.length;
    }
    return text;
}

size_t complete_utf8_prefix(const std::string& bytes) {
    // An unfinished code point has at most three bytes.
    for (size_t back = 1; back <= 3 && back <= bytes.size(); ++back) {
        const size_t offset = bytes.size() - back;
        if (code_point_at(bytes, offset).cut_short) return offset;
    }
    return bytes.size();
}

}  // namespace mm
