"""The files that arguments of a command name."""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import click

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


def standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise click.UsageError("standard input is closed")
    return sys.stdin.buffer
