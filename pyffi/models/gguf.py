"""Writes a checkpoint as our container: GGUF with matrices in panel layout (docs/model-files.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from pyffi.errors import ModelError
from pyffi.models import panels
from pyffi.models.checkpoint import Array, Checkpoint, is_matrix
from pyffi.models.mel_filters import mel_filters
from pyffi.models.vocabulary import to_printable

if TYPE_CHECKING:
    from gguf import GGUFWriter

WeightType = Literal["f16", "f32", "same"]
WEIGHT_TYPES: tuple[WeightType, ...] = get_args(WeightType)
ALIGNMENT = 64


def matrix_dtype(checkpoint: Checkpoint, weight_type: WeightType) -> np.dtype[np.float16] | np.dtype[np.float32]:
    """The type matrices are stored in; `same` is f16 where the source has every matrix in f16, else f32."""
    if weight_type == "same":
        half = all(t.dtype == np.float16 for name, t in checkpoint.tensors.items() if is_matrix(name))
        weight_type = "f16" if half else "f32"
    return np.dtype(np.float16) if weight_type == "f16" else np.dtype(np.float32)


def cast(name: str, values: Array, dtype: np.dtype[np.float16] | np.dtype[np.float32]) -> Array:
    """Values in another type, refused where they do not fit."""
    with np.errstate(over="ignore"):
        result = values.astype(dtype, copy=False)
    if dtype == np.float16 and not np.isfinite(result).all():
        largest = float(np.abs(values).max())
        raise ModelError(f"{name} has the value {largest}: too large for f16 (65504), convert with --dtype f32")
    return result


def write_gguf(
    checkpoint: Checkpoint,
    path: Path,
    weight_type: WeightType = "f16",
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes the checkpoint to `path`; `on_progress` is told the tensors written and their total number."""
    from gguf import GGUFWriter  # takes a while, and most who import this module only open models

    dtype = matrix_dtype(checkpoint, weight_type)
    names = list(checkpoint.shapes)
    writer = GGUFWriter(path, "whisper")
    try:
        _add_metadata(writer, checkpoint)
        mel = mel_filters(checkpoint.dimensions.n_mels)
        writer.add_tensor_info("mel_filters", mel.shape, mel.dtype, mel.nbytes)
        for name in names:
            shape = stored_shape(name, checkpoint.shapes[name])
            stored = dtype if is_matrix(name) else np.dtype(np.float32)
            writer.add_tensor_info(name, shape, stored, int(np.prod(shape)) * stored.itemsize)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        writer.write_tensor_data(mel)
        for done, name in enumerate(names, start=1):
            writer.write_tensor_data(stored_values(name, checkpoint.load(name), dtype))
            if on_progress:
                on_progress(done, len(names))
        writer.flush()
    finally:
        writer.close()


def stored_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape in the file, slowest dimension first, of a tensor that has `shape` in OpenAI's state dict."""
    return panels.panel_shape(shape[0], int(np.prod(shape[1:]))) if is_matrix(name) else shape


def stored_values(name: str, values: Array, dtype: np.dtype[np.float16] | np.dtype[np.float32]) -> Array:
    if not is_matrix(name):
        return np.ascontiguousarray(values, dtype=np.float32)
    matrix = panels.convolution_matrix(values) if values.ndim == 3 else values
    return panels.pack_matrix(cast(name, matrix, dtype))


def _add_metadata(writer: GGUFWriter, checkpoint: Checkpoint) -> None:
    writer.add_custom_alignment(ALIGNMENT)
    writer.add_name(checkpoint.provenance.name)
    writer.add_string("general.source", checkpoint.provenance.source)
    if checkpoint.provenance.license:
        writer.add_license(checkpoint.provenance.license)
    writer.add_string("multimodal.layout", "panel16")
    for key, value in asdict(checkpoint.dimensions).items():
        writer.add_uint32(f"whisper.{key}", value)
    writer.add_array("whisper.alignment_heads", [index for pair in checkpoint.alignment_heads for index in pair])
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([to_printable(token) for token in checkpoint.vocabulary])
