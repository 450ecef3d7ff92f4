// Verifying model files.
#include "clip/model.h"

#include "api/guard.h"
#include "api/json.h"
#include "api/whisper.h"
#include "model/model_file.h"
#include "model/sha256.h"
#include "runtime/text.h"
#include "whisper/vad.h"

namespace mm::api {
namespace {

std::string whisper_hyperparameters(const WhisperShape& shape) {
    return JsonObject()
        .number("n_mels", shape.n_mels)
        .number("n_audio_ctx", shape.n_audio_ctx)
        .number("n_audio_state", shape.n_audio_state)
        .number("n_audio_head", shape.n_audio_head)
        .number("n_audio_layer", shape.n_audio_layer)
        .number("n_text_ctx", shape.n_text_ctx)
        .number("n_text_state", shape.n_text_state)
        .number("n_text_head", shape.n_text_head)
        .number("n_text_layer", shape.n_text_layer)
        .number("n_vocab", shape.n_vocab)
        .str();
}

std::string clip_hyperparameters(const ClipModel& model) {
    JsonObject json;
    json.number("embedding_dim", model.embedding_dim);
    const auto tower = [&](const std::string& name, const Tower& t) {
        json.number((name + "_width").c_str(), t.shape.width)
            .number((name + "_heads").c_str(), t.shape.heads)
            .number((name + "_layers").c_str(), static_cast<int64_t>(t.blocks.size()));
    };
    if (model.image) {
        json.number("image_size", model.recipe.image.size).number("patch_size", model.image->patch_size);
        tower("image", *model.image);
    }
    if (model.text) {
        json.number("context_length", model.text->context_length).number("n_vocab", model.text->n_vocab);
        tower("text", *model.text);
    }
    return json.str();
}

// Opens the file as what it says it is, which checks all there is to check.
std::string report(const char* path, const char* sha256) {
    const std::shared_ptr<ModelFile> file = ModelFile::open(path);
    if (sha256) check_sha256(file->data(), file->size(), sha256, file->name());
    file->check_finite();
    JsonObject json;
    if (file->architecture() == "whisper") {
        const auto model = WhisperModel::load(file);
        json.text("kind", "speech")
            .raw("hyperparameters", whisper_hyperparameters(model->shape))
            .boolean("multilingual", model->tokenizer->multilingual());
    } else if (file->architecture() == "silero-vad") {
        const Vad vad(file);
        json.text("kind", "voice activity").raw("hyperparameters", "{}");
    } else if (file->architecture() == "clip") {
        json.text("kind", "images and texts").raw("hyperparameters", clip_hyperparameters(*ClipModel::load(file)));
    } else {
        fail(MM_ERROR_UNSUPPORTED, "%s: architecture \"%s\" is none that this library runs (whisper, clip, silero-vad)",
             file->name().c_str(), printable(file->architecture()).c_str());
    }
    return json.text("architecture", file->architecture())
        .text("format", file->format())
        .text("weight_type", file->weight_type())
        .boolean("mapped", file->in_place())
        .number("weight_bytes", static_cast<int64_t>(file->weight_bytes()))
        .number("file_bytes", static_cast<int64_t>(file->size()))
        .text("sha256", sha256_hex(file->data(), file->size()))
        .str();
}

}  // namespace
}  // namespace mm::api

using namespace mm::api;

mm_status mm_model_verify(const char* path, const char* sha256, char** json, char** error_out) {
    clear(json);
    return guard(error_out, [&] {
        MM_REQUIRE(path);
        MM_REQUIRE(json);
        *json = hand_out(report(path, sha256));
    });
}
