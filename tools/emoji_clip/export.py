"""Writes pyffi/models/emoji.gguf, and PyTorch's answers for it as tests/fixtures/emoji_clip.json."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from gguf import GGUFWriter

from pyffi.models.gguf import ALIGNMENT
from pyffi.models.panels import pack_matrix

from . import model
from .evaluate import is_matrix, rounded
from .packages import packages
from .vocabulary import CONTEXT, Tokenizer

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "pyffi" / "models" / "emoji.gguf"
ANSWERS = ROOT / "tests" / "fixtures" / "emoji_clip.json"
TEXTS = ("a photo of a hamburger", "Grinning  Face", "something to eat", "a red fruit", "naïve café № 5 🦀")


def export(work: Path, checkpoint: Path) -> None:
    torch.set_grad_enabled(False)
    parameters = rounded(checkpoint)
    tokenizer = Tokenizer(work / "vocabulary.json")
    scale = float(np.float32(model.logit_scale(parameters).item()))
    write(parameters, tokenizer, scale, TARGET)
    ANSWERS.write_text(json.dumps(answers(parameters, tokenizer, scale), indent=1) + "\n", encoding="utf-8")


def write(parameters: model.Parameters, tokenizer: Tokenizer, scale: float, path: Path) -> None:
    used = {name: package for name, package in packages().items() if package.role != "test"}
    writer = GGUFWriter(path, "clip")
    writer.add_custom_alignment(ALIGNMENT)
    writer.add_name("emoji")
    writer.add_string(
        "general.source",
        "trained by tools/emoji_clip on " + ", ".join(f"{name} {package.version}" for name, package in used.items()),
    )
    licences = " AND ".join(sorted({package.licence for package in used.values()}))
    writer.add_license(f"MIT; trained on artwork and names under {licences} (LICENSES/emoji-artwork.txt)")
    writer.add_string("multimodal.layout", "panel16")
    writer.add_bool("clip.has_text_encoder", True)
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_bool("clip.use_gelu", False)
    for tower, width, layers, heads in (
        ("vision", model.VISION_WIDTH, model.VISION_LAYERS, model.VISION_HEADS),
        ("text", model.TEXT_WIDTH, model.TEXT_LAYERS, model.TEXT_HEADS),
    ):
        writer.add_uint32(f"clip.{tower}.embedding_length", width)
        writer.add_uint32(f"clip.{tower}.feed_forward_length", 4 * width)
        writer.add_uint32(f"clip.{tower}.block_count", layers)
        writer.add_uint32(f"clip.{tower}.attention.head_count", heads)
        writer.add_float32(f"clip.{tower}.attention.layer_norm_epsilon", model.EPSILON)
        writer.add_uint32(f"clip.{tower}.projection_dim", model.PROJECTION)
    writer.add_uint32("clip.text.context_length", CONTEXT)
    writer.add_uint32("clip.vision.image_size", model.IMAGE_SIZE)
    writer.add_uint32("clip.vision.patch_size", model.PATCH)
    writer.add_array("clip.vision.image_mean", list(model.MEAN))
    writer.add_array("clip.vision.image_std", list(model.STD))
    writer.add_float32("clip.logit_scale", scale)
    writer.add_float32("clip.logit_bias", 0.0)
    writer.add_string("clip.activation", "quick_gelu")
    writer.add_string("clip.loss", "softmax")
    writer.add_string("clip.vision.pooling", "cls")
    writer.add_string("clip.text.pooling", "eot")
    writer.add_bool("clip.text.causal", True)
    writer.add_bool("clip.text.pad", False)
    writer.add_uint32("clip.text.pad_token_id", 0)
    writer.add_string("clip.vision.resize", "shortest")
    writer.add_string("clip.vision.interpolation", "bicubic")
    writer.add_string("clip.vision.crop", "floor")
    writer.add_bool("clip.vision.exif_orientation", False)
    writer.add_tokenizer_model("clip")
    writer.add_token_list(tokenizer.tokens)
    writer.add_token_merges(tokenizer.merges)
    for name, value in parameters.items():
        if name != "logit_scale":
            values = value.numpy()
            writer.add_tensor(name, pack_matrix(values.astype(np.float16)) if is_matrix(name) else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def picture(k: int) -> npt.NDArray[np.uint8]:
    """RGB8, as in tests: large waves of the three colours."""
    y, x, channel = np.ogrid[: model.IMAGE_SIZE, : model.IMAGE_SIZE, :3]
    values: npt.NDArray[np.int64] = (x * (k + 3) + y * (2 * k + 1) + 85 * channel + x * y * k // 16) % 256
    return values.astype(np.uint8)


def answers(parameters: model.Parameters, tokenizer: Tokenizer, scale: float) -> dict[str, object]:
    pixels = torch.from_numpy(np.stack([picture(k) for k in range(5)])).permute(0, 3, 1, 2).float() / 255
    tokens = tokenizer.encode(list(TEXTS))
    return {
        "rule": "picture k [y][x][channel]: (x * (k + 3) + y * (2 * k + 1) + 85 * channel + x * y * k // 16) % 256",
        "logit_scale": scale,
        "images": _rounded(model.encode_image(parameters, model.normalise_pixels(pixels)).numpy()),
        "texts": list(TEXTS),
        "tokens": tokens,
        "text_embeddings": _rounded(
            np.concatenate([model.encode_text(parameters, [sequence]).numpy() for sequence in tokens])
        ),
    }


def _rounded(vectors: npt.NDArray[np.float32]) -> list[str]:
    """One line for each; embeddings are not normalised."""
    return [" ".join(f"{value:.7g}" for value in vector) for vector in vectors.tolist()]
