// Words of a window's segments, and what their times tell: where the next window starts, and which segments were
// probably made up in silence.
#pragma once

#include <cstdint>
#include <vector>

#include "whisper/inference.h"
#include "whisper/transcribe.h"
#include "whisper/transcribe_options.h"

namespace mm {

struct WordSegments {
    const Exec& exec;
    Inference& inference;
    const TranscribeOptions& options;
    int language;
    int64_t window_start;    // mel frames
    int segment_size;        // mel frames of the window that are audio
    int64_t content_frames;  // known so far; enough to look as far ahead as the silence threshold

    // Adds words to the segments, moves segment borders to them, removes what looks made up. `seek`: the next window's
    // start by the timestamp tokens; returns the one by the words. `last_speech`: end of the last word, in seconds.
    int64_t add(std::vector<Segment>& segments, bool single_timestamp_ending, int64_t seek, double& last_speech) const;
};

}  // namespace mm
