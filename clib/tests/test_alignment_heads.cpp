// The heads that word times are read from, where the file does not name them.
#include "check.h"
#include "whisper/alignment_heads.h"

namespace {

mm::WhisperShape shape(int audio_layers, int text_layers, int heads, int n_vocab) {
    mm::WhisperShape s{};
    s.n_audio_layer = audio_layers;
    s.n_text_layer = text_layers;
    s.n_text_head = heads;
    s.n_vocab = n_vocab;
    return s;
}

void alignment_heads_follow_from_the_shape() {
    const auto tiny_en = mm::default_alignment_heads(shape(4, 4, 6, 51864));
    CHECK(tiny_en.size() == 8 && tiny_en[2].layer == 2 && tiny_en[2].head == 5);
    const auto base = mm::default_alignment_heads(shape(6, 6, 8, 51865));
    CHECK(base.size() == 8 && base[0].layer == 3 && base[0].head == 1 && base[7].layer == 5 && base[7].head == 6);
    CHECK(mm::default_alignment_heads(shape(32, 32, 20, 51865)).size() == 23);  // large-v2
    CHECK(mm::default_alignment_heads(shape(32, 32, 20, 51866)).size() == 10);  // large-v3
    CHECK(mm::default_alignment_heads(shape(32, 4, 20, 51866)).size() == 6);    // turbo
    const auto distil = mm::default_alignment_heads(shape(32, 2, 20, 51865));   // not published: last half of layers
    CHECK(distil.size() == 20 && distil[0].layer == 1 && distil[19].head == 19);
    const int layers[] = {4, 6, 12, 24, 32}, heads[] = {6, 8, 12, 16, 20};
    for (int i = 0; i < 5; ++i)
        for (const int n_vocab : {51864, 51865, 51866})
            for (const mm::AlignmentHead& h :
                 mm::default_alignment_heads(shape(layers[i], layers[i], heads[i], n_vocab)))
                CHECK(h.layer >= 0 && h.layer < layers[i] && h.head >= 0 && h.head < heads[i]);
}

}  // namespace

int main() {
    alignment_heads_follow_from_the_shape();
    return finish("test_alignment_heads");
}
