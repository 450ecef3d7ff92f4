#include "api/run.h"

#include "api/options.h"

namespace mm::api {
namespace {

// As the part of a transcript's options that all calls have.
mm_transcribe_options read(const mm_run_options* given) {
    constexpr int32_t most = 1 << 16;
    const mm_run_options run = read_struct(given);
    if (run.threads < 0 || run.threads > most)
        fail(MM_ERROR_INVALID_ARGUMENT, "threads is %d; it must be 1 to %d (or 0 for all cores)", run.threads, most);
    mm_transcribe_options options{};
    options.threads = run.threads;
    options.should_abort = run.should_abort;
    options.user_data = run.user_data;
    return options;
}

}  // namespace

Run::Run(const mm_run_options* given, const std::fenv_t& host)
    : options_(read(given)), callbacks_(options_), exec_(make_exec(options_.threads, &stop_)) {
    callbacks_.set_environment(host);
    callbacks_.redirect(options_);
    stop_ = StopSignal(options_.should_abort, options_.user_data, nullptr);
}

}  // namespace mm::api
