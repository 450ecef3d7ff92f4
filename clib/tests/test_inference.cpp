// The cached decoder against itself: steps, prefixes, reordering and poisoned memory must not change a bit.
// Usage: test_inference MODEL
// MM_TEST_VALGRIND in the environment: one short history, since valgrind emulates each fma.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

#include "whisper/inference.h"

namespace {

int failures = 0;

void check(bool ok, const char* what) {
    std::printf("%s %s\n", ok ? "ok    " : "FAILED", what);
    failures += ok ? 0 : 1;
}

using Logits = std::vector<float>;

bool same(const float* a, const float* b, size_t n) {
    return std::memcmp(a, b, n * sizeof(float)) == 0;
}

std::vector<float> noise(size_t n, uint32_t seed) {
    std::vector<float> x(n);
    for (float& v : x) {
        seed = seed * 1664525u + 1013904223u;
        v = static_cast<float>(static_cast<int32_t>(seed >> 8) - (1 << 23)) / static_cast<float>(1 << 23);
    }
    return x;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return std::fprintf(stderr, "usage: %s MODEL\n", argv[0]), 2;
    const auto model = mm::WhisperModel::open(argv[1], nullptr, false);
    const auto vocab = static_cast<size_t>(model->shape.n_vocab);
    const mm::Exec exec = mm::make_exec(2, nullptr);
    const int ctx = 100, frames = 170;
    const std::vector<float> mel = noise(static_cast<size_t>(frames * model->shape.n_mels), 1);
    const std::vector<int32_t> tokens = {50258, 50259, 50359, 50363, 300, 17, 4000, 9,  21, 22, 23, 24,
                                         25,    26,    27,    28,    29,  30, 31,   32, 33, 34, 35, 36};
    const int n = static_cast<int>(tokens.size());
    std::vector<int> rows(tokens.size());
    for (int i = 0; i < n; ++i) rows[static_cast<size_t>(i)] = i;

    mm::Inference inference(model, 5);
    inference.set_window(exec, mel.data(), frames, ctx);
    Logits whole(tokens.size() * vocab);
    inference.prefill(exec, tokens.data(), n, 0, rows.data(), n, whole.data());
    const auto row = [&](int i) { return whole.data() + static_cast<size_t>(i) * vocab; };

    Logits one(vocab);
    inference.prefill(exec, tokens.data(), 3, 0, nullptr, 0, nullptr);
    bool steps = true;
    for (int i = 3; i < n; ++i) {
        inference.step(exec, &tokens[static_cast<size_t>(i)], 1, one.data());
        steps = steps && same(one.data(), row(i), vocab);
    }
    check(steps, "steps give the logits of the whole sequence");

    bool prefixes = true;
    for (const int keep : {20, 16, 15, 7, 1, 0}) {
        const int last = n - keep - 1;
        inference.prefill(exec, tokens.data() + keep, n - keep, keep, &last, 1, one.data());
        prefixes = prefixes && inference.length() == n && same(one.data(), row(n - 1), vocab);
    }
    check(prefixes, "a cache trimmed to any prefix gives the same logits");

    // Five sequences that differ in one token, shuffled, then compared with sequences decoded alone.
    const int32_t branch[5] = {100, 200, 300, 400, 500};
    const int fork[5] = {0, 0, 0, 0, 0}, shuffle[5] = {3, 3, 0, 4, 0};
    Logits five(5 * vocab);
    inference.prefill(exec, tokens.data(), n, 0, nullptr, 0, nullptr);
    inference.reorder(exec, fork, 5);
    inference.step(exec, branch, 5, five.data());
    inference.reorder(exec, shuffle, 5);
    const int32_t next[5] = {1, 2, 3, 4, 5};
    inference.step(exec, next, 5, five.data());
    bool beams = true;
    for (int i = 0; i < 5; ++i) {
        std::vector<int32_t> alone = tokens;
        alone.push_back(branch[shuffle[i]]);
        alone.push_back(next[i]);
        const int last = n + 1;
        mm::Inference other(model, 1);
        other.set_window(exec, mel.data(), frames, ctx);
        other.prefill(exec, alone.data(), n + 2, 0, &last, 1, one.data());
        beams = beams && same(one.data(), five.data() + static_cast<size_t>(i) * vocab, vocab);
    }
    check(beams, "reordered sequences give the logits of sequences decoded alone");

    // Any history of sequences that are kept, doubled and dropped: caches share beginnings, and are used again.
    uint32_t seed = 11;
    const auto draw = [&](int below) {
        seed = seed * 1664525u + 1013904223u;
        return static_cast<int>((seed >> 8) % static_cast<uint32_t>(below));
    };
    const bool emulated = std::getenv("MM_TEST_VALGRIND") != nullptr;
    const int runs = emulated ? 1 : 6, steps_of_run = emulated ? 8 : 40;
    bool histories = true;
    mm::Inference alone(model, 1);
    alone.set_window(exec, mel.data(), frames, ctx);
    for (int run = 0; run < runs; ++run) {
        const int start = 1 + draw(n);
        inference.prefill(exec, tokens.data(), start, 0, nullptr, 0, nullptr);
        std::vector<std::vector<int32_t>> held(1, std::vector<int32_t>(tokens.begin(), tokens.begin() + start));
        for (int step = 0; step < steps_of_run; ++step) {
            int parents[5];
            int32_t appended[5];
            const int count = 1 + draw(5);
            std::vector<std::vector<int32_t>> next;
            for (int i = 0; i < count; ++i) {
                parents[i] = draw(static_cast<int>(held.size()));
                appended[i] = draw(50000);
                next.push_back(held[static_cast<size_t>(parents[i])]);
                next.back().push_back(appended[i]);
            }
            held = next;
            inference.reorder(exec, parents, count);
            inference.step(exec, appended, count, five.data());
            if (step % 8 != 7) continue;
            for (size_t i = 0; i < held.size(); ++i) {
                const int length = static_cast<int>(held[i].size()), last = length - 1;
                alone.prefill(exec, held[i].data(), length, 0, &last, 1, one.data());
                histories = histories && same(one.data(), five.data() + i * vocab, vocab);
            }
        }
    }
    check(histories, "sequences with any history give the logits of sequences decoded alone");

    // What an earlier window left behind must not show: decode NaN first, in a longer window.
    std::vector<float> poison(static_cast<size_t>(2 * 140 * model->shape.n_mels),
                              std::numeric_limits<float>::quiet_NaN());
    inference.set_window(exec, poison.data(), 2 * 140, 140);
    inference.prefill(exec, tokens.data(), n, 0, nullptr, 0, nullptr);
    inference.reorder(exec, fork, 5);
    inference.step(exec, branch, 5, five.data());
    inference.set_window(exec, mel.data(), frames, ctx);
    Logits again(whole.size());
    inference.prefill(exec, tokens.data(), n, 0, rows.data(), n, again.data());
    check(same(again.data(), whole.data(), whole.size()), "nothing leaks from an earlier window");

    std::vector<float> weights(model->alignment_heads.size() * tokens.size() * static_cast<size_t>(ctx));
    inference.align(exec, tokens.data(), n, weights.data(), again.data());
    bool sums = same(again.data(), whole.data(), whole.size());
    for (size_t r = 0; r < weights.size() / static_cast<size_t>(ctx); ++r) {
        double sum = 0.0;
        for (int i = 0; i < ctx; ++i)
            sum += static_cast<double>(weights[r * static_cast<size_t>(ctx) + static_cast<size_t>(i)]);
        sums = sums && sum > 1.0 - 1e-5 && sum < 1.0 + 1e-5;
    }
    check(sums, "alignment gives the same logits, and weights that sum to 1");

    for (const int threads : {1, 3, 7}) {
        mm::Inference other(model, 1);
        const mm::Exec with = mm::make_exec(threads, nullptr);
        other.set_window(with, mel.data(), frames, ctx);
        other.prefill(with, tokens.data(), n, 0, rows.data(), n, again.data());
        check(same(again.data(), whole.data(), whole.size()), "the number of threads changes nothing");
    }
    return failures == 0 ? 0 : 1;
}
