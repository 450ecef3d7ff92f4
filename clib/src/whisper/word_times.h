// Word times by dynamic time warping over the cross-attention of the alignment heads, as openai/whisper's timing.py.
#pragma once

#include <string>
#include <vector>

#include "whisper/inference.h"

namespace mm {

struct WordTiming {
    std::string text;
    std::vector<int32_t> tokens;
    double start, end;  // seconds from the start of the window
    float probability;
};

// Alignment of text tokens (no special ones) with the window that is set. `frames`: mel frames that are real audio.
std::vector<WordTiming> find_alignment(const Exec& exec, Inference& inference, const std::vector<int32_t>& text_tokens,
                                       int language, int task, int frames);

// Joins punctuation to its word, in place (words that were merged away become empty).
void merge_punctuations(std::vector<WordTiming>& words, const std::string& prepended, const std::string& appended);

// The monotonic path of least cost through cost[rows][columns]: text index and time index of each step.
struct DtwPath {
    std::vector<int> text, time;
};
DtwPath dtw(const float* cost, int rows, int columns);

}  // namespace mm
