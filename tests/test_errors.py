"""Exceptions: a class for each status, catchable as what Python programmers expect."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from pyffi import errors
from pyffi._ffi import ffi, lib

STATUSES = {name: getattr(lib, name) for name in dir(lib) if name.startswith("MM_ERROR_")}


@pytest.mark.parametrize("name", STATUSES)
def test_each_status_has_a_class_of_its_own(name: str) -> None:
    error = errors.error_for(STATUSES[name], "message")
    assert type(error) is not errors.MultimodalError
    assert error.status == STATUSES[name]
    assert str(error) == ("this object was closed" if name == "MM_ERROR_INVALID_HANDLE" else "message")
    assert type(error).status == STATUSES[name]


@pytest.mark.parametrize(
    ("status", "base"),
    [
        (lib.MM_ERROR_INVALID_ARGUMENT, ValueError),
        (lib.MM_ERROR_INVALID_HANDLE, ValueError),
        (lib.MM_ERROR_NO_MEMORY, MemoryError),
        (lib.MM_ERROR_IO, OSError),
    ],
)
def test_errors_are_also_pythons_own(status: int, base: type[Exception]) -> None:
    with pytest.raises(base):
        raise errors.error_for(status, "message")


def test_a_status_of_a_later_release_is_told_by_the_library() -> None:
    error = errors.error_for(-99)
    assert type(error) is errors.MultimodalError
    assert error.status == -99
    assert str(error) == errors.text(lib.mm_status_string(-99)) != ""


def test_errors_survive_pickling() -> None:
    for status in STATUSES.values():
        error = errors.error_for(status, "message")
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), copy.status) == (type(error), str(error), status)


def test_the_message_of_a_failed_call_is_raised_and_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    out, error = ffi.new("mm_whisper **"), ffi.new("char **")
    status = lib.mm_whisper_open(b"/nonexistent/model.gguf", ffi.NULL, out, error)
    freed: list[Any] = []
    monkeypatch.setattr(errors, "lib", Watched(freed))
    with pytest.raises(errors.FileError, match=r"/nonexistent/model\.gguf"):
        errors.raise_for(status, error)
    assert freed == [error[0]]


class Watched:
    """The library, but for noting what is freed."""

    def __init__(self, freed: list[Any]) -> None:
        self.freed = freed

    def __getattr__(self, name: str) -> Any:
        return getattr(lib, name)

    def mm_free(self, buffer: Any) -> None:
        self.freed.append(buffer)
        lib.mm_free(buffer)
