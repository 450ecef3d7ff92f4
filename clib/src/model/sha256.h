// SHA-256 (FIPS 180-4) with the processor's SHA instructions where it has them.
#pragma once

#include <cstddef>
#include <string>

namespace mm {

std::string sha256_hex(const void* data, size_t size);  // 64 lower-case digits
// Throws Error(INVALID_ARGUMENT) if `expected` is not 64 hex digits, Error(BAD_MODEL) naming both digests if it
// differs.
void check_sha256(const void* data, size_t size, const char* expected, const std::string& name);

}  // namespace mm
