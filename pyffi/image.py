"""JPEG and PNG files to pixels, and pixels to other sizes: the same as Pillow gives, to the last bit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyffi._ffi import ffi, lib
from pyffi.buffers import as_integer, as_path, owned_bytes
from pyffi.callbacks import Run
from pyffi.errors import FileError, InvalidArgument

Pixels: TypeAlias = npt.NDArray[np.uint8]

MAX_PIXELS = 178_956_970  # of Pillow, which takes larger pictures for an attack
MAX_SIZE = 1 << 24  # of a side of what is resized to
FILTERS = {"bicubic": lib.MM_FILTER_BICUBIC, "bilinear": lib.MM_FILTER_BILINEAR}


def decode_image(
    data: bytes | bytearray | memoryview | str | os.PathLike[str],
    exif_orientation: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> Pixels:
    """The pixels of a JPEG or PNG file, uint8 of shape (height, width, 3).

    data              the bytes of the file, or its path
    exif_orientation  turn the picture as its EXIF data says
    max_pixels        refuse larger pictures before they take memory
    """
    encoded = data if isinstance(data, (bytes, bytearray, memoryview)) else _read(data)
    options = ffi.new("mm_image_options *", {"struct_size": ffi.sizeof("mm_image_options")})
    options.exif_orientation = lib.MM_SWITCH_ON if exif_orientation else lib.MM_SWITCH_OFF
    options.max_pixels = as_integer(max_pixels, "max_pixels", 1, 2**64 - 1)
    out, width, height = ffi.new("uint8_t **"), ffi.new("int32_t *"), ffi.new("int32_t *")
    error, run = ffi.new("char **"), Run()
    source = ffi.from_buffer("char[]", encoded)
    run.check(lib.mm_image_decode(source, len(source), options, run.c, out, width, height, error), error)
    return owned_bytes(out[0], height[0], width[0], 3)


def resize_image(pixels: Any, size: tuple[int, int], filter: str = "bicubic") -> Pixels:
    """Pixels, uint8 of shape (height, width, 3), resized to (width, height).

    filter  "bicubic" or "bilinear", both with antialiasing
    """
    array = as_pixels(pixels, "pixels")
    try:
        width, height = size
    except (TypeError, ValueError):
        raise InvalidArgument(f"size must be (width, height), not {size!r}") from None
    width, height = as_integer(width, "width", 1, MAX_SIZE), as_integer(height, "height", 1, MAX_SIZE)
    if filter not in FILTERS:
        raise InvalidArgument(f"filter must be 'bicubic' or 'bilinear', not {filter!r}")
    source = ffi.new("mm_pixels *", c_pixels(array))
    out, error, run = ffi.new("uint8_t **"), ffi.new("char **"), Run()
    run.check(lib.mm_image_resize(source, width, height, FILTERS[filter], run.c, out, error), error)
    return owned_bytes(out[0], height, width, 3)


def as_pixels(values: object, name: str) -> Pixels:
    """Pixels without a copy: rows may lie apart, as in a picture that was cut out of another."""
    if not isinstance(values, np.ndarray):
        raise InvalidArgument(f"{name} is {type(values).__name__}, not a numpy array: pass numpy.asarray({name})")
    if values.dtype != np.uint8:
        raise InvalidArgument(f"{name} is an array of {values.dtype}; it must be uint8, from 0 to 255")
    if values.ndim != 3 or values.shape[2] != 3:
        raise InvalidArgument(f"{name} has shape {values.shape}; it must be (height, width, 3)")
    if 0 in values.shape:
        raise InvalidArgument(f"{name} has shape {values.shape}: there are no pixels in it")
    if values.strides[1:] != (3, 1) or values.strides[0] < 3 * values.shape[1]:
        raise InvalidArgument(f"{name} is not contiguous in memory: pass numpy.ascontiguousarray({name})")
    return values


def c_pixels(array: Pixels) -> tuple[Any, int, int, int]:
    """An mm_pixels over an array, which the caller keeps alive for as long as C reads it."""
    height, width, _ = array.shape
    return ffi.cast("const uint8_t *", array.ctypes.data), width, height, array.strides[0]


def _read(data: str | os.PathLike[str]) -> bytes:
    path = Path(os.fsdecode(as_path(data, "data")))
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}") from error
