"""What is CLIP's own in a checkpoint: two towers, how pictures and texts are prepared for them, the tokens.

Tensors have the names of clip.cpp's files, of the feed-forward layers `ffn_up` the first and `ffn_down` the second.
docs/model-files.md describes names and keys.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

from pyffi.errors import ModelError
from pyffi.models.checkpoint import Checkpoint, MetadataValue, Shapes

ACTIVATIONS = ("quick_gelu", "gelu", "gelu_tanh")
LOGIT_SCALE = 100.0  # where a checkpoint has none: what OpenAI's were clipped to in training

# Bounds of what the engine holds.
MAX_WIDTH = 1 << 14
MAX_LAYERS = 256
MAX_TOKENS = 1 << 12  # patches of a picture, positions of a text
MAX_IMAGE = 1 << 12
MAX_FEED_FORWARD = 8  # times the width
MAX_PATCH = 256
MAX_VOCABULARY = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Tower:
    """A transformer whose pooled output is projected into the space; without `projection` it is there already."""

    width: int
    feed_forward: int
    layers: int
    heads: int
    epsilon: float
    projection: bool = True
    projection_bias: bool = False


@dataclass(frozen=True, kw_only=True)
class ImageTower(Tower):
    image_size: int
    patch_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: str = "shortest"  # or squash
    interpolation: str = "bicubic"  # or bilinear
    crop: str = "floor"  # or half_even
    exif_orientation: bool = False
    pooling: str = "cls"  # or mean, map
    class_embedding: bool = True
    pre_norm: bool = True
    patch_bias: bool = False

    @property
    def patches(self) -> int:
        return (self.image_size // self.patch_size) ** 2


@dataclass(frozen=True, kw_only=True)
class TextTower(Tower):
    context_length: int
    vocab_size: int
    pooling: str = "eot"  # or last
    causal: bool = True
    pad: bool = False
    pad_token_id: int = 0


@dataclass(frozen=True, kw_only=True)
class ClipConfig:
    projection_dim: int
    activation: str  # one of ACTIVATIONS
    image: ImageTower | None
    text: TextTower | None
    logit_scale: float = LOGIT_SCALE
    logit_bias: float = 0.0
    loss: str = "softmax"  # or sigmoid

    def validate(self) -> None:
        bounds = {"projection_dim": (self.projection_dim, MAX_WIDTH)}
        for title, tower in (("image", self.image), ("text", self.text)):
            if tower is not None:
                bounds |= {f"{title} {name}": bound for name, bound in _bounds(tower).items()}
        for name, (value, most) in bounds.items():
            if not 1 <= value <= most:
                raise ModelError(f"{name} is {value}: 1 to {most} is supported")
        for title, tower in (("image", self.image), ("text", self.text)):
            if tower is not None:
                self._validate_tower(title, tower)
        if self.image is not None:
            _validate_image(self.image)
        if self.text is not None and self.text.pad and not 0 <= self.text.pad_token_id < self.text.vocab_size:
            raise ModelError(f"the pad token {self.text.pad_token_id} is not one of {self.text.vocab_size} tokens")
        for name, number in (("the logit scale", self.logit_scale), ("the logit bias", self.logit_bias)):
            if not math.isfinite(number):
                raise ModelError(f"{name} is {number}: a finite number is needed")

    def _validate_tower(self, title: str, tower: Tower) -> None:
        if tower.width % tower.heads:
            raise ModelError(f"{title} width is {tower.width}, which its {tower.heads} heads do not divide")
        if not 0 <= tower.epsilon <= 1:
            raise ModelError(f"{title} layer_norm_epsilon is {tower.epsilon}: 0 to 1 is supported")
        if not tower.projection and tower.width != self.projection_dim:
            raise ModelError(
                f"the {title} tower has no projection, but its width {tower.width} is not projection_dim "
                f"{self.projection_dim}"
            )


def _bounds(tower: Tower) -> dict[str, tuple[int, int]]:
    """Sizes of a tower and the largest that each may be."""
    bounds = {
        "width": (tower.width, MAX_WIDTH),
        "feed_forward": (tower.feed_forward, MAX_FEED_FORWARD * tower.width),
        "layers": (tower.layers, MAX_LAYERS),
        "heads": (tower.heads, MAX_WIDTH),
    }
    if isinstance(tower, ImageTower):
        bounds |= {"image_size": (tower.image_size, MAX_IMAGE), "patch_size": (tower.patch_size, MAX_PATCH)}
    if isinstance(tower, TextTower):
        bounds |= {
            "context_length": (tower.context_length, MAX_TOKENS),
            "vocab_size": (tower.vocab_size, MAX_VOCABULARY),
        }
    return bounds


def _validate_image(tower: ImageTower) -> None:
    if tower.patch_size > tower.image_size:
        raise ModelError(f"image patch_size is {tower.patch_size} in pictures of {tower.image_size} pixels")
    if tower.patches >= MAX_TOKENS:
        raise ModelError(f"pictures have {tower.patches} patches: up to {MAX_TOKENS - 1} are supported")
    if tower.pooling == "cls" and not tower.class_embedding:
        raise ModelError("v.class_embd is missing, which the pooling cls reads")
    for name, values in (("mean", tower.mean), ("std", tower.std)):
        if not all(math.isfinite(value) for value in values) or (name == "std" and min(values) < 1e-6):
            raise ModelError(f"image {name} is {list(values)}: finite numbers are needed, of std positive ones")


@dataclass(frozen=True, kw_only=True)
class ClipCheckpoint(Checkpoint):
    architecture: ClassVar[str] = "clip"
    title: ClassVar[str] = "CLIP"

    config: ClipConfig
    tokens: list[str] = field(default_factory=list)  # in id order, in GPT-2's printable form; none: ids only
    merges: list[str] = field(default_factory=list)  # "a b" by rank; none: the engine recovers them from the tokens

    def __post_init__(self) -> None:
        self.config.validate()
        self.validate_tensors()
        text = self.config.text
        if text is None:
            return
        if len(self.tokens) > text.vocab_size:
            raise ModelError(f"the vocabulary has {len(self.tokens)} tokens: vocab_size is {text.vocab_size}")
        if not self.tokens and text.pooling == "eot":
            raise ModelError("the vocabulary is missing, which says what the end token is that a text is pooled at")

    @cached_property
    def shapes(self) -> Shapes:
        return tensor_shapes(self.config)

    def metadata(self) -> dict[str, MetadataValue]:
        c = self.config
        values: dict[str, MetadataValue] = {
            "clip.has_vision_encoder": c.image is not None,
            "clip.has_text_encoder": c.text is not None,
            "clip.use_gelu": c.activation != "quick_gelu",
            "clip.activation": c.activation,
            "clip.logit_scale": c.logit_scale,
            "clip.logit_bias": c.logit_bias,
            "clip.loss": c.loss,
        }
        if c.image is not None:
            values |= self._tower("vision", c.image) | {
                "clip.vision.image_size": c.image.image_size,
                "clip.vision.patch_size": c.image.patch_size,
                "clip.vision.image_mean": list(c.image.mean),
                "clip.vision.image_std": list(c.image.std),
                "clip.vision.resize": c.image.resize,
                "clip.vision.interpolation": c.image.interpolation,
                "clip.vision.crop": c.image.crop,
                "clip.vision.exif_orientation": c.image.exif_orientation,
                "clip.vision.pooling": c.image.pooling,
            }
        if c.text is not None:
            values |= self._tower("text", c.text) | {
                "clip.text.context_length": c.text.context_length,
                "clip.text.vocab_size": c.text.vocab_size,
                "clip.text.pooling": c.text.pooling,
                "clip.text.causal": c.text.causal,
                "clip.text.pad": c.text.pad,
                "clip.text.pad_token_id": c.text.pad_token_id,
            }
        if self.tokens:
            values |= {"tokenizer.ggml.model": "clip", "tokenizer.ggml.tokens": self.tokens}
        if self.merges:
            values["tokenizer.ggml.merges"] = self.merges
        return values

    def _tower(self, section: str, tower: Tower) -> dict[str, MetadataValue]:
        return {
            f"clip.{section}.embedding_length": tower.width,
            f"clip.{section}.feed_forward_length": tower.feed_forward,
            f"clip.{section}.block_count": tower.layers,
            f"clip.{section}.attention.head_count": tower.heads,
            f"clip.{section}.attention.layer_norm_epsilon": tower.epsilon,
            f"clip.{section}.projection_dim": self.config.projection_dim,
        }


def tensor_shapes(config: ClipConfig) -> Shapes:
    """Name and shape of every tensor of a CLIP model."""
    shapes: Shapes = {}

    def norm(name: str, width: int) -> None:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (width,)

    def linear(name: str, n: int, k: int, bias: bool = True) -> None:
        shapes[f"{name}.weight"] = (n, k)
        if bias:
            shapes[f"{name}.bias"] = (n,)

    def attention_and_mlp(name: str, tower: Tower) -> None:
        for part in ("attn_q", "attn_k", "attn_v", "attn_out"):
            linear(f"{name}.{part}", tower.width, tower.width)
        linear(f"{name}.ffn_up", tower.feed_forward, tower.width)
        linear(f"{name}.ffn_down", tower.width, tower.feed_forward)

    def rest(prefix: str, projection: str, tower: Tower) -> None:
        for i in range(tower.layers):
            norm(f"{prefix}.blk.{i}.ln1", tower.width)
            norm(f"{prefix}.blk.{i}.ln2", tower.width)
            attention_and_mlp(f"{prefix}.blk.{i}", tower)
        norm(f"{prefix}.post_ln", tower.width)
        if tower.projection:
            linear(projection, config.projection_dim, tower.width, tower.projection_bias)

    if (image := config.image) is not None:
        if image.class_embedding:
            shapes["v.class_embd"] = (image.width,)
        shapes["v.patch_embd.weight"] = (image.width, 3, image.patch_size, image.patch_size)
        if image.patch_bias:
            shapes["v.patch_embd.bias"] = (image.width,)
        shapes["v.position_embd.weight"] = (image.patches + image.class_embedding, image.width)
        if image.pre_norm:
            norm("v.pre_ln", image.width)
        rest("v", "visual_projection", image)
        if image.pooling == "map":
            shapes["v.map.probe"] = (image.width,)
            norm("v.map.ln", image.width)
            attention_and_mlp("v.map", image)
    if (text := config.text) is not None:
        shapes["t.token_embd.weight"] = (text.vocab_size, text.width)
        shapes["t.position_embd.weight"] = (text.context_length, text.width)
        rest("t", "text_projection", text)
    return shapes
