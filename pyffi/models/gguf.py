"""Writes a checkpoint as our container: GGUF with matrices in panel layout (docs/model-files.md)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from pyffi.errors import ModelError
from pyffi.models import panels
from pyffi.models.checkpoint import Array, Checkpoint, MetadataValue, is_matrix

if TYPE_CHECKING:
    from gguf import GGUFWriter

WeightType = Literal["f16", "f32", "same"]
WEIGHT_TYPES: tuple[WeightType, ...] = get_args(WeightType)
ALIGNMENT = 64
LAYOUT = "panel16"


def matrix_dtype(checkpoint: Checkpoint, weight_type: WeightType) -> np.dtype[np.float16] | np.dtype[np.float32]:
    """The type matrices are stored in; `same` is f16 where the source has every matrix in f16, else f32."""
    if weight_type == "same":
        half = all(t.dtype == np.float16 for name, t in checkpoint.tensors.items() if checkpoint.is_matrix(name))
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
    shapes, constants = checkpoint.shapes, checkpoint.constants()
    writer = GGUFWriter(path, checkpoint.architecture)
    try:
        _add_metadata(writer, checkpoint)
        for name, values in constants.items():
            writer.add_tensor_info(name, values.shape, values.dtype, values.nbytes)
        for name, logical in shapes.items():
            shape = stored_shape(name, logical)
            stored = dtype if is_matrix(name, logical) else np.dtype(np.float32)
            writer.add_tensor_info(name, shape, stored, int(np.prod(shape)) * stored.itemsize)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for values in constants.values():
            writer.write_tensor_data(values)
        for done, name in enumerate(shapes, start=1):
            writer.write_tensor_data(stored_values(name, checkpoint.load(name), dtype))
            if on_progress:
                on_progress(done, len(shapes))
        writer.flush()
    finally:
        writer.close()


def stored_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape in the file, slowest dimension first, of a tensor that has `shape` in a checkpoint."""
    return panels.panel_shape(shape[0], int(np.prod(shape[1:]))) if is_matrix(name, shape) else shape


def stored_values(name: str, values: Array, dtype: np.dtype[np.float16] | np.dtype[np.float32]) -> Array:
    if not is_matrix(name, values.shape):
        return np.ascontiguousarray(values, dtype=np.float32)
    return panels.pack_matrix(cast(name, panels.convolution_matrix(values), dtype))


def _add_metadata(writer: GGUFWriter, checkpoint: Checkpoint) -> None:
    writer.add_custom_alignment(ALIGNMENT)
    writer.add_name(checkpoint.provenance.name)
    writer.add_string("general.source", checkpoint.provenance.source)
    if checkpoint.provenance.license:
        writer.add_license(checkpoint.provenance.license)
    writer.add_string("multimodal.layout", LAYOUT)
    for key, value in checkpoint.metadata().items():
        _add(writer, key, value)


def _add(writer: GGUFWriter, key: str, value: MetadataValue) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, value)
