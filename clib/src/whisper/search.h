// Searching for the text of a window: from logits to token sequences, by greedy choice, sampling or beam search.
// Restated from openai/whisper's decoding.py (MIT), https://github.com/openai/whisper.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/memory.h"
#include "whisper/decoding.h"
#include "whisper/logit_rules.h"

namespace mm {

// Next-token logits of a few sequences: Inference, or a script in tests. Each call is as Inference's of that name.
class TokenModel {
  public:
    virtual ~TokenModel() = default;
    virtual void prefill(const int32_t* tokens, int n, const int* rows, int n_rows, float* logits) = 0;
    virtual void reorder(const int* parents, int n) = 0;
    virtual void step(const int32_t* tokens, int n, float* logits) = 0;
};

// A token sequence that was found, without the end of text.
struct Hypothesis {
    std::vector<int32_t> tokens;
    std::vector<float> logprobs;  // of each token
    double sum_logprob = 0;       // that of the end of text included, where it was reached
};

struct Search {
    const Kernels& kernels;
    TokenModel& model;
    const LogitRules& rules;
    const DecodingOptions& options;
    int n_vocab;
    int32_t eot, timestamp_begin;
    int max_tokens;  // at least 1
    float* logits;   // [sequences][n_vocab]; the first row holds those after the prompt
};

// `n` sequences chosen token by token: the most probable one at temperature 0, else drawn. A single one is reported to
// options.on_token as it grows.
std::vector<Hypothesis> sample(const Search& search, int n);

// The best sequences that options.beam_size beams find, with options.patience.
std::vector<Hypothesis> beam_search(const Search& search);

// Index of the hypothesis of the highest log-probability after the length penalty, the first among equals.
size_t most_likely(const std::vector<Hypothesis>& hypotheses, float length_penalty);

// A number in [0, 1) for each seed, stream and step, the same everywhere: SplitMix64's mixing of a counter
// (https://prng.di.unimi.it/splitmix64.c), 53 bits.
double uniform(uint64_t seed, uint32_t stream, uint32_t step);

struct Candidate {
    int32_t token;
    float logit;
};
// The k largest of x[begin, end) into out, largest first, the lower token first among equals; returns how many there
// are. Minus infinity and NaN do not count.
int top_k(const float* x, int begin, int end, int k, Candidate* out);

// decode_window over any model of tokens.
DecodingResult decode(const Kernels& kernels, TokenModel& model, const Tokenizer& tokenizer, int n_text_ctx,
                      const DecodingOptions& options);

}  // namespace mm
