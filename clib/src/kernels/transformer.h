// Transformer blocks with the norm in front (pre-LN), as in Whisper's encoder and both towers of CLIP.
#pragma once

#include <vector>

#include "kernels/layers.h"
#include "runtime/memory.h"

namespace mm {

struct AttentionWeights {
    Norm norm;
    Linear query, key, value, out;
};

struct TransformerBlock {
    AttentionWeights self;
    Norm mlp_norm;
    Linear mlp_in, mlp_out;
};

struct TransformerShape {
    int width, heads, mlp_width;
    Activation activation;
};

// Which rows attend to each other: `count` sequences of `length` rows each, one behind the other. Each row sees its
// whole sequence or, if causal, what stands before it, and itself. No result depends on the other sequences.
struct Sequences {
    int count, length;
    bool causal;
};

// Runs the blocks over x [count * length][width], in place.
void transform(const Exec& exec, const TransformerShape& shape, const std::vector<TransformerBlock>& blocks,
               const Sequences& sequences, Rows x);

}  // namespace mm
