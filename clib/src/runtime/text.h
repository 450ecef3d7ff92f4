// Text from outside (paths, keys, names in files) made safe to show.
#pragma once

#include <string>
#include <string_view>

namespace mm {

// Length of the valid UTF-8 sequence that `bytes` begins with, 1 to 4; 0 if it begins with none.
size_t utf8_sequence(std::string_view bytes);

// For messages: valid UTF-8 stays, control characters and other bytes become \xNN, and what is longer than `limit`
// bytes ends in "...".
std::string printable(std::string_view bytes, size_t limit = 200);

}  // namespace mm
