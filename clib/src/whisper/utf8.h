// UTF-8, strictly (no surrogates, no overlong forms, nothing above U+10FFFF), one code point at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mm {

struct CodePoint {
    static constexpr char32_t kReplacement = 0xFFFD;

    char32_t value;  // kReplacement if not valid
    int length;      // bytes it takes; if not valid, those to replace by one U+FFFD (a "maximal subpart")
    bool valid;
    bool cut_short;  // not valid, but might be with more bytes after the end of the text
};

// The code point at text[offset]; offset < text.size().
CodePoint code_point_at(std::string_view text, size_t offset);

// Offset of the first byte that is not part of valid UTF-8; text.size() if all is valid.
size_t valid_utf8_prefix(std::string_view text);

// As code points, with U+FFFD for what is not valid.
std::u32string decode_utf8(std::string_view text);

// Whether a code point is white space in the sense of Python's str.strip: White_Space and the four separators.
bool is_strippable(char32_t code_point);

// Without white space (as Python's str.strip sees it) at both ends.
std::string_view strip(std::string_view text);

}  // namespace mm
