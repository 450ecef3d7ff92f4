// Text as code points.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "runtime/text.h"

namespace mm {

// Offset of the first byte that is not part of valid UTF-8; text.size() if all is valid.
size_t valid_utf8_prefix(std::string_view text);
// Throws Error(INVALID_ARGUMENT), with the offset, if there is one.
void require_utf8(std::string_view text);

// Replaces every byte that is not part of valid UTF-8 by U+FFFD (maximal subparts, as Python's errors="replace").
std::string repair_utf8(const std::string& bytes);
// Length of the prefix that does not end inside a code point.
size_t complete_utf8_prefix(const std::string& bytes);

// As code points, with U+FFFD for what is not valid.
std::u32string decode_utf8(std::string_view text);
void append_utf8(char32_t code_point, std::string& text);

// Whether a code point is white space in the sense of Python's str.strip: White_Space and the four separators.
bool is_strippable(char32_t code_point);

// Without white space (as Python's str.strip sees it) at both ends.
std::string_view strip(std::string_view text);

}  // namespace mm
