"""Whisper in our own container (docs/model-files.md), for another weight type or for whisper.cpp's format."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from pyffi.errors import ModelError
from pyffi.models.checkpoint import Provenance
from pyffi.models.gguf import LAYOUT
from pyffi.models.sources.gguf import read_header, read_tensors, unpacked
from pyffi.models.vocabulary import from_printable
from pyffi.models.whisper import Dimensions, WhisperCheckpoint, tensor_shapes


def read_whisper_gguf(path: Path, provenance: Provenance) -> WhisperCheckpoint:
    """Reads a Whisper model in panel layout; weights are loaded and unpacked when asked for."""
    file, metadata, n_tensors = read_header(path)
    if (layout := metadata.get("multimodal.layout")) != LAYOUT:
        raise ModelError(f"{path}: multimodal.layout is {layout!r}: {LAYOUT!r} is supported")
    for field in fields(Dimensions):
        if not isinstance(metadata.get(f"whisper.{field.name}"), int):
            raise ModelError(f"{path}: whisper.{field.name} is {metadata.get(f'whisper.{field.name}')!r}")
    dimensions = Dimensions(**{field.name: metadata[f"whisper.{field.name}"] for field in fields(Dimensions)})
    dimensions.validate()
    tokens = metadata.get("tokenizer.ggml.tokens", [])
    heads = metadata.get("whisper.alignment_heads", [])
    if not _is_list_of(tokens, str) or not _is_list_of(heads, int) or len(heads) % 2:
        raise ModelError(f"{path}: the vocabulary or the alignment heads are of another type than docs/model-files.md")
    stored = dict(read_tensors(file, n_tensors, metadata.get("general.alignment", 32)))
    stored.pop("mel_filters", None)
    shapes = tensor_shapes(dimensions)
    return WhisperCheckpoint(
        dimensions=dimensions,
        tensors={
            name: unpacked(path, name, tensor, shapes[name]) if name in shapes else tensor
            for name, tensor in stored.items()
        },
        vocabulary=[from_printable(token) for token in tokens],
        alignment_heads=list(zip(heads[::2], heads[1::2], strict=True)),
        provenance=provenance,
    )


def _is_list_of(values: object, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)
