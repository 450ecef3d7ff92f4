"""Search of the pictures in a folder, by text or picture.

An index is an SQLite database in FOLDER/.multimodal, or in the user's cache where the folder cannot be written. Each
model has one of its own, named after its space, so that two spaces never meet. Pictures are known by their content: one
that was moved, copied or touched is not embedded again.

Up to EXACT_BELOW pictures all are compared; beyond, usearch finds candidates in a graph of neighbours (HNSW), which are
then compared.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import filelock
import numpy as np

from pyffi.buffers import Floats
from pyffi.clip import Clip, normalized
from pyffi.embeddings import Space, check_same_space
from pyffi.errors import BusyError, FileError, InvalidArgument
from pyffi.image import MAX_PIXELS
from pyffi.index_update import Update, Updating
from pyffi.neighbours import Ids, Neighbours
from pyffi.pictures import Picture, is_picture

if TYPE_CHECKING:
    from typing_extensions import Self

FOLDER_NAME = ".multimodal"
EXACT_BELOW = 100_000
LOCK_SECONDS = 10.0  # another update may take, before this one gives up

_SCHEMA = """
CREATE TABLE made (space TEXT, model TEXT, model_path TEXT, dimension INT, exif_orientation INT);
CREATE TABLE contents (id INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB UNIQUE NOT NULL, embedding BLOB NOT NULL);
CREATE TABLE files (path BLOB PRIMARY KEY, size INT, mtime_ns INT, content INT REFERENCES contents, error TEXT);
CREATE INDEX files_of_content ON files (content);
"""


class Match(NamedTuple):
    """A picture, and the cosine of its embedding with the query's."""

    path: str
    similarity: float


class _Loaded(NamedTuple):
    """What a search needs, for as long as nobody writes: all embeddings, or the graph of neighbours."""

    version: int
    ids: Ids
    embeddings: Floats | None
    graph: Any


