// A host's audio as the models hear it.
#pragma once

#include <cstddef>

#include "multimodal.h"
#include "runtime/exec.h"

namespace mm::api {

// Hands the whole chunk, which must have been checked, to `consume` in order as 16 kHz samples, in pieces of about a
// second: audio of any length needs no second copy. Throws Error(ABORTED) between two pieces.
void for_each_16khz_piece(const mm_audio_chunk& chunk, StopSignal& stop,
                          FunctionRef<void(const float*, size_t)> consume);

}  // namespace mm::api
