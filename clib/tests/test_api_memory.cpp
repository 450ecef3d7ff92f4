// Memory that runs out at any point: every call ends with a clean status, nothing leaks, and afterwards all works.
// Usage: test_api_memory MODEL
// MM_TEST_INSTRUMENTED in the environment: only some of the allocations fail in turn.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "check.h"
#include "failing_memory.h"
#include "multimodal.h"

namespace {

std::string model_path;
mm_whisper* model = nullptr;
std::vector<float> samples;

mm_audio_chunk audio(uint32_t rate) {
    return {samples.data(), samples.size(), rate};
}

mm_transcribe_options small_options() {
    static const float zero[1] = {0.0f};
    mm_transcribe_options o;
    mm_transcribe_options_init(&o, sizeof(o));
    o.beam_size = 2;
    o.temperatures = zero;
    o.n_temperatures = 1;
    o.max_new_tokens = 6;
    o.audio_ctx = 40;
    o.initial_prompt = "a prompt";
    o.word_timestamps = MM_SWITCH_ON;
    return o;
}

// Reads all of a transcript and closes it.
void read_and_close(mm_transcript* t) {
    mm_transcript_info info{};
    info.struct_size = sizeof(info);
    mm_transcript_info_get(t, &info);
    for (size_t i = 0; i < info.n_segments; ++i) {
        mm_segment segment{};
        segment.struct_size = sizeof(segment);
        mm_transcript_segment(t, i, &segment);
    }
    mm_transcript_close(t);
}

mm_status open(char** error) {
    mm_whisper* opened = nullptr;
    const mm_status status = mm_whisper_open(model_path.c_str(), nullptr, &opened, error);
    mm_whisper_close(opened);
    return status;
}

mm_status verify(char** error) {
    char* json = nullptr;
    const mm_status status = mm_model_verify(model_path.c_str(), nullptr, &json, error);
    mm_free(json);
    return status;
}

mm_status transcribe(char** error) {
    const mm_transcribe_options o = small_options();
    mm_transcript* t = nullptr;
    const mm_status status = mm_whisper_transcribe(model, audio(16000), &o, &t, error);
    CHECK((t != nullptr) == (status == MM_OK));
    if (t) read_and_close(t);
    return status;
}

// Step by step, at another rate, through the detector.
mm_status stream(char** error) {
    mm_transcribe_options o = small_options();
    o.vad_filter = MM_SWITCH_ON;
    mm_transcript* t = nullptr;
    mm_status status = mm_transcript_open(model, &o, &t, error);
    if (status != MM_OK) return status;
    status = mm_transcript_push(t, audio(11025));
    if (status == MM_OK) status = mm_transcript_finish(t);
    for (int32_t state = MM_STEP_MORE; status == MM_OK && state == MM_STEP_MORE;)
        status = mm_transcript_step(t, &state);
    if (status != MM_OK) CHECK(mm_transcript_last_error(t)[0] != '\0');
    read_and_close(t);
    return status;
}

mm_status detect_voice(char** error) {
    mm_vad* vad = nullptr;
    mm_vad_segment* segments = nullptr;
    size_t n = 0;
    mm_status status = mm_vad_open(nullptr, &vad, error);
    if (status == MM_OK) status = mm_vad_segments(vad, audio(44100), nullptr, nullptr, &segments, &n, error);
    mm_free(segments);
    mm_vad_close(vad);
    return status;
}

mm_status tensors(char** error) {
    float *mel = nullptr, *encoded = nullptr, *logits = nullptr;
    size_t frames = 0, n = 0;
    int32_t* ids = nullptr;
    char* text = nullptr;
    mm_language* languages = nullptr;
    mm_status status = mm_whisper_tokenize(model, "some words", 10, &ids, &n, error);
    if (status == MM_OK) status = mm_whisper_detokenize(model, ids, n, &text, &n, error);
    if (status == MM_OK) status = mm_whisper_log_mel(model, audio(16000), nullptr, &mel, &frames, error);
    if (status == MM_OK) status = mm_whisper_encode(model, mel, 60, 30, nullptr, &encoded, &n, error);
    const int32_t tokens[] = {50258, 50259, 50359};
    if (status == MM_OK) status = mm_whisper_logits(model, encoded, 30, tokens, 3, nullptr, &logits, &n, error);
    mm_free(mel);
    mm_free(encoded);
    mm_free(logits);
    mm_free(ids);
    mm_free(text);
    mm_free(languages);
    return status;
}

mm_status information(char**) {
    return mm_build_info()[0] == '{' ? MM_OK : MM_ERROR_INTERNAL;
}

struct Scenario {
    const char* name;
    mm_status (*run)(char** error);
};
constexpr Scenario kScenarios[] = {{"information", information}, {"open", open},     {"verify", verify},
                                   {"transcribe", transcribe},   {"stream", stream}, {"voice", detect_voice},
                                   {"tensors", tensors}};

// Runs a scenario with calls first ... last failing. Returns whether all was clean; `calls` is how many there were.
bool clean_failure(const Scenario& scenario, long first, long last, long* calls) {
    const long before = failing_memory::blocks;
    char* error = nullptr;
    failing_memory::arm(first, last);
    const mm_status status = scenario.run(&error);
    *calls = failing_memory::disarm();
    bool clean = status == MM_OK || status == MM_ERROR_NO_MEMORY;
    if (status == MM_OK && error) clean = false;
    mm_free(error);
    const long leaked = failing_memory::blocks - before;
    if (!clean || leaked != 0)
        std::fprintf(stderr, "%s, allocations %ld to %ld failing: status %d (%s), %ld blocks leaked\n", scenario.name,
                     first, last, status, mm_status_string(status), leaked);
    return clean && leaked == 0;
}

// Each allocation, unless an emulator, valgrind or a sanitizer makes that take too long.
long next(long n) {
    static const bool instrumented = std::getenv("MM_TEST_INSTRUMENTED") != nullptr;
    return instrumented ? n + 1 + n / 8 : n + 1;
}

void warm() {
    for (const Scenario& scenario : kScenarios) {
        CHECK_STATUS(scenario.run(nullptr), MM_OK);  // fills what lives as long as the process
        long failed = 0, tried = 0, calls = 0, n = 1;
        do {  // until the allocation that should fail is not reached any more
            failed += !clean_failure(scenario, n, n, &calls);
            ++tried;
            long ignored;
            if (tried % 7 == 0) failed += !clean_failure(scenario, n, n + 1000000, &ignored);  // and all after it
        } while (calls >= n && (n = next(n)));
        std::printf("%s: %ld allocations, %ld of them failed in turn\n", scenario.name, calls, tried);
        CHECK(failed == 0);
        CHECK_STATUS(scenario.run(nullptr), MM_OK);
    }
}

// In a fresh process, where the first calls build what lives as long as it: the thread pool, tables, the detector.
void cold() {
    for (long n = 1; n < 2000; n = next(n + n / 8)) {
        const pid_t child = fork();
        if (child == 0) {
            char* error = nullptr;
            failing_memory::arm(n, n);
            const mm_status opened = mm_whisper_open(model_path.c_str(), nullptr, &model, &error);
            mm_status status = opened == MM_OK ? MM_OK : MM_ERROR_NO_MEMORY;
            for (const Scenario& scenario : kScenarios) {
                if (!model || status != MM_OK) break;
                status = scenario.run(nullptr);
            }
            failing_memory::disarm();
            if (opened != MM_OK && (opened != MM_ERROR_NO_MEMORY || !error)) _exit(2);
            if (status != MM_OK && status != MM_ERROR_NO_MEMORY) _exit(3);
            if (!model && mm_whisper_open(model_path.c_str(), nullptr, &model, nullptr) != MM_OK) _exit(4);
            for (const Scenario& scenario : kScenarios)
                if (scenario.run(nullptr) != MM_OK) _exit(5);
            _exit(0);
        }
        int status = -1;
        waitpid(child, &status, 0);
        if (status != 0)
            std::fprintf(stderr, "fresh process, allocation %ld failing: wait status %#x\n", n,
                         static_cast<unsigned>(status));
        CHECK(status == 0);
    }
}

}  // namespace

int main(int argc, char** argv) {
    model_path = model_argument(argc, argv);
    float* seeded = noise(16000, 2);
    samples.assign(seeded, seeded + 16000);
    free(seeded);
    std::fflush(nullptr);
    cold();
    model = open_model(model_path.c_str());
    warm();
    mm_whisper_close(model);
    return finish("test_api_memory");
}
