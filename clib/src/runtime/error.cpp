#include "runtime/error.h"

#include <cstdarg>
#include <cstdio>
#include <mutex>

namespace mm {

namespace {

constexpr size_t kMaxMessage = 1024;  // longer messages (paths, mostly) are cut

// Recursive, so that a log callback may itself log or set another callback.
struct LogSink {
    std::recursive_mutex mutex;
    mm_log_callback callback = nullptr;
    void* user_data = nullptr;
};

LogSink& log_sink() {
    static LogSink* sink = new LogSink;  // never destroyed: threads may log while the process exits
    return *sink;
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

void log_line(int level, const char* format, ...) {
    LogSink& sink = log_sink();
    std::lock_guard<std::recursive_mutex> lock(sink.mutex);
    if (sink.callback == nullptr) return;
    char message[kMaxMessage];
    va_list args;
    va_start(args, format);
    std::vsnprintf(message, sizeof message, format, args);
    va_end(args);
    sink.callback(level, message, sink.user_data);
}

void set_log_callback(mm_log_callback callback, void* user_data) {
    LogSink& sink = log_sink();
    std::lock_guard<std::recursive_mutex> lock(sink.mutex);
    sink.callback = callback;
    sink.user_data = user_data;
}

}  // namespace mm
