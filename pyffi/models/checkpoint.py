"""What every converter reads and every writer takes: a Whisper checkpoint, tensor by tensor.

Tensors have the names and shapes of OpenAI's state dict and are loaded one at a time, so that converting a model takes
memory for a few copies of its largest tensor, however large the model is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from pyffi.errors import ModelError

Array = npt.NDArray[Any]

ENGLISH_VOCABULARY = 51864
MULTILINGUAL_VOCABULARY = 51865
LARGE_V3_VOCABULARY = 51866  # one language more
# Text tokens come first; special tokens and timestamps follow.
TEXT_TOKENS = {ENGLISH_VOCABULARY: 50256, MULTILINGUAL_VOCABULARY: 50257, LARGE_V3_VOCABULARY: 50257}

# Bounds of what the engine holds.
MAX_SIZE = 1 << 14
MAX_LAYERS = 256
HEAD_MULTIPLE = 16


@dataclass(frozen=True)
class Dimensions:
    """OpenAI's ModelDimensions."""

    n_mels: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int

    @property
    def n_text_tokens(self) -> int:
        return TEXT_TOKENS[self.n_vocab]

    def validate(self) -> None:
        if self.n_vocab not in TEXT_TOKENS:
            raise ModelError(
                f"n_vocab is {self.n_vocab}: Whisper has {', '.join(map(str, TEXT_TOKENS))}; "
                "models with added tokens are not supported"
            )
        if self.n_mels not in (80, 128):
            raise ModelError(f"n_mels is {self.n_mels}: Whisper has 80 or 128 mel bands")
        for name, value in asdict(self).items():
            largest = MAX_LAYERS if name.endswith("layer") else MAX_SIZE
            if name != "n_vocab" and not 1 <= value <= largest:
                raise ModelError(f"{name} is {value}: 1 to {largest} is supported")
        for tower in ("audio", "text"):
            state, heads = getattr(self, f"n_{tower}_state"), getattr(self, f"n_{tower}_head")
            if state % heads or state // heads % HEAD_MULTIPLE:
                raise ModelError(
                    f"n_{tower}_state is {state} and n_{tower}_head {heads}: "
                    f"the width of a head has to be a multiple of {HEAD_MULTIPLE}"
                )
        if self.n_audio_state != self.n_text_state:
            raise ModelError(
                f"n_audio_state is {self.n_audio_state} and n_text_state {self.n_text_state}: they have to be equal, "
                "the decoder attends to the encoder's output"
            )


@dataclass(frozen=True)
class Tensor:
    """A tensor that is read when asked for; `dtype` is what `load` returns: float16 or float32."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[], Array]

    def rows(self, start: int, stop: int) -> Tensor:
        """Rows start to stop, as a tensor of its own."""
        return Tensor((stop - start, *self.shape[1:]), self.dtype, lambda: self.load()[start:stop])

    @classmethod
    def stored(cls, shape: tuple[int, ...], stored: str, load: Callable[[], Array]) -> Tensor:
        """A tensor that is stored as float32, float16 or bfloat16 (`load` gives its bits as uint16)."""
        if stored == "bfloat16":
            return cls(shape, np.dtype(np.float32), lambda: bfloat16_to_float32(load()))
        return cls(shape, np.dtype(stored), load)


@dataclass(frozen=True)
class Provenance:
    """What a converted file says of itself."""

    name: str
    source: str
    license: str | None = None  # SPDX identifier


@dataclass(frozen=True)
class Checkpoint:
    dimensions: Dimensions
    tensors: Mapping[str, Tensor]
    vocabulary: list[bytes]  # the bytes of each text token, in id order
    alignment_heads: list[tuple[int, int]]  # (decoder layer, head)
    provenance: Provenance

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return tensor_shapes(self.dimensions)

    def __post_init__(self) -> None:
        self.dimensions.validate()
        self._validate_tensors()
        if len(self.vocabulary) != self.dimensions.n_text_tokens:
            raise ModelError(
                f"the vocabulary has {len(self.vocabulary)} text tokens: "
                f"{self.dimensions.n_text_tokens} belong to n_vocab {self.dimensions.n_vocab}"
            )
        for layer, head in self.alignment_heads:
            if not (0 <= layer < self.dimensions.n_text_layer and 0 <= head < self.dimensions.n_text_head):
                raise ModelError(
                    f"alignment head ({layer}, {head}) is outside of {self.dimensions.n_text_layer} decoder layers "
                    f"with {self.dimensions.n_text_head} heads"
                )

    def _validate_tensors(self) -> None:
        missing = sorted(self.shapes.keys() - self.tensors.keys())
        if missing:
            raise ModelError(f"{len(missing)} tensors are missing, such as {missing[0]}")
        unknown = sorted(self.tensors.keys() - self.shapes.keys())
        if unknown:
            raise ModelError(f"{len(unknown)} tensors do not belong to a Whisper model, such as {unknown[0]}")
        for name, shape in self.shapes.items():
            if self.tensors[name].shape != shape:
                raise ModelError(f"{name} has shape {list(self.tensors[name].shape)}: {list(shape)} is needed")

    def load(self, name: str) -> Array:
        """The values of a tensor, refused if any is NaN or infinite."""
        values = self.tensors[name].load()
        finite = np.isfinite(values)
        if not finite.all():
            where = [int(i) for i in np.argwhere(~finite)[0]]
            raise ModelError(f"{name} has the value {values[tuple(where)]} at {where}: weights have to be finite")
        return values


def bfloat16_to_float32(bits: Array) -> Array:
    """bfloat16, given as uint16, is the upper half of a float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def is_matrix(name: str) -> bool:
    """Whether a tensor is the weight of a matrix product, stored as panels in f16 or f32, not a plain f32 vector."""
    return name == "decoder.token_embedding.weight" or (name.endswith(".weight") and "ln" not in name)


def tensor_shapes(d: Dimensions) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a Whisper model, in the order of OpenAI's state dict."""
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str, width: int) -> None:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (width,)

    def linear(name: str, n: int, k: int, bias: bool = True) -> None:
        shapes[f"{name}.weight"] = (n, k)
        if bias:
            shapes[f"{name}.bias"] = (n,)

    def attention(name: str, width: int) -> None:
        linear(f"{name}.query", width, width)
        linear(f"{name}.key", width, width, bias=False)
        linear(f"{name}.value", width, width)
        linear(f"{name}.out", width, width)
        norm(f"{name}_ln", width)

    def block(name: str, width: int, cross: bool) -> None:
        attention(f"{name}.attn", width)
        if cross:
            attention(f"{name}.cross_attn", width)
        linear(f"{name}.mlp.0", 4 * width, width)
        linear(f"{name}.mlp.2", width, 4 * width)
        norm(f"{name}.mlp_ln", width)

    width = d.n_audio_state
    shapes["encoder.positional_embedding"] = (d.n_audio_ctx, width)
    for name, channels in (("encoder.conv1", d.n_mels), ("encoder.conv2", width)):
        shapes[f"{name}.weight"] = (width, channels, 3)
        shapes[f"{name}.bias"] = (width,)
    for i in range(d.n_audio_layer):
        block(f"encoder.blocks.{i}", width, cross=False)
    norm("encoder.ln_post", width)

    width = d.n_text_state
    shapes["decoder.positional_embedding"] = (d.n_text_ctx, width)
    shapes["decoder.token_embedding.weight"] = (d.n_vocab, width)
    for i in range(d.n_text_layer):
        block(f"decoder.blocks.{i}", width, cross=True)
    norm("decoder.ln", width)
    return shapes
