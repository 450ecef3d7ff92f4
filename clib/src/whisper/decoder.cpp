// Whisper's text decoder, step by step over cached keys and values.
//
// Caches are in the layout that cached_attention reads: for each head, keys as panels [capacity / 16][d][16] and values
// as panels [d / 16][capacity][16], so that a step appends to them and the kernels read them in place.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/layers.h"
#include "runtime/error.h"
#include "runtime/memory.h"
#include "whisper/inference.h"

namespace mm {
namespace {

int round_up(int n) {
    return panel_count(n) * kPanel;
}

}  // namespace

struct Inference::State {
    std::shared_ptr<const WhisperModel> model;
    int layers, heads, head_dim, width, n_vocab;
    int capacity;  // of a self-attention cache, in tokens

    // Cross-attention, for each layer: [head][...]
    int audio_ctx = 0, cross_capacity = 0;
    std::vector<Buffer<float>> cross_keys, cross_values;

    // Self-attention: a slot is one sequence's cache of all layers, slot[i] the one of sequence i. Each token that is
    // written has a number of its own, so that positions of two caches with the same number hold the same.
    struct Cache {
        Buffer<float> keys, values;
        std::vector<uint64_t> written;  // [capacity]; 0: nothing that is known
    };
    uint64_t tokens_written = 0;
    std::vector<Cache> caches;
    std::vector<int> slot;
    int length = 0;

    // Scratch of a pass over `rows` tokens.
    Buffer<float> x, normed, query, key, value, mlp, encoded, projected;
    std::vector<const float*> key_of_row, value_of_row;
    std::vector<int> visible;

    struct Row {
        int32_t token;
        int sequence, position;
    };
    // What a pass leaves behind besides the cached keys and values.
    struct Outputs {
        const int* logit_rows = nullptr;  // rows whose logits are wanted; null: all
        int n_logit_rows = 0;
        float* logits = nullptr;
        float* alignment = nullptr;  // [alignment head][rows][audio_ctx]
    };
    std::vector<Row> rows;

    State(std::shared_ptr<const WhisperModel> m, int max_sequences) : model(std::move(m)) {
        const WhisperShape& s = model->shape;
        layers = s.n_text_layer;
        heads = s.n_text_head;
        width = s.n_text_state;
        head_dim = width / heads;
        n_vocab = s.n_vocab;
        capacity = round_up(s.n_text_ctx);
        cross_keys.resize(static_cast<size_t>(layers));
        cross_values.resize(static_cast<size_t>(layers));
        caches.resize(static_cast<size_t>(max_sequences));
        slot.reserve(caches.size());
    }

    size_t layer_size() const { return static_cast<size_t>(width) * static_cast<size_t>(capacity); }
    Cache& cache(int sequence) { return caches[static_cast<size_t>(slot[static_cast<size_t>(sequence)])]; }

    void make_cache(Cache& c) {
        if (!c.keys.empty()) return;
        const size_t size = layer_size() * static_cast<size_t>(layers);
        // Pages are touched only as tokens are appended.
        Cache made{Buffer<float>(size), Buffer<float>(size), std::vector<uint64_t>(static_cast<size_t>(capacity))};
        c = std::move(made);
    }

    void start_sequence() {
        if (slot.empty()) slot.assign(1, 0);
        slot.resize(1);
        make_cache(cache(0));
    }

    // Writes key and value rows [width] of one token into a cache at `position`.
    void append(Cache& c, int layer, int position, const float* k, const float* v) const {
        const size_t d = static_cast<size_t>(head_dim), p = static_cast<size_t>(position), lane = p % kPanel;
        const size_t head_size = d * static_cast<size_t>(capacity);
        float* keys = c.keys.data() + static_cast<size_t>(layer) * layer_size() + (p / kPanel) * kPanel * d + lane;
        float* values = c.values.data() + static_cast<size_t>(layer) * layer_size() + p * kPanel;
        for (int h = 0; h < heads; ++h, keys += head_size, values += head_size, k += d, v += d) {
            for (size_t i = 0; i < d; ++i) keys[i * kPanel] = k[i];
            for (size_t i = 0; i < d; i += kPanel)
                std::memcpy(values + i * static_cast<size_t>(capacity), v + i, kPanel * sizeof(float));
        }
    }

