// Decoding one window into tokens, as openai/whisper's decoding.py specifies it: logit rules, greedy, sampling, beam
// search. Source of the rules: https://github.com/openai/whisper (MIT), restated here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "whisper/inference.h"

namespace mm {

struct DecodingOptions {
    int task = 0;
    int language = -1;            // index; ignored by English-only models
    std::vector<int32_t> prompt;  // previous text and initial prompt, without <|startofprev|>
    int beam_size = 5, best_of = 5;
    float patience = 1.0f, length_penalty = 0.0f;
    float temperature = 0.0f;
    bool suppress_blank = true;
    bool timestamps = true;
    float max_initial_timestamp = 1.0f;
    int audio_ctx = 1500;                  // of the window, in positions of 20 ms: no timestamp is beyond its end
    int max_new_tokens = 0;                // 0: n_text_ctx / 2
    std::vector<int32_t> suppress_tokens;  // resolved: control tokens included
    uint64_t seed = 0;
    // Called with each chosen token: live for one sequence, at the end of the window for several. Non-zero stops
    // (Error(ABORTED) is thrown).
    std::function<int(int32_t token, float probability)> on_token;
};

struct DecodingResult {
    std::vector<int32_t> tokens;       // without prompt and end of text; timestamps included
    std::vector<float> probabilities;  // of each token
    std::string text;
    float avg_logprob = 0, no_speech_prob = 0, compression_ratio = 0, temperature = 0;
};

// The window must have been set. Throws Error(ABORTED).
DecodingResult decode_window(const Exec& exec, Inference& inference, const DecodingOptions& options);

// Probability of each language, in index order, from the window that is set.
std::vector<float> language_probabilities(const Exec& exec, Inference& inference);

// bytes / bytes after zlib (level 6), as openai/whisper computes it; 0 for empty text.
float compression_ratio(const std::string& text);

// Appends what tells the model language and task: start of transcript and, for multilingual models, a token for each.
void append_start_sequence(const Tokenizer& tokenizer, int language, int task, std::vector<int32_t>& tokens);
// At most so many tokens surround the text in the pass that finds word times: these, no_timestamps and the end of text.
constexpr int kAlignmentTokens = 5;

// The tokens never produced: `requested` (null: non_speech_tokens) and the control tokens.
std::vector<int32_t> resolve_suppressed(const Tokenizer& tokenizer, const int32_t* requested, size_t n);

}  // namespace mm
