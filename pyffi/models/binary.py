"""Reading a binary file front to back, every length checked against what the file has left."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from pyffi.errors import ModelError
from pyffi.models.checkpoint import Array


class BinaryFile:
    """A mapped file with a read position. Tensors that are skipped over are read from the mapping later."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        if path.stat().st_size == 0:
            raise ModelError(f"{path} is empty")
        self.data: Array = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
        self._bytes = self.data.data  # cheaper to slice than arrays

    def skip(self, size: int, what: str) -> int:
        """The offset of the next `size` bytes, which are passed over."""
        offset = self.offset
        if size < 0 or size > len(self.data) - offset:
            raise ModelError(
                f"{self.path} ends inside of {what}: {size} bytes are needed at {offset}, the file has {len(self.data)}"
            )
        self.offset += size
        return offset

    def take(self, size: int, what: str) -> bytes:
        offset = self.skip(size, what)
        return bytes(self._bytes[offset : offset + size])

    def number(self, code: str, what: str) -> int:
        """A little-endian integer with the struct module's format `code`."""
        (value,) = struct.unpack("<" + code, self.take(struct.calcsize("<" + code), what))
        return int(value)

    def array(self, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        """A view of the mapping; offsets need no alignment."""
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        return self.data[offset : offset + size].view(dtype).reshape(shape)
