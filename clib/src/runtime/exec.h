// How a piece of work may run: kernels, threads, and whether the caller wants it to stop.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <type_traits>

#include "multimodal.h"

namespace mm {

struct Kernels;

// Polled by the calling thread between small pieces of work; the host's callback runs at most every few milliseconds.
class StopSignal {
  public:
    StopSignal() = default;
    StopSignal(mm_abort_callback callback, void* user_data, const std::atomic<bool>* flag)
        : callback_(callback), user_data_(user_data), flag_(flag) {}

    // Only from the thread that made the call. Cheap: reads a flag and, rarely, the clock.
    bool poll() noexcept;
    void check();  // throws Error(MM_ERROR_ABORTED)

  private:
    mm_abort_callback callback_ = nullptr;
    void* user_data_ = nullptr;
    const std::atomic<bool>* flag_ = nullptr;
    std::chrono::steady_clock::time_point next_{};
    bool stopped_ = false;
};

// A reference to a callable: no allocation, lives no longer than the call it is passed to.
template <typename Signature>
class FunctionRef;
template <typename R, typename... A>
class FunctionRef<R(A...)> {
  public:
    template <typename F, typename = std::enable_if_t<!std::is_same<std::decay_t<F>, FunctionRef>::value>>
    FunctionRef(F&& f)  // NOLINT: implicit by design
        : object_(const_cast<void*>(static_cast<const void*>(&f))), call_([](void* o, A... a) -> R {
              return (*static_cast<std::remove_reference_t<F>*>(o))(static_cast<A&&>(a)...);
          }) {}
    R operator()(A... a) const { return call_(object_, static_cast<A&&>(a)...); }

  private:
    void* object_;
    R (*call_)(void*, A...);
};

struct Exec {
    const Kernels* kernels;      // never null
    int threads = 0;             // at most so many, the caller included; 0: all of the pool
    StopSignal* stop = nullptr;  // may be null
};

// An Exec with the kernels in use (kernels/dispatch.cpp).
Exec make_exec(int threads, StopSignal* stop);

// Runs task(0) ... task(n - 1), each once, on the caller and up to exec.threads - 1 workers, in no particular order,
// and returns when all have ended. Tasks must not throw and must each write their own part of the output: no result
// depends on the number of threads. Between tasks the caller polls exec.stop: if it asks to stop, remaining tasks are
// skipped and Error(MM_ERROR_ABORTED) is thrown. Size tasks for about 0.1 to 2 ms. May be called from several threads
// at once.
void parallel_for(const Exec& exec, int n, FunctionRef<void(int)> task);

// Number of threads the pool would use: cores in the affinity mask, bounded by the cgroup quota.
int available_threads();

}  // namespace mm
