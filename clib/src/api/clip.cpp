// The CLIP model: opening it, what it is, embeddings, preprocessing and tokens.
#include <algorithm>
#include <string>
#include <vector>

#include "api/guard.h"
#include "api/handles.h"
#include "api/image.h"
#include "api/options.h"
#include "api/run.h"
#include "clip/preprocess.h"
#include "clip/towers.h"

namespace mm::api {
namespace {

constexpr size_t kMaxBatch = 1 << 20;  // inputs of one call
constexpr int kSquares = 16;           // preprocessed pictures that are held at a time

auto& models() {
    return immortal([] { return HandleTable<mm_clip, const ClipModel>("mm_clip"); });
}

struct ClipOptions {
    bool normalize;
    DecodeOptions decode;
};

ClipOptions read_options(const ClipModel& model, const mm_clip_options* given) {
    const mm_clip_options o = read_struct(given);
    ClipOptions options;
    options.normalize = read_switch(o.normalize, true, "normalize");
    options.decode.exif_orientation =
        read_switch(o.exif_orientation, model.recipe.image.exif_orientation, "exif_orientation");
    if (o.max_pixels != 0) options.decode.max_pixels = o.max_pixels;
    return options;
}

const char* weight_type(const ClipModel& model) {
    const DType type = model.image ? model.image->patch_embedding.w.type : model.text->token_embedding.type;
    return type == DType::f16 ? "f16" : "f32";
}

void require_image_tower(const ClipModel& model) {
    if (!model.image)
        fail(MM_ERROR_UNSUPPORTED, "%s has no image tower: it embeds texts only", model.file->name().c_str());
}
void require_text_tower(const ClipModel& model) {
    if (!model.text)
        fail(MM_ERROR_UNSUPPORTED, "%s has no text tower: it embeds images only", model.file->name().c_str());
}
void require_tokenizer(const ClipModel& model) {
    require_text_tower(model);
    if (!model.tokenizer)
        fail(MM_ERROR_UNSUPPORTED,
             "%s carries no tokenizer (this release has that of CLIP, not SentencePiece): hand in token ids with "
             "mm_clip_encode_tokens",
             model.file->name().c_str());
}

void check_tokens(const ClipModel& model, const int32_t* tokens, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        if (tokens[i] < 0 || tokens[i] >= model.text->n_vocab)
            fail(MM_ERROR_INVALID_ARGUMENT, "tokens[%zu] is %d: ids of this model are 0 to %d", i, tokens[i],
                 model.text->n_vocab - 1);
    }
}

// Runs work(i) for each input of a batch; where one is at fault, the message says which.
template <typename Work>
void for_each_input(const char* name, size_t from, size_t to, size_t n, const Work& work) {
    for (size_t i = from; i < to; ++i) {
        try {
            work(i);
        } catch (const Error& error) {
            if (n == 1) throw;
            fail(error.status(), "%s[%zu]: %s", name, i, error.what());
        }
    }
}

void check_count(size_t n, const char* name) {
    if (n > kMaxBatch) fail(MM_ERROR_INVALID_ARGUMENT, "%zu %s in one call; at most %zu are taken", n, name, kMaxBatch);
}

void hand_out_embeddings(const ClipModel& model, bool normalized, size_t n, Buffer<float>& embeddings, float** out,
                         size_t* out_len) {
    if (normalized) normalize(embeddings.data(), static_cast<int>(n), model.embedding_dim);
    *out_len = n * static_cast<size_t>(model.embedding_dim);
    *out = embeddings.release();
}

// prepare(i, square) makes the square of picture i.
template <typename Prepare>
void embed_images(const ClipModel& model, const ClipOptions& options, Run& run, size_t n, const Prepare& prepare,
                  float** out, size_t* out_len) {
    const size_t size = static_cast<size_t>(model.recipe.image.size), square = size * size * 3;
    const size_t dim = static_cast<size_t>(model.embedding_dim);
    Buffer<float> embeddings(n * dim);
    Buffer<uint8_t> squares(std::min<size_t>(n, kSquares) * square);
    for (size_t from = 0, to; from < n; from = to) {
        to = std::min<size_t>(n, from + kSquares);
        for_each_input("images", from, to, n, [&](size_t i) { prepare(i, squares.data() + (i - from) * square); });
        encode_images(run.exec(), model, squares.data(), static_cast<int>(to - from), embeddings.data() + from * dim);
    }
    hand_out_embeddings(model, options.normalize, n, embeddings, out, out_len);
}

void prepare_encoded(const ClipModel& model, const ClipOptions& options, Run& run, const mm_bytes& bytes,
                     uint8_t* square) {
    if (bytes.len > 0 && !bytes.data) fail(MM_ERROR_INVALID_ARGUMENT, "data is NULL, but len is %zu", bytes.len);
    const Image image = decode_image(bytes.data, bytes.len, options.decode, &run.stop());
    preprocess(run.exec(), model.recipe.image, view(image), square);
}

void prepare_pixels(const ClipModel& model, const Run& run, const mm_pixels& pixels, uint8_t* square) {
    preprocess(run.exec(), model.recipe.image, checked_view(pixels), square);
}

// prepare(square) makes it.
template <typename Prepare>
void hand_out_square(const ClipModel& model, const Prepare& prepare, uint8_t** out, size_t* out_len) {
    const size_t size = static_cast<size_t>(model.recipe.image.size);
    Buffer<uint8_t> square(size * size * 3);
    prepare(square.data());
    *out_len = square.size();
    *out = square.release();
}

void embed_texts(const ClipModel& model, const mm_clip_options* options, const Run& run,
                 const std::vector<std::vector<int32_t>>& texts, float** out, size_t* out_len) {
    const ClipOptions o = read_options(model, options);
    Buffer<float> embeddings(texts.size() * static_cast<size_t>(model.embedding_dim));
    encode_texts(run.exec(), model, texts, embeddings.data());
    hand_out_embeddings(model, o.normalize, texts.size(), embeddings, out, out_len);
}

}  // namespace
}  // namespace mm::api

