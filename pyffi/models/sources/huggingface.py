"""Models of Hugging Face's transformers: a folder with config.json, which says what it is, and weights."""

from __future__ import annotations

from pathlib import Path

from pyffi.errors import ModelError
from pyffi.models.checkpoint import Checkpoint, Provenance
from pyffi.models.sources.clip_huggingface import CLIP_TYPES, read_clip
from pyffi.models.sources.json_files import read_object
from pyffi.models.sources.weights import TRANSFORMERS, has_weights
from pyffi.models.sources.whisper_huggingface import read_whisper


def is_huggingface(folder: Path) -> bool:
    return (folder / "config.json").is_file() and has_weights(folder, TRANSFORMERS)


def read_huggingface(folder: Path, provenance: Provenance) -> Checkpoint:
    """Reads a folder of transformers; weights are loaded when asked for."""
    config = read_object(folder / "config.json")
    model_type = config.get("model_type", "whisper")
    if model_type == "whisper":
        return read_whisper(folder, config, provenance)
    if isinstance(model_type, str) and model_type in CLIP_TYPES:
        return read_clip(folder, config, provenance)
    raise ModelError(
        f"{folder / 'config.json'}: model_type is {model_type!r}: {', '.join(map(repr, ('whisper', *CLIP_TYPES)))} "
        "are supported"
    )
