// Unicode properties of code points, as tokenizers' split patterns ask for them (\p{L}, \p{N} and \s).
#pragma once

namespace mm {

bool is_letter(char32_t code_point);       // general category L
bool is_number(char32_t code_point);       // general category N
bool is_white_space(char32_t code_point);  // property White_Space

}  // namespace mm