using namespace mm::api;

mm_status mm_clip_open(const char* path, const mm_open_options* options, mm_clip** out, char** error_out) {
    clear(out);
    return guard(error_out, [&] {
        MM_REQUIRE(path);
        MM_REQUIRE(out);
        const mm_open_options o = read_struct(options);
        const bool lock = read_switch(o.lock_memory, false, "lock_memory");
        *out = models().insert(mm::ClipModel::open(path, o.sha256, lock));
    });
}

void mm_clip_close(mm_clip* model) {
    guard(nullptr, [&] { models().erase(model); });
}

mm_status mm_clip_info_get(const mm_clip* model, mm_clip_info* info) {
    clear_struct(info);
    return guard(nullptr, [&] {
        const auto opened = models().find(model);
        MM_REQUIRE(info);
        mm_clip_info result{};
        result.embedding_dim = opened->embedding_dim;
        if (const auto& tower = opened->image) {
            result.image_size = opened->recipe.image.size;
            result.patch_size = tower->patch_size;
            result.image_width = tower->shape.width;
            result.image_heads = tower->shape.heads;
            result.image_layers = static_cast<int32_t>(tower->blocks.size());
        }
        if (const auto& tower = opened->text) {
            result.context_length = tower->context_length;
            result.n_vocab = tower->n_vocab;
            result.text_width = tower->shape.width;
            result.text_heads = tower->shape.heads;
            result.text_layers = static_cast<int32_t>(tower->blocks.size());
        }
        result.has_tokenizer = opened->tokenizer != nullptr;
        result.uses_sigmoid = opened->recipe.sigmoid;
        result.logit_scale = opened->recipe.logit_scale;
        result.logit_bias = opened->recipe.logit_bias;
        result.is_mapped = opened->file->in_place();
        result.weight_type = weight_type(*opened);
        result.weight_bytes = opened->file->weight_bytes();
        write_struct(info, result);
    });
}

mm_status mm_clip_space_id(const mm_clip* model, const mm_clip_options* options, char** out, char** error_out) {
    clear(out);
    return guard(error_out, [&] {
        const auto opened = models().find(model);
        MM_REQUIRE(out);
        *out = hand_out(opened->space_id(read_options(*opened, options).normalize));
    });
}

mm_status mm_clip_encode_image(mm_clip* model, const mm_bytes* images, size_t n, const mm_clip_options* options,
                               const mm_run_options* run, float** out, size_t* out_len, char** error_out) {
    clear(out, out_len);
    const std::fenv_t host = host_environment();
    return guard(error_out, [&] {
        const auto opened = models().find(model);
        if (n > 0) MM_REQUIRE(images);
        MM_REQUIRE(out);
        MM_REQUIRE(out_len);
        check_count(n, "images");
        require_image_tower(*opened);
        const ClipOptions o = read_options(*opened, options);
        Run running(run, host);
        embed_images(
            *opened, o, running, n,
            [&](size_t i, uint8_t* square) { prepare_encoded(*opened, o, running, images[i], square); }, out, out_len);
    });
}

mm_status mm_clip_encode_pixels(mm_clip* model, const mm_pixels* images, size_t n, const mm_clip_options* options,
                                const mm_run_options* run, float** out, size_t* out_len, char** error_out) {
    clear(out, out_len);
    const std::fenv_t host = host_environment();
    return guard(error_out, [&] {
        const auto opened = models().find(model);
        if (n > 0) MM_REQUIRE(images);
        MM_REQUIRE(out);
        MM_REQUIRE(out_len);
        check_count(n, "images");
        require_image_tower(*opened);
        const ClipOptions o = read_options(*opened, options);
        Run running(run, host);
        embed_images(
            *opened, o, running, n,
            [&](size_t i, uint8_t* square) { prepare_pixels(*opened, running, images[i], square); }, out, out_len);
    });
}

