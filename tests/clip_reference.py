"""CLIP's forward passes in numpy and float64: what the engine's numbers are compared with.

Written from the papers (Radford et al. 2021, section 2.4; Zhai et al. 2023 for SigLIP, whose pooling is that of the Big
Vision code base) and the definitions of the activations; slow and plain. Tensors have the names of docs/model-files.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import erf
from typing import Any

import numpy as np
import numpy.typing as npt
from whisper_reference import softmax

Array = npt.NDArray[np.float64]

_erf = np.vectorize(erf)

ACTIVATIONS = {
    "quick_gelu": lambda x: x / (1 + np.exp(-1.702 * x)),
    "gelu": lambda x: 0.5 * x * (1 + _erf(x / 2**0.5)),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))),
}


@dataclass(frozen=True)
class Recipe:
    """What a model is, beside its weights and their shapes."""

    activation: str = "quick_gelu"
    image_heads: int = 2
    image_pooling: str = "cls"
    mean: Sequence[float] = (0.48145466, 0.4578275, 0.40821073)
    std: Sequence[float] = (0.26862954, 0.26130258, 0.27577711)
    text_heads: int = 2
    text_pooling: str = "eot"
    causal: bool = True
    pad: bool = False
    pad_token_id: int = 0
    eot: int = -1
    epsilon: float = 1e-5


class ClipReference:
    def __init__(self, tensors: Mapping[str, npt.NDArray[Any]], recipe: Recipe) -> None:
        self.weights = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
        self.recipe = recipe

    def linear(self, name: str, x: Array) -> Array:
        """Without weights it is the identity."""
        if f"{name}.weight" not in self.weights:
            return x
        y: Array = x @ self.weights[f"{name}.weight"].T
        bias = self.weights.get(f"{name}.bias")
        return y if bias is None else y + bias

    def norm(self, name: str, x: Array) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self.recipe.epsilon)
        return np.asarray(scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"])

    def attention(self, name: str, x: Array, memory: Array, heads: int, causal: bool = False) -> Array:
        width = x.shape[1] // heads

        def split(y: Array) -> Array:
            heads_first: Array = y.reshape(len(y), heads, width).transpose(1, 0, 2)
            return heads_first

        q, k, v = (split(self.linear(f"{name}.attn_{part}", y)) for part, y in (("q", x), ("k", memory), ("v", memory)))
        scores = q @ k.transpose(0, 2, 1) / width**0.5
        if causal:
            scores = np.where(np.tri(len(x), len(memory), dtype=bool), scores, -np.inf)
        return self.linear(f"{name}.attn_out", (softmax(scores) @ v).transpose(1, 0, 2).reshape(len(x), -1))

    def mlp(self, name: str, x: Array) -> Array:
        hidden = ACTIVATIONS[self.recipe.activation](self.linear(f"{name}.ffn_up", x))
        return self.linear(f"{name}.ffn_down", np.asarray(hidden))

    def transformer(self, tower: str, x: Array, heads: int, causal: bool) -> Array:
        layer = 0
        while f"{tower}.blk.{layer}.ln1.weight" in self.weights:
            block = f"{tower}.blk.{layer}"
            y = self.norm(f"{block}.ln1", x)
            x = x + self.attention(block, y, y, heads, causal)
            x = x + self.mlp(block, self.norm(f"{block}.ln2", x))
            layer += 1
        assert layer > 0
        return self.norm(f"{tower}.post_ln", x)

    def encode_square(self, square: npt.NDArray[np.uint8]) -> Array:
        """Pixels (image_size, image_size, 3), prepared already, as their embedding, whose length is not changed."""
        # OpenAI's code scales and normalises in float32: what it makes of a pixel is part of the definition.
        mean, std = (np.asarray(values, dtype=np.float32) for values in (self.recipe.mean, self.recipe.std))
        pixels = (square.astype(np.float32) / np.float32(255) - mean) / std
        kernel = self.weights["v.patch_embd.weight"]  # [width][channel][row][column]
        patch = kernel.shape[-1]
        across = len(square) // patch
        patches = [
            np.tensordot(kernel, pixels[top : top + patch, left : left + patch], axes=((2, 3, 1), (0, 1, 2)))
            for top in range(0, across * patch, patch)
            for left in range(0, across * patch, patch)
        ]
        x = np.stack(patches) + self.weights.get("v.patch_embd.bias", 0.0)
        if "v.class_embd" in self.weights:
            x = np.concatenate([self.weights["v.class_embd"][None], x])
        x = x + self.weights["v.position_embd.weight"]
        if "v.pre_ln.weight" in self.weights:
            x = self.norm("v.pre_ln", x)
        x = self.transformer("v", x, self.recipe.image_heads, causal=False)
        if self.recipe.image_pooling == "cls":
            pooled = x[:1]
        elif self.recipe.image_pooling == "mean":
            pooled = x[-len(patches) :].mean(axis=0, keepdims=True)
        else:
            pooled = self.attention("v.map", self.weights["v.map.probe"][None], x, self.recipe.image_heads)
            pooled = pooled + self.mlp("v.map", self.norm("v.map.ln", pooled))
        return self.linear("visual_projection", pooled[0])

    def encode_tokens(self, ids: Sequence[int]) -> Array:
        """Token ids, the start and end token among them, as their embedding, whose length is not changed."""
        positions = self.weights["t.position_embd.weight"]
        given = list(ids)
        if self.recipe.pad:
            given += [self.recipe.pad_token_id] * (len(positions) - len(given))
        x = self.weights["t.token_embd.weight"][given] + positions[: len(given)]
        x = self.transformer("t", x, self.recipe.text_heads, self.recipe.causal)
        at = given.index(self.recipe.eot) if self.recipe.text_pooling == "eot" else len(given) - 1
        return self.linear("text_projection", x[at])
