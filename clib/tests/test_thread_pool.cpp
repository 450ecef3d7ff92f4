// The thread pool: every task once, several callers at a time, stopping, forking, ending, and what it leaves alone.
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <set>
#include <string>

#include "kernel_test.h"
#include "runtime/error.h"
#include "runtime/thread_pool.h"

using mm::Exec;
using mm::StopSignal;
using mm::ThreadPool;

namespace {

constexpr int kWorkers = 3;  // more than some machines have cores: the pool must not care

void busy(std::chrono::microseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) {
    }
}

// Runs n tasks and checks that each ran once and that no slot was used twice at the same time.
void run_and_check(ThreadPool& pool, int n, int slots) {
    std::vector<int> runs(static_cast<size_t>(n), 0);  // not atomic: a task that ran twice at once is a race TSan sees
    std::vector<int> in_slot(static_cast<size_t>(std::max(1, slots)), 0);
    pool.run(n, slots, nullptr, [&](int i, int slot) {
        ++runs[static_cast<size_t>(i)];
        ++in_slot[static_cast<size_t>(slot)];
    });
    int total = 0;
    for (int count : in_slot) total += count;
    CHECK(total == n, "%d of %d tasks ran", total, n);
    for (int count : runs) CHECK(count == 1, "a task ran %d times", count);
}

void every_task_once() {
    ThreadPool pool(kWorkers);
    CHECK(pool.workers() == kWorkers, "%d workers", pool.workers());
    for (int n : {0, 1, 2, 3, 10, 1000})
        for (int slots : {1, 2, 4, 100}) run_and_check(pool, n, slots);
    for (int i = 0; i < 2000; ++i) run_and_check(pool, i % 9, 4);
}

void slots_bound_the_threads() {
    ThreadPool pool(kWorkers);
    std::set<int> seen;
    std::mutex mutex;
    pool.run(200, 2, nullptr, [&](int, int slot) {
        busy(std::chrono::microseconds(50));
        std::lock_guard<std::mutex> lock(mutex);
        seen.insert(slot);
    });
    for (int slot : seen) CHECK(slot < 2, "slot %d of 2", slot);
}

void many_callers() {
    ThreadPool pool(kWorkers);
    std::vector<std::thread> callers;
    for (int t = 0; t < 6; ++t)
        callers.emplace_back([&pool, t] {
            for (int i = 0; i < 300; ++i) run_and_check(pool, (i * 7 + t) % 40, 1 + (i + t) % 4);
        });
    for (std::thread& caller : callers) caller.join();
}

// A caller whose workers are all busy elsewhere does its tasks itself.
void nobody_waits_for_others_workers() {
    ThreadPool pool(1);
    std::atomic<bool> release{false}, held{false};
    std::thread other([&] {
        pool.run(2, 2, nullptr, [&](int, int) {
            held = true;
            while (!release) std::this_thread::yield();
        });
    });
    while (!held) std::this_thread::yield();
    run_and_check(pool, 100, 2);
    release = true;
    other.join();
}

void tasks_may_run_jobs() {
    ThreadPool pool(kWorkers);
    std::atomic<int> count{0};
    pool.run(8, 4, nullptr, [&](int, int) { pool.run(8, 4, nullptr, [&](int, int) { ++count; }); });
    CHECK(count == 64, "%d of 64 inner tasks ran", count.load());
}

struct Host {
    std::atomic<int> asked{0};
    int stop_at;
    pthread_t caller;
    bool other_thread = false;
};
int32_t host_callback(void* user_data) {
    Host& host = *static_cast<Host*>(user_data);
    if (pthread_equal(pthread_self(), host.caller) == 0) host.other_thread = true;
    return ++host.asked >= host.stop_at ? 1 : 0;
}

