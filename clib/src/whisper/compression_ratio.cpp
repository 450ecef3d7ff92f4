#include <zlib.h>

#include <new>

#include "runtime/error.h"
#include "runtime/memory.h"
#include "whisper/decoding.h"

namespace mm {

float compression_ratio(const std::string& text) {
    if (text.empty()) return 0.0f;
    const auto* bytes = reinterpret_cast<const Bytef*>(text.data());
    uLongf compressed = compressBound(static_cast<uLong>(text.size()));
    Buffer<Bytef> out(compressed);
    const int status = compress2(out.data(), &compressed, bytes, static_cast<uLong>(text.size()), 6);
    if (status == Z_MEM_ERROR) throw std::bad_alloc();
    if (status != Z_OK) fail(MM_ERROR_INTERNAL, "zlib could not compress %zu bytes of text: %d", text.size(), status);
    return static_cast<float>(static_cast<double>(text.size()) / static_cast<double>(compressed));
}

}  // namespace mm
