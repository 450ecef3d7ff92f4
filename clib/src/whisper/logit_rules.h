// Which tokens may come next: suppressed ones, no blank start, and Whisper's rules for timestamps.
// Restated from openai/whisper's decoding.py (MIT), https://github.com/openai/whisper.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"
#include "whisper/decoding.h"
#include "whisper/tokenizer.h"

namespace mm {

// What the rules need to know of the tokens chosen so far.
struct TokenHistory {
    int count = 0;
    bool last_is_time = false;
    bool before_last_is_time = true;  // also where there is no such token
    int32_t last_time = -1;           // latest timestamp token; -1: none

    void add(int32_t token, int32_t timestamp_begin);
};

// Tokens that may come next lie in [begin, end) and have logits above minus infinity; begin == end: none may.
struct Allowed {
    int begin, end;
    float log_sum;  // log of the sum of exp of their logits: a token's log-probability is its logit minus this
};

class LogitRules {
  public:
    LogitRules(const Kernels& kernels, const Tokenizer& tokenizer, const DecodingOptions& options);

    // Sets the logits of tokens that may not come next to minus infinity where they lie inside the returned range.
    Allowed apply(float* logits, const TokenHistory& history) const;

  private:
    Allowed allow_times(float* logits, const TokenHistory& history) const;
    Allowed normalised(const float* logits, int begin, int end) const;

    const Kernels& kernels_;
    std::vector<int32_t> suppressed_, suppressed_first_;
    bool timestamps_;
    int32_t n_vocab_, eot_, timestamp_begin_;
    int32_t timestamp_end_;      // behind the latest timestamp a window may have
    int32_t last_initial_time_;  // latest one it may start with
};

}  // namespace mm
