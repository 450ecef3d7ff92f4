// A model whose logits are a function of all tokens so far, and a small vocabulary for it.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <vector>

#include "check.h"
#include "whisper/search.h"

using Ids = std::vector<int32_t>;
using Logits = std::vector<float>;

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr int kContext = 64;

// 256 byte tokens and the special tokens of two languages.
inline const mm::Tokenizer& tokenizer() {
    static const mm::Tokenizer t = [] {
        std::vector<std::string> bytes;
        for (int b = 0; b < 256; ++b) bytes.emplace_back(1, static_cast<char>(b));
        return mm::Tokenizer(bytes, 256 + 1509 + 2);
    }();
    return t;
}
inline int n_vocab() {
    return tokenizer().n_vocab();
}
inline int32_t at(double seconds) {
    return tokenizer().timestamp_begin() + static_cast<int32_t>(std::lround(seconds / 0.02));
}

// Logits as a function of all tokens so far; remembers each sequence, as Inference's caches do.
class ScriptedModel : public mm::TokenModel {
  public:
    using Script = std::function<Logits(const Ids& tokens)>;
    explicit ScriptedModel(Script script) : script_(std::move(script)) {}

    void prefill(const int32_t* tokens, int n, const int* rows, int n_rows, float* logits) override {
        sequences_ = {Ids(tokens, tokens + n)};
        for (int i = 0; i < n_rows; ++i) put(Ids(tokens, tokens + rows[i] + 1), logits + i * n_vocab());
    }
    void reorder(const int* parents, int n) override {
        std::vector<Ids> next;
        for (int i = 0; i < n; ++i) next.push_back(sequences_.at(static_cast<size_t>(parents[i])));
        sequences_ = std::move(next);
    }
    void step(const int32_t* tokens, int n, float* logits) override {
        CHECK(static_cast<size_t>(n) == sequences_.size());
        for (int i = 0; i < n; ++i) {
            Ids& s = sequences_.at(static_cast<size_t>(i));
            s.push_back(tokens[i]);
            longest = std::max(longest, s.size());
            put(s, logits + i * n_vocab());
        }
    }
    const Ids& first() const { return sequences_.front(); }
    size_t longest = 0;

  private:
    void put(const Ids& tokens, float* to) const {
        const Logits row = script_(tokens);
        std::copy(row.begin(), row.end(), to);
    }
    Script script_;
    std::vector<Ids> sequences_;
};

// Everything very improbable but what is named.
inline Logits likely(const std::map<int32_t, float>& named) {
    Logits row(static_cast<size_t>(n_vocab()), -50.0f);
    for (const auto& [token, logit] : named) row[static_cast<size_t>(token)] = logit;
    return row;
}

inline mm::DecodingOptions plain() {
    mm::DecodingOptions o;
    o.language = 1;
    o.beam_size = 1;
    o.suppress_blank = false;
    o.timestamps = false;
    return o;
}

inline mm::DecodingResult decode(ScriptedModel& model, const mm::DecodingOptions& options, int context = kContext) {
    return mm::decode(mm::kernels(), model, tokenizer(), context, options);
}
