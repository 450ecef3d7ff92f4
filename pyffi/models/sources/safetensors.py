"""Tensors of a .safetensors file: u64 size of the header, the header in JSON, the data (huggingface/safetensors).

Read here rather than with the library of that name because numpy, which that needs to know each type, has no bfloat16.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pyffi.errors import ModelError
from pyffi.models.binary import BinaryFile
from pyffi.models.checkpoint import Array, Tensor

# The format's name of a type: ours, and how its bits are stored.
_TYPES = {
    "F32": ("float32", "<f4"),
    "F16": ("float16", "<f2"),
    "BF16": ("bfloat16", "<u2"),
    "I64": ("int64", "<i8"),  # position numbers, which no converter takes
}


def read_safetensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of a file; weights are loaded when asked for."""
    file = BinaryFile(path)
    try:
        header = json.loads(file.take(file.number("Q", "the size of the header"), "the header"))
    except ValueError as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path}: the header is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise ModelError(f"{path}: the header is not a JSON object")
    start = file.offset
    for name, entry in header.items():
        if name != "__metadata__":
            yield name, _tensor(file, start, name, entry)


def _tensor(file: BinaryFile, start: int, name: str, entry: object) -> Tensor:
    try:
        kind, dimensions, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]  # type: ignore[index]
        shape = tuple(int(dimension) for dimension in dimensions)
    except (KeyError, TypeError, ValueError):
        raise ModelError(f"{file.path}: the entry of {name} is {entry!r}: type, shape and offsets needed") from None
    if kind not in _TYPES:
        raise ModelError(f"{file.path}: {name} has type {kind}: {', '.join(_TYPES)} are supported")
    stored, code = _TYPES[kind]
    dtype = np.dtype(code)
    size = dtype.itemsize
    for dimension in shape:
        size *= dimension
    if not (isinstance(begin, int) and begin >= 0 and min(shape, default=0) >= 0 and end == begin + size):
        raise ModelError(f"{file.path}: {name} lies at {begin} to {end}: {size} bytes belong to {kind} {list(shape)}")
    if size > len(file.data) - start - begin:
        raise ModelError(f"{file.path} ends inside of {name}: {start + end} bytes needed, it has {len(file.data)}")

    def load() -> Array:
        return file.array(start + begin, dtype, shape)

    return Tensor.stored(shape, stored, load)
