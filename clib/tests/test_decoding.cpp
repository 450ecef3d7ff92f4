// Decoding over a scripted model: the rules for logits, greedy choice and sampling.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/error.h"
#include "scripted_model.h"

namespace {

uint32_t random_state = 7;
float random_unit() {
    random_state = random_state * 1664525u + 1013904223u;
    return static_cast<float>(random_state >> 8) / static_cast<float>(1 << 24);
}

// ---- The prompt -----------------------------------------------------------------------------------------------------

Ids prompt_of(mm::DecodingOptions options, int context = kContext) {
    Ids seen;
    ScriptedModel model([&](const Ids& tokens) {
        seen = tokens;
        return likely({{tokenizer().eot(), 0.0f}});
    });
    options.max_new_tokens = 1;
    decode(model, options, context);
    return seen;
}

void prompts() {
    const mm::Tokenizer& t = tokenizer();
    mm::DecodingOptions o = plain();
    CHECK((prompt_of(o) == Ids{t.sot(), t.language_token(1), t.transcribe(), t.no_timestamps()}));
    o.timestamps = true;
    o.task = MM_TASK_TRANSLATE;
    CHECK((prompt_of(o) == Ids{t.sot(), t.language_token(1), t.translate()}));
    o.prompt = {1, 2, 3};
    CHECK((prompt_of(o) == Ids{t.sot_prev(), 1, 2, 3, t.sot(), t.language_token(1), t.translate()}));
    o.prompt.resize(100);
    std::iota(o.prompt.begin(), o.prompt.end(), 0);
    const Ids cut = prompt_of(o);  // the last half of the context, less one
    CHECK(cut.size() == 1 + kContext / 2 - 1 + 3 && cut[1] == 100 - (kContext / 2 - 1));
}

void no_speech_is_read_at_the_start_of_transcript() {
    const mm::Tokenizer& t = tokenizer();
    ScriptedModel model([&](const Ids& tokens) {
        const bool start = tokens.back() == t.sot();
        return likely({{t.no_speech(), start ? 1.0f : -9.0f}, {'a', start ? 1.0f + std::log(3.0f) : 0.0f}});
    });
    mm::DecodingOptions o = plain();
    o.prompt = {'x', 'y'};
    o.max_new_tokens = 1;
    CHECK(std::fabs(decode(model, o).no_speech_prob - 0.25f) < 1e-5f);
}

// ---- Rules ----------------------------------------------------------------------------------------------------------

// Tokens that may follow `before`, with equal logits for all tokens but those in `raised`.
std::vector<bool> allowed_after(const mm::DecodingOptions& options, const Ids& before,
                                const std::map<int32_t, float>& raised = {}) {
    const mm::LogitRules rules(mm::kernels(), tokenizer(), options);
    mm::TokenHistory history;
    for (const int32_t token : before) history.add(token, tokenizer().timestamp_begin());
    Logits row(static_cast<size_t>(n_vocab()), 0.0f);
    for (const auto& [token, logit] : raised) row[static_cast<size_t>(token)] = logit;
    const mm::Allowed allowed = rules.apply(row.data(), history);
    std::vector<bool> can(row.size(), false);
    double sum = 0;
    for (int i = allowed.begin; i < allowed.end; ++i) {
        can[static_cast<size_t>(i)] = row[static_cast<size_t>(i)] > kNever;
        sum += std::exp(static_cast<double>(row[static_cast<size_t>(i)]));
    }
    CHECK(allowed.begin == allowed.end || std::fabs(std::log(sum) - static_cast<double>(allowed.log_sum)) < 1e-5);
    return can;
}

bool only(const std::vector<bool>& can, int from, int to) {
    for (int i = 0; i < n_vocab(); ++i) {
        if (can[static_cast<size_t>(i)] != (i >= from && i < to)) return false;
    }
    return true;
}

void suppression() {
    const mm::Tokenizer& t = tokenizer();
    mm::DecodingOptions o = plain();
    CHECK(only(allowed_after(o, {}), 0, n_vocab()));
    o.suppress_blank = true;
    const std::vector<bool> first = allowed_after(o, {});
    CHECK(!first[' '] && !first[static_cast<size_t>(t.eot())] && first['a']);
    CHECK(only(allowed_after(o, {'a'}), 0, n_vocab()));
    o.suppress_tokens = mm::resolve_suppressed(t, nullptr, 0);
    const std::vector<bool> later = allowed_after(o, {'a'});
    for (const int token : {t.sot(), t.transcribe(), t.translate(), t.sot_prev(), t.sot_lm(), t.no_speech()})
        CHECK(!later[static_cast<size_t>(token)]);
    CHECK(!later['"'] && !later['['] && later['a'] && later[','] && later[static_cast<size_t>(t.eot())]);
    const int32_t own[] = {'q', 'q', 'b'};
    Ids expected = {'b', 'q', t.sot(), t.translate(), t.transcribe(), t.sot_lm(), t.sot_prev(), t.no_speech()};
    CHECK(mm::resolve_suppressed(t, own, 3) == expected);
    CHECK(mm::resolve_suppressed(t, own, 0) == Ids(expected.begin() + 2, expected.end()));
}

void timestamp_rules() {
    const mm::Tokenizer& t = tokenizer();
    const int times = t.timestamp_begin();
    mm::DecodingOptions o = plain();
    o.timestamps = true;
    // Raised, so that all timestamps together do not outweigh the text.
    const std::map<int32_t, float> text = {{'a', 20.0f}, {t.eot(), 20.0f}};
    const std::map<int32_t, float> eot = {{t.eot(), 20.0f}};
    const auto can = [](const std::vector<bool>& c, int32_t token) { return c[static_cast<size_t>(token)]; };

    // A window starts with a timestamp, up to the latest one allowed.
    CHECK(only(allowed_after(o, {}), times, at(1.0) + 1));
    o.max_initial_timestamp = 0.1f;
    CHECK(only(allowed_after(o, {}), times, at(0.1) + 1));
    o.max_initial_timestamp = 30.0f;
    CHECK(only(allowed_after(o, {}), times, n_vocab()));
    o.max_initial_timestamp = std::numeric_limits<float>::infinity();
    CHECK(only(allowed_after(o, {}), times, n_vocab()));
    o.suppress_blank = true;
    CHECK(only(allowed_after(o, {}), times, n_vocab()));

    // After the first: text or the end, never another timestamp.
    std::vector<bool> c = allowed_after(o, {at(0.5)}, text);
    CHECK(can(c, 'a') && can(c, t.eot()) && !can(c, at(0.5)) && !can(c, at(3.0)) && !can(c, t.no_timestamps()));
    // After text: text, the end, or a later timestamp; the same again would be an empty segment.
    c = allowed_after(o, {at(0.5), 'a'}, text);
    CHECK(can(c, 'b') && can(c, t.eot()) && !can(c, at(0.5)) && can(c, at(0.52)) && can(c, at(30.0)));
    // A timestamp after text wants its pair, which may be the same one, or the end.
    c = allowed_after(o, {at(0.5), 'a', at(2.0)}, eot);
    CHECK(!can(c, 'a') && can(c, t.eot()) && !can(c, at(1.98)) && can(c, at(2.0)) && can(c, at(30.0)));
    // After a pair: text or the end.
    c = allowed_after(o, {at(0.5), 'a', at(2.0), at(2.0)}, text);
    CHECK(can(c, 'a') && can(c, t.eot()) && !can(c, at(2.0)) && !can(c, at(30.0)));
    // At the end of the window no timestamp is left.
    c = allowed_after(o, {at(0.5), 'a', at(30.0), at(30.0), 'b'}, text);
    CHECK(can(c, 'a') && can(c, t.eot()) && !can(c, at(30.0)));

    // All timestamps together against the best other token: here 1476 of them with logit 0 sum to exp(7.297).
    const int32_t last = at(0.5);
    CHECK(only(allowed_after(o, {at(0.0), 'a', 'b'}, {{'c', 7.2f}}), times + 1, n_vocab()));
    c = allowed_after(o, {at(0.0), 'a', 'b'}, {{'c', 7.4f}});
    CHECK(can(c, 'c') && can(c, last));
    // Suppressed tokens do not count as other.
    o.suppress_tokens = {'c'};
    CHECK(only(allowed_after(o, {at(0.0), 'a', 'b'}, {{'c', 9.0f}}), times + 1, n_vocab()));
    // Nothing may come next: no text allowed after an open pair at the end, the end of text suppressed.
    o.suppress_tokens.resize(static_cast<size_t>(n_vocab()));
    std::iota(o.suppress_tokens.begin(), o.suppress_tokens.end(), 0);
    CHECK(only(allowed_after(o, {at(0.0), 'a', at(30.0)}), 0, 0));
}

// A window of 6 s (300 positions) has no timestamp beyond its end: audio behind it would be passed over.
void timestamps_stay_inside_the_window() {
    const int times = tokenizer().timestamp_begin();
    mm::DecodingOptions o = plain();
    o.timestamps = true;
    o.audio_ctx = 300;
    o.max_initial_timestamp = 30.0f;
    CHECK(only(allowed_after(o, {}), times, at(6.0) + 1));
    const std::map<int32_t, float> text = {{'a', 20.0f}};
    std::vector<bool> c = allowed_after(o, {at(0.5), 'a'}, text);
    CHECK(c[static_cast<size_t>(at(6.0))] && !c[static_cast<size_t>(at(6.02))] && !c[static_cast<size_t>(at(30.0))]);
    CHECK(only(allowed_after(o, {at(0.0), 'a'}), times + 1, at(6.0) + 1));
    c = allowed_after(o, {at(0.5), 'a', at(6.0), at(6.0), 'b'}, text);
    CHECK(c['a'] && !c[static_cast<size_t>(at(6.0))] && !c[static_cast<size_t>(at(6.02))]);
}

// Whatever a model says, the timestamps of a window obey the rules.
void any_logits_give_ordered_pairs() {
    const mm::Tokenizer& t = tokenizer();
    for (int round = 0; round < 60; ++round) {
        ScriptedModel model([&](const Ids& tokens) {
            Logits row(static_cast<size_t>(n_vocab()));
            for (float& x : row) x = 8.0f * random_unit();
            row[static_cast<size_t>(t.eot())] += tokens.size() > 20 ? 4.0f : 0.0f;
            for (int i = t.timestamp_begin(); i < n_vocab(); ++i) row[static_cast<size_t>(i)] -= 6.0f * random_unit();
            return row;
        });
        mm::DecodingOptions o = plain();
        o.timestamps = true;
        o.suppress_blank = true;
        o.beam_size = 1 + round % 4;
        o.best_of = 1 + round % 3;
        o.temperature = round % 2 ? 0.8f : 0.0f;
        o.seed = static_cast<uint64_t>(round);
        for (int32_t special = t.eot() + 1; special < t.timestamp_begin(); ++special)
            o.suppress_tokens.push_back(special);
        const Ids tokens = decode(model, o).tokens;
        CHECK(!tokens.empty() && tokens.size() <= kContext / 2);
        CHECK(tokens.front() >= t.timestamp_begin() && tokens.front() <= at(1.0));
        int32_t last = 0;
        size_t run = 1;  // of timestamps in a row: the first stands for a pair, and so do two
        for (size_t i = 1; i < tokens.size(); ++i) {
            const bool time = tokens[i] >= t.timestamp_begin(), before = tokens[i - 1] >= t.timestamp_begin();
            run = time ? (before ? run + 1 : 1) : 0;
            CHECK(run <= 2 && !(i == 1 && time));
            if (time) CHECK(before ? tokens[i] >= tokens[i - 1] : tokens[i] > last);
            if (!time && before && i > 1) CHECK(tokens[i - 2] >= t.timestamp_begin());
            last = time ? tokens[i] : before ? tokens[i - 1] : last;
        }
    }
}

// ---- Choosing -------------------------------------------------------------------------------------------------------

void top_k_is_a_stable_sort() {
    for (int round = 0; round < 300; ++round) {
        Logits x(static_cast<size_t>(1 + 400 * random_unit()));
        for (float& v : x) {
            v = std::floor(10.0f * random_unit());  // many ties
            if (v == 0.0f) v = random_unit() < 0.5f ? kNever : std::nanf("");
        }
        const int begin = static_cast<int>(random_unit() * static_cast<float>(x.size()));
        const int k = 1 + round % 17;
        std::vector<mm::Candidate> got(static_cast<size_t>(k)), expected;
        for (int i = begin; i < static_cast<int>(x.size()); ++i) {
            if (x[static_cast<size_t>(i)] > kNever) expected.push_back({i, x[static_cast<size_t>(i)]});
        }
        std::stable_sort(expected.begin(), expected.end(),
                         [](const mm::Candidate& a, const mm::Candidate& b) { return a.logit > b.logit; });
        if (expected.size() > got.size()) expected.resize(got.size());
        got.resize(static_cast<size_t>(mm::top_k(x.data(), begin, static_cast<int>(x.size()), k, got.data())));
        CHECK(std::equal(got.begin(), got.end(), expected.begin(), expected.end(),
                         [](const mm::Candidate& a, const mm::Candidate& b) { return a.token == b.token; }));
    }
}

void greedy() {
    const mm::Tokenizer& t = tokenizer();
    const std::string say = " hi!";
    ScriptedModel model([&](const Ids& tokens) {
        const size_t n = tokens.size() - 4;
        const int32_t next = n < say.size() ? say[n] : t.eot();
        return likely({{next, 1.0f}, {'z', 1.0f - std::log(3.0f)}});  // 3/4 and 1/4
    });
    mm::DecodingOptions o = plain();
    Ids heard;
    o.on_token = [&](int32_t token, float probability) {
        CHECK(std::fabs(probability - 0.75f) < 1e-5f);
        CHECK(model.first().size() == 4 + heard.size());  // live: the model has not gone on
        heard.push_back(token);
        return 0;
    };
    const mm::DecodingResult r = decode(model, o);
    CHECK(r.text == "hi!" && (r.tokens == Ids{' ', 'h', 'i', '!'}) && heard == r.tokens);
    CHECK(r.probabilities.size() == 4 && std::fabs(r.probabilities[2] - 0.75f) < 1e-5f);
    CHECK(std::fabs(r.avg_logprob - std::log(0.75f)) < 1e-5f);  // five of them, the end included
    CHECK(r.compression_ratio == mm::compression_ratio("hi!"));

    o.max_new_tokens = 2;  // the end is not reached
    heard.clear();
    const mm::DecodingResult cut = decode(model, o);
    CHECK((cut.tokens == Ids{' ', 'h'}) && std::fabs(cut.avg_logprob - 2 * std::log(0.75f) / 3) < 1e-5f);

    o.on_token = [](int32_t token, float) { return token == 'h' ? 1 : 0; };
    o.max_new_tokens = 0;
    mm_status status = MM_OK;
    try {
        decode(model, o);
    } catch (const mm::Error& e) {
        status = e.status();
    }
    CHECK(status == MM_ERROR_ABORTED && model.first().size() == 5);
}

void the_context_is_never_exceeded() {
    ScriptedModel model([&](const Ids&) { return likely({{'a', 1.0f}, {'b', 0.0f}, {'c', 0.0f}}); });
    for (const int beams : {1, 3}) {
        for (const size_t prompted : {0, 5, 500}) {
            mm::DecodingOptions o = plain();
            o.beam_size = beams;
            o.prompt.assign(prompted, 'p');
            CHECK(decode(model, o).tokens.size() <= kContext / 2);
            o.max_new_tokens = 1000;
            const size_t n = decode(model, o).tokens.size();
            CHECK(n > kContext / 3 && n <= kContext - mm::kAlignmentTokens && model.longest <= kContext);
            CHECK(decode(model, o, 16).tokens.size() <= 16 - mm::kAlignmentTokens);
        }
    }
}

void broken_logits_end_the_text() {
    for (const float value : {std::nanf(""), kNever, std::numeric_limits<float>::infinity()}) {
        ScriptedModel model([&](const Ids&) { return Logits(static_cast<size_t>(n_vocab()), value); });
        for (const int beams : {1, 4}) {
            for (const float temperature : {0.0f, 1.0f}) {
                mm::DecodingOptions o = plain();
                o.beam_size = beams;
                o.timestamps = beams == 4;
                o.temperature = temperature;
                CHECK(decode(model, o).tokens.empty());
            }
        }
    }
}

// ---- Sampling -------------------------------------------------------------------------------------------------------

void uniform_numbers() {
    double sum = 0, squares = 0;
    const int n = 20000;
    for (uint32_t i = 0; i < n; ++i) {
        const double u = mm::uniform(3, i % 5, i / 5);
        CHECK(u >= 0.0 && u < 1.0);
        sum += u;
        squares += u * u;
    }
    CHECK(std::fabs(sum / n - 0.5) < 0.01 && std::fabs(squares / n - 1.0 / 3) < 0.01);
    CHECK(mm::uniform(1, 0, 0) != mm::uniform(2, 0, 0) && mm::uniform(1, 0, 1) != mm::uniform(1, 1, 0));
    CHECK(mm::uniform(42, 1, 7) == 0x1.0c0e7e39013ccp-1);
}

void sampling_follows_the_probabilities() {
    const mm::Tokenizer& t = tokenizer();
    // At temperature 2 the odds 9 : 1 become 3 : 1.
    ScriptedModel model([&](const Ids& tokens) {
        return tokens.size() > 4 ? likely({{t.eot(), 0.0f}}) : likely({{'a', 0.0f}, {'b', -std::log(9.0f)}});
    });
    mm::DecodingOptions o = plain();
    o.best_of = 1;
    o.temperature = 2.0f;
    int n_a = 0;
    for (o.seed = 0; o.seed < 2000; ++o.seed) {
        const mm::DecodingResult r = decode(model, o);
        CHECK((r.tokens == Ids{'a'} || r.tokens == Ids{'b'}));
        n_a += r.tokens[0] == 'a';
        // Probabilities are those of the model, without temperature.
        CHECK(std::fabs(r.probabilities[0] - (r.tokens[0] == 'a' ? 0.9f : 0.1f)) < 1e-5f);
    }
    CHECK(n_a > 1440 && n_a < 1560);  // 1500 expected, standard deviation 19

    o.best_of = 8;  // the most probable of the eight, which is almost surely "a"
    for (o.seed = 0; o.seed < 50; ++o.seed) CHECK(decode(model, o).tokens == Ids{'a'});
}

void sampling_depends_on_the_seed_alone() {
    const mm::Tokenizer& t = tokenizer();
    ScriptedModel model([&](const Ids& tokens) {
        std::map<int32_t, float> named = {{t.eot(), -1.0f}};
        for (int c = 'a'; c <= 'z'; ++c)
            named[c] = static_cast<float>((c * 7 + static_cast<int>(tokens.size())) % 5) / 4;
        return likely(named);
    });
    mm::DecodingOptions o = plain();
    o.temperature = 1.0f;
    o.best_of = 5;
    std::vector<Ids> drawn;
    for (o.seed = 0; o.seed < 20; ++o.seed) {
        const mm::DecodingResult r = decode(model, o);
        CHECK(decode(model, o).tokens == r.tokens);
        if (std::find(drawn.begin(), drawn.end(), r.tokens) == drawn.end()) drawn.push_back(r.tokens);
    }
    CHECK(drawn.size() > 15);
    // The first sequence of several is the one drawn alone.
    o.seed = 5;
    const mm::LogitRules rules(mm::kernels(), t, o);
    const auto run = [&](int n) {
        Logits logits(static_cast<size_t>(n * n_vocab()));
        const Ids prompt = {t.sot(), t.language_token(1), t.transcribe(), t.no_timestamps()};
        const int row = 3;
        model.prefill(prompt.data(), 4, &row, 1, logits.data());
        return mm::sample({mm::kernels(), model, rules, o, n_vocab(), t.eot(), t.timestamp_begin(), 30, logits.data()},
                          n);
    };
    CHECK(run(1)[0].tokens == run(5)[0].tokens);
}

// Sequences that end leave the batch; the others must go on from their own past.
void sequences_go_on_when_others_end() {
    const mm::Tokenizer& t = tokenizer();
    const Ids prompt = {t.sot(), t.language_token(1), t.transcribe(), t.no_timestamps()};
    // The first letter is said as often as its place in the alphabet says.
    ScriptedModel model([&](const Ids& tokens) {
        const size_t said = tokens.size() - prompt.size();
        if (said == 0) return likely({{'a', 0.0f}, {'b', 0.0f}, {'c', 0.0f}, {'d', 0.0f}, {'e', 0.0f}});
        const int32_t letter = tokens[prompt.size()];
        return likely({{static_cast<int>(said) <= letter - 'a' ? letter : t.eot(), 0.0f}});
    });
    mm::DecodingOptions o = plain();
    o.temperature = 1.0f;
    const mm::LogitRules rules(mm::kernels(), t, o);
    for (o.seed = 0; o.seed < 20; ++o.seed) {
        Logits logits(static_cast<size_t>(8 * n_vocab()));
        const int row = 3;
        model.prefill(prompt.data(), 4, &row, 1, logits.data());
        const mm::Search search{mm::kernels(),       model, rules,        o, n_vocab(), t.eot(),
                                t.timestamp_begin(), 30,    logits.data()};
        for (const mm::Hypothesis& h : mm::sample(search, 8)) {
            const auto length = static_cast<size_t>(h.tokens.at(0) - 'a' + 1);
            CHECK(h.tokens == Ids(length, h.tokens[0]));
            CHECK(std::fabs(h.sum_logprob + std::log(5.0)) < 1e-4);
        }
    }
}

void compression_ratios() {
    CHECK(mm::compression_ratio("") == 0.0f);
    CHECK(mm::compression_ratio("hi!") == 3.0f / 11.0f);
    // Python: len(s) / len(zlib.compress(s))
    std::string loop;
    for (int i = 0; i < 40; ++i) loop += "thank you very much ";
    CHECK(mm::compression_ratio(loop) == 800.0f / 37.0f);
    CHECK(
        mm::compression_ratio("And so my fellow Americans ask not what your country can do for you ask what you can do "
                              "for your country.") == 105.0f / 77.0f);
}

}  // namespace

int main() {
    prompts();
    no_speech_is_read_at_the_start_of_transcript();
    suppression();
    timestamp_rules();
    timestamps_stay_inside_the_window();
    any_logits_give_ordered_pairs();
    top_k_is_a_stable_sort();
    greedy();
    the_context_is_never_exceeded();
    broken_logits_end_the_text();
    uniform_numbers();
    sampling_follows_the_probabilities();
    sampling_depends_on_the_seed_alone();
    sequences_go_on_when_others_end();
    compression_ratios();
    return finish("test_decoding");
}
