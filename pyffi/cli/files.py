"""The files that arguments of a command name."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import click

from pyffi.picture_files import find_pictures

STDIN = "-"

# Files are opened where they are used, which says best what is wrong with one; the type is for the shell's completion.
argument = click.Path(allow_dash=True)


def expand(pattern: str) -> Iterator[str]:
    """The files that a pattern names; what names none stays, for the error message."""
    is_plain = pattern == STDIN or Path(pattern).exists()
    # Not Path.glob, which takes no absolute pattern.
    found = [] if is_plain else sorted(glob.glob(pattern, recursive=True))
    yield from found or [pattern]


def expand_all(patterns: Iterable[str]) -> list[str]:
    """Each file that any of the patterns names, once, in order."""
    return list(dict.fromkeys(path for pattern in patterns for path in expand(pattern)))


def expand_pictures(patterns: Iterable[str], on_error: Callable[[OSError], object]) -> list[str]:
    """Each picture that files, folders, patterns, or on standard input ("-") lines or NUL-ended names stand for, once,
    in order. What a file is called does not matter where it is named itself."""
    found: dict[str, None] = {}
    for path in _names(patterns):
        if os.path.isdir(path):
            found.update(dict.fromkeys(picture.path for picture in find_pictures(path, on_error)))
        else:
            found[path] = None
    return list(found)


def _names(patterns: Iterable[str]) -> Iterator[str]:
    for pattern in patterns:
        if pattern == STDIN:
            listed = standard_input().read()
            ending = b"\0" if b"\0" in listed else b"\n"
            yield from (os.fsdecode(name.rstrip(b"\r")) for name in listed.split(ending) if name.strip())
        else:
            yield from expand(pattern)


def standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise click.UsageError("standard input is closed")
    return sys.stdin.buffer
