"""CLIP as ONNX graphs: `python -m benchmarks.clip_onnx CHECKPOINT FOLDER`, where onnx and onnxruntime are installed.

Writes image.onnx and text.onnx, and image.int8.onnx and text.int8.onnx, which onnxruntime has quantised dynamically.
The graphs are what exporters make of transformers' CLIPModel: pictures are float32 (n, 3, size, size), texts int64
(n, tokens) of any length, and embeddings are not normalised. onnxruntime fuses what it knows when it opens them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from benchmarks.clip_worker import read_safetensors

OPSET = 17  # the first with LayerNormalization


class Graph:
    """Nodes one after the other; every method returns the name of its result."""

    def __init__(self, weights: dict[str, Any], config: dict[str, Any]) -> None:
        self.weights = weights
        self.width, self.heads = config["hidden_size"], config["num_attention_heads"]
        self.layers, self.epsilon = config["num_hidden_layers"], config["layer_norm_eps"]
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        output = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, values: Any) -> str:
        self.constants[name] = numpy_helper.from_array(np.asarray(values, order="C"), name)
        return name

    def integers(self, *values: int) -> str:
        return self.constant("integers_" + "_".join(map(str, values)), np.array(values, np.int64))

    def weight(self, name: str) -> str:
        return self.constant(name, self.weights[name])

    def linear(self, x: str, name: str, bias: bool = True) -> str:
        product = self.op("MatMul", x, self.constant(f"{name}.weight", self.weights[f"{name}.weight"].T))
        return self.op("Add", product, self.weight(f"{name}.bias")) if bias else product

    def norm(self, x: str, name: str) -> str:
        parts = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.op("LayerNormalization", x, *parts, axis=-1, epsilon=self.epsilon)

    def heads_of(self, x: str, *permutation: int) -> str:
        split = self.op("Reshape", x, self.integers(0, 0, self.heads, self.width // self.heads))
        return self.op("Transpose", split, perm=permutation)

    def attention(self, x: str, name: str, mask: str | None) -> str:
        scale = self.constant("scale", np.float32((self.width // self.heads) ** -0.5))
        query = self.heads_of(self.op("Mul", self.linear(x, f"{name}.q_proj"), scale), 0, 2, 1, 3)
        key = self.heads_of(self.linear(x, f"{name}.k_proj"), 0, 2, 3, 1)
        value = self.heads_of(self.linear(x, f"{name}.v_proj"), 0, 2, 1, 3)
        scores = self.op("MatMul", query, key)
        if mask is not None:
            scores = self.op("Add", scores, mask)
        mixed = self.op("Transpose", self.op("MatMul", self.op("Softmax", scores, axis=-1), value), perm=(0, 2, 1, 3))
        return self.linear(self.op("Reshape", mixed, self.integers(0, 0, self.width)), f"{name}.out_proj")

    def quick_gelu(self, x: str) -> str:
        slope = self.constant("slope", np.float32(1.702))
        return self.op("Mul", x, self.op("Sigmoid", self.op("Mul", x, slope)))

    def encoder(self, x: str, tower: str, mask: str | None = None) -> str:
        for i in range(self.layers):
            name = f"{tower}.encoder.layers.{i}"
            x = self.op("Add", x, self.attention(self.norm(x, f"{name}.layer_norm1"), f"{name}.self_attn", mask))
            hidden = self.quick_gelu(self.linear(self.norm(x, f"{name}.layer_norm2"), f"{name}.mlp.fc1"))
            x = self.op("Add", x, self.linear(hidden, f"{name}.mlp.fc2"))
        return x

    def write(self, path: Path, given: Any, result: str) -> None:
        self.nodes.append(helper.make_node("Identity", [result], ["embeddings"]))
        embeddings = helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["n", None])
        graph = helper.make_graph(self.nodes, path.stem, [given], [embeddings], list(self.constants.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def write_image_tower(weights: dict[str, Any], config: dict[str, Any], path: Path) -> None:
    graph = Graph(weights, config)
    size, patch = config["image_size"], config["patch_size"]
    embeddings = "vision_model.embeddings"
    patches = graph.op("Conv", "pixels", graph.weight(f"{embeddings}.patch_embedding.weight"), strides=(patch, patch))
    patches = graph.op("Reshape", patches, graph.integers(0, graph.width, (size // patch) ** 2))
    patches = graph.op("Transpose", patches, perm=(0, 2, 1))
    count = graph.op("Slice", graph.op("Shape", "pixels"), graph.integers(0), graph.integers(1))
    shape = graph.op("Concat", count, graph.integers(1), graph.integers(graph.width), axis=0)
    token = graph.op("Expand", graph.weight(f"{embeddings}.class_embedding"), shape)
    x = graph.op("Concat", token, patches, axis=1)
    x = graph.op("Add", x, graph.weight(f"{embeddings}.position_embedding.weight"))
    x = graph.encoder(graph.norm(x, "vision_model.pre_layrnorm"), "vision_model")
    pooled = graph.op("Gather", x, graph.constant("first", np.int64(0)), axis=1)
    pooled = graph.norm(pooled, "vision_model.post_layernorm")
    given = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, size, size])
    graph.write(path, given, graph.linear(pooled, "visual_projection", bias=False))


def write_text_tower(weights: dict[str, Any], config: dict[str, Any], path: Path) -> None:
    graph = Graph(weights, config)
    context = config["max_position_embeddings"]
    embeddings = "text_model.embeddings"
    count = graph.op("Slice", graph.op("Shape", "ids"), graph.integers(1), graph.integers(2))
    zero, both = graph.integers(0), graph.op("Concat", count, count, axis=0)
    positions = graph.op("Slice", graph.weight(f"{embeddings}.position_embedding.weight"), zero, count, zero)
    x = graph.op("Add", graph.op("Gather", graph.weight(f"{embeddings}.token_embedding.weight"), "ids"), positions)
    hidden = np.triu(np.full((context, context), np.finfo(np.float32).min, np.float32), k=1)
    mask = graph.op("Slice", graph.constant("mask", hidden), graph.integers(0, 0), both, graph.integers(0, 1))
    x = graph.norm(graph.encoder(x, "text_model", mask), "text_model.final_layer_norm")
    pooled = graph.op(
        "GatherND", x, graph.op("ArgMax", "ids", axis=1), batch_dims=1
    )  # the end token's id is the largest
    given = helper.make_tensor_value_info("ids", TensorProto.INT64, ["n", "tokens"])
    graph.write(path, given, graph.linear(pooled, "text_projection", bias=False))


def main() -> None:
    checkpoint, folder = Path(sys.argv[1]), Path(sys.argv[2])
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    weights = read_safetensors(checkpoint / "model.safetensors")
    write_image_tower(weights, config["vision_config"], folder / "image.onnx")
    write_text_tower(weights, config["text_config"], folder / "text.onnx")
    for name in ("image", "text"):
        # Not convolutions: onnxruntime has none of signed bytes for processors, and this one is a small part.
        quantize_dynamic(folder / f"{name}.onnx", folder / f"{name}.int8.onnx", op_types_to_quantize=["MatMul"],
                         weight_type=QuantType.QInt8)  # fmt: skip


if __name__ == "__main__":
    main()
