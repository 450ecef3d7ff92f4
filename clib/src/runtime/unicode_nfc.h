// Canonical composition.
#pragma once

#include <string>

namespace mm {

// Text in normalization form C, by the tables that package tokenizers has: what Unicode 9 knows.
std::u32string nfc(std::u32string text);

}  // namespace mm
