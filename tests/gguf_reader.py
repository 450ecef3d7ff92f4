"""Reads GGUF version 3 files for tests: the `gguf` package's reader takes seconds for a vocabulary."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_SCALARS = dict(enumerate("BbHhIif?", start=0)) | {10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
_DTYPES: dict[int, np.dtype[Any]] = {0: np.dtype("<f4"), 1: np.dtype("<f2")}


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0

    def numbers(self, code: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + code, self.data, self.offset)
        self.offset += struct.calcsize("<" + code)
        return values

    def string(self) -> str:
        (length,) = self.numbers("Q")
        self.offset += length
        return self.data[self.offset - length : self.offset].decode("utf-8")

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            element, count = self.numbers("IQ")
            return [self.value(element) for _ in range(count)]
        return self.numbers(_SCALARS[kind])[0]


def read_gguf(path: Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Metadata by key, and tensors (f32 and f16) by name in the order of the file, slowest dimension first."""
    cursor = _Cursor(path.read_bytes())
    magic, version, n_tensors, n_values = cursor.numbers("4sIQQ")
    assert (magic, version) == (b"GGUF", 3)
    metadata: dict[str, Any] = {}
    for _ in range(n_values):
        key = cursor.string()
        metadata[key] = cursor.value(cursor.numbers("I")[0])
    infos = []
    for _ in range(n_tensors):
        name = cursor.string()
        (rank,) = cursor.numbers("I")
        infos.append((name, cursor.numbers(f"{rank}Q")[::-1], *cursor.numbers("IQ")))
    alignment = metadata["general.alignment"]
    start = -(-cursor.offset // alignment) * alignment
    tensors = {}
    for name, shape, kind, offset in infos:
        count = int(np.prod(shape))
        assert offset % alignment == 0, name
        tensors[name] = np.frombuffer(cursor.data, _DTYPES[kind], count, start + offset).reshape(shape)
    return metadata, tensors