    // Positions from the start that hold the same in both caches.
    int common(const Cache& a, const Cache& b) const {
        if (a.written.empty() || b.written.empty()) return 0;
        const auto first = a.written.begin(), end = first + length;
        return static_cast<int>(std::mismatch(first, end, b.written.begin()).first - first);
    }

    // Copies one layer of a cache from position `first` on.
    void copy_layer(const Cache& from, Cache& to, int layer, int first) const {
        const size_t d = static_cast<size_t>(head_dim), cap = static_cast<size_t>(capacity);
        const size_t panel = static_cast<size_t>(first / kPanel * kPanel);  // keys are copied in whole panels
        const size_t key_floats = (static_cast<size_t>(round_up(length)) - panel) * d;
        const size_t value_floats = static_cast<size_t>(length - first) * kPanel;
        for (size_t h = 0; h < static_cast<size_t>(heads); ++h) {
            const size_t head = static_cast<size_t>(layer) * layer_size() + h * d * cap;
            std::copy_n(from.keys.data() + head + panel * d, key_floats, to.keys.data() + head + panel * d);
            for (size_t i = 0; i < d / kPanel; ++i) {
                const size_t at = head + (i * cap + static_cast<size_t>(first)) * kPanel;
                std::copy_n(from.values.data() + at, value_floats, to.values.data() + at);
            }
        }
    }

    struct Copy {
        int from, to, first;  // slots, position
    };
    void copy(const Exec& exec, const std::vector<Copy>& copies) {
        for (const Copy& c : copies) {  // until all is copied nothing is known of it
            auto& written = caches[static_cast<size_t>(c.to)].written;
            std::fill(written.begin() + c.first, written.begin() + length, 0);
        }
        parallel_for(exec, static_cast<int>(copies.size()) * layers, [&](int task) {
            const Copy& c = copies[static_cast<size_t>(task / layers)];
            copy_layer(caches[static_cast<size_t>(c.from)], caches[static_cast<size_t>(c.to)], task % layers, c.first);
        });
        for (const Copy& c : copies) {
            const auto& from = caches[static_cast<size_t>(c.from)].written;
            std::copy(from.begin() + c.first, from.begin() + length,
                      caches[static_cast<size_t>(c.to)].written.begin() + c.first);
        }
    }

    void set_cross(const Exec& exec, const float* data, int ctx) {
        audio_ctx = ctx;
        cross_capacity = round_up(ctx);
        length = 0;
        slot.clear();
        const size_t w = static_cast<size_t>(width), cap = static_cast<size_t>(cross_capacity);
        const size_t d = static_cast<size_t>(head_dim);
        projected.reserve_discard(2 * cap * w);
        const Rows in{const_cast<float*>(data), w};
        const Rows keys{projected.data(), w}, values{projected.data() + cap * w, w};
        std::fill_n(values.data + static_cast<size_t>(ctx) * w, (cap - static_cast<size_t>(ctx)) * w, 0.0f);
        for (int l = 0; l < layers; ++l) {
            const AttentionWeights& cross = model->decoder[static_cast<size_t>(l)].cross;
            Buffer<float>& k = cross_keys[static_cast<size_t>(l)];
            Buffer<float>& v = cross_values[static_cast<size_t>(l)];
            k.reserve_discard(cap * w);
            v.reserve_discard(cap * w);
            apply(exec, cross.key, in, ctx, keys);
            apply(exec, cross.value, in, ctx, values);
            parallel_for(exec, heads, [&](int h) {
                const size_t at = static_cast<size_t>(h) * d;
                pack_panels(keys.data + at, w, ctx, head_dim, k.data() + at * cap);
                pack_panels_transposed(values.data + at, w, head_dim, cross_capacity, v.data() + at * cap);
            });
        }
    }

    // Attention of all rows over caches chosen by key_of_row, value_of_row and visible, from `query` into `normed`.
    void attend(const Exec& exec, int n, int cache_capacity, float* weights) {
        CachedAttentionArgs a{};
        a.q = query.data();
        a.q_stride = static_cast<size_t>(width);
        a.rows = n;
        a.heads = heads;
        a.head_dim = head_dim;
        a.capacity = cache_capacity;
        a.key_cache = key_of_row.data();
        a.value_cache = value_of_row.data();
        a.visible = visible.data();
        a.out = normed.data();
        a.out_stride = static_cast<size_t>(width);
        a.weights = weights;
        cached_attention(exec, a);
    }

