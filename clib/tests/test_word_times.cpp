// Word times from hand-made attention: alignment, punctuation, and the corrections at sentence and segment ends.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "check.h"
#include "whisper/word_times.h"

namespace {

using mm::TimedSegment;
using mm::WordTiming;

uint32_t random_state = 3;
double random_unit() {
    random_state = random_state * 1664525u + 1013904223u;
    return static_cast<double>(random_state >> 8) / (1 << 24);
}

mm::Exec exec() {
    return mm::make_exec(2, nullptr);
}

bool near(double a, double b) {
    return std::fabs(a - b) < 1e-9;
}

// ---- Dynamic time warping -------------------------------------------------------------------------------------------

double cost_of(const std::vector<float>& cost, int columns, const mm::DtwPath& path) {
    double sum = 0;
    for (size_t i = 0; i < path.text.size(); ++i)
        sum += static_cast<double>(cost[static_cast<size_t>(path.text[i] * columns + path.time[i])]);
    return sum;
}

// The least cost of all monotonic paths, each walked.
double least_cost(const std::vector<float>& cost, int rows, int columns) {
    double best = std::numeric_limits<double>::infinity();
    const std::function<void(int, int, double)> walk = [&](int r, int c, double sum) {
        sum += static_cast<double>(cost[static_cast<size_t>(r * columns + c)]);
        if (r == rows - 1 && c == columns - 1) best = std::min(best, sum);
        if (r + 1 < rows) walk(r + 1, c, sum);
        if (c + 1 < columns) walk(r, c + 1, sum);
        if (r + 1 < rows && c + 1 < columns) walk(r + 1, c + 1, sum);
    };
    walk(0, 0, 0);
    return best;
}

void dtw_finds_the_least_cost() {
    for (int round = 0; round < 300; ++round) {
        const int rows = 1 + static_cast<int>(5 * random_unit()), columns = 1 + static_cast<int>(6 * random_unit());
        std::vector<float> cost(static_cast<size_t>(rows * columns));
        for (float& x : cost) x = static_cast<float>(std::floor(16 * random_unit()) / 4 - 2);  // exact sums, many ties
        const mm::DtwPath path = mm::dtw(cost.data(), rows, columns);
        CHECK(path.text.size() == path.time.size());
        CHECK(path.text.front() == 0 && path.time.front() == 0);
        CHECK(path.text.back() == rows - 1 && path.time.back() == columns - 1);
        for (size_t i = 1; i < path.text.size(); ++i) {
            const int down = path.text[i] - path.text[i - 1], right = path.time[i] - path.time[i - 1];
            CHECK(down >= 0 && down <= 1 && right >= 0 && right <= 1 && down + right > 0);
        }
        CHECK(cost_of(cost, columns, path) == least_cost(cost, rows, columns));
    }
}

// Where everything costs the same the path stays in its row: from the end, as far left as it can go.
void dtw_stays_in_the_row_among_equals() {
    const std::vector<float> cost(12, 0.0f);
    const mm::DtwPath path = mm::dtw(cost.data(), 3, 4);
    CHECK((path.text == std::vector<int>{0, 1, 2, 2, 2, 2}));
    CHECK((path.time == std::vector<int>{0, 0, 0, 1, 2, 3}));
}

void dtw_ends_whatever_the_costs() {
    for (const float value : {std::nanf(""), INFINITY, -INFINITY}) {
        const std::vector<float> cost(20, value);
        const mm::DtwPath path = mm::dtw(cost.data(), 4, 5);
        CHECK(!path.text.empty() && path.text.size() <= 8 && path.text.back() == 3 && path.time.back() == 4);
    }
}

// ---- Token times ----------------------------------------------------------------------------------------------------

std::vector<float> random_attention(int heads, int rows, int stride) {
    std::vector<float> w(static_cast<size_t>(heads * rows * stride));
    for (float& x : w) x = static_cast<float>(std::exp(4 * random_unit()));
    return w;
}

// openai/whisper's steps, each written out: crop and renormalise, standardise over tokens, median of seven with
// reflection, mean over heads.
std::vector<float> cost_by_the_book(const std::vector<float>& w, int heads, int rows, int stride, int columns,
                                    int first, int n) {
    const auto at = [&](int h, int r, int c) { return static_cast<size_t>((h * rows + r) * stride + c); };
    std::vector<double> x(w.begin(), w.end());
    std::vector<float> cost(static_cast<size_t>(n * columns), 0.0f);
    for (int h = 0; h < heads; ++h) {
        for (int r = 0; r < rows; ++r) {
            double sum = 0;
            for (int c = 0; c < columns; ++c) sum += x[at(h, r, c)];
            for (int c = 0; c < columns; ++c) x[at(h, r, c)] /= sum;
        }
        for (int c = 0; c < columns; ++c) {
            double mean = 0, squares = 0;
            for (int r = 0; r < rows; ++r) mean += x[at(h, r, c)] / rows;
            for (int r = 0; r < rows; ++r) squares += (x[at(h, r, c)] - mean) * (x[at(h, r, c)] - mean) / rows;
            for (int r = 0; r < rows; ++r) x[at(h, r, c)] = (x[at(h, r, c)] - mean) / std::sqrt(squares);
        }
        for (int r = 0; r < n; ++r) {
            for (int c = 0; c < columns; ++c) {
                double value = x[at(h, first + r, c)];
                if (columns > 3) {
                    std::vector<double> seven;
                    for (int i = c - 3; i <= c + 3; ++i) {
                        const int inside = i < 0 ? -i : i >= columns ? 2 * (columns - 1) - i : i;
                        seven.push_back(x[at(h, first + r, inside)]);
                    }
                    std::sort(seven.begin(), seven.end());
                    value = seven[3];
                }
                cost[static_cast<size_t>(r * columns + c)] -= static_cast<float>(value / heads);
            }
        }
    }
    return cost;
}

void token_times_are_those_of_the_book() {
    for (int round = 0; round < 60; ++round) {
        const int heads = 1 + round % 4, rows = 6 + round % 5, first = 3, n = rows - first - 1;
        const int columns = 1 + static_cast<int>(40 * random_unit()), stride = columns + round % 3;
        std::vector<float> weights = random_attention(heads, rows, stride);
        const std::vector<float> cost = cost_by_the_book(weights, heads, rows, stride, columns, first, n);
        const mm::DtwPath path = mm::dtw(cost.data(), n, columns);
        std::vector<double> expected;
        for (size_t i = 0; i < path.text.size(); ++i) {
            if (i == 0 || path.text[i] != path.text[i - 1]) expected.push_back(path.time[i] * 0.02);
        }
        const std::vector<double> times =
            mm::token_times(exec(), {weights.data(), static_cast<size_t>(stride), heads, rows, columns}, first, n);
        CHECK(times.size() == static_cast<size_t>(n));
        CHECK(std::equal(times.begin(), times.end(), expected.begin(), expected.end(), near));
    }
}

void a_diagonal_is_followed() {
    const int heads = 2, rows = 9, columns = 90;
    std::vector<float> weights(static_cast<size_t>(heads * rows * columns), 1e-3f);
    for (int h = 0; h < heads; ++h) {
        for (int r = 3; r < rows - 1; ++r) {
            for (int c = 0; c < 18; ++c) weights[static_cast<size_t>((h * rows + r) * columns + (r - 3) * 18 + c)] = 1;
        }
    }
    const std::vector<double> times = mm::token_times(exec(), {weights.data(), 90, heads, rows, columns}, 3, 5);
    for (size_t i = 0; i < 5; ++i) CHECK(near(times[i], 0.36 * static_cast<double>(i)));
}

void weights_without_contrast_do_no_harm() {
    std::vector<float> weights(2 * 6 * 20, 0.0f);
    const std::vector<double> times = mm::token_times(exec(), {weights.data(), 20, 2, 6, 20}, 3, 2);
    CHECK(times.size() == 2 && times[0] == 0.0 && times[1] == 0.0);
}

// ---- Words ----------------------------------------------------------------------------------------------------------

std::vector<WordTiming> words_from(const std::vector<std::string>& texts, const std::vector<double>& times) {
    std::vector<WordTiming> words;
    for (size_t i = 0; i < texts.size(); ++i)
        words.push_back({texts[i], {static_cast<int32_t>(i)}, times[i], times[i + 1], 0.5f});
    return words;
}

std::vector<WordTiming> evenly(const std::vector<std::string>& texts) {
    std::vector<double> times;
    for (size_t i = 0; i <= texts.size(); ++i) times.push_back(0.3 * static_cast<double>(i));
    return words_from(texts, times);
}

const std::string kPrepended = "\"'“¿([{-", kAppended = "\"'.。,，!！?？:：”)]}、";

std::string merged(const std::vector<std::string>& texts) {
    std::vector<WordTiming> words = evenly(texts);
    mm::merge_punctuations(words, kPrepended, kAppended);
    std::string out;
    size_t tokens = 0;
    for (const WordTiming& w : words) {
        CHECK(w.text.empty() == w.tokens.empty());
        CHECK(std::is_sorted(w.tokens.begin(), w.tokens.end()));
        if (!w.text.empty()) out += "|" + w.text;
        tokens += w.tokens.size();
    }
    CHECK(tokens == texts.size());
    return out;
}

void punctuation_joins_its_word() {
    CHECK(merged({" He", ",", " said", "."}) == "| He,| said.");
    CHECK(merged({" (", "a", ")", " b"}) == "| (a)| b");
    CHECK(merged({" \"", " '", "a"}) == "| \" 'a");
    CHECK(merged({" a", " -", "b"}) == "| a| -b");
    CHECK(merged({" a", "!", "?", "\"", " b"}) == "| a!?\"| b");
    CHECK(merged({" a", " ¿", "b", "。"}) == "| a| ¿b。");
    CHECK(merged({"."}) == "|.");
    CHECK(merged({}) == "");
    CHECK(merged({" a", "-"}) == "| a|-");  // not in the appended set
}

std::vector<TimedSegment> segments_of(const std::vector<std::pair<double, double>>& times,
                                      const std::vector<int>& tokens) {
    std::vector<TimedSegment> segments;
    int32_t next = 0;
    for (size_t i = 0; i < times.size(); ++i) {
        segments.push_back({times[i].first, times[i].second, {}, {}});
        for (int t = 0; t < tokens[i]; ++t) segments.back().text_tokens.push_back(next++);
    }
    return segments;
}

void words_go_to_their_segments() {
    std::vector<WordTiming> words = evenly({" one", " two", ",", " three", " four", "."});
    std::vector<TimedSegment> s = segments_of({{10.0, 11.0}, {11.0, 12.0}}, {3, 3});
    mm::give_words(words, s, kPrepended, kAppended, 10.0, 9.9);
    CHECK(s[0].words.size() == 2 && s[0].words[0].text == " one" && s[0].words[1].text == " two,");
    CHECK(s[1].words.size() == 2 && s[1].words[1].text == " four.");
    CHECK(near(s[0].words[0].start, 10.0) && near(s[0].words[1].start, 10.3) && near(s[0].words[1].end, 10.6));
    CHECK(near(s[1].start, 10.9) && near(s[1].end, 11.5));  // moved to the words
    CHECK((s[0].words[1].tokens == std::vector<int32_t>{1, 2}));

    std::vector<WordTiming> none;
    std::vector<TimedSegment> empty = segments_of({{0.0, 1.0}}, {0});
    mm::give_words(none, empty, kPrepended, kAppended, 0.0, 0.0);
    CHECK(empty[0].words.empty() && near(empty[0].start, 0.0) && near(empty[0].end, 1.0));
}

// The median duration is 0.3 s in these, so that a word is too long above 0.6 s.
void long_words_are_cut_at_sentence_ends() {
    std::vector<WordTiming> words = words_from({" a", " b", ".", " c", " d"}, {0.0, 0.3, 0.6, 2.6, 2.9, 3.2});
    std::vector<TimedSegment> s = segments_of({{0.0, 3.2}}, {5});
    mm::give_words(words, s, kPrepended, kAppended, 0.0, 0.0);
    CHECK(s[0].words[1].text == " b." && near(s[0].words[1].end, 0.6));  // merging does not move times

    words = words_from({" a", " b", ".", " c", " d"}, {0.0, 0.3, 0.6, 0.9, 2.9, 3.2});
    s = segments_of({{0.0, 3.2}}, {5});
    mm::give_words(words, s, kPrepended, kAppended, 0.0, 0.0);
    CHECK(s[0].words[2].text == " c" && near(s[0].words[2].start, 2.3) && near(s[0].words[2].end, 2.9));
}

void first_words_after_a_pause_are_cut() {
    std::vector<WordTiming> words = words_from({" a", " b", " c"}, {2.0, 3.0, 3.3, 3.6});
    std::vector<TimedSegment> s = segments_of({{2.2, 3.6}}, {3});
    mm::give_words(words, s, kPrepended, kAppended, 0.0, 1.0);
    CHECK(near(s[0].words[0].start, 2.4) && near(s[0].start, 2.4));

    words = words_from({" a", " b", " c", " d", " e"}, {2.0, 2.3, 4.3, 4.6, 4.9, 5.2});  // the second is too long, too
    s = segments_of({{2.2, 5.2}}, {5});
    mm::give_words(words, s, kPrepended, kAppended, 0.0, 1.0);
    CHECK(near(s[0].words[0].end, 3.7) && near(s[0].words[1].start, 3.7) && near(s[0].words[0].start, 3.1));

    words = words_from({" a", " b", " c"}, {2.0, 3.0, 3.3, 3.6});  // no pause before
    s = segments_of({{2.2, 3.6}}, {3});
    mm::give_words(words, s, kPrepended, kAppended, 0.0, 1.9);
    CHECK(near(s[0].words[0].start, 2.0) && near(s[0].start, 2.0));
}

void a_segment_is_no_pause_for_the_next() {
    std::vector<WordTiming> words = words_from({" a", " b", " c", " d", " e"}, {3.0, 3.3, 3.6, 4.6, 4.9, 5.2});
    std::vector<TimedSegment> s = segments_of({{3.0, 3.6}, {3.6, 5.2}}, {2, 3});
    mm::give_words(words, s, kPrepended, kAppended, 0.0, 1.0);
    CHECK(near(s[1].words[0].start, 3.6) && near(s[1].start, 3.6));
}

void words_and_segment_fit_each_other() {
    // Both ends stick out by more than half a second: the segment's times are kept.
    std::vector<WordTiming> words = words_from({" a", " b", " c", " d"}, {1.0, 2.1, 2.4, 2.7, 4.0});
    std::vector<TimedSegment> s = segments_of({{1.8, 3.0}}, {4});
    mm::give_words(words, s, kPrepended, kAppended, 0.0, 0.9);
    const double median = 0.7;  // of 1.1, 0.3, 0.3 and 1.3
    CHECK(near(s[0].start, 1.8) && near(s[0].words.front().start, std::min(2.1 - median, 1.8)));
    CHECK(near(s[0].end, 3.0) && near(s[0].words.back().end, std::max(2.7 + median, 3.0)));
    // By less: the words' are.
    words = words_from({" a", " b", " c", " d"}, {1.0, 2.1, 2.4, 2.7, 4.0});
    s = segments_of({{1.5, 3.5}}, {4});
    mm::give_words(words, s, kPrepended, kAppended, 0.0, 0.9);
    CHECK(near(s[0].start, 1.0) && near(s[0].end, 4.0));
}

}  // namespace

int main() {
    dtw_finds_the_least_cost();
    dtw_stays_in_the_row_among_equals();
    dtw_ends_whatever_the_costs();
    token_times_are_those_of_the_book();
    a_diagonal_is_followed();
    weights_without_contrast_do_no_harm();
    punctuation_joins_its_word();
    words_go_to_their_segments();
    long_words_are_cut_at_sentence_ends();
    first_words_after_a_pause_are_cut();
    a_segment_is_no_pause_for_the_next();
    words_and_segment_fit_each_other();
    return finish("test_word_times");
}
