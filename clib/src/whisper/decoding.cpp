#include "whisper/decoding.h"

#include <algorithm>

#include "runtime/error.h"
#include "runtime/memory.h"
#include "runtime/utf8.h"
#include "whisper/search.h"

namespace mm {

namespace {

class InferenceModel : public TokenModel {
  public:
    InferenceModel(const Exec& exec, Inference& inference) : exec_(exec), inference_(inference) {}
    void prefill(const int32_t* tokens, int n, const int* rows, int n_rows, float* logits) override {
        inference_.prefill(exec_, tokens, n, 0, rows, n_rows, logits);
    }
    void reorder(const int* parents, int n) override { inference_.reorder(exec_, parents, n); }
    void step(const int32_t* tokens, int n, float* logits) override { inference_.step(exec_, tokens, n, logits); }

  private:
    const Exec& exec_;
    Inference& inference_;
};

// What comes before the window's text. start: index of the start-of-transcript token.
struct Prompt {
    std::vector<int32_t> tokens;
    int start;
};

Prompt make_prompt(const Tokenizer& tokenizer, int n_text_ctx, const DecodingOptions& options) {
    Prompt prompt{};
    if (!options.prompt.empty()) {
        const size_t n = std::min(options.prompt.size(), static_cast<size_t>(n_text_ctx / 2 - 1));
        prompt.tokens.push_back(tokenizer.sot_prev());
        prompt.tokens.insert(prompt.tokens.end(), options.prompt.end() - static_cast<std::ptrdiff_t>(n),
                             options.prompt.end());
    }
    prompt.start = static_cast<int>(prompt.tokens.size());
    append_start_sequence(tokenizer, options.language, options.task, prompt.tokens);
    if (!options.timestamps) prompt.tokens.push_back(tokenizer.no_timestamps());
    return prompt;
}

// Room is left in the context for the prompt, and for all of the text in the pass that finds word times.
int token_budget(const Prompt& prompt, int n_text_ctx, int max_new_tokens) {
    const int prompted = static_cast<int>(prompt.tokens.size());
    const int wanted = max_new_tokens > 0 ? max_new_tokens : n_text_ctx / 2;
    return std::max(1, std::min({wanted, n_text_ctx + 1 - prompted, n_text_ctx - kAlignmentTokens}));
}

float probability(const Kernels& kernels, float log_probability) {
    kernels.exp(&log_probability, 1, &log_probability);
    return log_probability;
}

}  // namespace

void append_start_sequence(const Tokenizer& tokenizer, int language, int task, std::vector<int32_t>& tokens) {
    tokens.push_back(tokenizer.sot());
    if (!tokenizer.multilingual()) return;
    tokens.push_back(tokenizer.language_token(language));
    tokens.push_back(task == MM_TASK_TRANSLATE ? tokenizer.translate() : tokenizer.transcribe());
}

DecodingResult decode(const Kernels& kernels, TokenModel& model, const Tokenizer& tokenizer, int n_text_ctx,
                      const DecodingOptions& options) {
    const Prompt prompt = make_prompt(tokenizer, n_text_ctx, options);
    const bool beams = options.temperature == 0.0f && options.beam_size > 1;
    const int sequences = beams ? options.beam_size : options.temperature == 0.0f ? 1 : options.best_of;
    const size_t n_vocab = static_cast<size_t>(tokenizer.n_vocab());
    Buffer<float> logits(n_vocab * static_cast<size_t>(std::max(2, sequences)));

    // Logits at the start of transcript, for the probability of silence, and after the last token, for the first one.
    const int last = static_cast<int>(prompt.tokens.size()) - 1;
    const int rows[2] = {prompt.start, last};
    const int n_rows = prompt.start == last ? 1 : 2;
    model.prefill(prompt.tokens.data(), last + 1, rows, n_rows, logits.data());
    DecodingResult result;
    result.no_speech_prob = probability(kernels, logits[static_cast<size_t>(tokenizer.no_speech())] -
                                                     kernels.log_sum_exp(logits.data(), tokenizer.n_vocab()));
    if (n_rows == 2) std::copy_n(logits.data() + n_vocab, n_vocab, logits.data());

    const LogitRules rules(kernels, tokenizer, options);
    const Search search{kernels,
                        model,
                        rules,
                        options,
                        tokenizer.n_vocab(),
                        tokenizer.eot(),
                        tokenizer.timestamp_begin(),
                        token_budget(prompt, n_text_ctx, options.max_new_tokens),
                        logits.data()};
    std::vector<Hypothesis> hypotheses = beams ? beam_search(search) : sample(search, sequences);
    Hypothesis& best = hypotheses[most_likely(hypotheses, options.length_penalty)];

    result.temperature = options.temperature;
    result.avg_logprob = static_cast<float>(best.sum_logprob / static_cast<double>(best.tokens.size() + 1));
    result.tokens = std::move(best.tokens);
    result.probabilities = std::move(best.logprobs);
    kernels.exp(result.probabilities.data(), static_cast<int>(result.probabilities.size()),
                result.probabilities.data());
    result.text = strip(tokenizer.decode(result.tokens.data(), result.tokens.size()));
    result.compression_ratio = compression_ratio(result.text);
    for (size_t i = 0; sequences > 1 && options.on_token && i < result.tokens.size(); ++i) {
        if (options.on_token(result.tokens[i], result.probabilities[i]) != 0)
            fail(MM_ERROR_ABORTED, "stopped by on_token");
    }
    return result;
}

DecodingResult decode_window(const Exec& exec, Inference& inference, const DecodingOptions& options) {
    InferenceModel model(exec, inference);
    return decode(*exec.kernels, model, *inference.model().tokenizer, inference.model().shape.n_text_ctx, options);
}

std::vector<float> language_probabilities(const Exec& exec, Inference& inference) {
    const Tokenizer& tokenizer = *inference.model().tokenizer;
    const int32_t sot = tokenizer.sot();
    const int row = 0;
    Buffer<float> logits(static_cast<size_t>(tokenizer.n_vocab()));
    inference.prefill(exec, &sot, 1, 0, &row, 1, logits.data());
    const float* first = logits.data() + tokenizer.language_token(0);
    std::vector<float> probabilities(first, first + tokenizer.n_languages());
    exec.kernels->softmax(probabilities.data(), probabilities.size(), 1, tokenizer.n_languages());
    return probabilities;
}

std::vector<int32_t> resolve_suppressed(const Tokenizer& tokenizer, const int32_t* requested, size_t n) {
    std::vector<int32_t> tokens =
        requested ? std::vector<int32_t>(requested, requested + n) : tokenizer.non_speech_tokens();
    for (const int token : {tokenizer.transcribe(), tokenizer.translate(), tokenizer.sot(), tokenizer.sot_prev(),
                            tokenizer.sot_lm(), tokenizer.no_speech()})
        tokens.push_back(token);
    std::sort(tokens.begin(), tokens.end());
    tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
    return tokens;
}

}  // namespace mm
