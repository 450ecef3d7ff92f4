// A Whisper model: immutable once open, shared by any number of threads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/transformer.h"
#include "model/model_file.h"
#include "whisper/tokenizer.h"

namespace mm {

struct DecoderLayer {
    AttentionWeights self, cross;
    Norm mlp_norm;
    Linear mlp_in, mlp_out;
};

struct WhisperShape {
    int n_mels, n_audio_ctx, n_audio_state, n_audio_head, n_audio_layer;
    int n_text_ctx, n_text_state, n_text_head, n_text_layer, n_vocab;
};

struct AlignmentHead {
    int layer, head;
};

struct WhisperModel {
    std::shared_ptr<ModelFile> file;  // owns all the memory below
    WhisperShape shape;
    std::unique_ptr<Tokenizer> tokenizer;
    const float* mel_filters;  // [n_mels][201]
    std::vector<AlignmentHead> alignment_heads;

    Linear conv1, conv2;
    const float* audio_positions;  // [n_audio_ctx][n_audio_state]
    std::vector<TransformerBlock> encoder;
    Norm encoder_norm;

    Panels token_embedding;       // [n_vocab][n_text_state]: rows are embeddings, the whole is the output projection
    const float* text_positions;  // [n_text_ctx][n_text_state]
    std::vector<DecoderLayer> decoder;
    Norm decoder_norm;

    // Throws Error: IO, BAD_MODEL, UNSUPPORTED, NO_MEMORY.
    static std::shared_ptr<const WhisperModel> open(const std::string& path, const char* sha256, bool lock_memory);
    // The same from a file that is open.
    static std::shared_ptr<const WhisperModel> load(std::shared_ptr<ModelFile> file);
};

}  // namespace mm
