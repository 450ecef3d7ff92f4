#include "api/callbacks.h"

namespace mm::api {

HostCallbacks::HostCallbacks(const mm_transcribe_options& options) noexcept
    : on_token_(options.on_token),
      on_segment_(options.on_segment),
      on_progress_(options.on_progress),
      should_abort_(options.should_abort),
      user_data_(options.user_data) {
    std::fegetenv(&host_);
}

template <typename Call>
int32_t HostCallbacks::run(Call&& call) noexcept {
    std::fenv_t ours;
    std::fegetenv(&ours);
    std::fesetenv(&host_);
    const int32_t answer = call();
    std::fesetenv(&ours);
    return answer;
}

void HostCallbacks::redirect(mm_transcribe_options& options) noexcept {
    options.user_data = this;
    if (on_token_) {
        options.on_token = [](const mm_token* token, void* data) {
            auto& self = *static_cast<HostCallbacks*>(data);
            return self.run([&] { return self.on_token_(token, self.user_data_); });
        };
    }
    if (on_segment_) {
        options.on_segment = [](const mm_segment* segment, void* data) {
            auto& self = *static_cast<HostCallbacks*>(data);
            return self.run([&] { return self.on_segment_(segment, self.user_data_); });
        };
    }
    if (on_progress_) {
        options.on_progress = [](double done, double total, void* data) {
            auto& self = *static_cast<HostCallbacks*>(data);
            if (total < 0) total = self.seconds_total_;
            return self.run([&] { return self.on_progress_(done, total, self.user_data_); });
        };
    }
    if (should_abort_) {
        options.should_abort = [](void* data) {
            auto& self = *static_cast<HostCallbacks*>(data);
            return self.run([&] { return self.should_abort_(self.user_data_); });
        };
    }
}

}  // namespace mm::api
