"""The types of weights in ggml's and GGUF's files: quantised ones are blocks, and become float32 when loaded."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from pyffi.errors import ModelError
from pyffi.models.binary import BinaryFile
from pyffi.models.checkpoint import Array, Tensor


@dataclass(frozen=True)
class StoredType:
    """So many bytes hold a block of so many values."""

    name: str
    block: int
    size: int


STORED_TYPES = {
    0: StoredType("F32", 1, 4),
    1: StoredType("F16", 1, 2),
    2: StoredType("Q4_0", 32, 18),
    3: StoredType("Q4_1", 32, 20),
    6: StoredType("Q5_0", 32, 22),
    7: StoredType("Q5_1", 32, 24),
    8: StoredType("Q8_0", 32, 34),
}
PLAIN = (0, 1)


def stored_type(file: BinaryFile, name: str, number: int, supported: Container[int] = STORED_TYPES) -> StoredType:
    if number not in STORED_TYPES or number not in supported:
        known = ", ".join(kind.name for key, kind in STORED_TYPES.items() if key in supported)
        raise ModelError(f"{file.path}: {name} has type {number}: {known} are supported")
    return STORED_TYPES[number]


def stored_size(file: BinaryFile, name: str, shape: tuple[int, ...], kind: StoredType) -> int:
    """The bytes of a tensor."""
    if shape[-1] % kind.block:
        raise ModelError(f"{file.path}: {name} has rows of {shape[-1]} values: {kind.name} has blocks of {kind.block}")
    size = shape[-1] // kind.block * kind.size
    for dimension in shape[:-1]:
        size *= dimension
    return size


def stored_tensor(file: BinaryFile, offset: int, shape: tuple[int, ...], kind: StoredType) -> Tensor:
    """The tensor at an offset where the file has `stored_size` bytes."""

    def load() -> Array:
        if kind.block == 1:
            return file.array(offset, np.dtype(f"<f{kind.size}"), shape)
        from gguf import GGMLQuantizationType
        from gguf.quants import dequantize

        blocks = file.array(offset, np.dtype(np.uint8), (*shape[:-1], shape[-1] // kind.block * kind.size))
        values: Array = dequantize(blocks, GGMLQuantizationType[kind.name])
        return values.reshape(shape)

    return Tensor.stored(shape, "float16" if kind.name == "F16" else "float32", load)
