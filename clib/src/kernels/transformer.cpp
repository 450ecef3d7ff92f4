#include "kernels/transformer.h"

#include <cmath>

namespace mm {

void transform(const Exec& exec, const TransformerShape& shape, const std::vector<TransformerBlock>& blocks,
               const Sequences& sequences, Rows x) {
    const int rows = sequences.count * sequences.length, head_dim = shape.width / shape.heads;
    const size_t n = static_cast<size_t>(rows), width = static_cast<size_t>(shape.width);
    const size_t mlp_width = static_cast<size_t>(shape.mlp_width);
    Buffer<float> normed_buffer(n * width), qkv(n * 3 * width), mlp_buffer(n * mlp_width);
    const Rows normed{normed_buffer.data(), width}, mlp{mlp_buffer.data(), mlp_width};
    const Rows q{qkv.data(), 3 * width}, k{qkv.data() + width, 3 * width}, v{qkv.data() + 2 * width, 3 * width};
    const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));

    for (const TransformerBlock& block : blocks) {
        apply(exec, block.self.norm, x, rows, shape.width, normed);
        apply(exec, block.self.query, normed, rows, q, Activation::none, {}, scale);
        apply(exec, block.self.key, normed, rows, k);
        apply(exec, block.self.value, normed, rows, v);
        AttentionArgs a{};
        a.q = q.data;
        a.k = k.data;
        a.v = v.data;
        a.q_stride = a.k_stride = a.v_stride = q.stride;
        a.sequences = sequences.count;
        a.queries = a.keys = sequences.length;
        a.heads = shape.heads;
        a.head_dim = head_dim;
        a.causal = sequences.causal;
        a.out = normed.data;
        a.out_stride = normed.stride;
        attention(exec, a);
        apply(exec, block.self.out, normed, rows, x, Activation::none, x);

        apply(exec, block.mlp_norm, x, rows, shape.width, normed);
        apply(exec, block.mlp_in, normed, rows, mlp, shape.activation);
        apply(exec, block.mlp_out, mlp, rows, x, Activation::none, x);
    }
}

}  // namespace mm
