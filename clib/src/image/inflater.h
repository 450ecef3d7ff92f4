// zlib's inflate, whose memory is freed with it.
#pragma once

#include <zlib.h>

#include <new>

#include "runtime/error.h"

namespace mm {

class Inflater {
  public:
    Inflater() {
        if (inflateInit(&stream) != Z_OK) throw std::bad_alloc();
    }
    ~Inflater() { inflateEnd(&stream); }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;

    // One call of inflate. Throws std::bad_alloc.
    int run() {
        const int result = inflate(&stream, Z_NO_FLUSH);
        if (result == Z_MEM_ERROR) throw std::bad_alloc();
        return result;
    }

    z_stream stream{};
};

}  // namespace mm
