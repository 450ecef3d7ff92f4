#include "clip/preprocess.h"

#include <algorithm>

#include "runtime/error.h"

namespace mm {
namespace {

constexpr int64_t kMaxSide = 1 << 24;  // of the resized picture, of which only the middle is computed

// Where a cut of `size` pixels starts in `length`. transformers rounds down; OpenAI's transform, which is
// torchvision's, rounds to the nearest, half to even.
int crop_start(int length, int size, bool half_even) {
    const int spare = length - size, start = spare / 2;
    return start + (half_even && spare % 2 == 1 && start % 2 == 1);
}

}  // namespace

void preprocess(const Exec& exec, const ImageRecipe& recipe, const PixelView& picture, uint8_t* out) {
    const int size = recipe.size;
    if (recipe.squash) {
        resize(exec, picture, size, size, recipe.filter, 0, 0, size, size, out);
        return;
    }
    // Both references cut off the fraction of the long side: int(size * long / short).
    const int64_t short_side = std::min(picture.width, picture.height);
    const int64_t long_side = int64_t{size} * std::max(picture.width, picture.height) / short_side;
    if (long_side > kMaxSide)
        fail(MM_ERROR_UNSUPPORTED, "a picture of %d x %d pixels would be %lld pixels long when its short side is %d",
             picture.width, picture.height, static_cast<long long>(long_side), size);
    const int length = static_cast<int>(long_side), start = crop_start(length, size, recipe.crop_half_even);
    if (picture.width < picture.height)
        resize(exec, picture, size, length, recipe.filter, 0, start, size, size, out);
    else
        resize(exec, picture, length, size, recipe.filter, start, 0, size, size, out);
}

}  // namespace mm
