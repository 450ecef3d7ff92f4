// Beam search over a scripted model, against openai/whisper's way to write it and against all sequences there are.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "scripted_model.h"

namespace {

const Ids& prompt() {
    static const Ids tokens = {tokenizer().sot(), tokenizer().language_token(1), tokenizer().transcribe(),
                               tokenizer().no_timestamps()};
    return tokens;
}

struct Scored {
    Ids tokens;
    double sum;
};

// openai/whisper's BeamSearchDecoder as written there: over whole sequences in a map, without any cache.
std::vector<Scored> beam_search_by_the_book(const ScriptedModel::Script& script, int beams, double patience,
                                            int max_tokens, size_t& steps) {
    const int32_t eot = tokenizer().eot();
    const auto wanted = static_cast<size_t>(std::nearbyint(beams * patience));
    std::vector<Scored> live = {{{}, 0.0}}, finished;
    for (steps = 0; steps < static_cast<size_t>(max_tokens);) {
        ++steps;
        std::vector<Scored> candidates;
        for (const Scored& s : live) {
            Ids all = prompt();
            all.insert(all.end(), s.tokens.begin(), s.tokens.end());
            const Logits row = script(all);
            double sum = 0;
            for (const float x : row) sum += std::exp(static_cast<double>(x));
            std::vector<int32_t> order(row.size());
            std::iota(order.begin(), order.end(), 0);
            std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
                return row[static_cast<size_t>(a)] > row[static_cast<size_t>(b)];
            });
            for (int i = 0; i <= beams; ++i) {
                Ids tokens = s.tokens;
                tokens.push_back(order[static_cast<size_t>(i)]);
                candidates.push_back(
                    {tokens, s.sum + static_cast<double>(row[static_cast<size_t>(tokens.back())]) - std::log(sum)});
            }
        }
        std::stable_sort(candidates.begin(), candidates.end(),
                         [](const Scored& a, const Scored& b) { return a.sum > b.sum; });
        live.clear();
        for (const Scored& c : candidates) {
            if (c.tokens.back() == eot) {
                if (finished.size() < wanted) finished.push_back(c);
            } else {
                live.push_back(c);
                if (live.size() == static_cast<size_t>(beams)) break;
            }
        }
        if (finished.size() >= wanted) break;
    }
    for (const Scored& s : live) {
        if (finished.size() >= static_cast<size_t>(beams)) break;
        finished.push_back(s);
    }
    for (Scored& s : finished) {
        if (!s.tokens.empty() && s.tokens.back() == eot) s.tokens.pop_back();
    }
    return finished;
}

// Logits that depend on the text so far, a few letters and the end being probable.
ScriptedModel::Script random_script(uint32_t seed) {
    return [seed](const Ids& tokens) {
        uint32_t h = seed;
        for (const int32_t token : tokens) h = (h ^ static_cast<uint32_t>(token)) * 0x01000193u + 12345u;
        std::map<int32_t, float> named;
        for (int c = 'a'; c < 'a' + 12; ++c) {
            h = h * 1664525u + 1013904223u;
            named[c] = 4.0f * static_cast<float>(h >> 8) / static_cast<float>(1 << 24);
        }
        named[tokenizer().eot()] = named['a'] + (seed % 2 ? 2.0f : -1.0f);
        return likely(named);
    };
}

