"""CLIP of OpenCLIP: a folder with open_clip_config.json and weights; and state dicts of OpenAI, whose names it keeps.

A state dict without a configuration beside it is OpenAI's: in half precision, which OpenCLIP's training never writes.
The shapes follow from its tensors then, and the rest from OpenAI's code.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pyffi.errors import ModelError
from pyffi.models.checkpoint import Provenance, Tensor
from pyffi.models.clip import MAX_FEED_FORWARD, ClipCheckpoint, ClipConfig, ImageTower, TextTower
from pyffi.models.sources.clip_parts import OPENAI_MEAN, OPENAI_STD, split_attention, take_scale_and_bias
from pyffi.models.sources.json_files import Fields
from pyffi.models.sources.safetensors import read_safetensors
from pyffi.models.sources.weights import OPENCLIP, folder_weights, has_weights, renamed
from pyffi.models.vocabulary import clip_vocabulary

CONFIG = "open_clip_config.json"
_PARALLEL = "module."  # in front of names, of training on several devices
_HEAD_WIDTH = 64  # of OpenAI's models
_NAMES = (
    (r"^text\.", ""),
    (r"^visual\.conv1\.", "v.patch_embd."),
    (r"^visual\.class_embedding$", "v.class_embd"),
    (r"^visual\.positional_embedding$", "v.position_embd.weight"),
    (r"^visual\.ln_(pre|post)\.", r"v.\1_ln."),
    (r"^visual\.proj$", "visual_projection.transposed"),
    (r"^text_projection$", "text_projection.transposed"),
    (r"^token_embedding\.", "t.token_embd."),
    (r"^positional_embedding$", "t.position_embd.weight"),
    (r"^ln_final\.", "t.post_ln."),
    (r"^visual\.transformer\.resblocks\.", "v.blk."),
    (r"^transformer\.resblocks\.", "t.blk."),
    (r"\.ln_([12])\.", r".ln\1."),
    (r"\.attn\.in_proj_", ".attn_in."),
    (r"\.attn\.out_proj\.", ".attn_out."),
    (r"\.mlp\.c_fc\.", ".ffn_up."),
    (r"\.mlp\.c_proj\.", ".ffn_down."),
)
# Numbers and masks that OpenAI's and older checkpoints have beside the weights.
_IGNORED = {"input_resolution", "context_length", "vocab_size", "attn_mask", "text.attn_mask"}
# What other models have that OpenCLIP also makes.
_OTHERS = (
    (r"^visual\.(layer1|attnpool)\.", "a ResNet as image tower"),
    (r"^visual\.trunk\.", "an image tower of timm"),
    (r"^visual\.attn_pool", "an attentional pooler (CoCa)"),
    (r"^text_decoder\.", "a text decoder (CoCa)"),
    (r"^(text\.)?cls_emb$", "a class token in its text tower (CoCa)"),
    (r"^text\.transformer\.(encoder|embeddings|layer|block)", "a text tower of transformers"),
    (r"\.ls_[12]\.gamma$", "layer scale"),
    (r"^logit_scale_|^visual\.head\.", "heads that CLIP does not have"),
)


def is_openclip(folder: Path) -> bool:
    return (folder / CONFIG).is_file() and has_weights(folder, OPENCLIP)


def is_clip_state_dict(names: Iterable[str]) -> bool:
    return any(name.removeprefix(_PARALLEL).startswith("visual.") for name in names)


def read_openclip(folder: Path, provenance: Provenance) -> ClipCheckpoint:
    """Reads a folder; weights are loaded when asked for."""
    return _read(folder, dict(folder_weights(folder, OPENCLIP)), Fields.read(folder / CONFIG), provenance)


def read_clip_safetensors(path: Path, provenance: Provenance) -> ClipCheckpoint:
    """Reads a single file."""
    return read_state_dict(path, dict(read_safetensors(path)), provenance)


def read_state_dict(path: Path, weights: Mapping[str, Tensor], provenance: Provenance) -> ClipCheckpoint:
    """Reads the weights in a file, with the configuration beside it if there is one."""
    weights = {name.removeprefix(_PARALLEL): tensor for name, tensor in weights.items()}
    config = path.parent / CONFIG
    if config.is_file():
        return _read(path, weights, Fields.read(config), provenance)
    _refuse_others(path, weights)
    first = weights.get("visual.conv1.weight")
    if first is None:
        raise ModelError(f"{path} has no visual.conv1.weight: not a CLIP model")
    if first.dtype != np.float16:
        raise ModelError(
            f"{path} has no {CONFIG} beside it, which says the activation and how pictures are prepared; "
            "OpenAI's models, which need none, are in half precision"
        )
    return _read(path, weights, Fields(_openai_config(path, weights), str(path)), provenance)


def _openai_config(path: Path, weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """The configuration that OpenAI's code derives from the shapes."""

    def shape(name: str, rank: int) -> tuple[int, ...]:
        if name not in weights or len(weights[name].shape) != rank:
            raise ModelError(f"{path} has no {name} with {rank} dimensions: not one of OpenAI's CLIP models")
        return weights[name].shape

    def layers(prefix: str) -> int:
        return len(
            {match[1] for name in weights if (match := re.match(rf"{prefix}transformer\.resblocks\.(\d+)\.", name))}
        )

    width, _, _, patch = shape("visual.conv1.weight", 4)
    side = math.isqrt(shape("visual.positional_embedding", 2)[0] - 1)
    text_width = shape("ln_final.weight", 1)[0]
    return {
        "model_cfg": {
            "embed_dim": shape("text_projection", 2)[1],
            "quick_gelu": True,
            "vision_cfg": {
                "image_size": side * patch,
                "patch_size": patch,
                "width": width,
                "layers": layers(r"visual\."),
                "head_width": _HEAD_WIDTH,
            },
            "text_cfg": {
                "context_length": shape("positional_embedding", 2)[0],
                "vocab_size": shape("token_embedding.weight", 2)[0],
                "width": text_width,
                "heads": text_width // _HEAD_WIDTH,
                "layers": layers(""),
            },
        },
        "preprocess_cfg": {},
    }


