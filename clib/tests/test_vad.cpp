// Voice activity: the network's state and bits, the rules of speech runs against silero-vad's own results, and that
// runs are the same whole, one by one, and in pieces. (Probabilities against the reference: tests/test_vad.py.)
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "check.h"
#include "runtime/error.h"
#include "signals.h"
#include "whisper/vad.h"

namespace {

using mm::SpeechRun;
using mm::SpeechRuns;
using mm::Vad;

std::vector<float> probabilities(const Vad& vad, const std::vector<float>& x, Vad::State& state) {
    std::vector<float> p;
    for (size_t i = 0; i + Vad::kWindow <= x.size(); i += Vad::kWindow) p.push_back(vad.process(state, x.data() + i));
    return p;
}

// A buzz of changing pitch with noise between: some windows are speech to the network, others not.
std::vector<float> buzz(size_t n) {
    std::vector<float> x = noise_signal(n, 41);
    for (size_t i = 0; i < n; i++) {
        const size_t pitch = 90 + i / 1600 * 37 % 120;
        const float saw = static_cast<float>(i * pitch % 16000) / 8000.0f - 1;
        x[i] = 0.02f * x[i] + (i / 8000 % 3 != 2 ? 0.3f * saw : 0.0f);
    }
    return x;
}

void test_the_network_is_stateful_and_repeats_itself() {
    const auto vad = Vad::builtin();
    const std::vector<float> x = buzz(64000);
    Vad::State first, second, other;
    const std::vector<float> p = probabilities(*vad, x, first);
    for (const float v : p) CHECK(v >= 0 && v <= 1);
    CHECK(*std::max_element(p.begin(), p.end()) - *std::min_element(p.begin(), p.end()) > 0.1f);
    probabilities(*vad, noise_signal(5120, 42), other);  // another stream beside it
    CHECK(same_bits(probabilities(*Vad::open(nullptr), x, second), p));
    const std::vector<float> again = probabilities(*vad, x, second);  // goes on from where the state is
    CHECK(!same_bits(again, p));
    CHECK(std::equal(first.context.begin(), first.context.end(), x.begin() + 64000 - 64));
}

void test_loud_and_silent_windows_are_finite() {
    const auto vad = Vad::builtin();
    for (const float level : {0.0f, 1.0f, 1e6f, -1e6f, 1e-40f}) {
        Vad::State state;
        for (int i = 0; i < 20; i++) {
            std::vector<float> x = noise_signal(Vad::kWindow, static_cast<uint32_t>(i));
            for (float& v : x) v *= level;
            const float p = vad->process(state, x.data());
            CHECK(p >= 0 && p <= 1);
        }
    }
}

void test_the_bits_are_those_of_every_processor() {
    Vad::State state;
    CHECK_DIGEST(probabilities(*Vad::builtin(), buzz(64000), state), 0xa7729a05fed541f6u);
}

mm_vad_options options(int speech_ms, int silence_ms, int pad_ms, float max_s) {
    mm_vad_options o{};
    o.struct_size = sizeof o;
    o.threshold = 0.5f;
    o.neg_threshold = 0.34375f;
    o.min_speech_ms = speech_ms ? speech_ms : -1;
    o.min_silence_ms = silence_ms ? silence_ms : -1;
    o.speech_pad_ms = pad_ms ? pad_ms : -1;
    o.max_speech_s = max_s;
    return mm::resolve_vad_options(&o);
}

enum class Taking { at_the_end, as_they_come, in_pieces };

std::vector<SpeechRun> runs_of(const std::vector<float>& p, int64_t total, const mm_vad_options& o, Taking taking) {
    SpeechRuns runs(o);
    std::vector<SpeechRun> all;
    int64_t settled = runs.settled();
    const auto take = [&] {
        for (const SpeechRun& run : taking == Taking::in_pieces ? runs.take_pieces() : runs.take()) {
            CHECK(run.begin < run.end);
            CHECK(run.begin >= settled);
            CHECK(all.empty() || run.begin >= all.back().end);
            all.push_back(run);
        }
        CHECK(runs.settled() >= settled);
        settled = runs.settled();
    };
    for (const float v : p) {
        runs.push(v);
        if (taking != Taking::at_the_end) take();
    }
    runs.finish(total);
    take();
    for (const SpeechRun& run : all) CHECK(run.begin >= 0 && run.end <= total);
    return all;
}

// Runs that touch as one: what pieces cannot tell apart.
std::vector<SpeechRun> joined(const std::vector<SpeechRun>& runs) {
    std::vector<SpeechRun> out;
    for (const SpeechRun& run : runs) {
        if (!out.empty() && out.back().end == run.begin)
            out.back().end = run.end;
        else
            out.push_back(run);
    }
    return out;
}

bool same(const std::vector<SpeechRun>& a, const std::vector<SpeechRun>& b) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(),
                      [](const SpeechRun& x, const SpeechRun& y) { return x.begin == y.begin && x.end == y.end; });
}

