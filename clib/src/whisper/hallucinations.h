// Text that was probably made up in silence, as openai/whisper finds it (transcribe.py,
// hallucination_silence_threshold).
#pragma once

#include <cstdint>
#include <vector>

#include "whisper/transcribe.h"

namespace mm {

// Where a window lies, in mel frames.
struct Window {
    int64_t start;
    int length;       // of a full window
    int audio;        // of it, what is audio
    int64_t content;  // of the whole audio, known so far; enough to look as far ahead as `silence`
    double silence;   // seconds: so much around suspect text is skipped with it
};

// Removes segments (which have words) that look made up. `seek`: where the next window would start; returns where it
// shall. `last_speech`: end of the last word before the window, in seconds.
int64_t skip_hallucinations(const Window& window, std::vector<Segment>& segments, bool single_timestamp_ending,
                            int64_t seek, double last_speech);

// End of the last word, in seconds; negative if there is none.
double last_word_end(const std::vector<Segment>& segments);

}  // namespace mm
