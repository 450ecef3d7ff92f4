"""What is embedded, and by what model: a ViT-B/32 with weights drawn from a seed, photographs' likes, and texts."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pyffi import Clip
from pyffi.image import Pixels
from pyffi.models import convert
from pyffi.models.gguf import WeightType

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from clip_checkpoints import pattern_image, seeded, write_transformers_clip

BATCH = 8
PHOTO, LARGE = (640, 480), (4000, 3000)
TEXTS = {
    "text": ["a photo of a small cat"],
    "texts": [f"a photo of a small {name}" for name in ("cat", "dog", "bird", "fish", "horse", "tree", "car", "house")],
    "long text": ["a photo of a small cat on the grass " * 12],
}


@dataclass(frozen=True)
class Weights:
    """The same weights in the forms that engines open."""

    checkpoint: Path  # transformers' folder, float32
    f32: Path
    f16: Path
    onnx: str  # with * in place of the tower
    onnx_int8: str
    hub_cache: Path  # faster-clip's


def prepare_weights(folder: Path, onnx_python: Path) -> Weights:
    """Made once for a folder."""
    checkpoint, hub_cache = folder / "checkpoint", folder / "hub"
    weights = Weights(
        checkpoint,
        folder / "clip-f32.gguf",
        folder / "clip-f16.gguf",
        str(folder / "*.onnx"),
        str(folder / "*.int8.onnx"),
        hub_cache,
    )
    done = folder / "done"
    if not done.exists():
        write_transformers_clip(checkpoint, seeded("vit-b-32"))
        types: tuple[tuple[WeightType, Path], ...] = (("f32", weights.f32), ("f16", weights.f16))
        for weight_type, path in types:
            convert(checkpoint, path, weight_type=weight_type)
        subprocess.run(
            [onnx_python, "-m", "benchmarks.clip_onnx", checkpoint, folder], check=True, cwd=Path(__file__).parents[1]
        )
        cached = hub_cache / "sentence-transformers__clip-ViT-B-32" / "0_CLIPModel" / "model.safetensors"
        cached.parent.mkdir(parents=True, exist_ok=True)
        cached.unlink(missing_ok=True)
        cached.symlink_to(checkpoint / "model.safetensors")
        done.touch()
    return weights


def picture(width: int, height: int, seed: int) -> Pixels:
    """Colours change places and odd seeds are negatives: random weights embed all else nearly alike."""
    pixels = np.roll(pattern_image(width, height, seed), seed, axis=2)
    return 255 - pixels if seed % 2 else pixels


def photograph(size: tuple[int, int], seed: int) -> Image.Image:
    """As smooth as one: noise of single pixels would make JPEG files several times larger."""
    width, height = size
    return Image.fromarray(picture(width // 4, height // 4, seed)).resize(size, Image.Resampling.BICUBIC)


def write_inputs(folder: Path, model: Path) -> None:
    """Pictures and texts into the folder, with the token ids that every engine gets."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "pixels.npy", np.stack([picture(224, 224, seed) for seed in range(BATCH)]))
    for seed in range(BATCH):
        photograph(PHOTO, seed).save(folder / f"photo-{seed}.jpg", quality=90)
    photograph(LARGE, BATCH).save(folder / "large.jpg", quality=90)
    with Clip(model) as clip:
        texts = {
            name: {"texts": texts, "ids": [clip.tokenize(text) for text in texts]} for name, texts in TEXTS.items()
        }
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
