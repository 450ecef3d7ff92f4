// mm_transcribe_options, checked, with defaults filled in, and independent of the caller's memory.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "multimodal.h"
#include "whisper/model.h"

namespace mm {

struct TranscribeOptions {
    int task;
    int language;  // index; -1: detect, or the only one of an English-only model
    std::string initial_prompt;
    int threads;
    int beam_size, best_of;
    float patience, length_penalty;
    std::vector<float> temperatures;
    float compression_ratio_threshold, log_prob_threshold, no_speech_threshold, prompt_reset_on_temperature;
    bool condition_on_previous_text, suppress_blank, timestamps;
    std::vector<int32_t> suppress_tokens;
    float max_initial_timestamp;
    int max_new_tokens;
    bool word_timestamps;
    std::string prepend_punctuations, append_punctuations;
    float hallucination_silence_threshold;  // 0: off
    bool vad_filter;
    mm_vad_options vad;
    int audio_ctx;
    uint64_t seed;
    mm_token_callback on_token;
    mm_segment_callback on_segment;
    mm_progress_callback on_progress;
    mm_abort_callback should_abort;
    void* user_data;
};

// `options` may be null (all defaults). Throws Error(INVALID_ARGUMENT, UNSUPPORTED) naming the field, its value and
// what it may be.
TranscribeOptions resolve_transcribe_options(const mm_transcribe_options* options, const WhisperModel& model);

// The defaults, explicitly; struct_size is set by the caller.
void default_transcribe_options(mm_transcribe_options& options);

}  // namespace mm
