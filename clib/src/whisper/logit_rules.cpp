#include "whisper/logit_rules.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "whisper/search.h"

namespace mm {

namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr double kSecondsPerTimestamp = 0.02;

}  // namespace

void TokenHistory::add(int32_t token, int32_t timestamp_begin) {
    before_last_is_time = count == 0 || last_is_time;
    last_is_time = token >= timestamp_begin;
    if (last_is_time) last_time = token;
    ++count;
}

LogitRules::LogitRules(const Kernels& kernels, const Tokenizer& tokenizer, const DecodingOptions& options)
    : kernels_(kernels),
      suppressed_(options.suppress_tokens),
      timestamps_(options.timestamps),
      n_vocab_(tokenizer.n_vocab()),
      eot_(tokenizer.eot()),
      timestamp_begin_(tokenizer.timestamp_begin()),
      timestamp_end_(std::min(n_vocab_, timestamp_begin_ + options.audio_ctx + 1)) {
    if (options.suppress_blank) {
        suppressed_first_ = tokenizer.encode(" ");
        suppressed_first_.push_back(eot_);
    }
    if (timestamps_) suppressed_.push_back(tokenizer.no_timestamps());
    const double steps = std::nearbyint(static_cast<double>(options.max_initial_timestamp) / kSecondsPerTimestamp);
    const int last = timestamp_end_ - 1 - timestamp_begin_;
    last_initial_time_ = timestamp_begin_ + (steps < last ? static_cast<int>(steps) : last);
}

Allowed LogitRules::apply(float* logits, const TokenHistory& history) const {
    for (const int32_t token : suppressed_) logits[token] = kNever;
    if (history.count == 0) {
        for (const int32_t token : suppressed_first_) logits[token] = kNever;
    }
    return timestamps_ ? allow_times(logits, history) : normalised(logits, 0, n_vocab_);
}

Allowed LogitRules::allow_times(float* logits, const TokenHistory& history) const {
    if (history.count == 0) return normalised(logits, timestamp_begin_, last_initial_time_ + 1);

    // Timestamps come in pairs, an end and a start, except before the end of text.
    if (history.last_is_time && history.before_last_is_time) return normalised(logits, 0, timestamp_begin_);
    const bool opened = history.last_is_time;  // the second of a pair is due, or the end of text
    const int begin = opened ? eot_ : 0;

    // They do not decrease, and no segment is empty: only the second of a pair may repeat the last one.
    const int earliest = std::max(timestamp_begin_, history.last_time + (opened ? 0 : 1));
    std::fill(logits + timestamp_begin_, logits + earliest, kNever);
    if (earliest >= timestamp_end_) return normalised(logits, begin, timestamp_begin_);

    // Where all timestamps together are more probable than any other token, it must be one of them.
    const Allowed times = normalised(logits, earliest, timestamp_end_);
    Candidate other;
    const bool any_other = top_k(logits, begin, timestamp_begin_, 1, &other) == 1;
    if (times.begin < times.end && (!any_other || times.log_sum > other.logit)) return times;
    return normalised(logits, begin, timestamp_end_);
}

Allowed LogitRules::normalised(const float* logits, int begin, int end) const {
    const float log_sum = kernels_.log_sum_exp(logits + begin, end - begin);
    // Minus infinity: nothing is allowed. NaN and infinity: a model whose activations overflow has nothing to say.
    return {begin, std::isfinite(log_sum) ? end : begin, log_sum};
}

}  // namespace mm
