#include "whisper/alignment_heads.h"

#include "runtime/immortal.h"

namespace mm {
namespace {

struct Published {
    int n_audio_layer, n_text_layer, n_text_head, n_vocab;
    std::vector<AlignmentHead> heads;
};

// _ALIGNMENT_HEADS of https://github.com/openai/whisper (whisper/__init__.py, MIT), decoded.
const std::vector<Published>& published() {
    return immortal([] {
        return std::vector<Published>{
            // clang-format off
            {4, 4, 6, 51864,  // tiny.en
             {{1, 0}, {2, 0}, {2, 5}, {3, 0}, {3, 1}, {3, 2}, {3, 3}, {3, 4}}},
            {4, 4, 6, 51865,  // tiny
             {{2, 2}, {3, 0}, {3, 2}, {3, 3}, {3, 4}, {3, 5}}},
            {6, 6, 8, 51864,  // base.en
             {{3, 3}, {4, 7}, {5, 1}, {5, 5}, {5, 7}}},
            {6, 6, 8, 51865,  // base
             {{3, 1}, {4, 2}, {4, 3}, {4, 7}, {5, 1}, {5, 2}, {5, 4}, {5, 6}}},
            {12, 12, 12, 51864,  // small.en
             {{6, 6}, {7, 0}, {7, 3}, {7, 8}, {8, 2}, {8, 5}, {8, 7}, {9, 0}, {9, 4}, {9, 8}, {9, 10}, {10, 0}, {10, 1},
              {10, 2}, {10, 3}, {10, 6}, {10, 11}, {11, 2}, {11, 4}}},
            {12, 12, 12, 51865,  // small
             {{5, 3}, {5, 9}, {8, 0}, {8, 4}, {8, 7}, {8, 8}, {9, 0}, {9, 7}, {9, 9}, {10, 5}}},
            {24, 24, 16, 51864,  // medium.en
             {{11, 4}, {14, 1}, {14, 12}, {14, 14}, {15, 4}, {16, 0}, {16, 4}, {16, 9}, {17, 12}, {17, 14}, {18, 7},
              {18, 10}, {18, 15}, {20, 0}, {20, 3}, {20, 9}, {20, 14}, {21, 12}}},
            {24, 24, 16, 51865,  // medium
             {{13, 15}, {15, 4}, {15, 15}, {16, 1}, {20, 0}, {23, 4}}},
            {32, 32, 20, 51865,  // large-v2, and large-v1, which has the same shape
             {{10, 12}, {13, 17}, {16, 11}, {16, 12}, {16, 13}, {17, 15}, {17, 16}, {18, 4}, {18, 11}, {18, 19},
              {19, 11}, {21, 2}, {21, 3}, {22, 3}, {22, 9}, {22, 12}, {23, 5}, {23, 7}, {23, 13}, {25, 5}, {26, 1},
              {26, 12}, {27, 15}}},
            {32, 32, 20, 51866,  // large-v3
             {{7, 0}, {10, 17}, {12, 18}, {13, 12}, {16, 1}, {17, 14}, {19, 11}, {21, 4}, {24, 1}, {25, 6}}},
            {32, 4, 20, 51866,  // large-v3-turbo
             {{2, 4}, {2, 11}, {3, 3}, {3, 6}, {3, 11}, {3, 14}}},
            // clang-format on
        };
    });
}

}  // namespace

std::vector<AlignmentHead> default_alignment_heads(const WhisperShape& shape) {
    for (const Published& model : published())
        if (model.n_audio_layer == shape.n_audio_layer && model.n_text_layer == shape.n_text_layer &&
            model.n_text_head == shape.n_text_head && model.n_vocab == shape.n_vocab)
            return model.heads;
    std::vector<AlignmentHead> heads;
    for (int layer = shape.n_text_layer / 2; layer < shape.n_text_layer; ++layer)
        for (int head = 0; head < shape.n_text_head; ++head) heads.push_back({layer, head});
    return heads;
}

}  // namespace mm
