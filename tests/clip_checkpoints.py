"""Synthetic CLIP checkpoints in the formats that converters read, written byte by byte from the formats' descriptions.

    model = seeded("tiny-gelu")                     # of which tests/fixtures/clip_reference.npz has answers
    write_transformers_clip(folder, model, "F16", shards=2)
    write_openclip(folder, model)
    write_openai_clip(path, model)
    write_clip_cpp(path, model, "q8_0")
    write_siglip(folder, siglip())

Weights are random but reproducible from their names alone: `weights` is the rule with which the reference answers were
made, by transformers, of the same models.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from checkpoint_writers import (
    Array,
    Tensors,
    p_dict,
    pickle_bytes,
    safetensors_bytes,
    state_dict,
    write_torch_zip,
    write_weights,
)
from clip_files import MEAN, MERGES, STD, vocabulary
from model_files import ARRAY, BOOL, F32, GGML_TYPES, STRING, U32, GgufTensor, GgufValue, gguf_bytes, quantize

SEED = 20261122
Change = Callable[[Tensors], object]


@dataclass(frozen=True)
class ClipModel:
    """A CLIP model under transformers' names. Towers: width, layers, heads, feed-forward (image size, patch size)."""

    activation: str
    vision: tuple[int, int, int, int, int, int]
    text: tuple[int, int, int, int]
    projection_dim: int
    merges: list[str] = field(repr=False)
    context_length: int = 77
    epsilon: float = 1e-5

    @property
    def tokens(self) -> list[str]:
        return vocabulary(self.merges)

    @property
    def tensors(self) -> Tensors:
        return dict(_weights_of(self.shapes()))

    def shapes(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        return clip_shapes(self, len(self.merges) + 514)


def published_merges() -> list[str]:
    """Those of OpenAI's vocabulary."""
    path = Path(__file__).resolve().parents[1] / "pyffi" / "models" / "vocabularies" / "clip_merges.txt"
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


@lru_cache
def seeded(name: str) -> ClipModel:
    """The models that tests/fixtures/clip_reference has answers of."""
    activation, vision, text, dim = {
        "tiny-quickgelu": ("quick_gelu", (64, 2, 4, 128, 32, 8), (32, 2, 4, 64), 24),
        "tiny-gelu": ("gelu", (48, 3, 3, 96, 48, 16), (32, 2, 2, 96), 16),
        "vit-b-32": ("quick_gelu", (768, 12, 12, 3072, 224, 32), (512, 12, 8, 2048), 512),
    }[name]
    return ClipModel(activation, vision, text, dim, published_merges())


def small(activation: str = "quick_gelu", **changes: Any) -> ClipModel:
    """A model with a small vocabulary, for tests that look at something else."""
    made: dict[str, Any] = {"vision": (32, 2, 2, 64, 32, 16), "text": (16, 1, 2, 32), "projection_dim": 24}
    return ClipModel(activation, **{**made, "merges": MERGES, "context_length": 16, **changes})


def openclip_model(activation: str = "gelu", **changes: Any) -> ClipModel:
    """A small model with OpenAI's vocabulary, which OpenCLIP's have."""
    return small(activation, **{"text": (8, 1, 2, 32), **changes, "merges": published_merges()})


def weights(shapes: Mapping[str, tuple[int, ...]]) -> Tensors:
    """Tensors of these names and shapes, each drawn from a generator of its own."""
    out: Tensors = {}
    for name, shape in shapes.items():
        rng = np.random.Generator(np.random.PCG64([SEED, zlib.crc32(name.encode())]))
        x: Any = rng.standard_normal(shape, dtype=np.float32) if shape else np.float32(rng.standard_normal())
        if name == "logit_scale":
            x = np.float32(4.6052)
        elif "norm" in name or "layrnorm" in name:
            x = 1 + 0.1 * x if name.endswith("weight") else 0.1 * x
        elif name.endswith("bias"):
            x = 0.1 * x
        elif "embedding" in name:
            x = 0.3 * x
        else:
            x = x / np.float32(np.sqrt(np.prod(shape[1:])))
        out[name] = np.asarray(x, dtype=np.float32)
    return out


@lru_cache(maxsize=8)
def _weights_of(shapes: tuple[tuple[str, tuple[int, ...]], ...]) -> tuple[tuple[str, Array], ...]:
    return tuple(weights(dict(shapes)).items())


def pattern_image(width: int, height: int, seed: int) -> Array:
    """A picture of smooth gradients, hard edges and noise, RGB8 (height, width, 3)."""
    rng = np.random.Generator(np.random.PCG64([SEED, seed]))
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = 127 + 127 * np.sin(x / 7.0 + seed) * np.cos(y / 11.0)
    img: Array = np.stack([x / width * 255, y / height * 255, waves], -1)
    img[height // 4 : height // 2, width // 3 : width // 2] = [250, 20, 30]
    img += rng.normal(0, 12, img.shape)
    return np.asarray(np.clip(np.rint(img), 0, 255), dtype=np.uint8)


def _layer_shapes(prefix: str, width: int, wide: int) -> Tensors:
    shapes: dict[str, Any] = {}
    for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
        shapes[f"{prefix}.self_attn.{name}.weight"] = (width, width)
        shapes[f"{prefix}.self_attn.{name}.bias"] = (width,)
    for i in (1, 2):
        shapes |= dict.fromkeys((f"{prefix}.layer_norm{i}.weight", f"{prefix}.layer_norm{i}.bias"), (width,))
    shapes |= {f"{prefix}.mlp.fc1.weight": (wide, width), f"{prefix}.mlp.fc1.bias": (wide,)}
    return shapes | {f"{prefix}.mlp.fc2.weight": (width, wide), f"{prefix}.mlp.fc2.bias": (width,)}


def _norm_shapes(name: str, width: int) -> dict[str, Any]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def clip_shapes(model: ClipModel, vocab_size: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Names and shapes of transformers' CLIPModel."""
    width, size, patch = model.vision[0], *model.vision[4:]
    shapes: dict[str, Any] = {"logit_scale": ()}
    for prefix, tower in (("text_model", model.text), ("vision_model", model.vision)):
        for i in range(tower[1]):
            shapes |= _layer_shapes(f"{prefix}.encoder.layers.{i}", tower[0], tower[3])
    text = "text_model.embeddings"
    shapes |= {f"{text}.token_embedding.weight": (vocab_size, model.text[0])}
    shapes |= {f"{text}.position_embedding.weight": (model.context_length, model.text[0])}
    shapes |= _norm_shapes("text_model.final_layer_norm", model.text[0])
    vision = "vision_model.embeddings"
    shapes |= {f"{vision}.class_embedding": (width,), f"{vision}.patch_embedding.weight": (width, 3, patch, patch)}
    shapes |= {f"{vision}.position_embedding.weight": ((size // patch) ** 2 + 1, width)}
    shapes |= _norm_shapes("vision_model.pre_layrnorm", width) | _norm_shapes("vision_model.post_layernorm", width)
    shapes |= {"visual_projection.weight": (model.projection_dim, width)}
    shapes |= {"text_projection.weight": (model.projection_dim, model.text[0])}
    return tuple(shapes.items())


# ---- Names -----------------------------------------------------------------------------------------------------------

_PARTS = {
    "vision_model": "v", "text_model": "t", "embeddings": "", "encoder": "", "layers": "blk", "self_attn": "",
    "q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "out_proj": "attn_out", "layer_norm1": "ln1",
    "layer_norm2": "ln2", "mlp": "", "fc1": "ffn_up", "fc2": "ffn_down", "class_embedding": "class_embd",
    "patch_embedding": "patch_embd", "position_embedding": "position_embd", "token_embedding": "token_embd",
    "pre_layrnorm": "pre_ln", "post_layernorm": "post_ln", "final_layer_norm": "post_ln",
}  # fmt: skip


def our_names(tensors: Tensors) -> Tensors:
    """The weights under the names of docs/model-files.md."""
    out: Tensors = {}
    for name, values in tensors.items():
        if name in ("logit_scale", "logit_bias"):
            continue
        if name.startswith("text_model.head."):
            out[name.replace("text_model.head", "text_projection")] = values
        elif name == "vision_model.head.probe":
            out["v.map.probe"] = values[0, 0]
        elif name.startswith("vision_model.head.attention.in_proj_"):
            for part, third in zip("qkv", np.split(values, 3), strict=True):
                out[f"v.map.attn_{part}.{name.rpartition('_')[2]}"] = third
        elif name.startswith("vision_model.head."):
            parts = name.removeprefix("vision_model.head.").replace("attention.", "").replace("layernorm", "ln")
            out["v.map." + ".".join(filter(None, (_PARTS.get(part, part) for part in parts.split("."))))] = values
        else:
            out[".".join(filter(None, (_PARTS.get(part, part) for part in name.split("."))))] = values
    return out


def openclip_names(tensors: Tensors) -> Tensors:
    """The weights under the names of OpenAI and OpenCLIP, projections transposed, query, key and value as one."""
    out: Tensors = {}
    parts = {
        "vision_model": "visual", "text_model": "", "encoder": "transformer", "layers": "resblocks", "embeddings": "",
        "layer_norm1": "ln_1", "layer_norm2": "ln_2", "fc1": "c_fc", "fc2": "c_proj", "self_attn": "attn",
        "pre_layrnorm": "ln_pre", "post_layernorm": "ln_post", "final_layer_norm": "ln_final",
        "patch_embedding": "conv1",
    }  # fmt: skip
    for name, values in tensors.items():
        path = ".".join(filter(None, (parts.get(part, part) for part in name.split("."))))
        if ".k_proj." in name or ".v_proj." in name:
            continue
        if ".q_proj." in name:
            fused = [tensors[name.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")]
            out[path.replace("q_proj.", "in_proj_")] = np.concatenate(fused)
        elif name == "visual_projection.weight":
            out["visual.proj"] = values.T
        elif name == "text_projection.weight":
            out["text_projection"] = values.T
        else:
            out[path.replace("position_embedding.weight", "positional_embedding")] = values
    return out


# ---- transformers ----------------------------------------------------------------------------------------------------


def write_tokenizer(folder: Path, model: ClipModel, form: str = "tokenizer.json") -> None:
    ids = {token: i for i, token in enumerate(model.tokens)}
    if form == "vocab.json":
        (folder / "vocab.json").write_text(json.dumps(ids))
        (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(model.merges) + "\n", encoding="utf-8")
    elif form in ("tokenizer.json", "tokenizer.json with pairs"):
        merges: list[Any] = list(model.merges)
        if form != "tokenizer.json":
            merges = [merge.split(" ") for merge in merges]
        bpe = {"type": "BPE", "end_of_word_suffix": "</w>", "vocab": ids, "merges": merges}
        (folder / "tokenizer.json").write_text(json.dumps({"model": bpe}))


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with changes in it, also inside of objects; a value of `...` removes the field."""
    out = dict(base)
    for key, value in changes.items():
        if value is ...:
            out.pop(key, None)
        elif isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = merged(out[key], value)
        else:
            out[key] = value
    return out


def clip_config(model: ClipModel) -> dict[str, Any]:
    def tower(sizes: tuple[int, ...]) -> dict[str, Any]:
        return {
            "hidden_size": sizes[0], "num_hidden_layers": sizes[1], "num_attention_heads": sizes[2],
            "intermediate_size": sizes[3], "hidden_act": model.activation, "layer_norm_eps": model.epsilon,
            "projection_dim": model.projection_dim,
        }  # fmt: skip

    vocab = {"vocab_size": len(model.tokens), "max_position_embeddings": model.context_length}
    return {
        "model_type": "clip",
        "projection_dim": model.projection_dim,
        "vision_config": tower(model.vision) | {"image_size": model.vision[4], "patch_size": model.vision[5]},
        "text_config": tower(model.text) | vocab | {"eos_token_id": len(model.tokens) - 1},
    }


def clip_preprocessor(size: int) -> dict[str, Any]:
    return {
        "feature_extractor_type": "CLIPFeatureExtractor", "do_resize": True, "do_center_crop": True,
        "do_normalize": True, "size": {"shortest_edge": size}, "crop_size": {"height": size, "width": size},
        "image_mean": list(MEAN), "image_std": list(STD), "resample": 3,
    }  # fmt: skip


def write_transformers_clip(
    folder: Path,
    model: ClipModel,
    kind: str = "F32",
    *,
    shards: int = 1,
    pickled: bool = False,
    tokenizer: str = "tokenizer.json",
    change: Change = lambda _: None,
    config: Mapping[str, Any] | None = None,
    preprocessor: Mapping[str, Any] | None = None,
) -> Path:
    """`change` may edit the tensors before they are written; `config` and `preprocessor` change fields (`merged`)."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = model.tensors
    change(tensors)
    write_weights(folder, "pytorch_model" if pickled else "model", tensors, kind, shards, pickled)
    (folder / "config.json").write_text(json.dumps(merged(clip_config(model), config or {})))
    prepared = merged(clip_preprocessor(model.vision[4]), preprocessor or {})
    (folder / "preprocessor_config.json").write_text(json.dumps(prepared))
    write_tokenizer(folder, model, tokenizer)
    return folder


# ---- SigLIP ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SiglipModel:
    vision: tuple[int, int, int, int, int, int] = (32, 2, 2, 64, 32, 8)
    text: tuple[int, int, int, int] = (32, 2, 2, 48)
    vocab_size: int = 300
    context_length: int = 12

    @property
    def tensors(self) -> Tensors:
        width, _, _, wide, size, patch = self.vision
        shapes: dict[str, Any] = {"logit_scale": (1,), "logit_bias": (1,)}
        for prefix, tower in (("text_model", self.text), ("vision_model", self.vision)):
            for i in range(tower[1]):
                shapes |= _layer_shapes(f"{prefix}.encoder.layers.{i}", tower[0], tower[3])
        text, vision, head = "text_model", "vision_model", "vision_model.head"
        shapes |= {f"{text}.embeddings.token_embedding.weight": (self.vocab_size, self.text[0])}
        shapes |= {f"{text}.embeddings.position_embedding.weight": (self.context_length, self.text[0])}
        shapes |= _norm_shapes(f"{text}.final_layer_norm", self.text[0])
        shapes |= {f"{text}.head.weight": (width, self.text[0]), f"{text}.head.bias": (width,)}
        shapes |= {f"{vision}.embeddings.patch_embedding.weight": (width, 3, patch, patch)}
        shapes |= {f"{vision}.embeddings.patch_embedding.bias": (width,)}
        shapes |= {f"{vision}.embeddings.position_embedding.weight": ((size // patch) ** 2, width)}
        shapes |= _norm_shapes(f"{vision}.post_layernorm", width)
        shapes |= {f"{head}.probe": (1, 1, width), f"{head}.attention.in_proj_weight": (3 * width, width)}
        shapes |= {f"{head}.attention.in_proj_bias": (3 * width,), f"{head}.attention.out_proj.weight": (width, width)}
        shapes |= {f"{head}.attention.out_proj.bias": (width,)} | _norm_shapes(f"{head}.layernorm", width)
        shapes |= {f"{head}.mlp.fc1.weight": (wide, width), f"{head}.mlp.fc1.bias": (wide,)}
        shapes |= {f"{head}.mlp.fc2.weight": (width, wide), f"{head}.mlp.fc2.bias": (width,)}
        made = weights(shapes)
        return made | {"logit_scale": np.array([4.75], np.float32), "logit_bias": np.array([-12.5], np.float32)}


def write_siglip(
    folder: Path,
    model: SiglipModel,
    *,
    change: Change = lambda _: None,
    config: Mapping[str, Any] | None = None,
    preprocessor: Mapping[str, Any] | None = None,
) -> Path:
    """Sparse, as transformers writes it: what has its default is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = model.tensors
    change(tensors)
    write_weights(folder, "model", tensors, "F32")

    def tower(sizes: tuple[int, ...]) -> dict[str, Any]:
        names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
        return dict(zip(names, sizes, strict=False))

    vision = tower(model.vision) | {"image_size": model.vision[4], "patch_size": model.vision[5]}
    text = tower(model.text) | {"vocab_size": model.vocab_size, "max_position_embeddings": model.context_length}
    fields = {"model_type": "siglip", "vision_config": vision, "text_config": text}
    (folder / "config.json").write_text(json.dumps(merged(fields, config or {})))
    size = model.vision[4]
    prepared = {
        "image_processor_type": "SiglipImageProcessor", "size": {"height": size, "width": size}, "resample": 3,
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "do_convert_rgb": None,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(merged(prepared, preprocessor or {})))
    return folder


# ---- OpenCLIP and OpenAI ---------------------------------------------------------------------------------------------


def openclip_config(model: ClipModel) -> dict[str, Any]:
    width, layers, heads, wide, size, patch = model.vision
    text_width, text_layers, text_heads, text_wide = model.text
    norm = {"eps": model.epsilon}
    return {
        "model_cfg": {
            "embed_dim": model.projection_dim,
            "quick_gelu": model.activation == "quick_gelu",
            "vision_cfg": {
                "image_size": size, "layers": layers, "width": width, "patch_size": patch,
                "head_width": width // heads, "mlp_ratio": wide / width, "norm_kwargs": norm,
            },
            "text_cfg": {
                "context_length": model.context_length, "vocab_size": len(model.tokens), "width": text_width,
                "heads": text_heads, "layers": text_layers, "mlp_ratio": text_wide / text_width, "norm_kwargs": norm,
            },
        },
        "preprocess_cfg": {
            "mean": list(MEAN), "std": list(STD), "interpolation": "bicubic", "resize_mode": "shortest",
        },
    }  # fmt: skip


def write_openclip(
    folder: Path,
    model: ClipModel,
    kind: str = "F32",
    *,
    pickled: bool = False,
    nested: bool = False,
    change: Change = lambda _: None,
    config: Mapping[str, Any] | None = None,
) -> Path:
    """`nested`: the text tower as a part of its own, as OpenCLIP's CustomTextCLIP has it."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = openclip_names(model.tensors)
    if nested:
        own = ("visual.", "logit_")
        tensors = {name if name.startswith(own) else f"text.{name}": values for name, values in tensors.items()}
    change(tensors)
    write_weights(folder, "open_clip_pytorch_model" if pickled else "open_clip_model", tensors, kind, 1, pickled)
    (folder / "open_clip_config.json").write_text(json.dumps(merged(openclip_config(model), config or {})))
    return folder


def write_openai_clip(path: Path, model: ClipModel, *, wrapped: bool = False, change: Change = lambda _: None) -> Path:
    """A state dict in half precision, a .pt or .safetensors file. Beside the weights OpenAI's have three numbers;
    `wrapped`: as training code saves it."""
    tensors = {name: values.astype(np.float16) for name, values in openclip_names(model.tensors).items()}
    numbers = {"input_resolution": model.vision[4], "context_length": model.context_length, "vocab_size": 49408}
    tensors |= {name: np.asarray(value, np.float16) for name, value in numbers.items()}
    change(tensors)
    if path.suffix == ".safetensors":
        path.write_bytes(
            safetensors_bytes({name: ("F16", np.ascontiguousarray(values)) for name, values in tensors.items()})
        )
        return path
    bits = [np.ascontiguousarray(values) for values in tensors.values()]
    prefix = "module." if wrapped else ""
    saved = state_dict(
        [(prefix + name, f"{i}", values) for i, (name, values) in enumerate(zip(tensors, bits, strict=True))]
    )
    write_torch_zip(path, pickle_bytes(p_dict({"state_dict": saved}) if wrapped else saved), bits)
    return path


# ---- clip.cpp --------------------------------------------------------------------------------------------------------


def write_clip_cpp(
    path: Path,
    model: ClipModel,
    wtype: str = "f32",
    *,
    towers: str = "vision text",
    swapped: bool = True,
    change: Callable[[list[GgufValue], list[GgufTensor]], object] = lambda *_: None,
) -> Tensors:
    """A file of clip.cpp, and the weights that it holds under our names. `swapped`: feed-forward layers under each
    other's names, as clip.cpp has them. `change` may edit keys and tensors."""
    metadata: list[GgufValue] = [
        ("general.architecture", STRING, "clip"),
        ("clip.has_text_encoder", BOOL, "text" in towers),
        ("clip.has_vision_encoder", BOOL, "vision" in towers),
        ("general.file_type", U32, 0 if wtype == "f32" else 1),
        ("general.name", STRING, "clip"),
        ("clip.use_gelu", BOOL, model.activation != "quick_gelu"),
    ]
    for section, sizes in (("text", model.text), ("vision", model.vision)):
        if section not in towers:
            continue
        for key, value in zip(("embedding_length", "block_count", "attention.head_count"), sizes, strict=False):
            metadata.append((f"clip.{section}.{key}", U32, value))
        metadata.append((f"clip.{section}.feed_forward_length", U32, sizes[3]))
        metadata.append((f"clip.{section}.projection_dim", U32, model.projection_dim))
        metadata.append((f"clip.{section}.attention.layer_norm_epsilon", F32, model.epsilon))
    if "text" in towers:
        metadata.append(("clip.text.context_length", U32, model.context_length))
        metadata.append(("tokenizer.ggml.tokens", (ARRAY, STRING), model.tokens))
    if "vision" in towers:
        metadata.append(("clip.vision.image_size", U32, model.vision[4]))
        metadata.append(("clip.vision.patch_size", U32, model.vision[5]))
        metadata.append(("clip.vision.image_mean", (ARRAY, F32), MEAN))
        metadata.append(("clip.vision.image_std", (ARRAY, F32), STD))
    tensors: list[GgufTensor] = []
    held: Tensors = {}
    for name, values in our_names(model.tensors).items():
        tower = "text" if name.startswith(("t.", "text_")) else "vision"
        if tower not in towers:
            continue
        # Matrices in the type of the file, convolutions in f16 at most, everything else in f32.
        is_matrix = values.ndim == 2 and not name.startswith("v.position_embd")
        kind = wtype if is_matrix else "f16" if values.ndim == 4 and wtype != "f32" else "f32"
        data, held[name] = quantize(values, kind)
        stored = name
        if swapped and "ffn_" in name:
            stored = name.replace("ffn_up", "ffn_down") if "ffn_up" in name else name.replace("ffn_down", "ffn_up")
        tensors.append(GgufTensor(stored, values.shape[::-1], GGML_TYPES[kind], data))
    change(metadata, tensors)
    path.write_bytes(gguf_bytes(metadata, tensors, alignment=32))
    return held
