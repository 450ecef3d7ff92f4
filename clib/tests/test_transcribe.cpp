// A transcriber that has failed in any way fails for ever, in the same way.
// Usage: test_transcribe MODEL
#include <new>
#include <stdexcept>

#include "check.h"
#include "runtime/error.h"
#include "signals.h"
#include "whisper/transcribe.h"

namespace {

enum Fault { refused, memory, length, surprise, number };

int32_t fail_in_step(const mm_token*, void* user_data) {
    switch (*static_cast<Fault*>(user_data)) {
        case refused:
            mm::fail(MM_ERROR_UNSUPPORTED, "not this");
        case memory:
            throw std::bad_alloc();
        case length:
            throw std::length_error("too long");
        case surprise:
            throw std::runtime_error("surprise");
        case number:
            throw 42;
    }
    return 0;
}

template <typename Work>
mm_status later(Work&& work) {
    try {
        work();
    } catch (const mm::Error& e) {
        return e.status();
    }
    return MM_OK;
}

void a_failure_stays(std::shared_ptr<const mm::WhisperModel> model, Fault fault, mm_status expected) {
    const float zero = 0.0f;
    mm_transcribe_options o{};
    o.struct_size = sizeof(o);
    o.language = "en";
    o.temperatures = &zero;
    o.n_temperatures = 1;
    o.beam_size = 1;
    o.max_new_tokens = 4;
    o.audio_ctx = 50;
    o.on_token = fail_in_step;
    o.user_data = &fault;
    const std::vector<float> samples = noise_signal(32000, 1);
    mm::Transcriber transcriber(model, &o);
    transcriber.push({samples.data(), samples.size(), 16000});
    transcriber.finish();
    bool thrown = false;
    try {
        transcriber.step();
    } catch (...) {
        thrown = true;
    }
    CHECK(thrown);
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(later([&] { transcriber.step(); }), expected);
        CHECK_STATUS(later([&] { transcriber.finish(); }), expected);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const auto model = mm::WhisperModel::open(model_argument(argc, argv), nullptr, false);
    a_failure_stays(model, refused, MM_ERROR_UNSUPPORTED);
    a_failure_stays(model, memory, MM_ERROR_NO_MEMORY);
    a_failure_stays(model, length, MM_ERROR_NO_MEMORY);
    a_failure_stays(model, surprise, MM_ERROR_INTERNAL);
    a_failure_stays(model, number, MM_ERROR_INTERNAL);
    return finish("test_transcribe");
}
