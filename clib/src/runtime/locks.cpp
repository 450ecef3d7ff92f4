#include "runtime/locks.h"

#include <pthread.h>

#include "runtime/thread_pool.h"

namespace mm {

namespace {

void before_fork() {
    ProcessLocks& locks = process_locks();
    locks.log.lock();
    locks.birth.lock();
    locks.handles.lock();
    locks.pool.lock();
}
void after_fork_in_parent() {
    ProcessLocks& locks = process_locks();
    locks.pool.unlock();
    locks.handles.unlock();
    locks.birth.unlock();
    locks.log.unlock();
}
void after_fork_in_child() {
    ThreadPool::abandon_in_child();
    new (&process_locks()) ProcessLocks;  // a recursive one belongs to a thread number that is the parent's
}

// Before the first call, so that no fork comes between.
const bool handled_from_the_start = (process_locks(), forks_are_handled());

}  // namespace

ProcessLocks& process_locks() noexcept {
    alignas(ProcessLocks) static unsigned char storage[sizeof(ProcessLocks)];
    static ProcessLocks* const locks = new (storage) ProcessLocks;  // never destroyed: exit handlers call too
    return *locks;
}

bool forks_are_handled() noexcept {
    static const bool handled = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
    return handled;
}

}  // namespace mm
