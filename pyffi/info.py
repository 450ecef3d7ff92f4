"""What this copy of the package is: versions, how the library was built, and where a C compiler finds its parts."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from pyffi._ffi import LIBRARY, lib
from pyffi.errors import FileError, text

PACKAGE = Path(__file__).resolve().parent

__version__ = text(lib.mm_version_string())
abi_version = lib.mm_abi_version()


@lru_cache(maxsize=1)
def _build_info() -> str:
    return text(lib.mm_build_info())


def build_info() -> dict[str, Any]:
    """How the library was built and what it has found here: compiler, processor, kernel sets, the one in use, cores."""
    info: dict[str, Any] = json.loads(_build_info())
    return info


def include_dir() -> Path:
    """The directory of multimodal.h: in the installed package, or in the source tree around it."""
    for path in (PACKAGE / "include", PACKAGE.parent / "clib" / "include"):
        if (path / "multimodal.h").is_file():
            return path
    raise FileError(f"multimodal.h is not in {PACKAGE / 'include'}: reinstall multimodal-ffi")


def library_path() -> Path:
    """The shared library that lies beside the bindings."""
    path = PACKAGE / LIBRARY
    if not path.is_file():
        raise FileError(f"{path} is missing: reinstall multimodal-ffi")
    return path


def cflags() -> str:
    """Flags for compiling against the header."""
    return f"-I{include_dir()}"


def libs() -> str:
    """Flags for linking with this very library, and for finding it at run time."""
    directory = library_path().parent
    return f"-L{directory} -l:{LIBRARY} -Wl,-rpath,{directory}"
