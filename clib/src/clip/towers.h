// The forward passes of a CLIP model. Every embedding is the same whatever else is in its batch.
#pragma once

#include <cstdint>
#include <vector>

#include "clip/model.h"
#include "runtime/exec.h"

namespace mm {

// images: n squares as preprocess makes them, RGB8; out: [n][embedding_dim].
void encode_images(const Exec& exec, const ClipModel& model, const uint8_t* images, int n, float* out);

// texts: ids as the tokenizer gives them, each 1 to context_length of them; out: [texts.size()][embedding_dim]. Throws
// Error(INVALID_ARGUMENT) where a text lacks the end token that is pooled.
void encode_texts(const Exec& exec, const ClipModel& model, const std::vector<std::vector<int32_t>>& texts, float* out);

// Scales each of n rows to length 1; zeros stay.
void normalize(float* rows, int n, int dim);

}  // namespace mm