mm_status mm_clip_encode_text(mm_clip* model, const mm_bytes* texts, size_t n, const mm_clip_options* options,
                              const mm_run_options* run, float** out, size_t* out_len, char** error_out) {
    clear(out, out_len);
    const std::fenv_t host = host_environment();
    return guard(error_out, [&] {
        const auto opened = models().find(model);
        if (n > 0) MM_REQUIRE(texts);
        MM_REQUIRE(out);
        MM_REQUIRE(out_len);
        check_count(n, "texts");
        require_tokenizer(*opened);
        Run running(run, host);
        std::vector<std::vector<int32_t>> tokens(n);
        for_each_input("texts", 0, n, n, [&](size_t i) {
            if (texts[i].len > 0 && !texts[i].data)
                mm::fail(MM_ERROR_INVALID_ARGUMENT, "data is NULL, but len is %zu", texts[i].len);
            running.stop().check();
            tokens[i] = opened->tokenizer->encode({static_cast<const char*>(texts[i].data), texts[i].len},
                                                  opened->text->context_length);
        });
        embed_texts(*opened, options, running, tokens, out, out_len);
    });
}

mm_status mm_clip_encode_tokens(mm_clip* model, const int32_t* tokens, size_t n_tokens, const mm_clip_options* options,
                                const mm_run_options* run, float** out, size_t* out_len, char** error_out) {
    clear(out, out_len);
    const std::fenv_t host = host_environment();
    return guard(error_out, [&] {
        const auto opened = models().find(model);
        MM_REQUIRE(tokens);
        MM_REQUIRE(out);
        MM_REQUIRE(out_len);
        require_text_tower(*opened);
        if (n_tokens < 1 || n_tokens > static_cast<size_t>(opened->text->context_length))
            mm::fail(MM_ERROR_INVALID_ARGUMENT, "n_tokens is %zu: it must be 1 to %d", n_tokens,
                     opened->text->context_length);
        check_tokens(*opened, tokens, n_tokens);
        const Run running(run, host);
        embed_texts(*opened, options, running, {std::vector<int32_t>(tokens, tokens + n_tokens)}, out, out_len);
    });
}

mm_status mm_clip_preprocess_image(mm_clip* model, const mm_bytes* image, const mm_clip_options* options,
                                   const mm_run_options* run, uint8_t** out, size_t* out_len, char** error_out) {
    clear(out, out_len);
    const std::fenv_t host = host_environment();
    return guard(error_out, [&] {
        const auto opened = models().find(model);
        MM_REQUIRE(image);
        MM_REQUIRE(out);
        MM_REQUIRE(out_len);
        require_image_tower(*opened);
        const ClipOptions o = read_options(*opened, options);
        Run running(run, host);
        hand_out_square(
            *opened, [&](uint8_t* square) { prepare_encoded(*opened, o, running, *image, square); }, out, out_len);
    });
}

mm_status mm_clip_preprocess_pixels(mm_clip* model, const mm_pixels* image, const mm_clip_options* options,
                                    const mm_run_options* run, uint8_t** out, size_t* out_len, char** error_out) {
    clear(out, out_len);
    const std::fenv_t host = host_environment();
    return guard(error_out, [&] {
        const auto opened = models().find(model);
        MM_REQUIRE(image);
        MM_REQUIRE(out);
        MM_REQUIRE(out_len);
        require_image_tower(*opened);
        read_options(*opened, options);
        const Run running(run, host);
        hand_out_square(
            *opened, [&](uint8_t* square) { prepare_pixels(*opened, running, *image, square); }, out, out_len);
    });
}

mm_status mm_clip_tokenize(mm_clip* model, const char* text, size_t text_len, int32_t** out, size_t* out_len,
                           char** error_out) {
    clear(out, out_len);
    return guard(error_out, [&] {
        const auto opened = models().find(model);
        if (text_len > 0) MM_REQUIRE(text);
        MM_REQUIRE(out);
        MM_REQUIRE(out_len);
        require_tokenizer(*opened);
        hand_out(opened->tokenizer->encode({text, text_len}, opened->text->context_length), out, out_len);
    });
}

mm_status mm_clip_detokenize(mm_clip* model, const int32_t* tokens, size_t n_tokens, char** out, size_t* out_len,
                             char** error_out) {
    clear(out, out_len);
    return guard(error_out, [&] {
        const auto opened = models().find(model);
        if (n_tokens > 0) MM_REQUIRE(tokens);
        MM_REQUIRE(out);
        MM_REQUIRE(out_len);
        require_tokenizer(*opened);
        check_tokens(*opened, tokens, n_tokens);
        const std::string text = opened->tokenizer->decode(tokens, n_tokens);
        *out = hand_out(text);
        *out_len = text.size();
    });
}
