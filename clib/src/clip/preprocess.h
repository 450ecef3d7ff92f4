// A picture of any size as the square that an image tower sees.
#pragma once

#include <cstdint>

#include "clip/recipe.h"
#include "image/decode.h"
#include "image/resize.h"
#include "runtime/exec.h"

namespace mm {

// out: RGB8 [size][size][3]. A picture of that size already comes out as it is. Throws Error(UNSUPPORTED) for a picture
// so long and narrow that its short side cannot be brought to size.
void preprocess(const Exec& exec, const ImageRecipe& recipe, const PixelView& picture, uint8_t* out);

}  // namespace mm
