// One sequence or several, token by token: the most probable next one, or one drawn by inverting the cumulative
// distribution, so that a seed gives the same text everywhere.
#include <algorithm>
#include <limits>

#include "runtime/error.h"
#include "whisper/search.h"

namespace mm {

namespace {

class Sampler {
  public:
    Sampler(const Search& search, int n)
        : s_(search), hypotheses_(static_cast<size_t>(n)), histories_(hypotheses_.size()) {
        if (s_.options.temperature > 0) weights_ = Buffer<float>(static_cast<size_t>(s_.n_vocab));
        for (Hypothesis& h : hypotheses_) {
            h.tokens.reserve(static_cast<size_t>(s_.max_tokens));
            h.logprobs.reserve(static_cast<size_t>(s_.max_tokens));
        }
        live_.resize(hypotheses_.size());
        for (int i = 0; i < n; ++i) live_[static_cast<size_t>(i)] = i;
        parents_.resize(live_.size());
        next_.resize(live_.size());
    }

    std::vector<Hypothesis> run() {
        for (int step = 0; step < s_.max_tokens && !live_.empty(); ++step) {
            if (step > 0) s_.model.step(next_.data(), static_cast<int>(live_.size()), s_.logits);
            choose_all(step);
        }
        return std::move(hypotheses_);
    }

  private:
    // Appends a token to each live sequence; those that end live no longer.
    void choose_all(int step) {
        const size_t rows = live_.size();
        size_t kept = 0;
        Allowed allowed{};
        for (size_t row = 0; row < rows; ++row) {
            const int sequence = live_[row];
            TokenHistory& history = histories_[static_cast<size_t>(sequence)];
            float* logits = s_.logits + (step == 0 ? 0 : row * static_cast<size_t>(s_.n_vocab));
            if (step > 0 || row == 0) allowed = s_.rules.apply(logits, history);  // all start from the same row
            const int32_t token = choose(logits, allowed, sequence, step);
            Hypothesis& h = hypotheses_[static_cast<size_t>(sequence)];
            if (token < 0) continue;
            const float logprob = logits[token] - allowed.log_sum;
            h.sum_logprob += static_cast<double>(logprob);
            if (token == s_.eot) continue;
            h.tokens.push_back(token);
            h.logprobs.push_back(logprob);
            history.add(token, s_.timestamp_begin);
            report(token, logprob);
            live_[kept] = sequence;
            parents_[kept] = step == 0 ? 0 : static_cast<int>(row);
            next_[kept] = token;
            ++kept;
        }
        live_.resize(kept);
        const bool moved = kept < rows || (step == 0 && kept > 1);
        if (moved && kept > 0) s_.model.reorder(parents_.data(), static_cast<int>(kept));
    }

    // -1: no token may come next.
    int32_t choose(const float* logits, const Allowed& allowed, int sequence, int step) {
        Candidate best;
        if (top_k(logits, allowed.begin, allowed.end, 1, &best) == 0) return -1;
        if (s_.options.temperature == 0.0f) return best.token;

        const int n = allowed.end - allowed.begin;
        const float* x = logits + allowed.begin;
        float* w = weights_.data();
        for (int i = 0; i < n; ++i) w[i] = (x[i] - best.logit) / s_.options.temperature;
        s_.kernels.exp(w, n, w);
        double total = 0;
        for (int i = 0; i < n; ++i) total += static_cast<double>(w[i]);
        const double target =
            uniform(s_.options.seed, static_cast<uint32_t>(sequence), static_cast<uint32_t>(step)) * total;
        double sum = 0;
        for (int i = 0; i < n; ++i) {
            sum += static_cast<double>(w[i]);
            if (sum > target && x[i] > -std::numeric_limits<float>::infinity()) return allowed.begin + i;
        }
        return best.token;
    }

    void report(int32_t token, float logprob) const {
        if (hypotheses_.size() > 1 || !s_.options.on_token) return;
        float probability;
        s_.kernels.exp(&logprob, 1, &probability);
        if (s_.options.on_token(token, probability) != 0) fail(MM_ERROR_ABORTED, "stopped by on_token");
    }

    const Search& s_;
    std::vector<Hypothesis> hypotheses_;
    std::vector<TokenHistory> histories_;
    std::vector<int> live_;  // sequences that have not ended; row i of the logits is that of live_[i]
    std::vector<int> parents_;
    std::vector<int32_t> next_;  // the token just chosen for live_[i]
    Buffer<float> weights_;
};

}  // namespace

std::vector<Hypothesis> sample(const Search& search, int n) {
    return Sampler(search, n).run();
}

}  // namespace mm