void stops_when_asked() {
    ThreadPool pool(kWorkers);
    Host host;
    host.stop_at = 3;
    host.caller = pthread_self();
    StopSignal stop(host_callback, &host, nullptr);
    std::atomic<int> ran{0};
    const auto start = std::chrono::steady_clock::now();
    mm_status status = MM_OK;
    try {
        pool.run(100000, 4, &stop, [&](int, int) {
            busy(std::chrono::microseconds(300));
            ++ran;
        });
    } catch (const mm::Error& error) {
        status = error.status();
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    CHECK(status == MM_ERROR_ABORTED, "status %d", status);
    CHECK(host.asked == 3 && !host.other_thread, "asked %d times", host.asked.load());
    CHECK(took.count() >= 0.01 && ran < 50000, "asked more often than every 5 ms: %g s, %d tasks", took.count(),
          ran.load());
    CHECK(stop.poll() && host.asked == 3, "once stopped it stays stopped, without asking again");

    std::atomic<bool> flag{false};
    StopSignal flagged(nullptr, nullptr, &flag);
    pool.run(4, 2, &flagged, [](int, int) {});
    flag = true;
    bool thrown = false;
    try {
        pool.run(4, 2, &flagged, [&](int, int) { thrown = true; });
        CHECK(false, "a set flag stops work before it starts");
    } catch (const mm::Error&) {
    }
    run_and_check(pool, 50, 4);  // and the pool is as good as before
}

void workers_keep_out_of_the_hosts_way() {
    ThreadPool pool(kWorkers);
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, nullptr, &before);
    std::atomic<int> open_signals{0}, helped{0};
    std::atomic<int> rounding{0};
    fesetround(FE_UPWARD);  // the caller's own business
    pool.run(400, 4, nullptr, [&](int, int slot) {
        busy(std::chrono::microseconds(50));
        if (slot == 0) return;
        ++helped;
        sigset_t mask;
        pthread_sigmask(SIG_SETMASK, nullptr, &mask);
        if (sigismember(&mask, SIGINT) == 0 || sigismember(&mask, SIGTERM) == 0) ++open_signals;
        if (fegetround() != FE_TONEAREST) ++rounding;
    });
    CHECK(fegetround() == FE_UPWARD, "the caller's rounding mode was changed");
    fesetround(FE_TONEAREST);
    pthread_sigmask(SIG_SETMASK, nullptr, &after);
    CHECK(helped > 0, "no worker helped");
    CHECK(open_signals == 0 && rounding == 0, "a worker takes signals or rounds as the host does");
    CHECK(sigismember(&before, SIGINT) == sigismember(&after, SIGINT), "the caller's signal mask was changed");
}

void parks_when_idle() {
    ThreadPool pool(kWorkers);
    run_and_check(pool, 100, 4);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    const double used =
        static_cast<double>(after.tv_sec - before.tv_sec) + 1e-9 * static_cast<double>(after.tv_nsec - before.tv_nsec);
    CHECK(used < 0.05, "idle workers used %g s of processor time in 0.2 s", used);
}

void works_after_stop() {
    ThreadPool pool(kWorkers);
    run_and_check(pool, 100, 4);
    pool.stop();
    run_and_check(pool, 100, 4);
    pool.stop();
}

// ThreadSanitizer does not follow threads into a forked child that makes new ones.
#if !defined(__SANITIZE_THREAD__)
#define MM_TEST_FORK 1
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#undef MM_TEST_FORK
#endif
#endif
#endif

#if defined(MM_TEST_FORK)
int child_status(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

int32_t forking_callback(void* user_data) {
    pid_t& child = *static_cast<pid_t*>(user_data);
    if (child == -1) child = fork();  // it may be asked again
    return 0;
}

void forked_child_gets_a_pool() {
    const Exec exec = mm::make_exec(0, nullptr);
    std::atomic<int> count{0};
    mm::parallel_for(exec, 100, [&](int) { ++count; });
    std::atomic<bool> over{false};
    std::thread other([&] {  // forks happen while another thread is in the middle of something
        while (!over) mm::parallel_for(exec, 20, [&](int) { busy(std::chrono::microseconds(20)); });
    });
    for (int i = 0; i < 20; ++i) {
        const pid_t child = fork();
        if (child == 0) {
            alarm(20);
            std::atomic<int> mine{0};
            mm::parallel_for(exec, 100, [&](int) { ++mine; });
            _exit(mine == 100 ? 0 : 1);
        }
        CHECK(child_status(child) == 0, "fork %d: the child's pool does not work", i);
    }
    over = true;
    other.join();
    CHECK(count == 100, "%d tasks", count.load());

    // A callback that forks: the call goes on in the parent and ends with an error in the child.
    pid_t child = -1;
    StopSignal stop(forking_callback, &child, nullptr);
    Exec asking = exec;
    asking.stop = &stop;
    try {
        mm::parallel_for(asking, 4, [](int) {});
        CHECK(child > 0 && child_status(child) == 0, "the child of a forking callback");
    } catch (const mm::Error& error) {
        _exit(child == 0 && error.status() == MM_ERROR_ABORTED ? 0 : 1);
    }
}
#endif

}  // namespace

int main() {
    every_task_once();
    slots_bound_the_threads();
    many_callers();
    nobody_waits_for_others_workers();
    tasks_may_run_jobs();
    stops_when_asked();
    workers_keep_out_of_the_hosts_way();
    parks_when_idle();
    works_after_stop();
#if defined(MM_TEST_FORK)
    forked_child_gets_a_pool();
#endif
    return kernel_test::result();
}
