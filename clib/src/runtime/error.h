// The one exception type of the library. The guard in src/api turns it into a status and a message.
#pragma once

#include <cfenv>
#include <exception>
#include <string>

#include "multimodal.h"

namespace mm {

class Error : public std::exception {
  public:
    Error(mm_status status, std::string message) : status_(status), message_(std::move(message)) {}
    mm_status status() const noexcept { return status_; }
    const char* what() const noexcept override { return message_.c_str(); }

  private:
    mm_status status_;
    std::string message_;
};

// printf-style; messages say what is wrong, with what value, and what to do.
[[noreturn]] void fail(mm_status status, const char* format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

// NULL discards log lines. After return the previous callback runs no more (a callback may itself call this).
void set_log_callback(mm_log_callback callback, void* user_data);

// Sends one line to the host's log callback (level: MM_LOG_*), which runs in the floating-point environment `host`,
// null for the one that is in force. Formats only where a callback is set.
void log_line(const std::fenv_t* host, int level, const char* format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

}  // namespace mm
