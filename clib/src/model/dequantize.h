// The weight types of ggml files that we read, and their values. Blocks of 32 elements as ggml's public definition of
// them (https://github.com/ggml-org/ggml, src/ggml-common.h, MIT) lays them out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace mm {

enum class WeightType : uint32_t { f32 = 0, f16 = 1, q4_0 = 2, q5_0 = 6, q5_1 = 7, q8_0 = 8 };  // ggml's numbers

constexpr int kBlock = 32;

// Whether `number`, as read from a file, is one of the above.
bool is_weight_type(uint32_t number);
const char* weight_type_name(WeightType type);
inline bool is_quantized(WeightType type) {
    return type != WeightType::f32 && type != WeightType::f16;
}
// Elements of a block and its size; f32 and f16 have blocks of one element.
inline size_t block_elements(WeightType type) {
    return is_quantized(type) ? kBlock : 1;
}
size_t block_bytes(WeightType type);

// One block of a quantised type, at any alignment, into 32 floats.
void dequantize_block(WeightType type, const uint8_t* block, float* out);

inline float half_to_float(uint16_t half) {
    const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
    const uint32_t magnitude = half & 0x7fff;
    uint32_t bits;
    if (magnitude >= 0x7c00) {  // infinity and NaN
        bits = sign | 0x7f800000 | (magnitude & 0x3ff) << 13;
    } else if (magnitude >= 0x0400) {
        bits = sign | ((magnitude << 13) + ((127 - 15) << 23));
    } else {  // subnormal: a multiple of 2^-24, exact in f32
        const float value = static_cast<float>(magnitude) * 0x1p-24f;
        std::memcpy(&bits, &value, sizeof bits);
        bits |= sign;
    }
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

}  // namespace mm
