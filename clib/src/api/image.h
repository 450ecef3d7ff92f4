// A host's pictures.
#pragma once

#include "image/decode.h"
#include "image/resize.h"
#include "multimodal.h"

namespace mm::api {

// Throws Error(INVALID_ARGUMENT).
PixelView checked_view(const mm_pixels& pixels);

}  // namespace mm::api
