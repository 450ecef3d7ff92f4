"""What is Whisper's own in a checkpoint: dimensions, tensors, vocabulary, alignment heads.

Tensors have the names and shapes of OpenAI's state dict.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import ClassVar

from pyffi.errors import ModelError
from pyffi.models.checkpoint import Array, Checkpoint, MetadataValue, Shapes
from pyffi.models.mel_filters import mel_filters
from pyffi.models.vocabulary import to_printable

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


@dataclass(frozen=True, kw_only=True)
class WhisperCheckpoint(Checkpoint):
    architecture: ClassVar[str] = "whisper"
    title: ClassVar[str] = "Whisper"

    dimensions: Dimensions
    vocabulary: list[bytes]  # the bytes of each text token, in id order
    alignment_heads: list[tuple[int, int]]  # (decoder layer, head)

    @cached_property
    def shapes(self) -> Shapes:
        return tensor_shapes(self.dimensions)

    def __post_init__(self) -> None:
        self.dimensions.validate()
        self.validate_tensors()
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

    def metadata(self) -> dict[str, MetadataValue]:
        return {f"whisper.{key}": value for key, value in asdict(self.dimensions).items()} | {
            "whisper.alignment_heads": [index for pair in self.alignment_heads for index in pair],
            "tokenizer.ggml.model": "gpt2",
            "tokenizer.ggml.tokens": [to_printable(token) for token in self.vocabulary],
        }

    def constants(self) -> dict[str, Array]:
        return {"mel_filters": mel_filters(self.dimensions.n_mels)}


def tensor_shapes(d: Dimensions) -> Shapes:
    """Name and shape of every tensor of a Whisper model, in the order of OpenAI's state dict."""
    shapes: Shapes = {}

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
