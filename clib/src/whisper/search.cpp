#include "whisper/search.h"

#include <algorithm>
#include <limits>

namespace mm {

double uniform(uint64_t seed, uint32_t stream, uint32_t step) {
    const auto mix = [](uint64_t z) {
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
        z = (z ^ z >> 27) * 0x94D049BB133111EBu;
        return z ^ z >> 31;
    };
    const uint64_t counter = (uint64_t{stream} << 32 | step) + 1;
    const uint64_t bits = mix(mix(seed) + counter * 0x9E3779B97F4A7C15u);
    return static_cast<double>(bits >> 11) * 0x1p-53;
}

int top_k(const float* x, int begin, int end, int k, Candidate* out) {
    constexpr int kLanes = 16, kBlock = 4 * kLanes;
    int found = 0;
    float least = -std::numeric_limits<float>::infinity();  // a logit must be greater to be among the k
    const auto offer = [&](int token) {
        if (!(x[token] > least)) return;
        int place = found < k ? found++ : k - 1;
        for (; place > 0 && x[token] > out[place - 1].logit; --place) out[place] = out[place - 1];
        out[place] = {token, x[token]};
        if (found == k) least = out[k - 1].logit;
    };
    // Most blocks hold nothing of interest: their maximum, which vectorises, says so.
    int i = begin;
    for (; i + kBlock <= end; i += kBlock) {
        float lanes[kLanes];
        std::copy_n(x + i, kLanes, lanes);
        for (int j = kLanes; j < kBlock; j += kLanes) {
            for (int l = 0; l < kLanes; ++l) lanes[l] = x[i + j + l] > lanes[l] ? x[i + j + l] : lanes[l];
        }
        bool interesting = false;
        for (int l = 0; l < kLanes; ++l) interesting |= !(lanes[l] <= least);
        for (int j = 0; interesting && j < kBlock; ++j) offer(i + j);
    }
    for (; i < end; ++i) offer(i);
    return found;
}

size_t most_likely(const std::vector<Hypothesis>& hypotheses, float length_penalty) {
    const auto score = [&](const Hypothesis& h) {
        const double length = static_cast<double>(std::max<size_t>(h.tokens.size(), 1));
        // The mean, or the penalty of arXiv:1609.08144, equation 14.
        const double penalty =
            length_penalty == 0.0f ? length : exp_d(static_cast<double>(length_penalty) * log_d((5.0 + length) / 6.0));
        return h.sum_logprob / penalty;
    };
    size_t best = 0;
    for (size_t i = 1; i < hypotheses.size(); ++i) {
        if (score(hypotheses[i]) > score(hypotheses[best])) best = i;
    }
    return best;
}

}  // namespace mm
