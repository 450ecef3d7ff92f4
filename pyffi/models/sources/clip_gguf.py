"""CLIP in GGUF: our own container, for another weight type, and clip.cpp's files of both towers or of one.

clip.cpp's files lack most of what a model wants of its pictures and texts; docs/model-files.md has what they get.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyffi.errors import ModelError
from pyffi.models.checkpoint import Provenance, Tensor
from pyffi.models.clip import ACTIVATIONS, LOGIT_SCALE, ClipCheckpoint, ClipConfig, ImageTower, TextTower, tensor_shapes
from pyffi.models.gguf import LAYOUT
from pyffi.models.sources.clip_vocabulary import check_vocabulary, published_merges
from pyffi.models.sources.gguf import read_header, read_tensors, unpacked
from pyffi.models.sources.json_files import Fields
from pyffi.models.sources.weight_types import PLAIN, STORED_TYPES


def read_clip_gguf(path: Path, provenance: Provenance) -> ClipCheckpoint:
    """Reads a file; weights are loaded, and quantised ones turned into float32, when asked for."""
    file, metadata, count = read_header(path)
    layout = metadata.get("multimodal.layout")
    ours = layout == LAYOUT
    if layout is not None and not ours:
        raise ModelError(f"{path}: multimodal.layout is {layout!r}: {LAYOUT!r} is supported")
    fields = Fields(metadata, str(path))
    if "clip.projector_type" in metadata or fields.flag("clip.has_llava_projector", False):
        raise ModelError(f"{path} is the picture part of a language model: a CLIP model is needed")
    stored = dict(
        read_tensors(file, count, metadata.get("general.alignment", 32), PLAIN if ours else STORED_TYPES.keys())
    )
    tokens: list[str] = fields.strings("tokenizer.ggml.tokens")
    merges: list[str] = fields.strings("tokenizer.ggml.merges")
    if tokens:
        merges = merges or published_merges(tokens)
        check_vocabulary((tokens, merges), path)
    config = _config(fields, stored, len(tokens))
    if ours:
        shapes = tensor_shapes(config)
        tensors = {
            name: unpacked(path, name, tensor, shapes[name]) if name in shapes else tensor
            for name, tensor in stored.items()
        }
    else:
        tensors = _named_by_shape(stored, config)
    return ClipCheckpoint(config=config, tensors=tensors, tokens=tokens, merges=merges, provenance=provenance)


def _named_by_shape(stored: dict[str, Tensor], config: ClipConfig) -> dict[str, Tensor]:
    """clip.cpp calls the first feed-forward layer `ffn_down` and the second `ffn_up`, llama.cpp the other way round:
    the first is the one that leads out of the width. Where both sizes are equal, it is taken for clip.cpp's."""
    tensors = dict(stored)
    for name in stored:
        base, found, _ = name.partition(".ffn_down.weight")
        if not found:
            continue
        tower = config.image if name.startswith("v.") else config.text
        if tower is None or stored[name].shape != (tower.feed_forward, tower.width):
            continue
        for kind in ("weight", "bias"):
            up, down = f"{base}.ffn_up.{kind}", f"{base}.ffn_down.{kind}"
            if up in stored and down in stored:
                tensors[up], tensors[down] = stored[down], stored[up]
    return tensors


def _config(fields: Fields, stored: dict[str, Tensor], n_tokens: int) -> ClipConfig:
    image = fields.flag("clip.has_vision_encoder", False)
    text = fields.flag("clip.has_text_encoder", False)
    if not image and not text:
        raise fields.error("clip.has_vision_encoder", "so is clip.has_text_encoder, and one of them has to be true")
    dims = {
        section: fields.integer(f"clip.{section}.projection_dim")
        for section, present in (("vision", image), ("text", text))
        if present
    }
    if len(set(dims.values())) > 1:
        raise ModelError(f"the towers map into spaces of different size: {dims}")
    gelu = "gelu" if fields.flag("clip.use_gelu", False) else "quick_gelu"
    return ClipConfig(
        projection_dim=next(iter(dims.values())),
        activation=_choice(fields, "clip.activation", ACTIVATIONS, gelu),
        image=_image_tower(fields, stored) if image else None,
        text=_text_tower(fields, stored, n_tokens) if text else None,
        logit_scale=fields.number("clip.logit_scale", LOGIT_SCALE),
        logit_bias=fields.number("clip.logit_bias", 0.0),
        loss=_choice(fields, "clip.loss", ("softmax", "sigmoid"), "softmax"),
    )


def _choice(fields: Fields, name: str, choices: tuple[str, ...], default: str) -> str:
    return fields.choice(name, {choice: choice for choice in choices}, default)


def _tower(fields: Fields, stored: dict[str, Tensor], section: str, projection: str) -> dict[str, Any]:
    return {
        "width": fields.integer(f"clip.{section}.embedding_length"),
        "feed_forward": fields.integer(f"clip.{section}.feed_forward_length"),
        "layers": fields.integer(f"clip.{section}.block_count"),
        "heads": fields.integer(f"clip.{section}.attention.head_count"),
        "epsilon": fields.number(f"clip.{section}.attention.layer_norm_epsilon"),
        "projection": f"{projection}.weight" in stored,
        "projection_bias": f"{projection}.bias" in stored,
    }


def _image_tower(fields: Fields, stored: dict[str, Tensor]) -> ImageTower:
    prefix = "clip.vision"
    return ImageTower(
        **_tower(fields, stored, "vision", "visual_projection"),
        image_size=fields.integer(f"{prefix}.image_size"),
        patch_size=fields.integer(f"{prefix}.patch_size"),
        mean=fields.numbers(f"{prefix}.image_mean", 3),
        std=fields.numbers(f"{prefix}.image_std", 3),
        resize=_choice(fields, f"{prefix}.resize", ("shortest", "squash"), "shortest"),
        interpolation=_choice(fields, f"{prefix}.interpolation", ("bicubic", "bilinear"), "bicubic"),
        crop=_choice(fields, f"{prefix}.crop", ("floor", "half_even"), "floor"),
        exif_orientation=fields.flag(f"{prefix}.exif_orientation", False),
        pooling=_choice(fields, f"{prefix}.pooling", ("cls", "mean", "map"), "cls"),
        class_embedding="v.class_embd" in stored,
        pre_norm="v.pre_ln.weight" in stored,
        patch_bias="v.patch_embd.bias" in stored,
    )


def _text_tower(fields: Fields, stored: dict[str, Tensor], n_tokens: int) -> TextTower:
    prefix = "clip.text"
    return TextTower(
        **_tower(fields, stored, "text", "text_projection"),
        context_length=fields.integer(f"{prefix}.context_length"),
        vocab_size=fields.integer(f"{prefix}.vocab_size", n_tokens or None),
        pooling=_choice(fields, f"{prefix}.pooling", ("eot", "last"), "eot"),
        causal=fields.flag(f"{prefix}.causal", True),
        pad=fields.flag(f"{prefix}.pad", False),
        pad_token_id=fields.integer(f"{prefix}.pad_token_id", 0),
    )
