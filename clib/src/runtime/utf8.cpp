#include "runtime/utf8.h"

#include "runtime/error.h"
#include "runtime/unicode.h"

namespace mm {

size_t valid_utf8_prefix(std::string_view text) {
    size_t offset = 0;
    while (offset < text.size()) {
        const CodePoint c = code_point_at(text, offset);
        if (!c.valid) break;
        offset += c.length;
    }
    return offset;
}

void require_utf8(std::string_view text) {
    const size_t valid = valid_utf8_prefix(text);
    if (valid < text.size())
        fail(MM_ERROR_INVALID_ARGUMENT, "text: not UTF-8 at byte %zu (0x%02X)", valid,
             static_cast<unsigned>(static_cast<unsigned char>(text[valid])));
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

void append_utf8(char32_t code_point, std::string& text) {
    const auto continuation = [&](int shift) { text += static_cast<char>(0x80 | (code_point >> shift & 0x3F)); };
    if (code_point < 0x80) {
        text += static_cast<char>(code_point);
    } else if (code_point < 0x800) {
        text += static_cast<char>(0xC0 | code_point >> 6);
        continuation(0);
    } else if (code_point < 0x10000) {
        text += static_cast<char>(0xE0 | code_point >> 12);
        continuation(6);
        continuation(0);
    } else {
        text += static_cast<char>(0xF0 | code_point >> 18);
        continuation(12);
        continuation(6);
        continuation(0);
    }
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
