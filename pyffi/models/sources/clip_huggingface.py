"""CLIP and SigLIP of Hugging Face's transformers: both towers, or one of them.

config.json has the shapes, preprocessor_config.json how pictures are prepared, tokenizer.json or vocab.json with
merges.txt CLIP's tokens. Fields that are not there have the defaults of transformers. SigLIP's SentencePiece tokenizer
is not carried along: texts are token ids then.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyffi.errors import ModelError
from pyffi.models.checkpoint import Provenance, Tensor
from pyffi.models.clip import ClipCheckpoint, ClipConfig, ImageTower, TextTower
from pyffi.models.sources.clip_parts import OPENAI_MEAN, OPENAI_STD, split_attention, take_scale_and_bias
from pyffi.models.sources.clip_vocabulary import Vocabulary, pad_token_id, read_vocabulary
from pyffi.models.sources.json_files import Fields
from pyffi.models.sources.weights import folder_weights, renamed
from pyffi.models.vocabulary import END_OF_TEXT

# Which towers a model_type has.
CLIP_TYPES = {
    "clip": ("vision", "text"),
    "clip_vision_model": ("vision",),
    "clip_text_model": ("text",),
    "siglip": ("vision", "text"),
    "siglip_vision_model": ("vision",),
    "siglip_text_model": ("text",),
}
_ACTIVATIONS = {
    "quick_gelu": "quick_gelu",
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}
_SIZES = {"num_hidden_layers": 12, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "projection_dim": 512}
_SIGLIP_SIZES = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-6,
}
_DEFAULTS: dict[tuple[str, str], dict[str, Any]] = {
    ("clip", "vision"): _SIZES
    | {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "image_size": 224, "patch_size": 32},
    ("clip", "text"): _SIZES
    | {
        "hidden_size": 512,
        "intermediate_size": 2048,
        "num_attention_heads": 8,
        "vocab_size": 49408,
        "max_position_embeddings": 77,
        "eos_token_id": 49407,
    },
    ("siglip", "vision"): _SIGLIP_SIZES | {"image_size": 224, "patch_size": 16, "vision_use_head": True},
    ("siglip", "text"): _SIGLIP_SIZES | {"vocab_size": 32000, "max_position_embeddings": 64, "pad_token_id": 1},
}
_NAMES = (
    (r"^text_model\.head\.", "text_projection."),
    (r"^vision_model\.", "v."),
    (r"^text_model\.", "t."),
    (r"\.embeddings\.class_embedding$", ".class_embd"),
    (r"\.embeddings\.patch_embedding\.", ".patch_embd."),
    (r"\.embeddings\.token_embedding\.", ".token_embd."),
    (r"\.embeddings\.position_embedding\.", ".position_embd."),
    (r"\.encoder\.layers\.", ".blk."),
    (r"\.pre_layrnorm\.", ".pre_ln."),
    (r"\.(post_layernorm|final_layer_norm)\.", ".post_ln."),
    (r"\.layer_norm([12])\.", r".ln\1."),
    (r"\.head\.layernorm\.", ".map.ln."),
    (r"\.head\.attention\.in_proj_", ".map.attn_in."),
    (r"\.head\.attention\.out_proj\.", ".map.attn_out."),
    (r"\.head\.", ".map."),
    (r"\.self_attn\.([qkv])_proj\.", r".attn_\1."),
    (r"\.self_attn\.out_proj\.", ".attn_out."),
    (r"\.mlp\.fc1\.", ".ffn_up."),
    (r"\.mlp\.fc2\.", ".ffn_down."),
)
_BARE = r"^(?=(embeddings|encoder|pre_layrnorm|post_layernorm|final_layer_norm|head)\.)"
_IGNORED = ("embeddings.position_ids",)  # counts from 0, in older files
_HALF = (0.5, 0.5, 0.5)
_FILTERS = {2: "bilinear", 3: "bicubic"}  # of Pillow's numbers; nearest is 0, lanczos 1, box 4, hamming 5


def read_clip(folder: Path, config: dict[str, Any], provenance: Provenance) -> ClipCheckpoint:
    """Reads a folder whose config.json this is; weights are loaded when asked for."""
    model_type = str(config["model_type"])
    family, towers = model_type.split("_")[0], CLIP_TYPES[model_type]
    top = Fields(config, str(folder / "config.json"))
    sections = {tower: _section(top, family, tower, len(towers) == 1) for tower in towers}
    tensors = _tensors(folder, family, towers)
    vision, text = sections.get("vision"), sections.get("text")
    scale, bias = take_scale_and_bias(tensors)
    vocabulary: Vocabulary = ([], [])
    if text is not None and family == "clip":
        vocabulary = read_vocabulary(folder, text.integer("vocab_size"))
        _check_end(text, vocabulary[0])
    image_tower = _image_tower(folder, family, vision, tensors, len(towers) == 1) if vision is not None else None
    text_tower = _text_tower(folder, family, text, tensors, len(towers) == 1) if text is not None else None
    return ClipCheckpoint(
        config=ClipConfig(
            projection_dim=_projection_dim(top, family, image_tower, text_tower, vision or text or top, text),
            activation=_activation(sections),
            image=image_tower,
            text=text_tower,
            logit_scale=scale,
            logit_bias=bias or 0.0,
            loss="sigmoid" if family == "siglip" else "softmax",
        ),
        tensors=tensors,
        tokens=vocabulary[0],
        merges=vocabulary[1],
        provenance=provenance,
    )


def _section(top: Fields, family: str, tower: str, alone: bool) -> Fields:
    """The fields of a tower, which are those of the file if it has only one."""
    defaults = _DEFAULTS[family, tower]
    if alone:
        return top.over(defaults)
    section = top.section(f"{tower}_config", {})
    legacy = top.get(f"{tower}_config_dict")
    if isinstance(legacy, Mapping):  # which transformers lets win, and completes with defaults first
        return top.section(f"{tower}_config_dict").over(section.values | defaults)
    return section.over(defaults)


def _tensors(folder: Path, family: str, towers: tuple[str, ...]) -> dict[str, Tensor]:
    weights = ((name, tensor) for name, tensor in folder_weights(folder) if not name.endswith(_IGNORED))
    # A tower that was saved on its own may lack the prefix.
    prefix = (_BARE, f"{towers[0]}_model.") if len(towers) == 1 else ("^$", "")
    tensors = renamed(weights, (prefix, *_NAMES), folder)
    split_attention(tensors)
    probe = tensors.get("v.map.probe")
    if probe is not None and probe.shape[:2] == (1, 1):
        tensors["v.map.probe"] = probe.reshaped(*probe.shape[2:])
    return tensors


def _activation(sections: Mapping[str, Fields]) -> str:
    found = {tower: fields.choice("hidden_act", _ACTIVATIONS, None) for tower, fields in sections.items()}
    if len(set(found.values())) > 1:
        raise ModelError(f"hidden_act of the towers is {found}: it has to be the same")
    return next(iter(found.values()))


def _projection_dim(
    top: Fields, family: str, image: ImageTower | None, text: TextTower | None, own: Fields, text_fields: Fields | None
) -> int:
    alone = image or text if image is None or text is None else None
    if family == "clip":
        if alone is not None:
            return own.integer("projection_dim") if alone.projection else alone.width
        return top.integer("projection_dim", 512)
    if image is not None:
        return image.width
    assert text_fields is not None
    return text_fields.integer("projection_size", text_fields.integer("hidden_size"))


def _check_end(text: Fields, tokens: list[str]) -> None:
    """transformers pools at the largest id where eos_token_id is 2, as early files have it, else at that id."""
    end = tokens.index(END_OF_TEXT)
    eos = text.get("eos_token_id")
    if eos != end and not (eos == 2 and end == text.integer("vocab_size") - 1):
        raise text.error("eos_token_id", f"the id of {END_OF_TEXT}, {end}, is needed")


def _tower(fields: Fields) -> dict[str, Any]:
    return {
        "width": fields.integer("hidden_size"),
        "feed_forward": fields.integer("intermediate_size"),
        "layers": fields.integer("num_hidden_layers"),
        "heads": fields.integer("num_attention_heads"),
        "epsilon": fields.number("layer_norm_eps"),
    }


def _image_tower(folder: Path, family: str, fields: Fields, tensors: Mapping[str, Tensor], alone: bool) -> ImageTower:
    fields.require("num_channels", 3, default=3)
    size = fields.integer("image_size")
    clip = family == "clip"
    if not clip:
        fields.require("vision_use_head", True)
    return ImageTower(
        **_tower(fields),
        **_recipe(folder, family, size),
        image_size=size,
        patch_size=fields.integer("patch_size"),
        pooling="cls" if clip else "map",
        class_embedding=clip,
        patch_bias=not clip,
        pre_norm=clip,
        projection=clip and not (alone and "visual_projection.weight" not in tensors),
    )


def _text_tower(folder: Path, family: str, fields: Fields, tensors: Mapping[str, Tensor], alone: bool) -> TextTower:
    sizes: dict[str, Any] = {
        "context_length": fields.integer("max_position_embeddings"),
        "vocab_size": fields.integer("vocab_size"),
    }
    if family == "clip":
        projection = not (alone and "text_projection.weight" not in tensors)
        return TextTower(**_tower(fields), **sizes, projection=projection)
    return TextTower(
        **_tower(fields),
        **sizes,
        projection_bias=True,
        pooling="last",
        causal=False,
        pad=True,
        pad_token_id=pad_token_id(folder, fields.integer("pad_token_id")),
    )


# ---- Pictures --------------------------------------------------------------------------------------------------------


def _recipe(folder: Path, family: str, image_size: int) -> dict[str, Any]:
    """How pictures are prepared, as preprocessor_config.json says."""
    fields = _processor(folder)
    clip = family == "clip"
    own = "CLIP" if clip else "Siglip"
    kinds = [
        f"{own}{rest}" for rest in ("ImageProcessor", "ImageProcessorFast", "ImageProcessorPil", "FeatureExtractor")
    ]
    # Early files have the second name.
    name = "image_processor_type" if fields.get("image_processor_type") else "feature_extractor_type"
    fields.require(name, None, *kinds)
    for step in ("do_resize", "do_rescale", "do_normalize"):
        fields.require(step, True, default=True)
    if abs(fields.number("rescale_factor", 1 / 255) * 255 - 1) > 1e-6:
        raise fields.error("rescale_factor", "1/255 is supported")
    crops = fields.flag("do_center_crop", clip)
    resize = _resize(fields, image_size, clip, crops)
    if crops and _square(fields, "crop_size", image_size) != image_size:
        raise fields.error("crop_size", f"image_size of config.json, {image_size}, is needed")
    return {
        "resize": resize,
        "interpolation": fields.choice("resample", _FILTERS, 3),
        "crop": "floor",
        "mean": fields.numbers("image_mean", 3, OPENAI_MEAN if clip else _HALF),
        "std": fields.numbers("image_std", 3, OPENAI_STD if clip else _HALF),
    }


def _processor(folder: Path) -> Fields:
    path, combined = folder / "preprocessor_config.json", folder / "processor_config.json"
    if path.is_file():
        return Fields.read(path)
    if combined.is_file():
        return Fields.read(combined).section("image_processor")
    raise ModelError(f"{path} is missing, which says how pictures are resized and normalised")


def _resize(fields: Fields, image_size: int, clip: bool, crops: bool) -> str:
    """`shortest` if the short side becomes the size and the middle is cut out, `squash` if both do."""
    size = fields.get("size", image_size)
    if isinstance(size, dict) and "shortest_edge" in size:
        edge = fields.section("size").integer("shortest_edge")
    elif isinstance(size, int) and clip:
        edge = size
    else:
        if _square(fields, "size", image_size) != image_size:
            raise fields.error("size", f"image_size of config.json, {image_size}, is needed")
        return "squash"
    if edge != image_size:
        raise fields.error("size", f"image_size of config.json, {image_size}, is needed")
    if not crops:
        raise fields.error("do_center_crop", "with size.shortest_edge, true is needed")
    return "shortest"


def _square(fields: Fields, name: str, default: int) -> int:
    """The side of a square that is given as a number, or as height and width."""
    value = fields.get(name, default)
    if isinstance(value, dict):
        sides = fields.section(name)
        height, width = sides.get("height"), sides.get("width")
        if height == width and isinstance(height, int):
            return height
        raise fields.error(name, "height and width have to be equal")
    return fields.integer(name, default)
