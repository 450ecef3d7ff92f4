"""What the ways of fetching a model have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pyffi._ffi import lib
from pyffi.errors import MultimodalError

# What is being fetched, bytes that are here, bytes in all.
OnProgress = Callable[[str, int, int], None]


class PullError(MultimodalError):
    """A model could not be fetched; the message says why each source failed and what to do."""

    status = lib.MM_ERROR_IO


class SourceError(Exception):
    """A source cannot give the model; the next one is tried. The message completes "SOURCE: "."""


class UnreachableError(SourceError):
    """Nobody answers, so others at the same place need not be tried."""


@dataclass(frozen=True)
class Fetched:
    """What a converter reads: a folder or a file, complete and with the digests it should have."""

    path: Path
    revision: str
    digests: dict[str, str]