void check_every_way(const std::vector<float>& p, int64_t total, const mm_vad_options& o,
                     const std::vector<SpeechRun>& expected) {
    CHECK(same(runs_of(p, total, o, Taking::at_the_end), expected));
    CHECK(same(runs_of(p, total, o, Taking::as_they_come), expected));
    CHECK(same(joined(runs_of(p, total, o, Taking::in_pieces)), joined(expected)));
}

void test_runs_are_those_of_silero_vad() {
    struct Case {
        int speech_ms, silence_ms, pad_ms;
        float max_s;
        int64_t total;
        std::string levels;
        std::vector<SpeechRun> runs;
    };
    const std::vector<Case> cases = {
#include "speech_run_cases.h"
    };
    size_t n = 0;
    for (const Case& c : cases) {
        std::vector<float> p;
        for (const char level : c.levels) p.push_back(static_cast<float>(level - 'a') / 16);
        check_every_way(p, c.total, options(c.speech_ms, c.silence_ms, c.pad_ms, c.max_s), c.runs);
        n += c.runs.size();
    }
    CHECK(cases.size() >= 50 && n >= 100);
}

// Probabilities in words: S speech, n neither, - silence.
std::vector<float> spoken(const std::string& text) {
    std::vector<float> p;
    for (const char c : text) p.push_back(c == 'S' ? 0.9f : c == 'n' ? 0.4f : 0.1f);
    return p;
}

void test_runs_of_plain_cases() {
    const auto windows = [](int64_t n) { return n * Vad::kWindow; };
    const mm_vad_options plain = options(0, 0, 0, 0);
    check_every_way(spoken(""), 0, plain, {});
    check_every_way(spoken("S"), 1, plain, {{0, 1}});
    check_every_way(spoken("--SSS--"), windows(7), plain, {{windows(2), windows(5)}});
    check_every_way(spoken("--SnnnS--"), windows(9), plain, {{windows(2), windows(7)}});
    check_every_way(spoken("-nSS-n-SS-"), windows(10), plain, {{windows(2), windows(4)}, {windows(7), windows(9)}});
    // 64 ms of silence are two windows: a shorter one does not end a run.
    check_every_way(spoken("SS-SS--SS"), windows(9), options(0, 64, 0, 0), {{0, windows(9)}});
    check_every_way(spoken("SS-SS---SS"), windows(10), options(0, 64, 0, 0),
                    {{0, windows(5)}, {windows(8), windows(10)}});
    // Padding, and runs that meet in the middle of the silence between them.
    check_every_way(spoken("----SS----"), windows(10), options(0, 0, 32, 0), {{windows(3), windows(7)}});
    check_every_way(spoken("SS--SS"), windows(6), options(0, 0, 64, 0), {{0, windows(3)}, {windows(3), windows(6)}});
    // The last window may hold a single sample: no padding behind it.
    check_every_way(spoken("SS-"), windows(2) + 1, options(0, 0, 10, 0), {{0, windows(2) + 1}});
    // A run that lasts too long is cut at its longest silence.
    const std::string cut = std::string(20, 'S') + "----" + std::string(20, 'S') + "------" + std::string(40, 'S');
    check_every_way(spoken(cut), windows(90), options(0, 1000, 0, 2.0f),
                    {{0, windows(44)}, {windows(50), windows(90)}});
}

