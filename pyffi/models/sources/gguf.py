"""Our own container (docs/model-files.md), for another weight type or for whisper.cpp's format.

Read here rather than with the `gguf` package, whose reader takes seconds for a vocabulary and trusts what a file says.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from pyffi.errors import ModelError
from pyffi.models.binary import BinaryFile
from pyffi.models.checkpoint import Array, Checkpoint, Dimensions, Provenance, Tensor, is_matrix, tensor_shapes
from pyffi.models.gguf import stored_shape
from pyffi.models.panels import unpack_matrix
from pyffi.models.vocabulary import from_printable

_MAGIC = 0x46554747  # "GGUF"
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 7: "B", 10: "Q", 11: "q"}
_FLOATS = {6: "<f", 12: "<d"}
_TENSOR_TYPES = {0: "float32", 1: "float16"}


def is_gguf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == _MAGIC.to_bytes(4, "little")


def read_gguf(path: Path, provenance: Provenance) -> Checkpoint:
    """Reads a Whisper model in panel layout; weights are loaded and unpacked when asked for."""
    file, metadata, n_tensors = read_header(path)
    for key, expected in (("general.architecture", "whisper"), ("multimodal.layout", "panel16")):
        if metadata.get(key) != expected:
            raise ModelError(f"{path}: {key} is {metadata.get(key)!r}: {expected!r} is supported")
    for field in fields(Dimensions):
        if not isinstance(metadata.get(f"whisper.{field.name}"), int):
            raise ModelError(f"{path}: whisper.{field.name} is {metadata.get(f'whisper.{field.name}')!r}")
    dimensions = Dimensions(**{field.name: metadata[f"whisper.{field.name}"] for field in fields(Dimensions)})
    dimensions.validate()
    tokens = metadata.get("tokenizer.ggml.tokens", [])
    heads = metadata.get("whisper.alignment_heads", [])
    if not _is_list_of(tokens, str) or not _is_list_of(heads, int) or len(heads) % 2:
        raise ModelError(f"{path}: the vocabulary or the alignment heads are of another type than docs/model-files.md")
    tensors = dict(read_tensors(file, n_tensors, metadata.get("general.alignment", 32), tensor_shapes(dimensions)))
    tensors.pop("mel_filters", None)
    return Checkpoint(
        dimensions=dimensions,
        tensors=tensors,
        vocabulary=[from_printable(token) for token in tokens],
        alignment_heads=list(zip(heads[::2], heads[1::2], strict=True)),
        provenance=provenance,
    )


def recorded_provenance(path: Path) -> Provenance:
    """Where the file says that it came from."""
    _, metadata, _ = read_header(path)
    name, source, spdx = (metadata.get(f"general.{key}") for key in ("name", "source", "license"))
    return Provenance(str(name or path.stem), str(source or path.stem), str(spdx) if spdx else None)


def _is_list_of(values: object, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


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
    return file.number(_SCALARS[kind], key)


def read_tensors(
    file: BinaryFile, count: int, alignment: object, shapes: dict[str, tuple[int, ...]]
) -> Iterator[tuple[str, Tensor]]:
    if not isinstance(alignment, int) or alignment < 1:
        raise ModelError(f"{file.path}: general.alignment is {alignment!r}")
    entries: dict[str, tuple[tuple[int, ...], int, int]] = {}
    for _ in range(count):
        name = _string(file, "a tensor's name")
        rank = file.number("I", f"the rank of {name}")
        dimensions = [file.number("Q", f"the dimensions of {name}") for _ in range(rank)]
        if name in entries:
            raise ModelError(f"{file.path} has {name} twice")
        entries[name] = (
            tuple(reversed(dimensions)),
            file.number("I", f"the type of {name}"),
            file.number("Q", f"the offset of {name}"),
        )
    start = -(-file.offset // alignment) * alignment
    for name, (stored, kind, offset) in entries.items():
        shape = shapes.get(name, stored)
        if name in shapes and stored != stored_shape(name, shape):
            raise ModelError(
                f"{file.path}: {name} has shape {list(stored)}: {list(stored_shape(name, shape))} is needed"
            )
        if kind not in _TENSOR_TYPES:
            raise ModelError(f"{file.path}: {name} has type {kind}: {_TENSOR_TYPES} are supported")
        yield name, _tensor(file, name, shape, stored, np.dtype(_TENSOR_TYPES[kind]).newbyteorder("<"), start + offset)


def _tensor(
    file: BinaryFile, name: str, shape: tuple[int, ...], stored: tuple[int, ...], dtype: np.dtype[Any], offset: int
) -> Tensor:
    size = dtype.itemsize
    for dimension in stored:
        size *= dimension
    file.offset = min(offset, len(file.data))
    file.skip(size, name)

    def load() -> Array:
        values = file.array(offset, dtype, stored)
        if not is_matrix(name):
            return values
        matrix = unpack_matrix(values, shape[0])
        if len(shape) == 3:  # stored tap-major
            n, channels, taps = shape
            matrix = matrix.reshape(n, taps, channels).transpose(0, 2, 1)
        return matrix

    return Tensor.stored(shape, dtype.name, load)
