// The compression function of SHA-256 in each form that a processor may run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace mm::sha256 {

// Folds `blocks` blocks of 64 bytes into state.
using Compress = void (*)(uint32_t state[8], const uint8_t* data, size_t blocks);

extern const uint32_t kRoundConstants[64];

// The processor's SHA instructions; null where this one (or this build) has none.
Compress accelerated();

// sha256_hex without them: what tests compare with.
std::string hex_portable(const void* data, size_t size);

}  // namespace mm::sha256
