// Files of models are little-endian. Where the processor is not, their numbers are turned when they are read, and
// nothing can be used where it is mapped.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace mm {

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
constexpr bool kLittleEndian = false;
#else
constexpr bool kLittleEndian = true;
#endif

// Copies `count` little-endian numbers, at any alignment.
template <typename T>
void copy_little_endian(const uint8_t* bytes, size_t count, T* out) {
    std::memcpy(out, bytes, count * sizeof(T));
    if constexpr (!kLittleEndian && sizeof(T) > 1) {
        uint8_t* number = reinterpret_cast<uint8_t*>(out);
        for (size_t i = 0; i < count; ++i, number += sizeof(T)) std::reverse(number, number + sizeof(T));
    }
}

template <typename T>
T read_little_endian(const uint8_t* bytes) {
    T value;
    copy_little_endian(bytes, 1, &value);
    return value;
}

}  // namespace mm
