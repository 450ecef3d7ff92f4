// A cursor over untrusted bytes: nothing is read, and no count is believed, beyond what the file holds.
#pragma once

#include <string>
#include <string_view>

#include "model/mapped_file.h"
#include "runtime/byte_order.h"
#include "runtime/error.h"

namespace mm {

class ByteReader {
  public:
    // name: of the file, for messages; borrowed.
    ByteReader(Bytes bytes, const std::string& name) : bytes_(bytes), name_(name) {}

    size_t position() const { return position_; }
    size_t remaining() const { return bytes_.size - position_; }

    // The next `size` bytes. what: such as "the value of general.name", for the message if they are not there.
    Bytes take(uint64_t size, const char* what) {
        if (size > remaining())
            fail(MM_ERROR_BAD_MODEL,
                 "%s: ends inside %s: %llu bytes needed at offset %zu, %zu left; the file is cut short or damaged",
                 name_.c_str(), what, static_cast<unsigned long long>(size), position_, remaining());
        const Bytes taken = {bytes_.data + position_, static_cast<size_t>(size)};
        position_ += taken.size;
        return taken;
    }
    // `count` items of `size` bytes each.
    Bytes take(uint64_t count, size_t size, const char* what) {
        if (count > remaining() / size) take(static_cast<uint64_t>(-1), what);
        return take(count * size, what);
    }
    template <typename T>
    T read(const char* what) {
        return read_little_endian<T>(take(sizeof(T), what).data);
    }
    std::string_view text(uint64_t size, const char* what) {
        const Bytes taken = take(size, what);
        return {reinterpret_cast<const char*>(taken.data), taken.size};
    }

  private:
    Bytes bytes_;
    size_t position_ = 0;
    const std::string& name_;
};

}  // namespace mm
