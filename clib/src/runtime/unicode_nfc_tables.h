// What canonical composition (NFC) needs to know of code points; Hangul syllables, which follow a rule, left out.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mm {

struct CombiningClass {
    char32_t first, last;
    uint8_t value;  // not 0
};
extern const CombiningClass kCombiningClasses[];  // by code point
extern const size_t kCombiningClassCount;

struct Decomposition {
    char32_t whole, first, second = 0;  // 0: there is only the first
};
extern const Decomposition kDecompositions[];  // by `whole`
extern const size_t kDecompositionCount;

extern const uint16_t
    kCompositions[];  // indices of the decompositions that are composed again, by `first` and `second`
extern const size_t kCompositionCount;

}  // namespace mm