def _read(source: Path, weights: Mapping[str, Tensor], config: Fields, provenance: Provenance) -> ClipCheckpoint:
    model = config.section("model_cfg")
    vision, text = model.section("vision_cfg"), model.section("text_cfg")
    _refuse_fields(model, vision, text)
    _refuse_others(source, weights)
    tensors = _tensors(source, weights)
    scale, bias = take_scale_and_bias(tensors)
    tokens, merges = clip_vocabulary()
    quick = model.flag("quick_gelu", False)
    activations = {name: _activation(fields, quick) for name, fields in (("vision_cfg", vision), ("text_cfg", text))}
    if len(set(activations.values())) > 1:
        raise ModelError(f"{source}: the activations of the towers are {activations}: they have to be the same")
    return ClipCheckpoint(
        config=ClipConfig(
            projection_dim=model.integer("embed_dim"),
            activation=activations["vision_cfg"],
            image=_image_tower(vision, config.section("preprocess_cfg", {})),
            text=_text_tower(text),
            logit_scale=scale,
            logit_bias=bias or 0.0,
            loss="softmax" if bias is None else "sigmoid",  # only sigmoid training has a bias
        ),
        tensors=tensors,
        tokens=tokens,
        merges=merges,
        provenance=provenance,
    )


def _refuse_fields(model: Fields, vision: Fields, text: Fields) -> None:
    """What the engine does not have, by the field that asks for it."""
    model.require("multimodal_cfg", None)
    for name in ("timm_model_name", "ls_init_value"):
        vision.require(name, None)
    for name in ("attentional_pool", "final_ln_after_pool"):
        vision.require(name, False, default=False)
    for name in ("hf_model_name", "hf_tokenizer_name", "ls_init_value"):
        text.require(name, None)
    text.require("tokenizer_kwargs", None, {}, {"clean": "lower"})
    for name in ("embed_cls", "final_ln_after_pool"):
        text.require(name, False, default=False)
    for tower in (vision, text):
        tower.require("block_type", "default", default="default")
        for name in ("qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner", "scale_attn", "scale_fc"):
            tower.require(name, False, default=False)
    if not isinstance(vision.get("layers", 12), int):
        raise vision.error("layers", "a ResNet as image tower is not supported, one number is needed")


