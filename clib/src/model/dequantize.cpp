#include "model/dequantize.h"

#include "runtime/byte_order.h"

namespace mm {
namespace {

// Elements 0 to 15 are the low halves of the 16 bytes, 16 to 31 the high ones; bit i of `fifth` is element i's bit 4.
void unpack_nibbles(const uint8_t* nibbles, uint32_t fifth, float zero, float scale, float minimum, float* out) {
    for (unsigned i = 0; i < 16; ++i) {
        const unsigned low = (nibbles[i] & 15u) | (fifth >> i & 1u) << 4;
        const unsigned high = (nibbles[i] >> 4 & 15u) | (fifth >> (i + 16) & 1u) << 4;
        out[i] = (static_cast<float>(low) - zero) * scale + minimum;
        out[i + 16] = (static_cast<float>(high) - zero) * scale + minimum;
    }
}

}  // namespace

bool is_weight_type(uint32_t number) {
    switch (static_cast<WeightType>(number)) {
        case WeightType::f32:
        case WeightType::f16:
        case WeightType::q4_0:
        case WeightType::q5_0:
        case WeightType::q5_1:
        case WeightType::q8_0:
            return true;
    }
    return false;
}

const char* weight_type_name(WeightType type) {
    switch (type) {
        case WeightType::f32:
            return "f32";
        case WeightType::f16:
            return "f16";
        case WeightType::q4_0:
            return "q4_0";
        case WeightType::q5_0:
            return "q5_0";
        case WeightType::q5_1:
            return "q5_1";
        case WeightType::q8_0:
            return "q8_0";
    }
    return "unknown";
}

size_t block_bytes(WeightType type) {
    switch (type) {
        case WeightType::f32:
            return 4;
        case WeightType::f16:
            return 2;
        case WeightType::q4_0:
            return 2 + 16;  // scale, 32 nibbles
        case WeightType::q5_0:
            return 2 + 4 + 16;  // scale, fifth bits, nibbles
        case WeightType::q5_1:
            return 2 + 2 + 4 + 16;  // scale, minimum, fifth bits, nibbles
        case WeightType::q8_0:
            return 2 + 32;  // scale, bytes
    }
    return 0;
}

void dequantize_block(WeightType type, const uint8_t* block, float* out) {
    const float scale = half_to_float(read_little_endian<uint16_t>(block));
    switch (type) {
        case WeightType::q4_0:
            return unpack_nibbles(block + 2, 0, 8.0f, scale, 0.0f, out);
        case WeightType::q5_0:
            return unpack_nibbles(block + 6, read_little_endian<uint32_t>(block + 2), 16.0f, scale, 0.0f, out);
        case WeightType::q5_1:
            return unpack_nibbles(block + 8, read_little_endian<uint32_t>(block + 4), 0.0f, scale,
                                  half_to_float(read_little_endian<uint16_t>(block + 2)), out);
        case WeightType::q8_0:
            for (int i = 0; i < kBlock; ++i) out[i] = static_cast<float>(static_cast<int8_t>(block[2 + i])) * scale;
            return;
        case WeightType::f32:
        case WeightType::f16:
            return;
    }
}

}  // namespace mm
