// How a model wants its pictures and texts: what model files carry beside the weights. docs/model-files.md has the keys
// and what files of clip.cpp, which lack most of them, get in their place.
#pragma once

#include <string>

#include "image/resize.h"
#include "kernels/kernels.h"
#include "model/model_file.h"

namespace mm {

enum class ImagePooling { cls, mean, map };
enum class TextPooling { eot, last };

struct ImageRecipe {
    int size;             // of the square that the tower sees, in pixels
    bool squash;          // resized to the square; else the short side is, and the middle cut out
    bool crop_half_even;  // that cut starts at the nearest pixel, half to even; else it is rounded down
    Filter filter;
    bool exif_orientation;  // turned first as EXIF says
    float mean[3], std[3];  // (value / 255 - mean) / std
    ImagePooling pooling;
};

struct TextRecipe {
    TextPooling pooling;
    bool causal;  // each token sees those before it, and itself
    bool pad;     // filled up to the context, and all of it computed
    int pad_token_id;
};

struct ClipRecipe {
    Activation activation;
    float logit_scale, logit_bias;
    bool sigmoid;       // of logits, in place of softmax
    ImageRecipe image;  // of models with an image tower
    TextRecipe text;    // of models with a text tower
};

// Throws Error(BAD_MODEL, UNSUPPORTED).
ClipRecipe read_recipe(const ModelFile& file, bool has_image, bool has_text);

// All that decides where an embedding lies, in a fixed form; has_* as above.
std::string describe(const ClipRecipe& recipe, bool has_image, bool has_text);

}  // namespace mm