def _refuse_others(source: Path, weights: Iterable[str]) -> None:
    for name in weights:
        for pattern, what in _OTHERS:
            if re.search(pattern, name):
                raise ModelError(
                    f"{source} has {what} ({name}): vision transformers with CLIP's text tower are supported"
                )


def _tensors(source: Path, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    kept = ((name, tensor) for name, tensor in weights.items() if name not in _IGNORED)
    tensors = renamed(kept, _NAMES, source)
    for name in list(tensors):
        base, _, kind = name.rpartition(".")
        if kind == "transposed":
            tensors[f"{base}.weight"] = tensors.pop(name).transposed()
    split_attention(tensors)
    return tensors


def _activation(tower: Fields, quick: bool) -> str:
    if quick:  # act_kwargs are GELU's
        tower.require("act_kwargs", None, {})
        return "quick_gelu"
    kinds = {"none": "gelu", "tanh": "gelu_tanh"}
    return tower.section("act_kwargs", {}).choice("approximate", kinds, "none")


def _sizes(tower: Fields, width: int, heads: int) -> dict[str, Any]:
    ratio = tower.number("mlp_ratio", 4.0)
    if not 0 < ratio <= MAX_FEED_FORWARD:
        raise tower.error("mlp_ratio", f"up to {MAX_FEED_FORWARD} is supported")
    return {
        "width": width,
        "feed_forward": int(width * ratio),
        "layers": tower.integer("layers", 12),
        "heads": heads,
        "epsilon": tower.section("norm_kwargs", {}).number("eps", 1e-5),
    }


def _image_tower(vision: Fields, preprocess: Fields) -> ImageTower:
    width, size = vision.integer("width", 768), _side(vision, "image_size", 224)
    head_width = vision.integer("head_width", _HEAD_WIDTH)
    if head_width < 1:
        raise vision.error("head_width", "a positive number is needed")
    if _side(preprocess, "size", size) != size:
        raise preprocess.error("size", f"image_size, {size}, is needed")
    preprocess.require("mode", "RGB", default="RGB")
    return ImageTower(
        **_sizes(vision, width, width // head_width),
        image_size=size,
        patch_size=_side(vision, "patch_size", 16),
        mean=preprocess.numbers("mean", 3, OPENAI_MEAN),
        std=preprocess.numbers("std", 3, OPENAI_STD),
        resize=preprocess.choice("resize_mode", {"shortest": "shortest", "squash": "squash"}, "shortest"),
        # OpenCLIP varies `random` in training only.
        interpolation=preprocess.choice(
            "interpolation", {"bicubic": "bicubic", "bilinear": "bilinear", "random": "bicubic"}, "bicubic"
        ),
        crop="half_even",
        pooling=vision.choice("pool_type", {"tok": "cls", "avg": "mean"}, "tok"),
        pre_norm=not vision.flag("no_ln_pre", False),
    )


def _text_tower(text: Fields) -> TextTower:
    causal = not text.flag("no_causal_mask", False)
    pooling = text.choice("pool_type", {"argmax": "eot", "last": "last"}, "argmax")
    return TextTower(
        **_sizes(text, text.integer("width", 512), text.integer("heads", 8)),
        context_length=text.integer("context_length", 77),
        vocab_size=text.integer("vocab_size", 49408),
        pooling=pooling,
        causal=causal,
        pad=pooling == "last" or not causal,  # a text is always filled up; where nothing sees it, it is not computed
        pad_token_id=text.integer("pad_id", 0),
        projection=text.choice("proj_type", {"linear": True, "none": False}, "linear"),
        projection_bias=text.flag("proj_bias", False),
    )


def _side(fields: Fields, name: str, default: int) -> int:
    """The side of a square that is given as a number, or as height and width."""
    value = fields.get(name, default)
    if isinstance(value, list) and len(value) == 2 and value[0] == value[1] and isinstance(value[0], int):
        return value[0]
    if not isinstance(value, int):
        raise fields.error(name, "one number, or two equal ones, are needed")
    return value
