// What stands between the host and the library: every export runs its work in guard().
//
// Nothing thrown leaves it. It runs the work in the library's floating-point environment, with thread cancellation put
// off (unwinding a cancelled thread through C++ would end the process), leaves errno as it was, and turns exceptions
// into a status and a message.
#pragma once

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "multimodal.h"
#include "runtime/error.h"
#include "runtime/exec.h"
#include "runtime/fp_env.h"
#include "runtime/memory.h"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace mm::api {

// The calling thread as the library needs it; the host's state returns with the destructor.
class CallScope {
  public:
    CallScope() noexcept {
#ifdef PTHREAD_CANCEL_DISABLE
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state_);
#endif
    }
    ~CallScope() {
#ifdef PTHREAD_CANCEL_DISABLE
        int ignored;
        pthread_setcancelstate(cancel_state_, &ignored);
#endif
        errno = errno_;
    }
    CallScope(const CallScope&) = delete;
    CallScope& operator=(const CallScope&) = delete;

  private:
    const int errno_ = errno;
#ifdef PTHREAD_CANCEL_DISABLE
    int cancel_state_ = 0;
#endif
    FpEnv fp_env_;
};

// Status of the exception that is being handled; its message goes to `report`. Call from a catch block.
mm_status handle_exception(FunctionRef<void(const char*)> report) noexcept;

// Hands a copy of `message` to the host as valid UTF-8, to be freed by mm_free. There always is one: where memory is
// lacking it is a static one, which mm_free knows.
void set_message(char** error_out, const char* message) noexcept;
bool is_static_message(const void* buffer) noexcept;

// Runs `body`; a failure's message goes to `report`.
template <typename Body>
mm_status guard_reporting(FunctionRef<void(const char*)> report, Body&& body) noexcept {
    const CallScope scope;
    try {
        body();
        return MM_OK;
    } catch (...) {
        return handle_exception(report);
    }
}

// The same for calls with `char **error_out` (which may be NULL).
template <typename Body>
mm_status guard(char** error_out, Body&& body) noexcept {
    if (error_out) *error_out = nullptr;
    return guard_reporting([error_out](const char* message) { set_message(error_out, message); }, body);
}

// Out-parameters are zero from the first moment, so that a failed call leaves nothing to clean up.
template <typename... T>
void clear(T*... out) noexcept {
    ((out ? void(*out = T{}) : void()), ...);
}

// A copy of `values` that the host owns and frees with mm_free.
template <typename T>
void hand_out(const std::vector<T>& values, T** out, size_t* out_len) {
    Buffer<T> copy(values.size());
    std::copy(values.begin(), values.end(), copy.data());
    *out = copy.release();
    *out_len = values.size();
}

inline char* hand_out(const std::string& text) {  // with its final NUL
    Buffer<char> copy(text.size() + 1);
    std::copy(text.c_str(), text.c_str() + text.size() + 1, copy.data());
    return copy.release();
}

// A pointer the host must give.
#define MM_REQUIRE(pointer)                                                                                           \
    do {                                                                                                              \
        if (!(pointer)) ::mm::fail(MM_ERROR_INVALID_ARGUMENT, "%s is NULL: it must point to valid memory", #pointer); \
    } while (false)

}  // namespace mm::api
