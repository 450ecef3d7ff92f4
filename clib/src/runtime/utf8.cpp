#include "runtime/utf8.h"

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
