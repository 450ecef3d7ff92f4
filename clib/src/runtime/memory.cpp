#include "runtime/memory.h"

#include <cstring>

namespace mm {

void* aligned_alloc_bytes(size_t bytes, size_t alignment) {
    if (bytes > static_cast<size_t>(-1) / 2) throw std::bad_alloc();
    const size_t rounded = (bytes == 0 ? 1 : bytes) + (alignment - 1);
    void* p = nullptr;
    // posix_memalign, not operator new: mm_free must be able to free it without knowing where it came from.
    if (posix_memalign(&p, alignment, rounded / alignment * alignment) != 0) throw std::bad_alloc();
#ifdef MM_POISON  // tests/golden_poisoned: NaN in every float that nobody has written
    std::memset(p, 0xff, rounded / alignment * alignment);
#endif
    return p;
}

void aligned_free(void* p) noexcept {
    std::free(p);
}

}  // namespace mm
