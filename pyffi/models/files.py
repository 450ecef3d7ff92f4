"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

PARTIAL = ".partial"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A new file's path, beside the target, which takes the target's place if the block succeeds and goes if not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        with disk_full_named(target):
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def disk_full_named(target: Path) -> Iterator[None]:
    """Turns a full disk, however it shows, into an error that says what did not fit and where."""
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        free = free_space(target) >> 20
        raise OSError(error.errno or errno.ENOSPC, f"no room to write {target}: {free} MiB are free there") from error


def is_disk_full(error: OSError) -> bool:
    # numpy reports a short write without saying why.
    return error.errno in _FULL or (error.errno is None and "written" in str(error))


def ensure_free(folder: Path, size: int) -> None:
    """Raises OSError if `size` bytes more do not fit on the disk that the folder is on."""
    free = free_space(folder)
    if free < size:
        raise OSError(
            errno.ENOSPC,
            f"{size >> 20} MiB are needed in {folder}, {free >> 20} MiB are free; "
            "make room, or set MULTIMODAL_CACHE to a folder on another disk",
        )


def free_space(path: Path) -> int:
    """Free bytes of the file system that path is on or would be on."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free