    // One pass over `rows`, whose positions follow what is cached in their sequences.
    void forward(const Exec& exec, const Outputs& wanted) {
        const int n = static_cast<int>(rows.size());
        const size_t w = static_cast<size_t>(width), count = rows.size();
        for (Buffer<float>* b : {&x, &normed, &query, &key, &value}) b->reserve_discard(count * w);
        mlp.reserve_discard(count * 4 * w);
        key_of_row.resize(count);
        value_of_row.resize(count);
        visible.resize(count);
        Buffer<float> weights;
        if (wanted.alignment)
            weights = Buffer<float>(count * static_cast<size_t>(heads) * static_cast<size_t>(cross_capacity));

        for (size_t r = 0; r < count; ++r) {
            cache(rows[r].sequence).written[static_cast<size_t>(rows[r].position)] = ++tokens_written;
            float* to = x.data() + r * w;
            panel_row(model->token_embedding, rows[r].token, to);
            exec.kernels->add(to, model->text_positions + static_cast<size_t>(rows[r].position) * w, width, to);
        }

        const Rows all{x.data(), w}, norm{normed.data(), w}, q{query.data(), w}, k{key.data(), w}, v{value.data(), w};
        const Rows hidden{mlp.data(), 4 * w};
        const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
        for (int l = 0; l < layers; ++l) {
            const DecoderLayer& layer = model->decoder[static_cast<size_t>(l)];

            apply(exec, layer.self.norm, all, n, width, norm);
            apply(exec, layer.self.query, norm, n, q, Activation::none, {}, scale);
            apply(exec, layer.self.key, norm, n, k);
            apply(exec, layer.self.value, norm, n, v);
            for (size_t r = 0; r < count; ++r) {
                Cache& c = cache(rows[r].sequence);
                append(c, l, rows[r].position, k.data + r * w, v.data + r * w);
                key_of_row[r] = c.keys.data() + static_cast<size_t>(l) * layer_size();
                value_of_row[r] = c.values.data() + static_cast<size_t>(l) * layer_size();
                visible[r] = rows[r].position + 1;  // causal: later tokens of the same pass are in the cache already
            }
            attend(exec, n, capacity, nullptr);
            apply(exec, layer.self.out, norm, n, all, Activation::none, all);

            apply(exec, layer.cross.norm, all, n, width, norm);
            apply(exec, layer.cross.query, norm, n, q, Activation::none, {}, scale);
            std::fill(key_of_row.begin(), key_of_row.end(), cross_keys[static_cast<size_t>(l)].data());
            std::fill(value_of_row.begin(), value_of_row.end(), cross_values[static_cast<size_t>(l)].data());
            std::fill(visible.begin(), visible.end(), audio_ctx);
            attend(exec, n, cross_capacity, weights.data());
            if (wanted.alignment) copy_alignment(exec, l, weights.data(), count, wanted.alignment);
            apply(exec, layer.cross.out, norm, n, all, Activation::none, all);

            apply(exec, layer.mlp_norm, all, n, width, norm);
            apply(exec, layer.mlp_in, norm, n, hidden, Activation::gelu_erf);
            apply(exec, layer.mlp_out, hidden, n, all, Activation::none, all);
        }
        if (wanted.logits) project(exec, wanted, all, norm);
    }

    void copy_alignment(const Exec& exec, int layer, const float* weights, size_t n, float* to) const {
        const size_t ctx = static_cast<size_t>(audio_ctx);
        parallel_for(exec, static_cast<int>(model->alignment_heads.size()), [&](int i) {
            const AlignmentHead& head = model->alignment_heads[static_cast<size_t>(i)];
            float* out = to + static_cast<size_t>(i) * n * ctx;
            for (size_t r = 0; r < n && head.layer == layer; ++r, out += ctx) {
                const size_t row = r * static_cast<size_t>(heads) + static_cast<size_t>(head.head);
                std::copy_n(weights + row * static_cast<size_t>(cross_capacity), ctx, out);
            }
        });
    }

