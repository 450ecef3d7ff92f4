// Any bytes as a model file: opened, every tensor asked for, loaded as what it says it is, and run. make_seeds.py
// writes inputs to start from.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "clip/towers.h"
#include "model/model_file.h"
#include "runtime/error.h"
#include "whisper/inference.h"
#include "whisper/model.h"
#include "whisper/vad.h"

namespace {

// The vocabulary and the weights of the smallest model are megabytes of what a fuzzer had better not touch, nearly all
// of it zero in the seeds: in an input, kZeros and a number stand for so many zeros.
constexpr char kZeros[] = "<zeros>";
constexpr size_t kMostZeros = 8 << 20;

std::string expand(const uint8_t* data, size_t size) {
    const std::string input(reinterpret_cast<const char*>(data), size);
    constexpr size_t kMark = sizeof kZeros - 1, kNumber = sizeof(uint32_t);
    std::string file;
    size_t at = 0, zeros = 0;
    for (size_t mark; (mark = input.find(kZeros, at)) != std::string::npos && mark + kMark + kNumber <= size;) {
        uint32_t n;
        std::memcpy(&n, input.data() + mark + kMark, kNumber);
        n = static_cast<uint32_t>(std::min<size_t>(n, kMostZeros - zeros));
        zeros += n;
        file.append(input, at, mark - at).append(n, '\0');
        at = mark + kMark + kNumber;
    }
    return file.append(input, at, std::string::npos);
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

// As make_seeds.py's inputs must be.
void require_complete(bool ok) {
    static const bool seeds = std::getenv("MM_FUZZ_SEEDS") != nullptr;
    if (seeds && !ok) __builtin_trap();
}

void run_whisper(const std::shared_ptr<const mm::WhisperModel>& model) {
    const mm::WhisperShape& shape = model->shape;
    const mm::Exec exec = mm::make_exec(1, nullptr);
    const int ctx = std::min(shape.n_audio_ctx, 4), frames = 2 * ctx - 1;
    const std::vector<float> mel(static_cast<size_t>(frames) * static_cast<size_t>(shape.n_mels), 0.25f);
    const int32_t tokens[] = {0, shape.n_vocab - 1, 7};
    const int rows[] = {0, 2};
    mm::Inference inference(model, 2);
    inference.set_window(exec, mel.data(), frames, ctx);
    std::vector<float> logits(2 * static_cast<size_t>(shape.n_vocab));
    inference.prefill(exec, tokens, 3, 0, rows, 2, logits.data());
    const int parents[] = {0, 0};
    inference.reorder(exec, parents, 2);
    inference.step(exec, tokens, 2, logits.data());
    std::vector<float> weights(model->alignment_heads.size() * 3 * static_cast<size_t>(ctx));
    inference.align(exec, tokens, 3, weights.data(), nullptr);
    model->tokenizer->decode(model->tokenizer->encode(" a text of words").data(), 1);
}

void run_clip(const std::shared_ptr<const mm::ClipModel>& model) {
    const mm::Exec exec = mm::make_exec(1, nullptr);
    std::vector<float> out(2 * static_cast<size_t>(model->embedding_dim));
    constexpr int kSize = 64;  // larger ones only take longer
    if (model->image && model->recipe.image.size <= kSize) {
        const size_t size = static_cast<size_t>(model->recipe.image.size);
        mm::encode_images(exec, *model, std::vector<uint8_t>(2 * size * size * 3, 77).data(), 2, out.data());
    }
    if (model->text && model->text->context_length <= kSize) {
        const std::vector<int32_t> ids =
            model->tokenizer ? model->tokenizer->encode("The cat's caf\xc3\xa9", model->text->context_length)
                             : std::vector<int32_t>{0, model->text->n_vocab - 1};
        mm::encode_texts(exec, *model, {ids, ids}, out.data());
        if (model->tokenizer) model->tokenizer->decode(ids.data(), ids.size());
    }
    mm::normalize(out.data(), 2, model->embedding_dim);
    model->space_id(true);
}

void run_vad(const mm::Vad& vad) {
    mm::Vad::State state;
    const std::vector<float> window(mm::Vad::kWindow, 0.25f);
    for (int i = 0; i < 3; ++i) vad.process(state, window.data());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string bytes = expand(data, size);
    mm::Buffer<uint8_t> memory(bytes.size());  // aligned and of the exact size
    std::memcpy(memory.data(), bytes.data(), bytes.size());
    bool complete = false;
    attempt([&] {
        const auto file = mm::ModelFile::from_memory(memory.data(), memory.size(), "input");
        use_metadata(*file);
        if (file->architecture() == "silero-vad") {
            run_vad(mm::Vad(file));
        } else if (file->architecture() == "whisper") {
            run_whisper(mm::WhisperModel::load(file));
        } else if (file->architecture() == "clip") {
            run_clip(mm::ClipModel::load(file));
        }
        complete = true;
    });
    require_complete(complete);
    if (complete) return 0;
    attempt([&] { use_tensors(*mm::ModelFile::from_memory(memory.data(), memory.size(), "input")); });
    return 0;
}