void test_pieces_come_while_a_run_still_grows() {
    SpeechRuns runs(mm::resolve_vad_options(nullptr));
    int64_t given = 0;
    for (int i = 0; i < 1000; i++) {
        runs.push(0.9f);
        CHECK(runs.take().empty());
        for (const SpeechRun& piece : runs.take_pieces()) {
            CHECK(piece.begin == given);
            given = piece.end;
        }
        CHECK(i < 20 || given == i * Vad::kWindow);
    }
    runs.finish(1000 * Vad::kWindow);
    const std::vector<SpeechRun> rest = runs.take();
    CHECK(same(rest, {{given, 1000 * Vad::kWindow}}));
}

void test_runs_come_as_soon_as_they_are_certain() {
    const auto windows_until_taken = [](const std::string& text) {
        SpeechRuns runs(options(100, 64, 100, 0));  // in windows: 3.1, 2 and 3.1
        int n = 0;
        for (const float p : spoken(text)) {
            runs.push(p);
            n++;
            if (!runs.take().empty()) return n;
        }
        return -1;
    };
    CHECK(windows_until_taken("SSSSS-----------------") == 5 + 7 + 1);  // no run can begin in its padding any more
    CHECK(windows_until_taken("SSSSS---SSSSSSSSSSSSSS") == 5 + 3 + 5);  // the next run is long enough to be kept
    CHECK(windows_until_taken("SSSSS---S-------------") == 5 + 3 + 5);  // what came was not
}

void test_defaults_are_those_the_header_names() {
    const mm_vad_options o = mm::resolve_vad_options(nullptr);
    CHECK(o.struct_size == sizeof o);
    CHECK(o.threshold == 0.5f && o.neg_threshold == 0.35f);
    CHECK(o.min_speech_ms == 250 && o.min_silence_ms == 2000 && o.speech_pad_ms == 400 && o.max_speech_s == 0);
    mm_vad_options low{};
    low.struct_size = sizeof low;
    low.threshold = 0.1f;
    CHECK(mm::resolve_vad_options(&low).neg_threshold == 0.01f);
}

void test_options_out_of_range_are_refused() {
    const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
    const auto refused = [](auto set, const char* name) {
        mm_vad_options o{};
        o.struct_size = sizeof o;
        set(o);
        try {
            mm::resolve_vad_options(&o);
            return false;
        } catch (const mm::Error& e) {
            return e.status() == MM_ERROR_INVALID_ARGUMENT && std::strstr(e.what(), name) != nullptr;
        }
    };
    for (const float bad : {-0.1f, 1.0f, 2.0f, nan, infinity, -infinity}) {
        CHECK(refused([&](auto& o) { o.threshold = bad; }, "threshold"));
        CHECK(refused([&](auto& o) { o.neg_threshold = bad; }, "neg_threshold"));
    }
    for (const int bad : {-2, 3600001, 2147483647, -2147483647}) {
        CHECK(refused([&](auto& o) { o.min_speech_ms = bad; }, "min_speech_ms"));
        CHECK(refused([&](auto& o) { o.min_silence_ms = bad; }, "min_silence_ms"));
        CHECK(refused([&](auto& o) { o.speech_pad_ms = bad; }, "speech_pad_ms"));
    }
    for (const float bad : {-1.0f, 0.8f, nan, infinity})
        CHECK(refused([&](auto& o) { o.max_speech_s = bad; }, "max_speech_s"));
    CHECK(!refused([&](auto& o) { o.max_speech_s = 0.9f; }, "max_speech_s"));
}

}  // namespace

int main() {
    test_the_network_is_stateful_and_repeats_itself();
    test_loud_and_silent_windows_are_finite();
    test_the_bits_are_those_of_every_processor();
    test_runs_are_those_of_silero_vad();
    test_runs_of_plain_cases();
    test_pieces_come_while_a_run_still_grows();
    test_runs_come_as_soon_as_they_are_certain();
    test_defaults_are_those_the_header_names();
    test_options_out_of_range_are_refused();
    return finish("test_vad");
}
