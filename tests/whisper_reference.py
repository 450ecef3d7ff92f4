"""Whisper's forward pass in numpy and float64: what the engine's numbers are compared with.

Written from the paper (Radford et al. 2022, section 2.2) and the published checkpoints' shapes; slow and plain.
"""

from __future__ import annotations

from math import erf

import numpy as np
import numpy.typing as npt
from model_files import SyntheticModel

Array = npt.NDArray[np.float64]

_erf = np.vectorize(erf)


def gelu(x: Array) -> Array:
    return np.asarray(0.5 * x * (1.0 + _erf(x / 2**0.5)))


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


class Reference:
    """The forward pass of a synthetic model."""

    def __init__(self, model: SyntheticModel) -> None:
        self.shape = model.shape
        self.weights = {name: tensor.astype(np.float64) for name, tensor in model.tensors.items()}

    def linear(self, name: str, x: Array) -> Array:
        y: Array = x @ self.weights[f"{name}.weight"].T
        bias = self.weights.get(f"{name}.bias")
        return y if bias is None else y + bias

    def norm(self, name: str, x: Array) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
        return np.asarray(scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"])

    def convolution(self, name: str, x: Array, stride: int) -> Array:
        """Three taps over time, one position of zero padding: x is [time][channels]."""
        weight = self.weights[f"{name}.weight"]
        padded = np.pad(x, ((1, 1), (0, 0)))
        taps = [padded[tap : tap + len(x) : stride] @ weight[:, :, tap].T for tap in range(3)]
        return np.asarray(sum(taps) + self.weights[f"{name}.bias"])

    def attention(self, name: str, x: Array, memory: Array, heads: int, causal: bool) -> Array:
        width = x.shape[1] // heads

        def split(y: Array) -> Array:
            heads_first: Array = y.reshape(len(y), heads, width).transpose(1, 0, 2)
            return heads_first

        q = split(self.linear(f"{name}.query", x))
        k = split(self.linear(f"{name}.key", memory))
        v = split(self.linear(f"{name}.value", memory))
        scores = q @ k.transpose(0, 2, 1) / width**0.5
        if causal:
            scores = np.where(np.tri(len(x), len(memory), dtype=bool), scores, -np.inf)
        y = (softmax(scores) @ v).transpose(1, 0, 2).reshape(len(x), -1)
        return self.linear(f"{name}.out", y)

    def mlp(self, name: str, x: Array) -> Array:
        return self.linear(f"{name}.mlp.2", gelu(self.linear(f"{name}.mlp.0", self.norm(f"{name}.mlp_ln", x))))

    def encode(self, mel: Array, audio_ctx: int) -> Array:
        """Log-mel frames [frames][n_mels] to [audio_ctx][n_audio_state]."""
        x = np.zeros((2 * audio_ctx, self.shape.n_mels))
        x[: len(mel)] = mel
        x = gelu(self.convolution("encoder.conv1", x, 1))
        x = gelu(self.convolution("encoder.conv2", x, 2))
        x = x + self.weights["encoder.positional_embedding"][:audio_ctx]
        for layer in range(self.shape.n_audio_layer):
            block = f"encoder.blocks.{layer}"
            y = self.norm(f"{block}.attn_ln", x)
            x = x + self.attention(f"{block}.attn", y, y, self.shape.n_audio_head, causal=False)
            x = x + self.mlp(block, x)
        return self.norm("encoder.ln_post", x)

    def logits(self, encoded: Array, tokens: list[int]) -> Array:
        """[n_tokens][n_vocab]"""
        embedding = self.weights["decoder.token_embedding.weight"]
        x = embedding[tokens] + self.weights["decoder.positional_embedding"][: len(tokens)]
        for layer in range(self.shape.n_text_layer):
            block = f"decoder.blocks.{layer}"
            y = self.norm(f"{block}.attn_ln", x)
            x = x + self.attention(f"{block}.attn", y, y, self.shape.n_text_head, causal=True)
            y = self.norm(f"{block}.cross_attn_ln", x)
            x = x + self.attention(f"{block}.cross_attn", y, encoded, self.shape.n_text_head, causal=False)
            x = x + self.mlp(block, x)
        return np.asarray(self.norm("decoder.ln", x) @ embedding.T)


def relative_error(value: npt.NDArray[np.float32], reference: Array) -> float:
    """The largest difference, relative to the largest value."""
    return float(np.abs(value - reference).max() / np.abs(reference).max())
