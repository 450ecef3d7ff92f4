"""Embeddings on their way into a file, kept so that an interrupted run goes on where it stopped.

They are in FILE.partial, an SQLite database: what was committed outlives the process, whatever ends it. The file itself
is written in one go at the end, in the order of the sources, and is the same however often the run was interrupted.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from pyffi.buffers import Floats
from pyffi.embeddings import BLOCK_ROWS, Block, Space, check_same_space
from pyffi.errors import BusyError, FileError, InvalidArgument

if TYPE_CHECKING:
    from typing_extensions import Self

Stamp: TypeAlias = "tuple[int, int] | None"  # size and time of change of a file; a text has none

COMMIT_SECONDS = 1.0  # of work are lost at most


class Unfinished:
    """The rows that are there so far. One process at a time has it."""

    def __init__(self, output: Path, space: Space, options: str = "") -> None:
        """Begins, or goes on with, the rows for `output`. `options` is whatever else changes embeddings."""
        self.path = output.with_name(f"{output.name}.partial")
        try:
            self._db = sqlite3.connect(self.path, timeout=0, isolation_level=None)
        except sqlite3.Error as error:
            raise FileError(f"{self.path}: {error}") from error
        try:
            self._begin(output, space, options)
        except sqlite3.Error as error:
            self._db.close()
            if "locked" in str(error):
                raise BusyError(f"{output} is being written by another process") from error
            if isinstance(error, sqlite3.OperationalError):
                raise FileError(f"{self.path}: {error}") from error
            raise InvalidArgument(f"{self.path} is damaged: delete it to begin anew") from error
        except BaseException:
            self._db.close()
            raise
        self._committed = time.monotonic()

    def _begin(self, output: Path, space: Space, options: str) -> None:
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("BEGIN EXCLUSIVE")
        self._db.execute("CREATE TABLE IF NOT EXISTS run (space TEXT, options TEXT)")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS rows (source BLOB PRIMARY KEY, size INT, mtime_ns INT, embedding BLOB)"
        )
        begun = self._db.execute("SELECT space, options FROM run").fetchone()
        if begun is None:
            self._db.execute("INSERT INTO run VALUES (?, ?)", (json.dumps(asdict(space)), options))
            return
        check_same_space(Space(**json.loads(begun[0])), space, f"{self.path}, of an interrupted run,")
        if begun[1] != options:
            raise InvalidArgument(
                f"{self.path} is of an interrupted run with {begun[1] or 'no options'}; this one has "
                f"{options or 'none'}: use the same, or delete the file to begin anew"
            )

    def has(self, source: str, stamp: Stamp) -> bool:
        """Whether there is the embedding of a source as it is now."""
        found = self._db.execute("SELECT size, mtime_ns FROM rows WHERE source = ?", (_key(source),)).fetchone()
        return found is not None and found == (stamp or (None, None))

    def add(self, source: str, stamp: Stamp, embedding: Floats) -> None:
        row = (_key(source), *(stamp or (None, None)), embedding.astype("<f4", copy=False).tobytes())
        self._db.execute("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)", row)
        if time.monotonic() - self._committed > COMMIT_SECONDS:
            self._db.execute("COMMIT")
            self._db.execute("BEGIN EXCLUSIVE")
            self._committed = time.monotonic()

    def blocks(self, sources: Sequence[str]) -> Iterator[Block]:
        """The rows of sources that are there, in that order."""
        for start in range(0, len(sources), BLOCK_ROWS):
            names = list(sources[start : start + BLOCK_ROWS])
            rows = [
                self._db.execute("SELECT embedding FROM rows WHERE source = ?", (_key(name),)).fetchone()[0]
                for name in names
            ]
            yield names, np.frombuffer(b"".join(rows), "<f4").astype(np.float32).reshape(len(names), -1)

    def delete(self) -> None:
        """Once the file is written."""
        self._db.close()
        self.path.unlink()

    def __len__(self) -> int:
        count: int = self._db.execute("SELECT count(*) FROM rows").fetchone()[0]
        return count

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Keeps what is there, if it was not deleted."""
        with closing(self._db):
            try:
                self._db.execute("COMMIT")
            except sqlite3.ProgrammingError:  # closed: deleted
                return


def _key(source: str) -> bytes:
    """Names of files may be bytes that are no text."""
    return source.encode("utf-8", "surrogateescape")