    void project(const Exec& exec, const Outputs& wanted, Rows all, Rows norm) {
        const size_t w = static_cast<size_t>(width);
        if (wanted.logit_rows) {  // ascending, so each moves up into a place already read
            for (int i = 0; i < wanted.n_logit_rows; ++i)
                if (wanted.logit_rows[i] != i)
                    std::copy_n(all.data + static_cast<size_t>(wanted.logit_rows[i]) * w, w,
                                all.data + static_cast<size_t>(i) * w);
        }
        apply(exec, model->decoder_norm, all, wanted.n_logit_rows, width, norm);
        apply(exec, Linear{model->token_embedding, nullptr}, norm, wanted.n_logit_rows,
              {wanted.logits, static_cast<size_t>(n_vocab)});
    }

    void set_rows(const int32_t* tokens, int n, int first_position) {
        rows.resize(static_cast<size_t>(n));
        for (int i = 0; i < n; ++i) rows[static_cast<size_t>(i)] = {tokens[i], 0, first_position + i};
    }
};

Inference::Inference(std::shared_ptr<const WhisperModel> model, int max_sequences)
    : state_(std::make_unique<State>(std::move(model), max_sequences)) {}
Inference::~Inference() = default;

void Inference::set_window(const Exec& exec, const float* mel, int frames, int audio_ctx) {
    State& s = *state_;
    s.encoded.reserve_discard(static_cast<size_t>(audio_ctx) * static_cast<size_t>(s.model->shape.n_audio_state));
    encode(exec, *s.model, mel, frames, audio_ctx, s.encoded.data());
    s.set_cross(exec, s.encoded.data(), audio_ctx);
}

void Inference::set_encoded(const Exec& exec, const float* encoded, int audio_ctx) {
    state_->set_cross(exec, encoded, audio_ctx);
}

void Inference::prefill(const Exec& exec, const int32_t* tokens, int n, int keep, const int* rows, int n_rows,
                        float* logits) {
    State& s = *state_;
    s.start_sequence();
    s.length = keep;
    s.set_rows(tokens, n, keep);
    s.forward(exec, {rows, n_rows, n_rows > 0 ? logits : nullptr, nullptr});
    s.length = keep + n;
}

void Inference::reorder(const Exec& exec, const int* parents, int n) {
    State& s = *state_;
    // Each parent's cache is taken over by its first child; a further child gets a copy, in that of the caches nobody
    // uses which has the longest beginning in common with its parent.
    std::vector<int> next(static_cast<size_t>(n), -1);
    std::vector<bool> taken(s.caches.size(), false);
    for (int i = 0; i < n; ++i) {
        const int from = s.slot[static_cast<size_t>(parents[i])];
        if (taken[static_cast<size_t>(from)]) continue;
        taken[static_cast<size_t>(from)] = true;
        next[static_cast<size_t>(i)] = from;
    }
    std::vector<State::Copy> copies;
    for (int i = 0; i < n; ++i) {
        if (next[static_cast<size_t>(i)] >= 0) continue;
        State::Copy copy{s.slot[static_cast<size_t>(parents[i])], -1, -1};
        for (size_t free = 0; free < s.caches.size(); ++free) {
            if (taken[free]) continue;
            const int same = s.common(s.cache(parents[i]), s.caches[free]);
            if (same > copy.first) copy.to = static_cast<int>(free), copy.first = same;
        }
        if (copy.to < 0) fail(MM_ERROR_INTERNAL, "%d sequences asked for, %zu held", n, s.caches.size());
        s.make_cache(s.caches[static_cast<size_t>(copy.to)]);
        taken[static_cast<size_t>(copy.to)] = true;
        next[static_cast<size_t>(i)] = copy.to;
        copies.push_back(copy);
    }
    s.copy(exec, copies);
    s.slot = std::move(next);
}

void Inference::step(const Exec& exec, const int32_t* tokens, int n, float* logits) {
    State& s = *state_;
    s.rows.resize(static_cast<size_t>(n));
    for (int i = 0; i < n; ++i) s.rows[static_cast<size_t>(i)] = {tokens[i], i, s.length};
    s.forward(exec, {nullptr, n, logits, nullptr});
    ++s.length;
}

int Inference::length() const {
    return state_->length;
}
int Inference::audio_ctx() const {
    return state_->audio_ctx;
}
const WhisperModel& Inference::model() const {
    return *state_->model;
}

void Inference::align(const Exec& exec, const int32_t* tokens, int n, float* weights, float* logits) {
    State& s = *state_;
    s.start_sequence();
    s.length = 0;
    s.set_rows(tokens, n, 0);
    s.forward(exec, {nullptr, n, logits, weights});
    s.length = n;
}

}  // namespace mm
