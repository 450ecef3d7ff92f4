#include "clip/model.h"

#include <algorithm>

#include "model/sha256.h"
#include "runtime/error.h"
#include "runtime/text.h"

namespace mm {
namespace {

// Bounds of what the engine holds; generous against everything CLIP has shipped.
constexpr int kMaxTokens = 1 << 12, kMaxWidth = 1 << 14, kMaxLayers = 256, kMaxPatch = 256, kMaxVocabulary = 1 << 20;
constexpr int kMaxMlpRatio = 8;

// Reads one tower; prefix is "v" or "t", section "vision" or "text".
class Reader {
  public:
    Reader(ModelFile& file, const char* prefix, const char* section, Activation activation)
        : file_(file), prefix_(std::string(prefix) + "."), section_(std::string("clip.") + section + ".") {
        shape_.width = count("embedding_length", kMaxWidth);
        shape_.heads = count("attention.head_count", kMaxWidth);
        shape_.mlp_width = count("feed_forward_length", kMaxMlpRatio * shape_.width);
        shape_.activation = activation;
        epsilon_ = file.number(section_ + "attention.layer_norm_epsilon");
        if (!(epsilon_ >= 0.0f && epsilon_ <= 1.0f))
            fail(MM_ERROR_BAD_MODEL, "%s: %sattention.layer_norm_epsilon is %g; it must be from 0 to 1",
                 file.name().c_str(), section_.c_str(), static_cast<double>(epsilon_));
        if (shape_.width % shape_.heads != 0)
            fail(MM_ERROR_BAD_MODEL, "%s: %sattention.head_count is %d, which does not divide the width %d",
                 file.name().c_str(), section_.c_str(), shape_.heads, shape_.width);
    }

    int count(const char* key, int most) const { return static_cast<int>(file_.integer(section_ + key, 1, most)); }
    int width() const { return shape_.width; }

    // Everything that both towers have, but for the projection.
    void read(Tower& tower, int tokens) {
        tower.shape = shape_;
        tower.positions = file_.table(prefix_ + "position_embd.weight", tokens, width());
        for (int i = 0, n = count("block_count", kMaxLayers); i < n; ++i) {
            const std::string block = "blk." + std::to_string(i) + ".";
            TransformerBlock layer;
            layer.self.norm = norm(block + "ln1");
            layer.self.query = linear(block + "attn_q", width(), width());
            layer.self.key = linear(block + "attn_k", width(), width());
            layer.self.value = linear(block + "attn_v", width(), width());
            layer.self.out = linear(block + "attn_out", width(), width());
            layer.mlp_norm = norm(block + "ln2");
            read_mlp(block, layer.mlp_in, layer.mlp_out);
            tower.blocks.push_back(layer);
        }
        tower.post_norm = norm("post_ln");
    }

    void read_pool(AttentionPool& pool) {
        pool.probe = vector("map.probe");
        pool.query = linear("map.attn_q", width(), width());
        pool.key = linear("map.attn_k", width(), width());
        pool.value = linear("map.attn_v", width(), width());
        pool.out = linear("map.attn_out", width(), width());
        pool.norm = norm("map.ln");
        read_mlp("map.", pool.mlp_in, pool.mlp_out);
    }

    const float* vector(const std::string& name) { return file_.vector(prefix_ + name, static_cast<size_t>(width())); }
    Norm norm(const std::string& name) {
        Norm norm;
        norm.gamma = vector(name + ".weight");
        norm.beta = vector(name + ".bias");
        norm.epsilon = epsilon_;
        return norm;
    }
    Linear projection(const std::string& name, int outputs) {
        if (file_.has_tensor(name + ".weight"))
            return {file_.matrix(name + ".weight", outputs, width()), bias(name, outputs)};
        if (outputs != width())
            fail(MM_ERROR_BAD_MODEL, "%s: the tensor %s.weight is missing, but the width %d is not projection_dim %d",
                 file_.name().c_str(), name.c_str(), width(), outputs);
        return {};
    }
    const float* bias(const std::string& name, int n) {
        return file_.has_tensor(name + ".bias") ? file_.vector(name + ".bias", static_cast<size_t>(n)) : nullptr;
    }

