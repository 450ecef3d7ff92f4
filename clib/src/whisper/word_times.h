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

// A segment of the window, for add_word_times.
struct TimedSegment {
    double start, end;                 // seconds from the start of the audio; moved to the words
    std::vector<int32_t> text_tokens;  // no special ones
    std::vector<WordTiming> words;     // set: times in seconds from the start of the audio
};

// Aligns the text of a window's segments, all at once, and gives each segment its words: punctuation merged, and
// openai/whisper's corrections applied (words much longer than the median are cut at sentence ends, first and last
// words are fitted to the segment's own times). time_offset: where the window starts; last_speech: where the last word
// before it ended, both in seconds from the start of the audio. frames: mel frames of the window that are real audio.
void add_word_times(const Exec& exec, Inference& inference, std::vector<TimedSegment>& segments, int language, int task,
                    int frames, const std::string& prepended, const std::string& appended, double time_offset,
                    double last_speech);

// The part of add_word_times that follows find_alignment; words: its result, which is used up.
void give_words(std::vector<WordTiming>& words, std::vector<TimedSegment>& segments, const std::string& prepended,
                const std::string& appended, double time_offset, double last_speech);

// Softmax of the alignment heads over audio positions: weights[head][row][stride], of which `columns` are audio.
struct HeadAttention {
    float* data;
    size_t stride;
    int heads, rows, columns;
    float* row(int head, int r) const {
        return data + (static_cast<size_t>(head) * static_cast<size_t>(rows) + static_cast<size_t>(r)) * stride;
    }
};

// When each of `n` rows from `first` on begins to be said, in seconds. The weights are normalised in place.
std::vector<double> token_times(const Exec& exec, const HeadAttention& weights, int first, int n);

// The monotonic path of least cost through cost[rows][columns]: text index and time index of each step.
struct DtwPath {
    std::vector<int> text, time;
};
// Among equals it stays in its row, else goes diagonally. (openai/whisper stays in the row also where the two other
// ways cost the same and less, which takes exact ties to notice.)
DtwPath dtw(const float* cost, int rows, int columns);

}  // namespace mm
