#include "runtime/error.h"

#include <cstdarg>
#include <cstdio>
#include <mutex>

#include "runtime/locks.h"

namespace mm {

namespace {

constexpr size_t kMaxMessage = 1024;  // longer messages (paths, mostly) are cut

// Guarded by process_locks().log.
mm_log_callback log_callback = nullptr;
void* log_user_data = nullptr;

// noexcept: nothing a host throws finds a way through the library.
void deliver(const std::fenv_t* host, int level, const char* message) noexcept {
    std::fenv_t ours;
    std::fegetenv(&ours);
    if (host) std::fesetenv(host);
    log_callback(level, message, log_user_data);
    std::fesetenv(&ours);
}

}  // namespace

void fail(mm_status status, const char* format, ...) {
    char message[kMaxMessage];
    va_list args;
    va_start(args, format);
    std::vsnprintf(message, sizeof message, format, args);
    va_end(args);
    throw Error(status, message);
}

void log_line(const std::fenv_t* host, int level, const char* format, ...) {
    std::lock_guard<std::recursive_mutex> lock(process_locks().log);
    if (log_callback == nullptr) return;
    char message[kMaxMessage];
    va_list args;
    va_start(args, format);
    std::vsnprintf(message, sizeof message, format, args);
    va_end(args);
    deliver(host, level, message);
}

void set_log_callback(mm_log_callback callback, void* user_data) {
    std::lock_guard<std::recursive_mutex> lock(process_locks().log);
    log_callback = callback;
    log_user_data = user_data;
}

}  // namespace mm