void beam_search_is_that_of_the_book() {
    for (uint32_t seed = 0; seed < 150; ++seed) {
        const ScriptedModel::Script script = random_script(seed);
        ScriptedModel model(script);
        mm::DecodingOptions o = plain();
        o.beam_size = 2 + static_cast<int>(seed % 5);
        o.patience = seed % 3 == 0 ? 1.0f : seed % 3 == 1 ? 2.0f : 0.5f;
        o.length_penalty = seed % 2 ? 0.0f : 0.6f;
        o.max_new_tokens = 12;
        Ids heard;
        o.on_token = [&](int32_t token, float) { return heard.push_back(token), 0; };
        const mm::DecodingResult r = decode(model, o);
        size_t steps = 0;
        const std::vector<Scored> book =
            beam_search_by_the_book(script, o.beam_size, static_cast<double>(o.patience), o.max_new_tokens, steps);
        CHECK(model.longest + 1 == prompt().size() + steps || steps == 1);
        size_t best = 0;
        const auto score = [&](const Scored& s) {
            const double n = static_cast<double>(s.tokens.size());
            return s.sum / (o.length_penalty == 0.0f ? std::max(n, 1.0)
                                                     : std::pow((5 + n) / 6, static_cast<double>(o.length_penalty)));
        };
        for (size_t i = 1; i < book.size(); ++i) {
            if (score(book[i]) > score(book[best])) best = i;
        }
        CHECK(r.tokens == book[best].tokens && heard == r.tokens);
        CHECK(std::fabs(static_cast<double>(r.avg_logprob) -
                        book[best].sum / static_cast<double>(r.tokens.size() + 1)) < 1e-4);
        double sum = 0;
        for (const float p : r.probabilities) sum += std::log(static_cast<double>(p));
        CHECK(sum > book[best].sum - 1e-3 && r.probabilities.size() == r.tokens.size());
    }
}

// With as many beams as there are sequences nothing is missed: the result is the best of all of them.
void wide_beams_find_the_best_sequence() {
    const int32_t eot = tokenizer().eot();
    for (uint32_t seed = 0; seed < 20; ++seed) {
        const auto script = [&](const Ids& tokens) {
            Logits row = random_script(seed)(tokens);
            for (int c = 'c'; c < 'a' + 12; ++c) row[static_cast<size_t>(c)] = kNever;  // "a", "b" and the end are left
            for (float& x : row) x = x == -50.0f ? kNever : x;
            if (tokens.size() - prompt().size() == 3) row['a'] = row['b'] = kNever;
            return row;
        };
        Scored best{{}, 0};
        double best_score = -1e9;
        const std::function<void(const Ids&, double)> visit = [&](const Ids& text, double sum) {
            Ids all = prompt();
            all.insert(all.end(), text.begin(), text.end());
            const Logits row = script(all);
            double norm = 0;
            for (const float x : row) norm += std::exp(static_cast<double>(x));
            const double end = sum + static_cast<double>(row[static_cast<size_t>(eot)]) - std::log(norm);
            const double score = end / static_cast<double>(std::max<size_t>(text.size(), 1));
            if (score > best_score) best = {text, end}, best_score = score;
            for (const int32_t c : {'a', 'b'}) {
                if (row[static_cast<size_t>(c)] == kNever) continue;
                Ids longer = text;
                longer.push_back(c);
                visit(longer, sum + static_cast<double>(row[static_cast<size_t>(c)]) - std::log(norm));
            }
        };
        visit({}, 0.0);
        ScriptedModel model(script);
        mm::DecodingOptions o = plain();
        o.beam_size = 15;  // 1 + 2 + 4 + 8 sequences
        CHECK(decode(model, o).tokens == best.tokens);
    }
}

void length_penalty_ranks() {
    std::vector<mm::Hypothesis> h(2);
    h[0].tokens = {1};
    h[0].sum_logprob = -1.0;
    h[1].tokens = {1, 2, 3, 4};
    h[1].sum_logprob = -3.0;
    CHECK(mm::most_likely(h, 0.0f) == 1);   // -1 against -0.75
    CHECK(mm::most_likely(h, 1.0f) == 0);   // -1 against -2
    CHECK(mm::most_likely(h, 10.0f) == 1);  // -1 against -0.05
    h[1] = h[0];
    CHECK(mm::most_likely(h, 0.0f) == 0);
    h[1].tokens.clear();
    h[1].sum_logprob = -0.5;
    CHECK(mm::most_likely(h, 0.0f) == 1);  // an empty one counts as one token
}

}  // namespace

int main() {
    beam_search_is_that_of_the_book();
    wide_beams_find_the_best_sequence();
    length_penalty_ranks();
    return finish("test_beam_search");
}
