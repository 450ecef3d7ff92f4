// Objects that are made when they are first asked for and live as long as the process.
#pragma once

#include <atomic>
#include <mutex>
#include <new>

#include "runtime/locks.h"

namespace mm {

// What make() returns, made once for each lambda expression; again, if it has thrown. It is never destroyed, since
// hosts call from their own exit handlers too. Not a local static: a child forked while another thread makes one would
// wait for that thread for ever, while this lock is one of those that a fork finds free. make() hands no work to
// the thread pool: a worker may need an object that is not made yet, and would wait for the same lock.
template <typename Make>
auto& immortal(Make make) {
    using T = decltype(make());
    alignas(T) static unsigned char storage[sizeof(T)];
    static std::atomic<T*> object{nullptr};
    if (T* made = object.load(std::memory_order_acquire)) return *made;
    const std::lock_guard<std::recursive_mutex> lock(process_locks().birth);
    if (!object.load(std::memory_order_relaxed)) object.store(new (storage) T(make()), std::memory_order_release);
    return *object.load(std::memory_order_relaxed);
}

}  // namespace mm
