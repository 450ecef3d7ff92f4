// Any bytes as a model file: opened, then loaded as what it says it is, with every tensor asked for. make_seeds.py
// writes inputs to start from.
#include <cstring>
#include <string>

#include "model/model_file.h"
#include "runtime/error.h"
#include "whisper/model.h"
#include "whisper/vad.h"

namespace {

// ggml files begin with 64 kB of mel filters and 50257 tokens, in which nothing can be found: an input has only the
// header and the two sizes that announce them, and what they announce (as far as it is sane) is put in here.
std::string with_filters_and_tokens(const uint8_t* data, size_t size) {
    constexpr size_t kHeader = 4 + 11 * 4, kSizes = 3 * 4;
    std::string file(reinterpret_cast<const char*>(data), size);
    if (size < kHeader + kSizes || file.compare(0, 4, "lmgg") != 0) return file;
    int32_t sizes[3];  // mels, frequencies, tokens
    std::memcpy(sizes, data + kHeader, kSizes);
    const auto sane = [](int32_t n, int32_t most) { return n < 0 || n > most ? size_t{0} : static_cast<size_t>(n); };
    file.insert(kHeader + kSizes, sane(sizes[2], 52000) * 4, '\0');
    file.insert(kHeader + 2 * 4, sane(sizes[0], 128) * sane(sizes[1], 201) * 4, '\0');
    return file;
}

template <typename Use>
void attempt(const Use& use) {
    try {
        use();
    } catch (const mm::Error&) {
    }
}

// The model's own hyperparameters as sizes, so that a small input can have tensors that fit.
void use_tensors(mm::ModelFile& file) {
    int width = 16, mels = 80;
    attempt([&] { width = static_cast<int>(file.integer("whisper.n_text_state", 1, 1 << 14)); });
    attempt([&] { mels = static_cast<int>(file.integer("whisper.n_mels", 1, 1 << 10)); });
    float row[16 * 16];
    for (const char* name : {"encoder.conv1.weight", "decoder.token_embedding.weight", "a", "b", "c"}) {
        attempt([&] { file.vector(name, static_cast<size_t>(width)); });
        attempt([&] { file.convolution(name, width, mels, 3); });
        attempt([&] {
            const mm::Panels panels = file.matrix(name, width, width);
            if (width <= 16 * 16) mm::panel_row(panels, width - 1, row);
        });
    }
}

void use_metadata(const mm::ModelFile& file) {
    for (const char* key : {"general.name", "a", "b", "whisper.alignment_heads", "tokenizer.ggml.tokens"}) {
        attempt([&] { file.integer(key, 0, 1 << 20); });
        attempt([&] { file.number(key); });
        attempt([&] { file.boolean(key); });
        attempt([&] { file.string(key); });
        attempt([&] { file.integers(key); });
        attempt([&] { file.strings(key); });
    }
    attempt([&] { file.check_finite(); });
    file.weight_type();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string bytes = with_filters_and_tokens(data, size);
    mm::Buffer<uint8_t> memory(bytes.size());  // aligned and of the exact size
    std::memcpy(memory.data(), bytes.data(), bytes.size());
    attempt([&] {
        const auto file = mm::ModelFile::from_memory(memory.data(), memory.size(), "input");
        use_metadata(*file);
        use_tensors(*file);
        if (file->architecture() == "silero-vad")
            mm::Vad vad(file);
        else
            mm::WhisperModel::load(file);
    });
    return 0;
}
