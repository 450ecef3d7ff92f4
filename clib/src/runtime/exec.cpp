#include "runtime/exec.h"

#include <algorithm>

#include "runtime/cpu.h"
#include "runtime/error.h"
#include "runtime/thread_pool.h"

namespace mm {

namespace {
constexpr std::chrono::milliseconds kCallbackInterval{5};
}

bool StopSignal::poll() noexcept {
    if (stopped_) return true;
    if (flag_ != nullptr && flag_->load(std::memory_order_relaxed)) return stopped_ = true;
    if (callback_ == nullptr) return false;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return false;
    stopped_ = callback_(user_data_) != 0;
    next_ = now + kCallbackInterval;
    return stopped_;
}

void StopSignal::check() {
    if (poll()) fail(MM_ERROR_ABORTED, "the work was stopped: a callback or an abort asked for it");
}

int available_threads() {
    return ThreadPool::instance().workers() + 1;
}

int slot_count(const Exec& exec, int n) {
    const int pool = available_threads();
    return std::max(1, std::min(n, exec.threads > 0 ? std::min(exec.threads, pool) : pool));
}

void parallel_for_slots(const Exec& exec, int n, FunctionRef<void(int, int)> task) {
    ThreadPool::instance().run(n, slot_count(exec, n), exec.stop, task);
}

void parallel_for(const Exec& exec, int n, FunctionRef<void(int)> task) {
    parallel_for_slots(exec, n, [&](int i, int) { task(i); });
}

}  // namespace mm
