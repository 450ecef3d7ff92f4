// Voice activity detection.
#include "whisper/vad.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "api/audio.h"
#include "api/guard.h"
#include "api/handles.h"
#include "api/options.h"
#include "api/run.h"
#include "audio/pcm.h"

namespace mm::api {
namespace {

struct VadSession {
    explicit VadSession(std::shared_ptr<const Vad> opened) : vad(std::move(opened)) {}

    std::shared_ptr<const Vad> vad;
    Vad::State state;
    std::atomic<int> busy{0};
};

auto& sessions() {
    return immortal([] { return HandleTable<mm_vad, VadSession>("mm_vad"); });
}

Exclusive<VadSession> acquire(mm_vad* vad) {
    return Exclusive<VadSession>(sessions().find(vad), sessions().name());
}

// Hands the probability of each window of the chunk to `consume`; returns the number of samples at 16 kHz. The session
// is a fresh one before and after, also when it fails.
int64_t for_each_probability(VadSession& session, const mm_audio_chunk& chunk, StopSignal& stop,
                             FunctionRef<void(float)> consume) {
    session.state = Vad::State{};
    Vad::State state;
    std::vector<float> window;
    window.reserve(Vad::kWindow);
    int64_t total = 0;
    for_each_16khz_piece(chunk, stop, [&](const float* samples, size_t n) {
        total += static_cast<int64_t>(n);
        while (n > 0) {
            const size_t taken = std::min<size_t>(n, Vad::kWindow - window.size());
            window.insert(window.end(), samples, samples + taken);
            samples += taken;
            n -= taken;
            if (window.size() < Vad::kWindow) break;
            stop.check();
            consume(session.vad->process(state, window.data()));
            window.clear();
        }
    });
    if (!window.empty()) {
        window.resize(Vad::kWindow, 0.0f);
        consume(session.vad->process(state, window.data()));
    }
    return total;
}

}  // namespace
}  // namespace mm::api

using namespace mm::api;

mm_status mm_vad_open(const char* path, mm_vad** out, char** error_out) {
    clear(out);
    return guard(error_out, [&] {
        MM_REQUIRE(out);
        *out = sessions().insert(std::make_shared<VadSession>(mm::Vad::open(path)));
    });
}

void mm_vad_close(mm_vad* vad) {
    guard(nullptr, [&] { sessions().erase(vad); });
}

mm_status mm_vad_options_init(mm_vad_options* options, uint32_t struct_size) {
    return guard(nullptr, [&] {
        MM_REQUIRE(options);
        write_struct(options, struct_size, mm::resolve_vad_options(nullptr));
    });
}

mm_status mm_vad_process(mm_vad* vad, const float* samples, size_t len, float* probability) {
    clear(probability);
    return guard(nullptr, [&] {
        const auto session = acquire(vad);
        MM_REQUIRE(samples);
        MM_REQUIRE(probability);
        if (len != mm::Vad::kWindow)
            mm::fail(MM_ERROR_INVALID_ARGUMENT, "len is %zu: it must be %d samples", len, mm::Vad::kWindow);
        mm::check_chunk({samples, len, 16000}, nullptr);
        *probability = session->vad->process(session->state, samples);
    });
}

mm_status mm_vad_reset(mm_vad* vad) {
    return guard(nullptr, [&] { acquire(vad)->state = mm::Vad::State{}; });
}

mm_status mm_vad_probabilities(mm_vad* vad, mm_audio_chunk chunk, const mm_run_options* run, float** out,
                               size_t* out_len, char** error_out) {
    clear(out, out_len);
    const std::fenv_t host = host_environment();
    return guard(error_out, [&] {
        const auto session = acquire(vad);
        MM_REQUIRE(out);
        MM_REQUIRE(out_len);
        Run running(run, host);
        mm::check_chunk(chunk, &running.stop());
        std::vector<float> probabilities;
        for_each_probability(*session, chunk, running.stop(), [&](float p) { probabilities.push_back(p); });
        hand_out(probabilities, out, out_len);
    });
}

mm_status mm_vad_segments(mm_vad* vad, mm_audio_chunk chunk, const mm_vad_options* options, const mm_run_options* run,
                          mm_vad_segment** out, size_t* out_len, char** error_out) {
    clear(out, out_len);
    const std::fenv_t host = host_environment();
    return guard(error_out, [&] {
        const auto session = acquire(vad);
        MM_REQUIRE(out);
        MM_REQUIRE(out_len);
        Run running(run, host);
        mm::check_chunk(chunk, &running.stop());
        const mm_vad_options given = read_struct(options);
        mm::SpeechRuns runs(mm::resolve_vad_options(&given));
        runs.finish(for_each_probability(*session, chunk, running.stop(), [&](float p) { runs.push(p); }));
        std::vector<mm_vad_segment> segments;
        for (const mm::SpeechRun& run : runs.take())
            segments.push_back({static_cast<double>(run.begin) / 16000.0, static_cast<double>(run.end) / 16000.0});
        hand_out(segments, out, out_len);
    });
}