  private:
    Linear linear(const std::string& name, int n, int k) {
        return {file_.matrix(prefix_ + name + ".weight", n, k),
                file_.vector(prefix_ + name + ".bias", static_cast<size_t>(n))};
    }
    // clip.cpp calls the first layer ffn_down and the second ffn_up; others mean it the other way round. The shapes
    // tell, and where they are alike, whose file it is.
    void read_mlp(const std::string& block, Linear& in, Linear& out) {
        const std::string up = block + "ffn_up", down = block + "ffn_down";
        const int wide = shape_.mlp_width;
        const bool down_first = wide == width() ? !file_.has_panels()
                                                : file_.has_tensor(prefix_ + down + ".weight") &&
                                                      file_.is_matrix(prefix_ + down + ".weight", wide, width());
        in = linear(down_first ? down : up, wide, width());
        out = linear(down_first ? up : down, width(), wide);
    }

    ModelFile& file_;
    const std::string prefix_, section_;
    TransformerShape shape_;
    float epsilon_;
};

std::unique_ptr<const ImageTower> read_image_tower(ModelFile& file, const ClipRecipe& recipe, int embedding_dim) {
    Reader read(file, "v", "vision", recipe.activation);
    auto tower = std::make_unique<ImageTower>();
    const int size = recipe.image.size, patch = read.count("patch_size", kMaxPatch);
    tower->patch_size = patch;
    if (patch > size)
        fail(MM_ERROR_BAD_MODEL, "%s: clip.vision.patch_size is %d in pictures of %d pixels", file.name().c_str(),
             patch, size);
    tower->patches = (size / patch) * (size / patch);
    if (tower->patches >= kMaxTokens)
        fail(MM_ERROR_UNSUPPORTED, "%s: pictures of %d patches; this release holds up to %d", file.name().c_str(),
             tower->patches, kMaxTokens - 1);
    if (file.has_tensor("v.class_embd")) tower->class_embedding = read.vector("class_embd");
    if (!tower->class_embedding && recipe.image.pooling == ImagePooling::cls)
        fail(MM_ERROR_BAD_MODEL, "%s: the tensor v.class_embd is missing, which the pooling \"cls\" reads",
             file.name().c_str());
    tower->patch_embedding.w = file.convolution("v.patch_embd.weight", read.width(), 3, patch, patch);
    tower->patch_embedding.bias = read.bias("v.patch_embd", read.width());
    if (file.has_tensor("v.pre_ln.weight")) tower->pre_norm = read.norm("pre_ln");
    read.read(*tower, tower->tokens());
    if (recipe.image.pooling == ImagePooling::map) read.read_pool(tower->pool);
    tower->projection = read.projection("visual_projection", embedding_dim);
    for (int channel = 0; channel < 3; ++channel)
        for (int value = 0; value < 256; ++value)
            tower->pixel[channel][value] =
                (static_cast<float>(value) / 255.0f - recipe.image.mean[channel]) / recipe.image.std[channel];
    return tower;
}

std::unique_ptr<const TextTower> read_text_tower(ModelFile& file, const ClipRecipe& recipe, int embedding_dim,
                                                 int n_tokens) {
    Reader read(file, "t", "text", recipe.activation);
    auto tower = std::make_unique<TextTower>();
    tower->context_length = read.count("context_length", kMaxTokens);
    tower->n_vocab = n_tokens;
    if (file.has("clip.text.vocab_size") || n_tokens == 0) tower->n_vocab = read.count("vocab_size", kMaxVocabulary);
    if (tower->n_vocab < n_tokens)
        fail(MM_ERROR_BAD_MODEL, "%s: clip.text.vocab_size is %d, but there are %d tokens", file.name().c_str(),
             tower->n_vocab, n_tokens);
    if (recipe.text.pad && recipe.text.pad_token_id >= tower->n_vocab)
        fail(MM_ERROR_BAD_MODEL, "%s: clip.text.pad_token_id is %d of %d tokens", file.name().c_str(),
             recipe.text.pad_token_id, tower->n_vocab);
    tower->token_embedding = file.matrix("t.token_embd.weight", tower->n_vocab, read.width());
    read.read(*tower, tower->context_length);
    tower->projection = read.projection("text_projection", embedding_dim);
    return tower;
}

bool is_set(const ModelFile& file, const char* key) {
    return file.has(key) && file.boolean(key);
}

}  // namespace

std::shared_ptr<const ClipModel> ClipModel::open(const std::string& path, const char* sha256, bool lock_memory) {
    std::shared_ptr<ModelFile> file = ModelFile::open(path);
    if (sha256) check_sha256(file->data(), file->size(), sha256, file->name());
    std::shared_ptr<const ClipModel> model = load(file);
    if (lock_memory) file->lock_memory();
    return model;
}

std::shared_ptr<const ClipModel> ClipModel::load(std::shared_ptr<ModelFile> file) {
    if (file->architecture() != "clip")
        fail(MM_ERROR_BAD_MODEL, "%s: holds a model of architecture \"%s\"; a CLIP model is needed here",
             file->name().c_str(), printable(file->architecture()).c_str());
    const bool has_image = is_set(*file, "clip.has_vision_encoder"), has_text = is_set(*file, "clip.has_text_encoder");
    if (file->has("clip.projector_type") || is_set(*file, "clip.has_llava_projector") || (!has_image && !has_text))
        fail(
            MM_ERROR_UNSUPPORTED,
            "%s: holds no CLIP towers of its own (it looks like the picture part of a language model); a CLIP model is "
            "needed here",
            file->name().c_str());

    auto model = std::make_shared<ClipModel>();
    model->recipe = read_recipe(*file, has_image, has_text);
    const char* dim_key = has_image ? "clip.vision.projection_dim" : "clip.text.projection_dim";
    model->embedding_dim = static_cast<int>(file->integer(dim_key, 1, kMaxWidth));
    if (has_image && has_text && file->integer("clip.text.projection_dim", 1, kMaxWidth) != model->embedding_dim)
        fail(MM_ERROR_BAD_MODEL, "%s: the towers map into spaces of different size", file->name().c_str());
    if (has_image) model->image = read_image_tower(*file, model->recipe, model->embedding_dim);
    if (has_text) {
        int n_tokens = 0;
        if (file->has("tokenizer.ggml.tokens")) {
            std::vector<std::string> tokens = file->strings("tokenizer.ggml.tokens");
            n_tokens = static_cast<int>(tokens.size());
            const char* key = "tokenizer.ggml.merges";
            try {
                model->tokenizer = std::make_unique<ClipTokenizer>(
                    std::move(tokens), file->has(key) ? file->strings(key) : std::vector<std::string>());
            } catch (const Error& error) {  // which does not know the file
                fail(error.status(), "%s: %s", file->name().c_str(), error.what());
            }
        }
        model->text = read_text_tower(*file, model->recipe, model->embedding_dim, n_tokens);
        if (!model->tokenizer && model->recipe.text.pooling == TextPooling::eot)
            fail(MM_ERROR_BAD_MODEL,
                 "%s: the key tokenizer.ggml.tokens is missing, which says what the end token is that \"eot\" pools",
                 file->name().c_str());
    }
    model->file = std::move(file);
    return model;
}

std::string ClipModel::space_id(bool normalized) const {
    if (!space_.load(std::memory_order_acquire)) {
        auto digest = std::make_unique<const std::string>(sha256_hex(file->data(), file->size()));
        const std::string* none = nullptr;
        if (space_.compare_exchange_strong(none, digest.get(), std::memory_order_acq_rel)) digest.release();
    }
    const std::string space = "model=" + *space_.load(std::memory_order_acquire) + " " +
                              describe(recipe, image != nullptr, text != nullptr) +
                              (normalized ? " normalized" : " raw");
    return sha256_hex(space.data(), space.size()).substr(0, 16);
}

}  // namespace mm
