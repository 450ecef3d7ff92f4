#include "clip/towers.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/error.h"

namespace mm {
namespace {

constexpr int kBatchRows = 1024;  // rows of activations that are worked on at a time

Rows rows_of(Buffer<float>& buffer, int width) {
    return {buffer.data(), static_cast<size_t>(width)};
}

// ---- Images ----

// Each patch as one row, so that the patch embedding, a convolution whose stride is its size, is a matrix product.
void cut_patches(const ImageTower& tower, int size, const uint8_t* image, float* rows) {
    const int patch = tower.patch_size, across = size / patch;
    for (int i = 0; i < tower.patches; ++i) {
        const int top = i / across * patch, left = i % across * patch;
        for (int y = top; y < top + patch; ++y) {
            const uint8_t* sample = image + (static_cast<size_t>(y) * static_cast<size_t>(size) + left) * 3;
            for (int x = 0; x < patch; ++x)
                for (int channel = 0; channel < 3; ++channel) *rows++ = tower.pixel[channel][*sample++];
        }
    }
}

// The tokens of n images: patch embeddings behind the class embedding, all with their positions.
void embed_patches(const Exec& exec, const ImageTower& tower, int size, const uint8_t* images, int n, Rows x) {
    const size_t width = x.stride, k = static_cast<size_t>(tower.patch_embedding.w.k);
    const int first = tower.class_embedding ? 1 : 0;
    const Rows positions{const_cast<float*>(tower.positions) + static_cast<size_t>(first) * width, width};
    Buffer<float> patches(static_cast<size_t>(tower.patches) * k);
    for (int i = 0; i < n; ++i) {
        const size_t image_bytes = static_cast<size_t>(size) * static_cast<size_t>(size) * 3;
        cut_patches(tower, size, images + static_cast<size_t>(i) * image_bytes, patches.data());
        float* tokens = x.data + static_cast<size_t>(i) * static_cast<size_t>(tower.tokens()) * width;
        for (size_t j = 0; first == 1 && j < width; ++j) tokens[j] = tower.class_embedding[j] + tower.positions[j];
        apply(exec, tower.patch_embedding, {patches.data(), k}, tower.patches,
              {tokens + static_cast<size_t>(first) * width, width}, Activation::none, positions);
    }
}

// The mean over the patches of each image, the class token left out.
void pool_mean(const ImageTower& tower, Rows x, int n, float* pooled) {
    const size_t width = x.stride;
    const float count = static_cast<float>(tower.patches);
    for (int i = 0; i < n; ++i, pooled += width) {
        const float* row = x.data + (static_cast<size_t>(i + 1) * static_cast<size_t>(tower.tokens()) -
                                     static_cast<size_t>(tower.patches)) *
                                        width;
        std::fill_n(pooled, width, 0.0f);
        for (int token = 0; token < tower.patches; ++token, row += width)
            for (size_t j = 0; j < width; ++j) pooled[j] += row[j];
        for (size_t j = 0; j < width; ++j) pooled[j] /= count;
    }
}

void pool_attention(const Exec& exec, const ImageTower& tower, Rows x, int n, Rows pooled) {
    const AttentionPool& pool = tower.pool;
    const int width = tower.shape.width, head_dim = width / tower.shape.heads, keys = n * tower.tokens();
    const size_t w = x.stride;
    Buffer<float> query(static_cast<size_t>(n) * w), key(static_cast<size_t>(keys) * w);
    Buffer<float> value(static_cast<size_t>(keys) * w), attended(static_cast<size_t>(n) * w);
    apply(exec, pool.query, {const_cast<float*>(pool.probe), w}, 1, rows_of(query, width), Activation::none, {},
          1.0f / std::sqrt(static_cast<float>(head_dim)));
    for (size_t i = w; i < query.size(); ++i) query[i] = query[i - w];
    apply(exec, pool.key, x, keys, rows_of(key, width));
    apply(exec, pool.value, x, keys, rows_of(value, width));
    AttentionArgs a{};
    a.q = query.data();
    a.k = key.data();
    a.v = value.data();
    a.q_stride = a.k_stride = a.v_stride = a.out_stride = w;
    a.sequences = n;
    a.queries = 1;
    a.keys = tower.tokens();
    a.heads = tower.shape.heads;
    a.head_dim = head_dim;
    a.out = attended.data();
    attention(exec, a);
    apply(exec, pool.out, rows_of(attended, width), n, pooled);
    Buffer<float> hidden(static_cast<size_t>(n) * static_cast<size_t>(tower.shape.mlp_width));
    const Rows mlp = rows_of(hidden, tower.shape.mlp_width);
    apply(exec, pool.norm, pooled, n, width, rows_of(attended, width));
    apply(exec, pool.mlp_in, rows_of(attended, width), n, mlp, tower.shape.activation);
    apply(exec, pool.mlp_out, mlp, n, pooled, Activation::none, pooled);
}

// ---- Both ----

// Pooled rows, in place, to embeddings.
void project(const Exec& exec, const Tower& tower, Rows pooled, int n, float* out, int dim) {
    const size_t width = pooled.stride, d = static_cast<size_t>(dim);
    if (tower.projection.w.data)
        apply(exec, tower.projection, pooled, n, {out, d});
    else
        std::copy_n(pooled.data, static_cast<size_t>(n) * width, out);
}

void encode_image_batch(const Exec& exec, const ClipModel& model, const uint8_t* images, int n, float* out) {
    const ImageTower& tower = *model.image;
    const int width = tower.shape.width, tokens = tower.tokens(), rows = n * tokens;
    const size_t w = static_cast<size_t>(width);
    Buffer<float> activations(static_cast<size_t>(rows) * w), pooled(static_cast<size_t>(n) * w);
    const Rows x = rows_of(activations, width), one = rows_of(pooled, width);
    embed_patches(exec, tower, model.recipe.image.size, images, n, x);
    if (tower.pre_norm.gamma) apply(exec, tower.pre_norm, x, rows, width, x);
    transform(exec, tower.shape, tower.blocks, {n, tokens, false}, x);
    if (model.recipe.image.pooling == ImagePooling::cls) {
        apply(exec, tower.post_norm, {x.data, static_cast<size_t>(tokens) * w}, n, width, one);
    } else {
        apply(exec, tower.post_norm, x, rows, width, x);
        if (model.recipe.image.pooling == ImagePooling::mean)
            pool_mean(tower, x, n, pooled.data());
        else
            pool_attention(exec, tower, x, n, one);
    }
    project(exec, tower, one, n, out, model.embedding_dim);
}

// ---- Texts ----

// What is computed of a text, and the row of it that is pooled.
struct TextPlan {
    size_t index;  // in the batch
    int length;    // tokens computed, the padding included
    int pooled;
};

TextPlan plan_text(const ClipModel& model, const std::vector<int32_t>& ids, size_t index) {
    const TextRecipe& recipe = model.recipe.text;
    const int given = static_cast<int>(ids.size());
    TextPlan plan{index, recipe.pad ? model.text->context_length : given, 0};
    if (recipe.pooling == TextPooling::last) {
        plan.pooled = plan.length - 1;
        return plan;
    }
    const auto end = std::find(ids.begin(), ids.end(), model.tokenizer->eot());
    if (end == ids.end())
        fail(MM_ERROR_INVALID_ARGUMENT, "the end token %d is not among the %d tokens: its embedding is the text's",
             model.tokenizer->eot(), given);
    plan.pooled = static_cast<int>(end - ids.begin());
    if (recipe.causal) plan.length = plan.pooled + 1;  // nothing behind it is seen
    return plan;
}

void encode_text_batch(const Exec& exec, const ClipModel& model, const std::vector<std::vector<int32_t>>& texts,
                       const TextPlan* plans, int n, float* out) {
    const TextTower& tower = *model.text;
    const int width = tower.shape.width, length = plans[0].length;
    const size_t w = static_cast<size_t>(width), dim = static_cast<size_t>(model.embedding_dim);
    Buffer<float> activations(static_cast<size_t>(n * length) * w), pooled(static_cast<size_t>(n) * w);
    float* row = activations.data();
    for (int i = 0; i < n; ++i) {
        const std::vector<int32_t>& ids = texts[plans[i].index];
        for (size_t token = 0; token < static_cast<size_t>(length); ++token, row += w) {
            panel_row(tower.token_embedding, token < ids.size() ? ids[token] : model.recipe.text.pad_token_id, row);
            for (size_t j = 0; j < w; ++j) row[j] += tower.positions[token * w + j];
        }
    }
    transform(exec, tower.shape, tower.blocks, {n, length, model.recipe.text.causal}, rows_of(activations, width));
    for (int i = 0; i < n; ++i)
        std::copy_n(activations.data() + static_cast<size_t>(i * length + plans[i].pooled) * w, w,
                    pooled.data() + static_cast<size_t>(i) * w);
    const Rows one = rows_of(pooled, width);
    apply(exec, tower.post_norm, one, n, width, one);
    Buffer<float> embeddings(static_cast<size_t>(n) * dim);
    project(exec, tower, one, n, embeddings.data(), model.embedding_dim);
    for (int i = 0; i < n; ++i)
        std::copy_n(embeddings.data() + static_cast<size_t>(i) * dim, dim, out + plans[i].index * dim);
}

}  // namespace

void encode_images(const Exec& exec, const ClipModel& model, const uint8_t* images, int n, float* out) {
    const size_t size = static_cast<size_t>(model.recipe.image.size), dim = static_cast<size_t>(model.embedding_dim);
    const int batch = std::max(1, kBatchRows / model.image->tokens());
    for (int i = 0; i < n; i += batch)
        encode_image_batch(exec, model, images + static_cast<size_t>(i) * size * size * 3, std::min(batch, n - i),
                           out + static_cast<size_t>(i) * dim);
}

void encode_texts(const Exec& exec, const ClipModel& model, const std::vector<std::vector<int32_t>>& texts,
                  float* out) {
    std::vector<TextPlan> plans;
    plans.reserve(texts.size());
    for (size_t i = 0; i < texts.size(); ++i) plans.push_back(plan_text(model, texts[i], i));
    std::stable_sort(plans.begin(), plans.end(),
                     [](const TextPlan& a, const TextPlan& b) { return a.length < b.length; });
    for (size_t from = 0, to; from < plans.size(); from = to) {  // texts of one length together
        const int length = plans[from].length;
        const size_t most = static_cast<size_t>(std::max(1, kBatchRows / length));
        for (to = from + 1; to < plans.size() && to - from < most && plans[to].length == length;) ++to;
        encode_text_batch(exec, model, texts, &plans[from], static_cast<int>(to - from), out);
    }
}

void normalize(float* rows, int n, int dim) {
    for (int i = 0; i < n; ++i, rows += dim) {
        const double squares =
            std::accumulate(rows, rows + dim, 0.0, [](double sum, float x) { return sum + double{x} * double{x}; });
        if (squares == 0.0) continue;
        const double length = std::sqrt(squares);
        for (int j = 0; j < dim; ++j) rows[j] = static_cast<float>(double{rows[j]} / length);
    }
}

}  // namespace mm
