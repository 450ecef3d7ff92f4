// mm_run_options: how a call runs that has no other options for it.
#pragma once

#include "api/callbacks.h"
#include "runtime/exec.h"

namespace mm::api {

class Run {
  public:
    // NULL gives all defaults. Throws Error(INVALID_ARGUMENT).
    Run(const mm_run_options* given, const std::fenv_t& host);
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    const Exec& exec() const noexcept { return exec_; }
    StopSignal& stop() noexcept { return stop_; }

  private:
    mm_transcribe_options options_;
    HostCallbacks callbacks_;
    StopSignal stop_;
    Exec exec_;
};

}  // namespace mm::api
