"""What may be handed in as a picture, and how it becomes what the library takes: the bytes of a file, or pixels."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from pyffi.buffers import as_path
from pyffi.errors import FileError, InvalidArgument, MultimodalError
from pyffi.image import Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

Picture: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image | Pixels"

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"


def is_picture(value: object) -> bool:
    """Whether a value is one picture; else it is an iterable of pictures, or a mistake."""
    if isinstance(value, np.ndarray):
        return value.ndim < 4
    return (
        isinstance(value, (str, os.PathLike, bytes, bytearray, memoryview)) or _is_pil(value) or hasattr(value, "read")
    )


def read_picture(picture: Picture, *, exif_orientation: bool, max_pixels: int) -> bytes | Pixels:
    """A JPEG or PNG file as its bytes, and all else as pixels, (height, width, 3)."""
    if isinstance(picture, (str, os.PathLike)):
        path = Path(os.fsdecode(as_path(picture, "image")))
        try:
            encoded = path.read_bytes()
        except OSError as error:
            raise FileError(f"{path}: {error.strerror or error}") from error
    elif isinstance(picture, (bytes, bytearray, memoryview)):
        encoded = bytes(picture)
    elif isinstance(picture, np.ndarray):
        return _as_rgb(picture)
    elif _is_pil(picture):
        return _from_pil(picture, exif_orientation)
    elif hasattr(picture, "read"):
        encoded = picture.read()
        if not isinstance(encoded, bytes):
            raise InvalidArgument(f"the image file gives {type(encoded).__name__}; open it in binary mode")
    else:
        raise InvalidArgument(
            f"an image is {type(picture).__name__}; pass a path, the bytes of a file, a PIL image or uint8 pixels"
        )
    if encoded.startswith((_JPEG, _PNG)):
        return encoded
    other = _decode_with_pillow(encoded, exif_orientation, max_pixels)
    return encoded if other is None else other  # the library says what it is not


def name_of(picture: object) -> str:
    """For messages: a path's own, "" for what has no name."""
    return os.fsdecode(picture) if isinstance(picture, (str, os.PathLike)) else ""


def with_name(error: MultimodalError, picture: object) -> MultimodalError:
    """The same error, with the path in front."""
    name = name_of(picture)
    if not name or str(error).startswith(name):
        return error
    named = type(error)(f"{name}: {error}", error.status)
    named.__cause__ = error.__cause__
    return named


def _as_rgb(array: npt.NDArray[Any]) -> Pixels:
    if array.dtype != np.uint8:
        advice = "(image * 255).astype(numpy.uint8)" if array.dtype.kind == "f" else "image.astype(numpy.uint8)"
        raise InvalidArgument(f"an image is an array of {array.dtype}; it must be uint8, 0 to 255: pass {advice}")
    if array.ndim == 2:
        return np.repeat(array[:, :, None], 3, axis=2)
    if array.ndim == 3 and array.shape[2] in (3, 4):
        rows = array[:, :, :3]
        whole = rows.strides[1:] == (3, 1) and rows.strides[0] >= 3 * rows.shape[1]
        return rows if whole else np.ascontiguousarray(rows)
    hint = ": pass image.transpose(1, 2, 0)" if array.ndim == 3 and array.shape[0] in (3, 4) else ""
    raise InvalidArgument(f"an image has shape {array.shape}; it must be (height, width, 3), or 4 with alpha{hint}")


def _is_pil(value: object) -> bool:
    return type(value).__module__.startswith("PIL.") and hasattr(value, "convert")


def _from_pil(image: Any, exif_orientation: bool) -> Pixels:
    if exif_orientation:
        from PIL import ImageOps

        image = ImageOps.exif_transpose(image)
    try:
        return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, EOFError) as error:  # as Pillow raises for damaged files
        raise InvalidArgument(f"an image cannot be read: {error}") from error


def _decode_with_pillow(encoded: bytes, exif_orientation: bool, max_pixels: int) -> Pixels | None:
    """Formats that the library does not read; None where Pillow is not installed or does not know it either."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        return None
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            if image.width * image.height > max_pixels:
                raise InvalidArgument(
                    f"the image has {image.width} x {image.height} pixels; max_pixels allows {max_pixels}"
                )
            return _from_pil(image, exif_orientation)
    except UnidentifiedImageError:
        return None
    except Image.DecompressionBombError as error:
        raise InvalidArgument(f"the image is too large: {error}") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        if isinstance(error, MultimodalError):
            raise
        raise InvalidArgument(f"the image cannot be read: {error}") from error
