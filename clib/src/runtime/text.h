// Text from outside: read as UTF-8, and made safe to show.
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

// The code point at text[offset], strictly UTF-8 (no surrogates, no overlong forms, nothing above U+10FFFF);
// offset < text.size().
CodePoint code_point_at(std::string_view text, size_t offset);

// For messages: valid UTF-8 stays, control characters and other bytes become \xNN, and what is longer than `limit`
// bytes ends in "...".
std::string printable(std::string_view bytes, size_t limit = 200);

}  // namespace mm
