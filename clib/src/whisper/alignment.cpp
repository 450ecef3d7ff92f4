// Where in the window each text token is said: the path of least cost through what the alignment heads look at.
#include <algorithm>
#include <cmath>

#include "runtime/memory.h"
#include "whisper/decoding.h"
#include "whisper/word_times.h"

namespace mm {

namespace {

constexpr int kMedianReach = 3;  // of a median filter over seven columns, to both sides
constexpr double kPositionsPerSecond = 50.0;

inline void put_in_order(float& a, float& b) {
    const float low = b < a ? b : a, high = b < a ? a : b;
    a = low;
    b = high;
}

// The median of seven, by forgetting: of five values, neither the least nor the greatest can be the median of seven, so
// both go and the next one comes in.
inline float median7(float a, float b, float c, float d, float e, float f, float g) {
    put_in_order(a, b), put_in_order(c, d), put_in_order(a, c), put_in_order(b, d);
    put_in_order(a, e), put_in_order(e, d);                                          // of a, b, c, d, e go a and d
    put_in_order(b, c), put_in_order(e, f), put_in_order(b, e), put_in_order(c, f);  // of b, c, e, f go b and f
    put_in_order(c, e), put_in_order(e, g), put_in_order(c, e);
    return e;
}

// Brings each row of a head to a sum of one over its columns, then each column to mean 0 and standard deviation 1.
// moments: scratch, two for each column.
void standardise(const HeadAttention& w, int head, double* moments) {
    const int n = w.columns;
    double *mean = moments, *deviation = moments + n;
    std::fill_n(moments, 2 * n, 0.0);
    for (int r = 0; r < w.rows; ++r) {
        float* x = w.row(head, r);
        double sum = 0;
        for (int c = 0; c < n; ++c) sum += static_cast<double>(x[c]);
        const float scale = sum > 0 ? static_cast<float>(1.0 / sum) : 0.0f;
        for (int c = 0; c < n; ++c) x[c] *= scale;
        for (int c = 0; c < n; ++c) mean[c] += static_cast<double>(x[c]);
    }
    for (int c = 0; c < n; ++c) mean[c] /= w.rows;
    for (int r = 0; r < w.rows; ++r) {
        const float* x = w.row(head, r);
        for (int c = 0; c < n; ++c) {
            const double d = static_cast<double>(x[c]) - mean[c];
            deviation[c] += d * d;
        }
    }
    for (int c = 0; c < n; ++c) deviation[c] = std::sqrt(deviation[c] / w.rows);
    for (int r = 0; r < w.rows; ++r) {
        float* x = w.row(head, r);
        for (int c = 0; c < n; ++c) {
            const double d = static_cast<double>(x[c]) - mean[c];
            x[c] = static_cast<float>(deviation[c] > 0 ? d / deviation[c] : 0.0);
        }
    }
}

// The negative mean over the heads of row `r`, each smoothed by a median filter that is reflected at both ends.
void cost_of_row(const HeadAttention& w, int r, float* cost) {
    const int n = w.columns;
    const auto inside = [n](int c) { return c < 0 ? -c : c < n ? c : 2 * (n - 1) - c; };
    std::fill_n(cost, n, 0.0f);
    for (int head = 0; head < w.heads; ++head) {
        const float* x = w.row(head, r);
        if (n <= kMedianReach) {  // too short to be reflected: not smoothed
            for (int c = 0; c < n; ++c) cost[c] -= x[c];
            continue;
        }
        const auto at_edge = [&](int c) {
            return median7(x[inside(c - 3)], x[inside(c - 2)], x[inside(c - 1)], x[c], x[inside(c + 1)],
                           x[inside(c + 2)], x[inside(c + 3)]);
        };
        const int left = std::min(kMedianReach, n), right = std::max(left, n - kMedianReach);
        for (int c = 0; c < left; ++c) cost[c] -= at_edge(c);
        for (int c = left; c < right; ++c)
            cost[c] -= median7(x[c - 3], x[c - 2], x[c - 1], x[c], x[c + 1], x[c + 2], x[c + 3]);
        for (int c = right; c < n; ++c) cost[c] -= at_edge(c);
    }
    for (int c = 0; c < n; ++c) cost[c] /= static_cast<float>(w.heads);
}

// Probability of each text token among all text tokens.
std::vector<float> text_probabilities(const Exec& exec, const float* logits, size_t n_vocab, int eot,
                                      const std::vector<int32_t>& text_tokens) {
    std::vector<float> probabilities(text_tokens.size());
    parallel_for(exec, static_cast<int>(text_tokens.size()), [&](int i) {
        const auto at = static_cast<size_t>(i);
        const float* row = logits + at * n_vocab;
        const float logprob = row[text_tokens[at]] - exec.kernels->log_sum_exp(row, eot);
        exec.kernels->exp(&logprob, 1, &probabilities[at]);
    });
    return probabilities;
}

}  // namespace

std::vector<double> token_times(const Exec& exec, const HeadAttention& w, int first, int n) {
    const auto columns = static_cast<size_t>(w.columns);
    Buffer<double> moments(2 * columns * static_cast<size_t>(w.heads));
    parallel_for(exec, w.heads,
                 [&](int head) { standardise(w, head, moments.data() + 2 * columns * static_cast<size_t>(head)); });
    Buffer<float> cost(static_cast<size_t>(n) * columns);
    parallel_for(exec, n, [&](int r) { cost_of_row(w, first + r, cost.data() + static_cast<size_t>(r) * columns); });
    const DtwPath path = dtw(cost.data(), n, w.columns);
    std::vector<double> times;
    for (size_t i = 0; i < path.text.size(); ++i) {
        if (i == 0 || path.text[i] != path.text[i - 1]) times.push_back(path.time[i] / kPositionsPerSecond);
    }
    return times;
}

DtwPath dtw(const float* cost, int rows, int columns) {
    // Accumulated cost, with a row and a column of infinity before the first; steps[r][c] says how cell (r, c) was
    // entered.
    enum Step : unsigned char { diagonal, down, right };
    const auto n = static_cast<size_t>(columns);
    std::vector<float> above(n + 1, INFINITY), current(n + 1, INFINITY);
    std::vector<Step> steps(static_cast<size_t>(rows) * n);
    above[0] = 0;
    for (int r = 0; r < rows; ++r) {
        const float* x = cost + static_cast<size_t>(r) * n;
        Step* entered = steps.data() + static_cast<size_t>(r) * n;
        current[0] = INFINITY;
        for (size_t c = 0; c < n; ++c) {
            const float from_diagonal = above[c], from_above = above[c + 1], from_left = current[c];
            float least = from_left;
            entered[c] = right;
            if (from_diagonal < least) least = from_diagonal, entered[c] = diagonal;
            if (from_above < least) least = from_above, entered[c] = down;
            current[c + 1] = x[c] + least;
        }
        std::swap(above, current);
    }

    DtwPath path;
    for (int r = rows - 1, c = columns - 1; r >= 0 && c >= 0;) {
        path.text.push_back(r);
        path.time.push_back(c);
        // The first row is left to the left only, the first column upwards only.
        Step step = steps[static_cast<size_t>(r) * n + static_cast<size_t>(c)];
        if (r == 0)
            step = right;
        else if (c == 0)
            step = down;
        if (step != right) --r;
        if (step != down) --c;
    }
    std::reverse(path.text.begin(), path.text.end());
    std::reverse(path.time.begin(), path.time.end());
    return path;
}

std::vector<WordTiming> find_alignment(const Exec& exec, Inference& inference, const std::vector<int32_t>& text_tokens,
                                       int language, int task, int frames) {
    const WhisperModel& model = inference.model();
    const Tokenizer& tokenizer = *model.tokenizer;
    if (text_tokens.empty()) return {};

    std::vector<int32_t> tokens;
    append_start_sequence(tokenizer, language, task, tokens);
    const int first = static_cast<int>(tokens.size());  // the row that foretells the first text token
    tokens.push_back(tokenizer.no_timestamps());
    tokens.insert(tokens.end(), text_tokens.begin(), text_tokens.end());
    tokens.push_back(tokenizer.eot());
    const int n = static_cast<int>(tokens.size());

    const auto ctx = static_cast<size_t>(inference.audio_ctx());
    const auto n_vocab = static_cast<size_t>(model.shape.n_vocab);
    const int heads = static_cast<int>(model.alignment_heads.size());
    Buffer<float> weights(static_cast<size_t>(heads) * static_cast<size_t>(n) * ctx);
    std::vector<float> probabilities;
    {
        Buffer<float> logits(static_cast<size_t>(n) * n_vocab);
        inference.align(exec, tokens.data(), n, weights.data(), logits.data());
        probabilities = text_probabilities(exec, logits.data() + static_cast<size_t>(first) * n_vocab, n_vocab,
                                           tokenizer.eot(), text_tokens);
    }
    const int columns = std::clamp(frames / 2, 1, inference.audio_ctx());
    const std::vector<double> times =
        token_times(exec, {weights.data(), ctx, heads, n, columns}, first, static_cast<int>(text_tokens.size()) + 1);

    std::vector<WordTiming> words;
    size_t at = 0;
    const char* code = tokenizer.multilingual() ? tokenizer.language_code(language) : "en";
    for (Tokenizer::WordTokens& word : tokenizer.split_words(text_tokens, code)) {
        const size_t end = at + word.tokens.size();
        double sum = 0;
        for (size_t i = at; i < end; ++i) sum += static_cast<double>(probabilities[i]);
        const float mean = static_cast<float>(sum / static_cast<double>(word.tokens.size()));
        words.push_back({std::move(word.text), std::move(word.tokens), times[at], times[end], mean});
        at = end;
    }
    return words;
}

}  // namespace mm
