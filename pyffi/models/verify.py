"""Checks a model file with the library's own reader."""

from __future__ import annotations

import json
import os
from typing import Any

from pyffi._ffi import ffi, lib
from pyffi.buffers import as_c_string, as_path
from pyffi.errors import raise_for, text


def verify_model(path: str | os.PathLike[str], sha256: str | None = None) -> dict[str, Any]:
    """Validates a model file of any kind that the library opens, and its SHA-256 if one is given; says what it is."""
    json_out, error = ffi.new("char **"), ffi.new("char **")
    digits = ffi.NULL if sha256 is None else as_c_string(sha256, "sha256")
    status = lib.mm_model_verify(as_path(path), digits, json_out, error)
    if status:
        raise_for(status, error)
    try:
        found: dict[str, Any] = json.loads(text(json_out[0]))
    finally:
        lib.mm_free(json_out[0])
    return found
