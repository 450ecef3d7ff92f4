// The locks of the process. All are here, since a fork must find them free: a child has none of the threads that could
// release them.
#pragma once

#include <mutex>

namespace mm {

// In the order in which a thread may take them: whoever holds one takes only later ones.
struct ProcessLocks {
    std::recursive_mutex log;    // held while a line is delivered; recursive, so that a log callback may log itself
    std::recursive_mutex birth;  // held while an immortal object is made; recursive, since one may need another
    std::mutex handles;          // of all tables of handles
    std::mutex pool;             // the thread pool's birth
};
ProcessLocks& process_locks() noexcept;

// Whether a fork takes the locks and renews them in the child: only where memory was lacking it does not.
bool forks_are_handled() noexcept;

}  // namespace mm
