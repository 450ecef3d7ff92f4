"""GGUF files: metadata and tensors of any architecture, in our panel layout or plain.

Read here rather than with the `gguf` package, whose reader takes seconds for a vocabulary and trusts what a file says.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pyffi.errors import ModelError
from pyffi.models.binary import BinaryFile
from pyffi.models.checkpoint import Array, Provenance, Tensor, is_matrix
from pyffi.models.gguf import stored_shape
from pyffi.models.panels import convolution_weight, unpack_matrix
from pyffi.models.sources.weight_types import PLAIN, StoredType, stored_size, stored_tensor, stored_type

_MAGIC = 0x46554747  # "GGUF"
_STRING, _BOOL, _ARRAY = 8, 7, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", _BOOL: "B", 10: "Q", 11: "q"}
_FLOATS = {6: "<f", 12: "<d"}
_MAX_RANK = 4


def is_gguf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == _MAGIC.to_bytes(4, "little")


def recorded_provenance(path: Path) -> Provenance:
    """Where the file says that it came from."""
    _, metadata, _ = read_header(path)
    name, source, spdx = (metadata.get(f"general.{key}") for key in ("name", "source", "license"))
    return Provenance(str(name or path.stem), str(source or path.stem), str(spdx) if spdx else None)


def read_header(path: Path) -> tuple[BinaryFile, dict[str, Any], int]:
    """The file, read up to the descriptions of the tensors, its metadata and the number of tensors."""
    file = BinaryFile(path)
    magic, version = file.number("I", "the magic number"), file.number("I", "the version")
    if (magic, version) != (_MAGIC, 3):
        raise ModelError(f"{path} has magic number {magic:#x} and version {version}: GGUF version 3 is supported")
    n_tensors, n_values = file.number("Q", "the number of tensors"), file.number("Q", "the number of values")
    metadata: dict[str, Any] = {}
    for _ in range(n_values):
        key = _string(file, "a key")
        metadata[key] = _value(file, key, file.number("I", f"the type of {key}"))
    return file, metadata, n_tensors


def _string(file: BinaryFile, what: str) -> str:
    try:
        return file.take(file.number("Q", f"the length of {what}"), what).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{file.path}: {what} is not UTF-8: {error}") from None


def _value(file: BinaryFile, key: str, kind: int) -> str | int | float | list[Any]:
    if kind == _STRING:
        return _string(file, key)
    if kind == _ARRAY:
        element, count = file.number("I", f"the type of {key}"), file.number("Q", f"the length of {key}")
        if element == _ARRAY:
            raise ModelError(f"{file.path}: {key} is an array of arrays")
        return [_value(file, key, element) for _ in range(count)]
    if kind in _FLOATS:
        (number,) = struct.unpack(_FLOATS[kind], file.take(struct.calcsize(_FLOATS[kind]), key))
        return float(number)
    if kind not in _SCALARS:
        raise ModelError(f"{file.path}: {key} has type {kind}: GGUF has none of this number")
    number = file.number(_SCALARS[kind], key)
    return bool(number) if kind == _BOOL else number


def read_tensors(
    file: BinaryFile, count: int, alignment: object, types: Collection[int] = PLAIN
) -> Iterator[tuple[str, Tensor]]:
    """The tensors as they are stored, of these types."""
    if not isinstance(alignment, int) or alignment < 1:
        raise ModelError(f"{file.path}: general.alignment is {alignment!r}")
    entries: dict[str, tuple[tuple[int, ...], StoredType, int]] = {}
    for _ in range(count):
        name = _string(file, "a tensor's name")
        rank = file.number("I", f"the rank of {name}")
        if not 1 <= rank <= _MAX_RANK:
            raise ModelError(f"{file.path}: {name} has {rank} dimensions: 1 to {_MAX_RANK} are supported")
        dimensions = [file.number("Q", f"the dimensions of {name}") for _ in range(rank)]
        if name in entries:
            raise ModelError(f"{file.path} has {name} twice")
        kind = stored_type(file, name, file.number("I", f"the type of {name}"), types)
        entries[name] = (tuple(reversed(dimensions)), kind, file.number("Q", f"the offset of {name}"))
    start = -(-file.offset // alignment) * alignment
    for name, (shape, kind, offset) in entries.items():
        size = stored_size(file, name, shape, kind)
        file.offset = min(start + offset, len(file.data))
        file.skip(size, name)
        yield name, stored_tensor(file, start + offset, shape, kind)


def unpacked(path: Path, name: str, stored: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A tensor of a file in panel layout, as checkpoints have it."""
    if stored.shape != stored_shape(name, shape):
        raise ModelError(f"{path}: {name} has shape {list(stored.shape)}: {list(stored_shape(name, shape))} is needed")
    if not is_matrix(name, shape):
        return stored

    def load() -> Array:
        matrix = unpack_matrix(stored.load(), shape[0])
        return matrix if len(shape) == 2 else convolution_weight(matrix, shape)

    return Tensor(shape, stored.dtype, load)
