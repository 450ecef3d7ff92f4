"""The pictures in a folder."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import NamedTuple

BY_LIBRARY = (".jpg", ".jpeg", ".png")
BY_PILLOW = (".webp", ".gif", ".bmp", ".tif", ".tiff")


class PictureFile(NamedTuple):
    """A file that may be a picture, and what tells whether it was changed."""

    path: str
    size: int
    mtime_ns: int


def picture_suffixes() -> tuple[str, ...]:
    """Of the files that can be read here: more with Pillow than without."""
    return BY_LIBRARY + (BY_PILLOW if find_spec("PIL") else ())


def find_pictures(
    folder: str | os.PathLike[str], on_error: Callable[[OSError], object] = lambda error: None
) -> Iterator[PictureFile]:
    """The pictures in a folder and in those within, by their suffix, in the order of their names.

    Hidden files and folders are passed over. Links to folders are followed last; each folder is entered once, so that
    links in a circle come to an end. What cannot be read is told to on_error, and the others follow.
    """
    suffixes = picture_suffixes()
    entered: set[tuple[int, int]] = set()
    links = deque([os.fsdecode(folder)])
    while links:
        waiting = [links.popleft()]
        while waiting:
            path = waiting.pop()
            try:
                status = os.stat(path)
                if (status.st_dev, status.st_ino) in entered:
                    continue
                entered.add((status.st_dev, status.st_ino))
                with os.scandir(path) as scanned:
                    entries = sorted(scanned, key=lambda entry: entry.name)
            except OSError as error:
                on_error(error)
                continue
            folders: list[str] = []
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                try:
                    if entry.is_dir():
                        (links if entry.is_symlink() else folders).append(entry.path)
                    elif entry.name.lower().endswith(suffixes):
                        status = entry.stat()
                        if stat.S_ISREG(status.st_mode):
                            yield PictureFile(entry.path, status.st_size, status.st_mtime_ns)
                except OSError as error:
                    on_error(error)
            waiting += reversed(folders)
