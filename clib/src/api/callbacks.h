// The host's callbacks, called the way a host expects: in its own floating-point environment, and without harm where
// one throws after all.
#pragma once

#include <cfenv>

#include "multimodal.h"

namespace mm::api {

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
    // Whether a callback threw, which counts as asking to stop.
    bool threw() const noexcept { return threw_; }

  private:
    template <typename Call>
    int32_t run(Call&& call) noexcept;

    mm_token_callback on_token_;
    mm_segment_callback on_segment_;
    mm_progress_callback on_progress_;
    mm_abort_callback should_abort_;
    void* user_data_;
    double seconds_total_ = -1.0;
    bool threw_ = false;
    std::fenv_t host_;
};

}  // namespace mm::api
