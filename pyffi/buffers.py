"""Every check at the border between Python values and C memory.

Nothing here converts silently: contiguous float32 goes through without a copy (numpy, memoryview, array.array, or
anything else that numpy can view, also read-only), and what would have to be converted is refused with advice.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyffi._ffi import ffi, lib
from pyffi.errors import InvalidArgument

Floats: TypeAlias = npt.NDArray[np.float32]
FLOAT32 = np.dtype(np.float32)


def _kind(value: object) -> str:
    return type(value).__name__


def is_encoded(value: object) -> bool:
    """Whether a value is raw bytes, which for audio means the content of a file, never samples."""
    return isinstance(value, (bytes, bytearray)) or (isinstance(value, memoryview) and value.format in ("B", "b", "c"))


def _view(values: object, name: str) -> npt.NDArray[Any]:
    """An array over the same memory; only plain lists and tuples, which have none, are copied."""
    if is_encoded(values):
        raise InvalidArgument(
            f"{name} is {_kind(values)}, which does not say what it holds; for float32 samples pass "
            f"numpy.frombuffer({name}, numpy.float32)"
        )
    if isinstance(values, np.ma.MaskedArray):
        raise InvalidArgument(f"{name} is a masked array; pass {name}.filled(0)")
    try:
        array = np.asarray(values)
    except Exception as error:  # whatever a foreign __array__ raises: tensors on a GPU, ragged lists, ...
        raise InvalidArgument(f"{name} is {_kind(values)}, which numpy cannot view as an array: {error}") from error
    if isinstance(values, (list, tuple)) and array.dtype == np.float64:
        array = array.astype(np.float32)
    return array


def _check_dtype(array: npt.NDArray[Any], name: str) -> None:
    if array.dtype == FLOAT32:
        return
    advice = {
        "f": f"{name}.astype(numpy.float32)",
        "i": f"{name}.astype(numpy.float32) / {2 ** (8 * array.dtype.itemsize - 1)}",
        "u": f"{name}.tobytes() if these are the bytes of an audio file",
    }.get(array.dtype.kind, "an array of float32")
    raise InvalidArgument(f"{name} is an array of {array.dtype}; it must be float32: pass {advice}")


def as_samples(values: object, name: str = "audio") -> Floats:
    """Mono float32 samples, without a copy."""
    if type(values) is np.ndarray and values.dtype is FLOAT32 and values.ndim == 1 and values.flags.c_contiguous:
        return values  # the usual case, for the sake of small calls
    array = _view(values, name)
    _check_dtype(array, name)
    if array.ndim == 2:
        if 1 in array.shape:
            raise InvalidArgument(f"{name} has shape {array.shape}; it must have one dimension: pass {name}.ravel()")
        channels = 0 if array.shape[0] < array.shape[1] else 1
        raise InvalidArgument(
            f"{name} has shape {array.shape}; it must be one channel: pass {name}.mean(axis={channels}), "
            f"or one of its {array.shape[channels]} channels"
        )
    if array.ndim != 1:
        raise InvalidArgument(f"{name} has {array.ndim} dimensions; it must have one")
    if not array.flags.c_contiguous:
        raise InvalidArgument(f"{name} is not contiguous in memory: pass numpy.ascontiguousarray({name})")
    return array


def as_matrix(values: object, name: str, columns: int) -> Floats:
    """A row-major float32 matrix of so many columns, without a copy."""
    array = _view(values, name)
    _check_dtype(array, name)
    if array.ndim != 2 or array.shape[1] != columns:
        hint = f": pass {name}.T" if array.ndim == 2 and array.shape[0] == columns else ""
        raise InvalidArgument(f"{name} has shape {array.shape}; it must be (rows, {columns}){hint}")
    if not array.flags.c_contiguous:
        raise InvalidArgument(f"{name} is not contiguous in memory: pass numpy.ascontiguousarray({name})")
    return array


def as_integer(value: object, name: str, low: int, high: int) -> int:
    """An integer in a range; bool is none."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidArgument(f"{name} must be an integer, not {value!r} ({_kind(value)})") from None
    if not low <= number <= high:
        raise InvalidArgument(f"{name} must be {low} to {high}, not {number}")
    return number


def as_float(value: object, name: str) -> float:
    """A number as C's float takes it; its range is the library's to check."""
    try:
        if isinstance(value, (str, bytes, bool)):
            raise TypeError
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise InvalidArgument(f"{name} must be a number, not {value!r} ({_kind(value)})") from None


def as_utf8(value: object, name: str) -> bytes:
    """Text for C, where its length goes along."""
    if not isinstance(value, str):
        raise InvalidArgument(f"{name} must be a str, not {_kind(value)}")
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"{name} has half a surrogate pair at character {error.start}: it is not text") from None


def as_c_string(value: object, name: str) -> Any:
    """char[] of a text, where a NUL ends it."""
    encoded = as_utf8(value, name)
    if b"\0" in encoded:
        raise InvalidArgument(f"{name} has a NUL character after {encoded.index(0)} bytes; remove it")
    return ffi.new("char[]", encoded)


def as_path(value: str | os.PathLike[str], name: str = "path") -> bytes:
    """A file name for C, in the bytes that the file system knows."""
    try:
        encoded = os.fsencode(value)
    except TypeError:
        raise InvalidArgument(f"{name} must be a path, not {_kind(value)}") from None
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"{name} {value!r} is not a file name: {error}") from None
    if b"\0" in encoded:
        raise InvalidArgument(f"{name} {value!r} has a NUL character, which no file name can have")
    return encoded


def as_token_ids(tokens: Iterable[int], name: str = "tokens") -> Any:
    """int32_t[] of token ids."""
    try:
        return ffi.new("int32_t[]", tokens.tolist() if isinstance(tokens, np.ndarray) else list(tokens))
    except (TypeError, OverflowError) as error:
        raise InvalidArgument(f"{name} must be integers of 32 bits: {error}") from None


def pointer(array: Floats) -> Any:
    """const float * to an array, which the caller keeps alive for as long as C reads it."""
    return ffi.from_buffer("float[]", array)


def owned_array(data: Any, *shape: int) -> Floats:
    """An array over floats that the library handed out, without a copy; they are freed with the array."""
    count = int(np.prod(shape, dtype=np.int64))
    owner = ffi.gc(data, lib.mm_free, 4 * count)
    if count == 0:
        return np.empty(shape, np.float32)
    return np.frombuffer(ffi.buffer(owner, 4 * count), np.float32).reshape(shape)


def owned_bytes(data: Any, *shape: int) -> npt.NDArray[np.uint8]:
    """The same over bytes."""
    count = int(np.prod(shape, dtype=np.int64))
    owner = ffi.gc(data, lib.mm_free, count)
    return np.frombuffer(ffi.buffer(owner, count), np.uint8).reshape(shape)
