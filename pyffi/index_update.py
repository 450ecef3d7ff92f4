"""How the index of a folder follows what is in it: see pyffi.search."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from pyffi.buffers import Floats
from pyffi.errors import FileError, MultimodalError, UnsupportedError
from pyffi.parallel import cores, map_in_order
from pyffi.picture_files import PictureFile, find_pictures

if TYPE_CHECKING:
    from typing_extensions import Self

COMMIT_SECONDS = 1.0  # of work are lost at most


class Failure(NamedTuple):
    """A picture that could not be embedded, or a folder that could not be read, and why."""

    path: str
    error: str


class Update(NamedTuple):
    """What bringing an index up to date has changed."""

    embedded: int  # pictures of a content that was not known
    recognised: int  # new, moved or touched ones of a content that was
    removed: int
    failures: list[Failure]  # of what was tried
    known_failures: int  # damaged pictures that have not changed since they were tried


class Content(NamedTuple):
    """A file that was read, or the error that there was."""

    file: PictureFile
    key: bytes  # its path within the folder
    digest: bytes
    data: bytes
    error: FileError | None = None


class Updating:
    """One update: finds what has changed, recognises contents, stores the embeddings of the others, and in the end
    forgets what has gone. What was done is kept if it is interrupted."""

    def __init__(self, db: sqlite3.Connection, folder: str, progress: Callable[[int, int], object]) -> None:
        self._db = db
        self._folder = folder
        self._progress = progress
        self._n_done = 0
        self._copies: dict[bytes, list[Content]] = {}  # of what is being embedded, by digest
        self._n_embedded = self._n_recognised = self._n_damaged = 0
        self._failures: list[Failure] = []
        self._gone: set[bytes] = set()
        self._changed: list[tuple[PictureFile, bytes]] = []
        self._find()

    def _find(self) -> None:
        known = {key: (size, time) for key, size, time in self._db.execute("SELECT path, size, mtime_ns FROM files")}
        unreadable: list[OSError] = []
        for file in find_pictures(self._folder, unreadable.append):
            key = self._key(file.path)
            if known.pop(key, None) != (file.size, file.mtime_ns):
                self._changed.append((file, key))
        if any(error.filename == self._folder for error in unreadable):
            raise FileError(f"{self._folder}: {unreadable[0].strerror}")
        # What is in a folder that cannot be read now has not gone.
        kept = tuple(self._key(error.filename) + b"/" for error in unreadable)
        self._gone = {key for key in known if not key.startswith(kept)}
        self._failures += [Failure(error.filename, error.strerror or str(error)) for error in unreadable]

    def unknown(self, threads: int | None) -> Iterator[Content]:
        """The pictures that have to be embedded."""
        workers = cores() if threads is None else threads
        for content in map_in_order(self._read, self._changed, workers=workers, ahead=2 * workers):
            if content.error is not None:
                self._fail(content, content.error)
            elif content.digest in self._copies:
                self._copies[content.digest].append(content._replace(data=b""))
            elif (known := self._find_content(content.digest)) is not None:
                self._store(content, known)
                self._n_recognised += 1
            else:
                self._copies[content.digest] = []
                yield content

    def _read(self, changed: tuple[PictureFile, bytes]) -> Content:
        file, key = changed
        try:
            data = Path(file.path).read_bytes()
        except OSError as error:
            return Content(file, key, b"", b"", FileError(error.strerror or str(error)))
        return Content(file, key, hashlib.blake2b(data, digest_size=32).digest(), data)

    def _find_content(self, digest: bytes) -> int | None:
        found = self._db.execute("SELECT id FROM contents WHERE hash = ?", (digest,)).fetchone()
        return found[0] if found else None

    def done(self, content: Content, embedding: Floats | None, error: MultimodalError | None) -> None:
        """Takes what became of one of them."""
        copies = self._copies.pop(content.digest)
        if embedding is None:
            for each in (content, *copies):
                self._fail(each, error)
        else:
            row = (content.digest, embedding.astype("<f4", copy=False).tobytes())
            known = self._db.execute("INSERT INTO contents (hash, embedding) VALUES (?, ?)", row).lastrowid
            for each in (content, *copies):
                self._store(each, known)
            self._n_embedded += 1
            self._n_recognised += len(copies)
        if time.monotonic() - self._committed > COMMIT_SECONDS:
            self._db.execute("COMMIT")
            self._begin()

    def _fail(self, content: Content, error: MultimodalError | None) -> None:
        self._failures.append(Failure(content.file.path, str(error)))
        if isinstance(error, (FileError, UnsupportedError)):  # may be read some time though it does not change
            self._gone.add(content.key)
            self._advance()
        else:
            self._store(content, None, str(error))
            self._n_damaged += 1

    def _store(self, content: Content, known: int | None, error: str | None = None) -> None:
        row = (content.key, content.file.size, content.file.mtime_ns, known, error)
        self._db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", row)
        self._advance()

    def _advance(self) -> None:
        self._n_done += 1
        self._progress(self._n_done, len(self._changed))

    def _forget(self) -> int:
        """Drops files that have gone and contents that no file has; how many files these were."""
        before = self._db.total_changes
        self._db.executemany("DELETE FROM files WHERE path = ?", [(key,) for key in self._gone])
        removed = self._db.total_changes - before
        self._db.execute("DELETE FROM contents WHERE id NOT IN (SELECT content FROM files WHERE content IS NOT NULL)")
        return removed

    def _begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._committed = time.monotonic()

    def _key(self, path: str) -> bytes:
        return os.fsencode(path[len(self._folder) :].lstrip(os.sep))  # not relpath, which is slow

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            n_removed = self._forget()
            n_damaged: int = self._db.execute("SELECT count(*) FROM files WHERE error IS NOT NULL").fetchone()[0]
            self.result = Update(
                self._n_embedded, self._n_recognised, n_removed, self._failures, n_damaged - self._n_damaged
            )
        self._db.execute("COMMIT")
