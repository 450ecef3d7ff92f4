// Checks of samples that come from a host.
#pragma once

#include "multimodal.h"
#include "runtime/exec.h"

namespace mm {

// Throws Error(INVALID_ARGUMENT) that names what is wrong (rate, NULL samples, index of the first bad sample), or
// Error(ABORTED). stop may be null.
void check_chunk(const mm_audio_chunk& chunk, StopSignal* stop);

}  // namespace mm
