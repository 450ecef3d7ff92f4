// A CLIP model: an image tower, a text tower, or both, that map into one space. Immutable once open, shared by any
// number of threads.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "clip/recipe.h"
#include "clip/tokenizer.h"
#include "kernels/transformer.h"
#include "model/model_file.h"

namespace mm {

struct Tower {
    TransformerShape shape;
    const float* positions = nullptr;  // [tokens][width]
    std::vector<TransformerBlock> blocks;
    Norm post_norm;
    Linear projection;  // to the space; without weights where the width is the space's already
};

// SigLIP's pooling: a learned query attends to all patches, and a perceptron follows.
struct AttentionPool {
    const float* probe = nullptr;  // [width]
    Linear query, key, value, out;
    Norm norm;
    Linear mlp_in, mlp_out;
};

struct ImageTower : Tower {
    int patch_size, patches;                 // patches in all
    const float* class_embedding = nullptr;  // [width], in front of the patches; null: there is none
    Linear patch_embedding;                  // columns (row * patch_size + column) * 3 + channel
    Norm pre_norm;                           // without gamma: there is none
    AttentionPool pool;                      // of ImagePooling::map
    float pixel[3][256];                     // value of a channel's sample, normalised
    int tokens() const { return patches + (class_embedding ? 1 : 0); }
};

struct TextTower : Tower {
    int context_length, n_vocab;
    Panels token_embedding;  // [n_vocab][width]: rows are embeddings
};

class ClipModel {
  public:
    std::shared_ptr<ModelFile> file;  // owns all the memory below
    ClipRecipe recipe;
    int embedding_dim;
    std::unique_ptr<const ImageTower> image;
    std::unique_ptr<const TextTower> text;
    std::unique_ptr<const ClipTokenizer> tokenizer;  // null: the file carries none

    ClipModel() = default;
    ~ClipModel() { delete space_.load(); }

    // Throws Error: IO, BAD_MODEL, UNSUPPORTED, NO_MEMORY.
    static std::shared_ptr<const ClipModel> open(const std::string& path, const char* sha256, bool lock_memory);
    // The same from a file that is open.
    static std::shared_ptr<const ClipModel> load(std::shared_ptr<ModelFile> file);

    // 16 hexadecimal digits that two embeddings share only if they lie in one space and were normalised alike: of the
    // file's SHA-256 (which takes a reading of the file, once) and of the recipe.
    std::string space_id(bool normalized) const;

  private:
    mutable std::atomic<const std::string*> space_{nullptr};  // the file's digest, when it is known
};

}  // namespace mm
