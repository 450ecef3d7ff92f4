// Objects that live as long as the process.
#pragma once

#include <new>

namespace mm {

// A process-wide object that is never destroyed, since hosts call from their own exit handlers too. One for each T and
// argument types: T should be a type of the caller's own.
template <typename T, typename... Args>
T& immortal(Args&&... args) {
    alignas(T) static unsigned char storage[sizeof(T)];
    static T* const object = new (storage) T(static_cast<Args&&>(args)...);
    return *object;
}

}  // namespace mm
