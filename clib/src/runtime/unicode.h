// Unicode properties of code points, as tokenizers ask for them.
#pragma once

namespace mm {

bool is_letter(char32_t code_point);       // general category L, in patterns \p{L}
bool is_number(char32_t code_point);       // general category N, \p{N}
bool is_white_space(char32_t code_point);  // property White_Space, \s

struct LowerCase {
    char32_t first, second;  // second: 0 but for one code point
};
// The full mapping of a code point by itself: a final sigma is like any other.
LowerCase lower_case(char32_t code_point);

}  // namespace mm
