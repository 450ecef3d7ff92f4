"""Exceptions: one base class that carries the library's status, and a subclass for each case a caller may handle."""

from __future__ import annotations

from typing import Any

from pyffi._ffi import ffi, lib


class MultimodalError(Exception):
    """Base of all errors of this package. `status` is the MM_ERROR_* of the C library."""

    status: int = lib.MM_ERROR_INTERNAL

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        if status is not None:
            self.status = status


class InvalidArgument(MultimodalError, ValueError):
    """An argument or option has a value or a type that cannot be used."""

    status = lib.MM_ERROR_INVALID_ARGUMENT


class AudioError(InvalidArgument):
    """An audio file is damaged, empty, or of a kind that cannot be read."""


class ClosedError(MultimodalError, ValueError):
    """The object was closed."""

    status = lib.MM_ERROR_INVALID_HANDLE


class OutOfMemory(MultimodalError, MemoryError):
    """An allocation failed; nothing was lost."""

    status = lib.MM_ERROR_NO_MEMORY


class FileError(MultimodalError, OSError):
    """A file could not be opened or read."""

    status = lib.MM_ERROR_IO


class ModelError(MultimodalError):
    """A model file is damaged, cut short, or not of the kind asked for."""

    status = lib.MM_ERROR_BAD_MODEL


class UnsupportedError(MultimodalError):
    """Understood, but not possible with this model, build or machine."""

    status = lib.MM_ERROR_UNSUPPORTED


class AbortedError(MultimodalError):
    """A callback, or abort() from another thread, asked to stop."""

    status = lib.MM_ERROR_ABORTED


class BusyError(MultimodalError):
    """The object is in use: by another thread, or by the very call that runs this callback."""

    status = lib.MM_ERROR_BUSY


class InternalError(MultimodalError):
    """A fault of the library: please report it."""


_CLASSES: dict[int, type[MultimodalError]] = {
    cls.status: cls
    for cls in (
        InvalidArgument,
        ClosedError,
        OutOfMemory,
        FileError,
        ModelError,
        UnsupportedError,
        AbortedError,
        BusyError,
        InternalError,
    )
}


def text(pointer: Any) -> str:
    """A NUL-terminated string of the library."""
    return str(ffi.string(pointer).decode("utf-8", "replace"))


def error_for(status: int, message: str = "") -> MultimodalError:
    """The exception for a status; where the library gave no message, its line for the status is used."""
    if status == lib.MM_ERROR_INVALID_HANDLE:
        message = "this object was closed"  # C speaks of handles, which Python has none of
    cls = _CLASSES.get(status, MultimodalError)
    return cls(message or text(lib.mm_status_string(status)), status)


def raise_for(status: int, error_out: Any) -> None:
    """Raises for a status that is not MM_OK, with the message that the call has stored, which is freed."""
    message = error_out[0]
    if not message:
        raise error_for(status)
    try:
        raise error_for(status, text(message))
    finally:
        lib.mm_free(message)
