// A picture's file in memory, read from front to back.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "multimodal.h"
#include "runtime/error.h"

namespace mm {

struct Bytes {
    const uint8_t* data = nullptr;
    size_t len = 0;

    bool starts_with(const char* text, size_t n) const { return len >= n && std::memcmp(data, text, n) == 0; }
    template <size_t n>
    bool starts_with(const char (&text)[n]) const {
        return starts_with(text, n - 1);
    }
    template <size_t n>
    bool is(const char (&text)[n]) const {
        return len == n - 1 && starts_with(text);
    }
    Bytes from(size_t begin) const {
        begin = std::min(begin, len);
        return {data + begin, len - begin};
    }
    Bytes first(size_t n) const { return {data, std::min(n, len)}; }
    const uint8_t* find(uint8_t byte) const {  // null if there is none
        return len ? static_cast<const uint8_t*>(std::memchr(data, byte, len)) : nullptr;
    }
    // Big-endian; there must be so many bytes.
    uint32_t u16(size_t at) const { return static_cast<uint32_t>(data[at] << 8 | data[at + 1]); }
    uint32_t u32(size_t at) const { return u16(at) << 16 | u16(at + 2); }
};

class FileReader {
  public:
    FileReader(const char* format, Bytes bytes) : format_(format), bytes_(bytes) {}

    size_t position() const { return position_; }
    Bytes read(uint64_t n) {  // less at the end
        const Bytes result = bytes_.from(position_).first(static_cast<size_t>(std::min<uint64_t>(n, bytes_.len)));
        position_ += result.len;
        return result;
    }
    Bytes need(uint64_t n) {
        const Bytes result = read(n);
        if (result.len < n) cut_short();
        return result;
    }
    [[noreturn]] void cut_short() const {
        fail(MM_ERROR_INVALID_ARGUMENT, "the %s file is cut short: it ends after %zu bytes, before the picture does",
             format_, bytes_.len);
    }
    [[noreturn]] void damaged(const char* what) const {
        fail(MM_ERROR_INVALID_ARGUMENT, "the %s file is damaged near byte %zu: %s", format_, position_, what);
    }

  private:
    const char* format_;
    Bytes bytes_;
    size_t position_ = 0;
};

}  // namespace mm
