// The host's callbacks, called the way a host expects: in its own floating-point environment. One that throws ends the
// process: what it throws belongs to the host's C++ runtime, of which the one inside the library knows nothing.
#pragma once

#include <cfenv>

#include "multimodal.h"

namespace mm::api {

// The calling thread's floating-point environment; to be taken before guard() replaces it.
inline std::fenv_t host_environment() noexcept {
    std::fenv_t host;
    std::fegetenv(&host);
    return host;
}

class HostCallbacks {
  public:
    explicit HostCallbacks(const mm_transcribe_options& options) noexcept;
    HostCallbacks(const HostCallbacks&) = delete;
    HostCallbacks& operator=(const HostCallbacks&) = delete;

    // Makes the callbacks of `options` lead here; this object must outlive their use.
    void redirect(mm_transcribe_options& options) noexcept;
    // What on_progress is told where the transcriber does not know it.
    void set_seconds_total(double seconds) noexcept { seconds_total_ = seconds; }
    // The environment that callbacks run in: the calling thread's, from before the library set its own.
    void set_environment(const std::fenv_t& host) noexcept { host_ = host; }
    const std::fenv_t* environment() const noexcept { return &host_; }

  private:
    template <typename Call>
    int32_t run(Call&& call) noexcept;

    mm_token_callback on_token_;
    mm_segment_callback on_segment_;
    mm_progress_callback on_progress_;
    mm_abort_callback should_abort_;
    void* user_data_;
    double seconds_total_ = -1.0;
    std::fenv_t host_;
};

}  // namespace mm::api
