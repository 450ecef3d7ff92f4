"""Tiny synthetic CLIP models as files, written with numpy alone and independently of the product's own writers.

    model = write_clip("tiny.gguf")                             # our container, f16 panels, both towers
    model = write_clip("tiny.gguf", dtype="f32", activation="gelu", vision={"image_size": 48})
    model = write_clip("siglip.gguf", **SIGLIP)                 # attention pooling, squashed pictures, no tokenizer
    model.tensors["v.patch_embd.weight"]                        # f32, exactly the values that the file holds

docs/model-files.md specifies keys, names and layouts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from model_files import (
    ARRAY,
    BOOL,
    F32,
    GGML_TYPES,
    STRING,
    U32,
    FloatArray,
    GgufTensor,
    GgufValue,
    gguf_bytes,
    gpt2_byte_order,
    gpt2_printable,
    panels,
    quantize,
)

VISION: dict[str, Any] = {
    "embedding_length": 32, "feed_forward_length": 64, "block_count": 2, "head_count": 2, "image_size": 32,
    "patch_size": 8, "pooling": "cls", "resize": "shortest", "crop": "floor", "interpolation": "bicubic",
    "pre_norm": True, "patch_bias": False, "projection": True,
}  # fmt: skip
TEXT: dict[str, Any] = {
    "embedding_length": 32, "feed_forward_length": 48, "block_count": 2, "head_count": 4, "context_length": 24,
    "pooling": "eot", "causal": True, "pad": False, "pad_token_id": 0, "projection": True, "projection_bias": False,
}  # fmt: skip
# What SigLIP models are like.
SIGLIP: dict[str, Any] = {
    "activation": "gelu_tanh", "loss": "sigmoid", "logit_bias": -8.0, "tokenizer": False, "projection_dim": 32,
    "vision": {"pooling": "map", "resize": "squash", "pre_norm": False, "patch_bias": True, "projection": False},
    "text": {"pooling": "last", "causal": False, "pad": True, "pad_token_id": 1, "projection_bias": True},
}  # fmt: skip
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
MERGES = ["t h", "th e</w>", "c a", "ca t</w>", "d o", "do g</w>", "a n", "an d</w>", "e r", "i n", "in g</w>", "p h",
          "ph o", "pho t", "phot o</w>", "o f</w>"]  # fmt: skip


@dataclass(frozen=True)
class SyntheticClip:
    vision: dict[str, Any] | None
    text: dict[str, Any] | None
    metadata: list[GgufValue]
    tensors: dict[str, FloatArray]  # as the file holds them, matrices [n][k]
    stored: list[GgufTensor]
    tokens: list[str]
    merges: list[str]

    def write(self, path: str | PathLike[str]) -> SyntheticClip:
        Path(path).write_bytes(gguf_bytes(self.metadata, self.stored))
        return self


def vocabulary(merges: list[str]) -> list[str]:
    """CLIP's tokens: the bytes, the bytes at a word's end, what merges make, and the two special ones."""
    letters = [gpt2_printable(bytes([byte])) for byte in gpt2_byte_order()]
    words = [letter + "</w>" for letter in letters]
    return [*letters, *words, *(merge.replace(" ", "") for merge in merges), "<|startoftext|>", "<|endoftext|>"]


def write_clip(path: str | PathLike[str], seed: int = 0, dtype: str = "f16", **options: Any) -> SyntheticClip:
    """Writes a synthetic model in our container; options are those of synthetic_clip."""
    return synthetic_clip(seed, dtype, **options).write(path)


def synthetic_clip(
    seed: int = 0,
    dtype: str = "f16",
    *,
    activation: str = "quick_gelu",
    projection_dim: int = 24,
    logit_scale: float = 20.0,
    logit_bias: float = 0.0,
    loss: str = "softmax",
    tokenizer: bool = True,
    merges: list[str] | None = None,
    vision: Mapping[str, Any] | None = None,
    text: Mapping[str, Any] | None = None,
    towers: str = "vision text",
) -> SyntheticClip:
    """A model with random weights. `vision` and `text` change what VISION and TEXT say."""
    rng = np.random.default_rng(seed)
    tensors: dict[str, FloatArray] = {}
    stored: list[GgufTensor] = []
    merges = MERGES if merges is None else merges
    tokens = vocabulary(merges)
    v = {**VISION, **(vision or {})} if "vision" in towers else None
    t = {**TEXT, **(text or {})} if "text" in towers else None

    def plain(name: str, *shape: int, std: float, mean: float = 0.0) -> None:
        values = (mean + std * rng.standard_normal(shape, dtype=np.float32)).astype(np.float32)
        tensors[name] = values
        stored.append(GgufTensor(name, values.shape[::-1], GGML_TYPES["f32"], quantize(values, "f32")[0]))

    def matrix(name: str, n: int, k: int, std: float) -> None:
        values = (std * rng.standard_normal((n, k), dtype=np.float32)).astype(np.float32)
        tensors[name] = quantize(values, dtype)[1]
        laid_out = panels(values)
        stored.append(GgufTensor(name, laid_out.shape[::-1], GGML_TYPES[dtype], quantize(laid_out, dtype)[0]))

    def linear(name: str, n: int, k: int, gain: float = 1.0) -> None:
        matrix(f"{name}.weight", n, k, gain / k**0.5)
        plain(f"{name}.bias", n, std=0.1)

    def norm(name: str, width: int) -> None:
        plain(f"{name}.weight", width, std=0.1, mean=1.0)
        plain(f"{name}.bias", width, std=0.1)

    def attention_and_mlp(prefix: str, tower: dict[str, Any]) -> None:
        width, wide = tower["embedding_length"], tower["feed_forward_length"]
        for name in ("attn_q", "attn_k"):
            linear(prefix + name, width, width, gain=2.0)
        for name in ("attn_v", "attn_out"):
            linear(prefix + name, width, width)
        linear(prefix + "ffn_up", wide, width)
        linear(prefix + "ffn_down", width, wide, gain=1.5)

    def blocks(prefix: str, tower: dict[str, Any]) -> None:
        for layer in range(tower["block_count"]):
            norm(f"{prefix}.blk.{layer}.ln1", tower["embedding_length"])
            attention_and_mlp(f"{prefix}.blk.{layer}.", tower)
            norm(f"{prefix}.blk.{layer}.ln2", tower["embedding_length"])
        norm(f"{prefix}.post_ln", tower["embedding_length"])

    metadata: list[GgufValue] = [
        ("general.architecture", STRING, "clip"),
        ("general.name", STRING, "clip-synthetic"),
        ("general.source", STRING, "tests/clip_files.py"),
        ("general.license", STRING, "MIT"),
        ("general.alignment", U32, 64),
        ("multimodal.layout", STRING, "panel16"),
        ("clip.has_vision_encoder", BOOL, v is not None),
        ("clip.has_text_encoder", BOOL, t is not None),
        ("clip.use_gelu", BOOL, activation != "quick_gelu"),
        ("clip.activation", STRING, activation),
        ("clip.logit_scale", F32, logit_scale),
        ("clip.logit_bias", F32, logit_bias),
        ("clip.loss", STRING, loss),
    ]

    def tower_metadata(section: str, tower: dict[str, Any]) -> None:
        for key in ("embedding_length", "feed_forward_length", "block_count"):
            metadata.append((f"clip.{section}.{key}", U32, tower[key]))
        metadata.append((f"clip.{section}.attention.head_count", U32, tower["head_count"]))
        metadata.append((f"clip.{section}.attention.layer_norm_epsilon", F32, 1e-5))
        metadata.append((f"clip.{section}.projection_dim", U32, projection_dim))

    if v is not None:
        width, patch = v["embedding_length"], v["patch_size"]
        tower_metadata("vision", v)
        metadata += [(f"clip.vision.{key}", U32, v[key]) for key in ("image_size", "patch_size")]
        metadata += [(f"clip.vision.{key}", STRING, v[key]) for key in ("pooling", "resize", "crop", "interpolation")]
        metadata.append(("clip.vision.image_mean", (ARRAY, F32), MEAN))
        metadata.append(("clip.vision.image_std", (ARRAY, F32), STD))
        if v["pooling"] == "cls":
            plain("v.class_embd", width, std=0.3)
        matrix("v.patch_embd.weight", width, 3 * patch * patch, std=1.5 / (3 * patch * patch) ** 0.5)
        if v["patch_bias"]:
            plain("v.patch_embd.bias", width, std=0.1)
        n_tokens = (v["image_size"] // patch) ** 2 + (v["pooling"] == "cls")
        plain("v.position_embd.weight", n_tokens, width, std=0.3)
        if v["pre_norm"]:
            norm("v.pre_ln", width)
        blocks("v", v)
        if v["pooling"] == "map":
            plain("v.map.probe", width, std=1.0)
            attention_and_mlp("v.map.", v)
            norm("v.map.ln", width)
        if v["projection"]:
            matrix("visual_projection.weight", projection_dim, width, std=1 / width**0.5)
    if t is not None:
        width = t["embedding_length"]
        tower_metadata("text", t)
        metadata.append(("clip.text.context_length", U32, t["context_length"]))
        metadata.append(("clip.text.pooling", STRING, t["pooling"]))
        metadata += [(f"clip.text.{key}", BOOL, t[key]) for key in ("causal", "pad")]
        metadata.append(("clip.text.pad_token_id", U32, t["pad_token_id"]))
        if tokenizer:
            metadata.append(("tokenizer.ggml.model", STRING, "clip"))
            metadata.append(("tokenizer.ggml.tokens", (ARRAY, STRING), tokens))
            metadata.append(("tokenizer.ggml.merges", (ARRAY, STRING), merges))
        else:
            metadata.append(("clip.text.vocab_size", U32, len(tokens)))
        matrix("t.token_embd.weight", len(tokens), width, std=0.5)
        plain("t.position_embd.weight", t["context_length"], width, std=0.2)
        blocks("t", t)
        if t["projection"]:
            matrix("text_projection.weight", projection_dim, width, std=1 / width**0.5)
        if t["projection_bias"]:
            plain("text_projection.bias", projection_dim, std=0.1)
    return SyntheticClip(v, t, metadata, tensors, stored, tokens, merges)


def write_wide_clip(path: str | PathLike[str], width: int) -> SyntheticClip:
    """A model with few layers, as wide as large ones'."""
    tower = {"embedding_length": width, "feed_forward_length": 4 * width, "block_count": 2, "head_count": width // 64}
    return write_clip(path, vision={**tower, "image_size": 224, "patch_size": 14}, text={**tower, "context_length": 77})
