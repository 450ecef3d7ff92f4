// Memory that runs out at any point: every call ends with a clean status, nothing leaks, and afterwards the same call
// gives the same results. What is called is in memory_cases.h.
// Usage: test_api_memory SMALL_MODEL SMALL_GGML CLIP_MODEL
// MM_TEST_INSTRUMENTED in the environment: beyond the first 80 calls for memory only some fail in turn.
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "memory_cases.h"

namespace {

using namespace memory_cases;

// A case that has memory.
struct Healthy {
    uint64_t digest;
    long calls;                 // for memory
    long kept;                  // blocks that live as long as the process
    long n_first, first[1000];  // calls for memory that are made in the first run of a process only
};

bool agrees(const Case& c, const Healthy& healthy) {
    Run run;
    return c.run(run) == c.expected && run.digest() == healthy.digest;
}

// The lowest file descriptor that is free: another one if any was left open.
int free_descriptor() {
    const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(file);
    return file;
}

// Some failures are made up for: a pool does with fewer threads, a message gets shorter. All others are NO_MEMORY.
bool is_clean(const Case& c, const Healthy& healthy, mm_status status, const Run& run) {
    if (status == MM_OK ? run.error != nullptr : !run.told()) return false;
    return status == MM_ERROR_NO_MEMORY || (status == c.expected && run.digest() == healthy.digest);
}

// Runs a case with calls first ... last for memory failing, and once more with memory; `kept` blocks may be left then.
void fail_calls(const Case& c, const Healthy& healthy, long first, long last, long kept) {
    const long before = failing_memory::blocks;
    const int descriptor = free_descriptor();
    mm_status status;
    bool clean;
    {
        Run run;
        failing_memory::arm(first, last);
        status = c.run(run);
        clean = failing_memory::disarm() >= first && is_clean(c, healthy, status, run);
    }
    const bool again = agrees(c, healthy);
    // Where a pool got fewer threads, less is kept.
    const long leaked = failing_memory::blocks - before - kept;
    const bool leaks = (c.setting == Setting::threads ? leaked > 0 : leaked != 0) || free_descriptor() != descriptor;
    if (clean && again && !leaks) return;
    ++checks_failed;
    fprintf(stderr, "%s, calls %ld to %ld for memory failing: %s, status %d (%s); then %s, %ld blocks too many%s\n",
            c.name, first, last, clean ? "clean" : "not clean", status, mm_status_string(status),
            again ? "as without" : "not as without", leaked, leaks ? ": a leak" : "");
}

// Runs `work` in a process of its own.
template <typename Work>
void in_a_child(const Case& c, Work work) {
    fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        checks_failed = 0;
        work();
        _exit(checks_failed != 0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    if (status == 0) return;
    ++checks_failed;
    fprintf(stderr, "%s: a process ended with wait status %#x\n", c.name, static_cast<unsigned>(status));
}

// Which calls of the first run the second one does not make, told apart by the sizes of their blocks.
void compare_runs(const size_t* first, long n_first, const size_t* second, long n_second, Healthy* healthy) {
    long same = 0;
    healthy->n_first = 0;
    for (long i = 0; i < n_first; ++i) {
        if (same < n_second && first[i] == second[same])
            ++same;
        else
            healthy->first[healthy->n_first++] = i + 1;
    }
    CHECK(same == n_second);
}

// What a case does with memory, in a process of its own: here all is still to be built.
Healthy measure(const Case& c) {
    static auto* shared = static_cast<Healthy*>(
        mmap(nullptr, sizeof(Healthy), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    in_a_child(c, [&] {
        static size_t first_sizes[failing_memory::kSizes];
        const long before = failing_memory::blocks;
        long first_calls;
        {
            Run run;
            failing_memory::count();
            CHECK_STATUS(c.run(run), c.expected);
            first_calls = failing_memory::disarm();
            shared->digest = run.digest();
        }
        CHECK(first_calls <= failing_memory::kSizes);
        std::copy_n(failing_memory::sizes, first_calls, first_sizes);
        failing_memory::count();
        CHECK(agrees(c, *shared));
        shared->calls = failing_memory::disarm();
        shared->kept = failing_memory::blocks - before;
        compare_runs(first_sizes, first_calls, failing_memory::sizes, shared->calls, shared);
    });
    return *shared;
}

// Each call for memory, unless a sanitizer makes that take too long.
long next(long n) {
    static const bool instrumented = getenv("MM_TEST_INSTRUMENTED") != nullptr;
    return instrumented && n > 80 ? n + n / 8 : n + 1;
}

void check_case(const Case& c) {
    if (c.setting != Setting::threads) {  // they cost time, and how many there are depends on memory
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(sched_getcpu(), &one);
        CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    }
    if (c.setting == Setting::model || c.setting == Setting::threads) model = open_model(gguf_path);
    if (c.setting == Setting::detector) CHECK_STATUS(mm_vad_open(nullptr, &detector, nullptr), MM_OK);

    if (c.setting == Setting::clip) CHECK_STATUS(mm_clip_open(clip_path, nullptr, &clip, nullptr), MM_OK);

    // In fresh processes, where first calls build what lives as long as the process: the thread pool, tables.
    const Healthy healthy = measure(c);
    for (long i = 0; i < healthy.n_first; ++i)
        in_a_child(c, [&] { fail_calls(c, healthy, healthy.first[i], healthy.first[i], healthy.kept); });

    CHECK(agrees(c, healthy));
    long tried = 0;
    for (long n = 1; n <= healthy.calls; n = next(n), ++tried) {
        fail_calls(c, healthy, n, n, 0);
        if (tried % 7 == 0) fail_calls(c, healthy, n, n + 1000000, 0);  // and all after it
    }
    printf("%-26s %4ld calls for memory, %4ld of them failed in turn; in a first run %2ld more, all of them\n", c.name,
           healthy.calls, tried, healthy.n_first);
    mm_clip_close(clip);
    mm_vad_close(detector);
    mm_whisper_close(model);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) return fprintf(stderr, "usage: %s SMALL_MODEL SMALL_GGML CLIP_MODEL\n", argv[0]), 2;
    gguf_path = argv[1];
    ggml_path = argv[2];
    clip_path = argv[3];
    for (const Case& c : kCases)
        in_a_child(c, [&] {
            check_case(c);
            exit(checks_failed != 0);  // a sanitizer looks for leaks, too
        });
    return finish("test_api_memory");
}