class ImageIndex:
    """The pictures of a folder, embedded.

        with ImageIndex("photos", "emoji") as index:
            index.update()
            for match in index.search("a red apple", top=5):
                print(f"{match.similarity:.3f} {match.path}")

    Threads may share one; only one of them at a time gets through.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        model: Clip | str | os.PathLike[str] = "emoji",
        *,
        index: str | os.PathLike[str] | None = None,
        exif_orientation: bool | None = None,
        max_pixels: int = MAX_PIXELS,
        threads: int | None = None,
        rebuild: bool = False,
    ) -> None:
        """Opens the index of a folder; update() makes it, if there is none.

        model             a Clip, or what Clip() takes
        index             the folder where the index is kept; None: see index_folder
        exif_orientation  turn pictures as their EXIF data says; None: as in the index or, where there is none, as the
                          model's recipe says, which is no
        rebuild           forget the index that is there
        """
        self.folder = os.fsdecode(folder)
        if not os.path.isdir(self.folder):
            raise FileError(f"{self.folder} is not a folder" if os.path.exists(folder) else f"{self.folder} is missing")
        self._closes_clip = not isinstance(model, Clip)
        self.clip = model if isinstance(model, Clip) else Clip(model)
        self.space = Space.of(self.clip)
        self.path = (index_folder(self.folder) if index is None else Path(index)) / f"{self.space.id}.db"
        self._exif_orientation = exif_orientation
        self._max_pixels = max_pixels
        self._threads = threads
        self._mutex = threading.RLock()
        self._lock = filelock.FileLock(self.path.with_suffix(".lock"))
        self._neighbours = Neighbours(self.path.with_suffix(".usearch"), self.space.dimension)
        self._db: sqlite3.Connection | None = None
        self._loaded: _Loaded | None = None
        with self._guarded():
            if rebuild:
                with self._locked():
                    self.path.unlink(missing_ok=True)
                    self._neighbours.path.unlink(missing_ok=True)
            if self.path.exists():
                self._connect()

    # ---- Bringing it up to date -------------------------------------------------------------------------------------

    def update(self, progress: Callable[[int, int], object] | None = None) -> Update:
        """Embeds what is new in the folder, and forgets what has gone. Interrupted, it goes on from there next time.

        progress  called with how many are done and how many there are: first of the pictures that are new or changed,
                  then, in folders of EXACT_BELOW and more, of those that join the graph of neighbours
        """
        with self._guarded(), self._locked():
            try:
                return self._update(self._connect(), progress or (lambda done, total: None))
            finally:
                self._loaded = None

    def _update(self, db: sqlite3.Connection, progress: Callable[[int, int], object]) -> Update:
        with Updating(db, self.folder, progress) as updating:
            for content, embedding, error in self.clip.stream_images(
                updating.unknown(self._threads),
                lambda content: content.data,
                exif_orientation=_made(db)[1],
                max_pixels=self._max_pixels,
                threads=self._threads,
            ):
                updating.done(content, embedding, error)
        ids = _ids(db)
        if len(ids) >= EXACT_BELOW:
            self._neighbours.keep(ids, lambda keys: self._embeddings_of(db, keys), progress, self._threads)
        return updating.result

    # ---- Searching --------------------------------------------------------------------------------------------------

    def search(self, query: Any, *, top: int = 10) -> list[Match]:
        """The pictures that are most like a query, the best first.

        query  a text; a picture: a Path (a str is a text), bytes, a PIL image or uint8 pixels; an embedding in the
               space of the index; or a list of these, which are taken together
        """
        if top < 1:
            raise InvalidArgument(f"top is {top}; it must be at least 1")
        vector = self.embed_query(query)
        with self._guarded():
            if self._db is None:
                raise InvalidArgument(
                    f"{self.folder} has no index of {self.space} yet{self._others()}: update it first"
                )
            db = self._db
            matches: list[Match] = []
            for content, similarity in self._nearest(db, vector, top):
                paths = db.execute("SELECT path FROM files WHERE content = ? ORDER BY path", (content,))
                matches += [Match(os.path.join(self.folder, os.fsdecode(path)), similarity) for (path,) in paths]
                if len(matches) >= top:
                    break
            return matches[:top]

    def embed_query(self, query: Any) -> Floats:
        """The embedding of what search() takes."""
        if isinstance(query, np.ndarray) and query.dtype.kind == "f":
            if query.shape != (self.space.dimension,):
                raise InvalidArgument(
                    f"the query has shape {query.shape}; embeddings here have ({self.space.dimension},)"
                )
            return normalized(query)
        if isinstance(query, str):
            return self.clip.encode_text(query, threads=self._threads)
        if isinstance(query, (list, tuple)):
            if not query:
                raise InvalidArgument("the query is empty")
            return normalized(np.sum([self.embed_query(part) for part in query], axis=0, dtype=np.float32))
        if not is_picture(query):
            raise InvalidArgument(f"a query is {type(query).__name__}; pass a text, a picture or an embedding")
        picture: Picture = query
        with self._mutex:
            turned = self._exif_orientation if self._db is None else _made(self._db)[1]
        return self.clip.encode_image(
            picture, exif_orientation=turned, max_pixels=self._max_pixels, threads=self._threads
        )

    def _nearest(self, db: sqlite3.Connection, vector: Floats, top: int) -> Iterator[tuple[int, float]]:
        """Contents by their cosine with a vector, the nearest first."""
        version: int = db.execute("PRAGMA data_version").fetchone()[0]  # changes when another process writes
        if self._loaded is None or self._loaded.version != version:
            ids = _ids(db)
            graph = self._neighbours.of(ids) if len(ids) >= EXACT_BELOW else None
            self._loaded = _Loaded(version, ids, self._embeddings_of(db) if graph is None else None, graph)
        ids, embeddings = self._loaded.ids, self._loaded.embeddings
        if embeddings is None:
            ids = np.sort(self._loaded.graph.search(vector, min(len(ids), 4 * top + 64)).keys.astype(np.int64))
            embeddings = self._embeddings_of(db, ids)
        similarity = embeddings @ vector
        for i in (-similarity).argsort(kind="stable"):
            yield int(ids[i]), float(similarity[i])

    def _embeddings_of(self, db: sqlite3.Connection, ids: Ids | None = None) -> Floats:
        """The embeddings of some contents, or of all."""
        if ids is None:
            rows = db.execute("SELECT embedding FROM contents ORDER BY id").fetchall()
        else:
            rows = [
                db.execute("SELECT embedding FROM contents WHERE id = ?", (key,)).fetchone() for key in ids.tolist()
            ]
        matrix = np.frombuffer(b"".join(row for (row,) in rows), "<f4").astype(np.float32, copy=False)
        return matrix.reshape(len(rows), self.space.dimension)

    def __len__(self) -> int:
        """Pictures that can be found."""
        with self._guarded():
            if self._db is None:
                return 0
            count: int = self._db.execute("SELECT count(*) FROM files WHERE content IS NOT NULL").fetchone()[0]
            return count

    # ---- The database -----------------------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        if self._db is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
            try:
                self._check(db)
            except BaseException:
                db.close()
                raise
            self._db = db
        return self._db

    def _check(self, db: sqlite3.Connection) -> None:
        if not db.execute("SELECT 1 FROM sqlite_master").fetchone():
            turned = None if self._exif_orientation is None else int(self._exif_orientation)
            made = (self.space.id, self.space.model, self.space.model_path, self.space.dimension, turned)
            db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA}")
            db.execute("INSERT INTO made VALUES (?, ?, ?, ?, ?)", made)
            db.execute("COMMIT")
        space, turned = _made(db)
        check_same_space(space, self.space, self.path)
        if self._exif_orientation is not None and turned != self._exif_orientation:
            raise InvalidArgument(
                f"{self.path} was made with exif_orientation {turned}, not {self._exif_orientation}: leave it out, or "
                "rebuild the index"
            )

    def _others(self) -> str:
        """For messages: the models that have an index here."""
        models = []
        for path in sorted(self.path.parent.glob("*.db")):
            try:
                with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
                    models.append(_made(db)[0].model)
            except sqlite3.Error:  # noqa: PERF203 (not ours)
                continue
        return f" (but of {', '.join(models)})" if models else ""

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """One thread at a time, and SQLite's errors as this package's."""
        with self._mutex:
            try:
                yield
            except sqlite3.OperationalError as error:
                raise FileError(f"{self.path}: {error}") from error
            except sqlite3.Error as error:
                raise InvalidArgument(f"{self.path} is damaged ({error}): rebuild the index") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One update at a time."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._lock.acquire(timeout=LOCK_SECONDS):
                yield
        except filelock.Timeout:
            raise BusyError(
                f"the index of {self.folder} is being updated by another process: search it as it is, or wait"
            ) from None

    def close(self) -> None:
        """Closes the index, and the model if the index has opened it."""
        with self._mutex:
            if self._db is not None:
                self._db.close()
                self._db = None
            if self._closes_clip:
                self.clip.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<pyffi.ImageIndex: {self.folder}, {self.space}>"


def index_folder(folder: str | os.PathLike[str]) -> Path:
    """Where the index of a folder is kept if nobody says: within it, or in the user's cache if that cannot be."""
    own = Path(folder) / FOLDER_NAME
    if os.access(own, os.W_OK) if own.is_dir() else os.access(folder, os.W_OK) and not own.exists():
        return own
    from pyffi.models.cache import cache_folder

    name = hashlib.blake2b(os.fsencode(os.path.realpath(folder)), digest_size=16).hexdigest()
    return cache_folder() / "indexes" / name


def _made(db: sqlite3.Connection) -> tuple[Space, bool | None]:
    """The space of an index, and whether its pictures were turned as their EXIF data says."""
    row = db.execute("SELECT space, model, model_path, dimension, exif_orientation FROM made").fetchone()
    if row is None:
        raise sqlite3.DatabaseError("it does not tell its space")
    space, model, path, dimension, turned = row
    return Space(space, model, dimension, True, path), None if turned is None else bool(turned)


def _ids(db: sqlite3.Connection) -> Ids:
    return np.array([key for (key,) in db.execute("SELECT id FROM contents ORDER BY id")], np.int64)
