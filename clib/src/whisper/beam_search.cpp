#include <algorithm>
#include <cmath>

#include "whisper/search.h"

namespace mm {

namespace {

class BeamSearch {
  public:
    explicit BeamSearch(const Search& search)
        : s_(search), beam_size_(static_cast<size_t>(search.options.beam_size)), wanted_(sequences_wanted(search)) {
        nodes_.reserve(beam_size_ * static_cast<size_t>(s_.max_tokens));
        beams_.reserve(beam_size_);
        next_beams_.reserve(beam_size_);
        candidates_.reserve(beam_size_ * (beam_size_ + 1));
        best_.resize(beam_size_ + 1);
        finished_.reserve(std::max(wanted_, beam_size_));
        parents_.resize(beam_size_);
        tokens_.resize(beam_size_);
    }

    std::vector<Hypothesis> run() {
        beams_.push_back({kNoNode, 0.0, {}});
        for (int step = 0; step < s_.max_tokens; ++step) {
            if (step > 0) advance();
            expand();
            select();
            if (finished_.size() >= wanted_ || beams_.empty()) break;
        }
        // Where too few have ended, the best unfinished ones count, too. They are in order already.
        for (size_t i = 0; i < beams_.size() && finished_.size() < beam_size_; ++i)
            finished_.push_back({beams_[i].node, beams_[i].sum_logprob});
        std::vector<Hypothesis> hypotheses;
        hypotheses.reserve(finished_.size());
        for (const Finished& f : finished_) hypotheses.push_back(trace(f));
        return hypotheses;
    }

  private:
    static constexpr int kNoNode = -1;

    static size_t sequences_wanted(const Search& s) {
        const double beams = static_cast<double>(s.options.beam_size);
        const double wanted = std::nearbyint(beams * static_cast<double>(s.options.patience));
        return static_cast<size_t>(std::max(1.0, std::min(wanted, beams * static_cast<double>(s.max_tokens))));
    }

    // Sequences share their beginnings: each token points to the one before.
    struct Node {
        int parent;
        int32_t token;
        float logprob;
    };
    struct Beam {
        int node;
        double sum_logprob;
        TokenHistory history;
    };
    struct Extension {
        double sum_logprob;
        int beam;
        int32_t token;
        float logprob;
    };
    struct Finished {
        int node;
        double sum_logprob;
    };

    // Feeds the last token of each beam to the model.
    void advance() {
        const int n = static_cast<int>(beams_.size());
        s_.model.reorder(parents_.data(), n);
        s_.model.step(tokens_.data(), n, s_.logits);
    }

    // The most probable ways to extend each beam, by decreasing probability of the whole, earlier beams first among
    // equals.
    void expand() {
        candidates_.clear();
        for (size_t b = 0; b < beams_.size(); ++b) {
            float* logits = s_.logits + b * static_cast<size_t>(s_.n_vocab);
            const Allowed allowed = s_.rules.apply(logits, beams_[b].history);
            const int n = top_k(logits, allowed.begin, allowed.end, static_cast<int>(best_.size()), best_.data());
            if (n == 0) finish({beams_[b].node, beams_[b].sum_logprob});  // nothing may come next
            for (int i = 0; i < n; ++i) {
                const Candidate& c = best_[static_cast<size_t>(i)];
                const float logprob = c.logit - allowed.log_sum;
                candidates_.push_back(
                    {beams_[b].sum_logprob + static_cast<double>(logprob), static_cast<int>(b), c.token, logprob});
            }
        }
        std::sort(candidates_.begin(), candidates_.end(), [](const Extension& a, const Extension& b) {
            if (a.sum_logprob != b.sum_logprob) return a.sum_logprob > b.sum_logprob;
            if (a.beam != b.beam) return a.beam < b.beam;
            return a.logprob != b.logprob ? a.logprob > b.logprob : a.token < b.token;
        });
    }

    // Keeps the best beam_size extensions as beams; those that end on the way there are finished.
    void select() {
        next_beams_.clear();
        for (const Extension& e : candidates_) {
            const Beam& from = beams_[static_cast<size_t>(e.beam)];
            if (e.token == s_.eot) {
                finish({from.node, e.sum_logprob});
                continue;
            }
            parents_[next_beams_.size()] = e.beam;
            tokens_[next_beams_.size()] = e.token;
            Beam next{static_cast<int>(nodes_.size()), e.sum_logprob, from.history};
            next.history.add(e.token, s_.timestamp_begin);
            nodes_.push_back({from.node, e.token, e.logprob});
            next_beams_.push_back(next);
            if (next_beams_.size() == beam_size_) break;
        }
        std::swap(beams_, next_beams_);
    }

    void finish(const Finished& sequence) {
        if (finished_.size() < wanted_) finished_.push_back(sequence);
    }

    Hypothesis trace(const Finished& f) const {
        Hypothesis h;
        h.sum_logprob = f.sum_logprob;
        for (int i = f.node; i != kNoNode; i = nodes_[static_cast<size_t>(i)].parent) {
            h.tokens.push_back(nodes_[static_cast<size_t>(i)].token);
            h.logprobs.push_back(nodes_[static_cast<size_t>(i)].logprob);
        }
        std::reverse(h.tokens.begin(), h.tokens.end());
        std::reverse(h.logprobs.begin(), h.logprobs.end());
        return h;
    }

    const Search& s_;
    const size_t beam_size_;
    const size_t wanted_;  // the search ends when so many sequences have
    std::vector<Node> nodes_;
    std::vector<Beam> beams_, next_beams_;
    std::vector<Extension> candidates_;
    std::vector<Candidate> best_;
    std::vector<Finished> finished_;
    std::vector<int> parents_;     // beam that each beam extends
    std::vector<int32_t> tokens_;  // by this token
};

}  // namespace

std::vector<Hypothesis> beam_search(const Search& search) {
    return BeamSearch(search).run();
}

}  // namespace mm
