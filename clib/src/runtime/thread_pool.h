// The process's worker threads: they spin briefly for work, then park. Any number of callers share them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/exec.h"

namespace mm {

class ThreadPool {
  public:
    // Starts up to `workers` threads; fewer where the system gives no more.
    explicit ThreadPool(int workers);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    // As parallel_for in exec.h, with the slot of each task's thread: 0 is the caller, helpers have 1 ... slots - 1.
    // No two tasks run with the same slot at the same time.
    void run(int n, int slots, StopSignal* stop, FunctionRef<void(int task, int slot)> task);
    int workers() const noexcept { return static_cast<int>(threads_.size()); }
    // Ends and joins the workers; later work runs on its callers alone.
    void stop() noexcept;

    // The pool in use, started at the first call. A forked child gets a fresh one.
    static ThreadPool& instance();
    static void abandon_in_child() noexcept;  // for runtime/locks.cpp

  private:
    struct Job;
    void work();
    Job* take_job(int* slot);
    void take_tasks(Job& job, int slot);
    void leave(Job& job);

    std::mutex mutex_;
    std::condition_variable work_;     // there is a new job, or the pool stops
    std::condition_variable left_;     // a helper has left a job
    Job* jobs_ = nullptr;              // running jobs; they live on their callers' stacks
    std::atomic<uint32_t> posted_{0};  // counts jobs: what idle workers spin on
    std::atomic<bool> stopping_{false};
    std::vector<std::thread> threads_;
};

// parallel_for with the slot of the thread that runs the task, for per-thread scratch memory: slot < slot_count(exec,
// n).
void parallel_for_slots(const Exec& exec, int n, FunctionRef<void(int task, int slot)> task);
int slot_count(const Exec& exec, int n);

}  // namespace mm
