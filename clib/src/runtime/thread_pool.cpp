#include "runtime/thread_pool.h"

#include <signal.h>

#include <algorithm>
#include <chrono>

#include "runtime/cpu.h"
#include "runtime/error.h"
#include "runtime/fp_env.h"
#include "runtime/locks.h"

namespace mm {

namespace {

// How long an idle thread spins before it parks: about what waking it up costs.
constexpr std::chrono::microseconds kSpin{50};

void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb");  // what gives a hyperthread or a core's pipeline a rest; yield does nothing
#endif
}

template <typename Done>
bool spin_until(Done done) {
    const auto end = std::chrono::steady_clock::now() + kSpin;
    do {
        for (int i = 0; i < 16; ++i) {
            if (done()) return true;
            relax();
        }
    } while (std::chrono::steady_clock::now() < end);
    return done();
}

// Grows by one in each fork, in the child: work shared with threads that are gone can be told from other work.
std::atomic<unsigned> fork_count{0};

std::atomic<ThreadPool*> instance_pool{nullptr};
ThreadPool* abandoned_pool = nullptr;  // the parent's, in a forked child: its threads are gone, its locks unusable

// Joins the workers when the library is unloaded or the process ends. The pool itself stays: other threads may be in
// it.
struct JoinAtExit {
    ~JoinAtExit() {
        if (ThreadPool* pool = instance_pool.load()) pool->stop();
    }
} join_at_exit;

}  // namespace

struct ThreadPool::Job {
    FunctionRef<void(int, int)> task;
    int n;
    int slots;
    std::atomic<int> next{0};    // the first task nobody has taken
    std::atomic<int> active{0};  // helpers at work
    int joined = 0;              // slots given out to helpers; guarded by the pool's mutex
    Job* previous = nullptr;
    Job* following = nullptr;

    Job(FunctionRef<void(int, int)> t, int count, int slot_limit) : task(t), n(count), slots(slot_limit) {}
};

ThreadPool::ThreadPool(int workers) {
    // Signals are the host's business: workers block them all, so handlers run on the host's own threads.
    sigset_t all, saved;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved);
    try {
        threads_.reserve(static_cast<size_t>(std::max(0, workers)));
        for (int i = 0; i < workers; ++i) threads_.emplace_back([this] { work(); });
    } catch (...) {  // no more threads or memory: those that are there will do
    }
    pthread_sigmask(SIG_SETMASK, &saved, nullptr);
}

ThreadPool::~ThreadPool() {
    stop();
}

void ThreadPool::stop() noexcept {
    {
        std::lock_guard<std::mutex> lock(mutex_);
        stopping_ = true;
    }
    work_.notify_all();
    for (std::thread& thread : threads_)
        if (thread.joinable()) thread.join();
}

ThreadPool& ThreadPool::instance() {
    if (ThreadPool* pool = instance_pool.load(std::memory_order_acquire)) return *pool;
    std::lock_guard<std::mutex> lock(process_locks().pool);
    if (ThreadPool* pool = instance_pool.load(std::memory_order_acquire)) return *pool;
    // Where forks go unnoticed a child would wait for threads it does not have: then rather no workers at all.
    auto* pool = new ThreadPool(forks_are_handled() ? available_cores() - 1 : 0);
    instance_pool.store(pool, std::memory_order_release);
    return *pool;
}

void ThreadPool::abandon_in_child() noexcept {
    if (ThreadPool* pool = instance_pool.exchange(nullptr)) abandoned_pool = pool;
    fork_count.fetch_add(1);
}

void ThreadPool::work() {
#if defined(__linux__)
    pthread_setname_np(pthread_self(), "mm-worker");
#endif
    FpEnv fp_env;
    while (!stopping_.load(std::memory_order_relaxed)) {
        const uint32_t seen = posted_.load(std::memory_order_acquire);
        int slot = 0;
        if (Job* job = take_job(&slot)) {
            take_tasks(*job, slot);
            leave(*job);
            continue;
        }
        const auto news = [&] {
            return posted_.load(std::memory_order_acquire) != seen || stopping_.load(std::memory_order_relaxed);
        };
        if (spin_until(news)) continue;
        std::unique_lock<std::mutex> lock(mutex_);
        work_.wait(lock, news);
    }
}

// A job that has tasks left and room for another helper, with a slot in it.
ThreadPool::Job* ThreadPool::take_job(int* slot) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (Job* job = jobs_; job != nullptr; job = job->following) {
        if (job->joined + 1 >= job->slots || job->next.load(std::memory_order_relaxed) >= job->n) continue;
        *slot = ++job->joined;
        job->active.fetch_add(1, std::memory_order_relaxed);
        return job;
    }
    return nullptr;
}

void ThreadPool::take_tasks(Job& job, int slot) {
    for (int i; (i = job.next.fetch_add(1, std::memory_order_relaxed)) < job.n;) job.task(i, slot);
}

void ThreadPool::leave(Job& job) {
    std::lock_guard<std::mutex> lock(mutex_);
    job.active.fetch_sub(1, std::memory_order_release);  // the job may be gone from here on
    left_.notify_all();
}

void ThreadPool::run(int n, int slots, StopSignal* stop, FunctionRef<void(int, int)> task) {
    const bool shared = std::min(n, slots) > 1 && workers() > 0 && !stopping_.load(std::memory_order_relaxed);
    const unsigned forks = fork_count.load();
    Job job(task, n, std::min(n, slots));
    if (shared) {
        {
            std::lock_guard<std::mutex> lock(mutex_);
            job.following = jobs_;
            if (jobs_ != nullptr) jobs_->previous = &job;
            jobs_ = &job;
            posted_.fetch_add(1, std::memory_order_release);
        }
        if (job.slots > 2)
            work_.notify_all();
        else
            work_.notify_one();
    }
    bool stopped = false;
    while (true) {
        stopped = stop != nullptr && stop->poll();
        if (stopped) {
            job.next.store(n, std::memory_order_relaxed);
            break;
        }
        const int i = job.next.fetch_add(1, std::memory_order_relaxed);
        if (i >= n) break;
        task(i, 0);
    }
    if (fork_count.load() != forks)  // a callback forked, and this is the child: helpers and locks are gone
        fail(MM_ERROR_ABORTED, "the process was forked inside a callback: the call cannot go on in the child");
    if (shared) {
        {
            std::lock_guard<std::mutex> lock(mutex_);  // nobody joins any more
            if (job.previous != nullptr)
                job.previous->following = job.following;
            else
                jobs_ = job.following;
            if (job.following != nullptr) job.following->previous = job.previous;
        }
        const auto alone = [&] { return job.active.load(std::memory_order_acquire) == 0; };
        if (!spin_until(alone)) {
            std::unique_lock<std::mutex> lock(mutex_);
            left_.wait(lock, alone);
        }
    }
    if (stopped) fail(MM_ERROR_ABORTED, "the work was stopped: a callback or an abort asked for it");
}

}  // namespace mm
