// The cross-attention heads that word times are read from, for models whose file does not name them.
#pragma once

#include <vector>

#include "whisper/model.h"

namespace mm {

// The heads openai/whisper publishes for the model of this shape (large-v1 and large-v2 have the same shape: v2's), or,
// as openai/whisper does for other models, all heads of the last half of the decoder layers.
std::vector<AlignmentHead> default_alignment_heads(const WhisperShape& shape);

}  // namespace mm
