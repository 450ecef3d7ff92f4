#include "api/handles.h"

namespace mm::api {

std::uintptr_t next_token() {
    constexpr std::uintptr_t step = 64, first = 64 * 1024 + step;
    static std::atomic<std::uintptr_t> next{first};
    std::uintptr_t token = next.load(std::memory_order_relaxed);
    do {  // tokens are never reused: a process that used up all numbers (32-bit only) gets no more
        if (token > UINTPTR_MAX - step) fail(MM_ERROR_NO_MEMORY, "all handle numbers of this process are used up");
    } while (!next.compare_exchange_weak(token, token + step, std::memory_order_relaxed));
    return token;
}

}  // namespace mm::api
