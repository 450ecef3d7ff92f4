"""Files of embeddings: .npy with what it holds beside it in .npy.json, JSON lines, and Parquet through pyarrow.

Each says in which space its embeddings lie, so that no two spaces are mixed unawares.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

from pyffi.buffers import Floats
from pyffi.clip import Clip
from pyffi.errors import FileError, InvalidArgument, UnsupportedError

Block: TypeAlias = tuple[list[str], Floats]  # sources, and the embedding of each

BLOCK_ROWS = 1024  # are held at a time


@dataclass(frozen=True, slots=True)
class Space:
    """Where embeddings lie. Those of another id mean something else, though the numbers may look alike."""

    id: str
    model: str
    dimension: int
    normalized: bool | None = None  # where it is not known, id still tells them apart
    model_path: str = ""

    @classmethod
    def of(cls, clip: Clip, *, normalize: bool = True) -> Space:
        path = Path(clip.path)
        return cls(clip.space_id(normalize=normalize), path.stem, clip.info.embedding_dim, normalize, str(path))

    def __str__(self) -> str:
        return f"space {self.id} (model {self.model}{'' if self.normalized is not False else ', not normalised'})"


def check_same_space(made: Space, wanted: Space, path: object) -> None:
    """Raises unless both are the same space."""
    if made.id != wanted.id:
        raise InvalidArgument(
            f"{path} was made with {made}; this is {wanted}: embeddings of different spaces cannot be compared, so "
            "they are not mixed. Use the same model and options, or another file"
        )


@dataclass(frozen=True)
class Embeddings:
    """What a file of embeddings holds: row i of `vectors` is the embedding of `sources[i]`."""

    space: Space
    sources: list[str]
    vectors: Floats

    def __len__(self) -> int:
        return len(self.sources)


class Format(Protocol):
    """How embeddings are kept in a file."""

    def check_available(self) -> None:
        """Raises where something is missing that writing or reading needs."""

    def write(self, path: Path, space: Space, count: int, blocks: Iterable[Block]) -> None:
        """Writes `count` rows; the file takes its place when it is complete."""

    def read_space(self, path: Path) -> Space: ...

    def read_blocks(self, path: Path) -> Iterator[Block]: ...


def json_text(value: object, indent: int | None = None) -> str:
    """JSON in UTF-8; names of files that are not UTF-8 are escaped, as Python's json reads them."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text


# ---- .npy ------------------------------------------------------------------------------------------------------------


def sidecar(path: Path) -> Path:
    """What belongs to an array: FILE.npy.json, a name that no other file is likely to have."""
    return path.with_name(f"{path.name}.json")


class Npy:
    """A float32 array (rows, dimension), and beside it a JSON object with the space and the sources in row order."""

    def check_available(self) -> None:
        """Needs numpy alone."""

    def write(self, path: Path, space: Space, count: int, blocks: Iterable[Block]) -> None:
        from pyffi.models.files import replacing

        sources: list[str] = []
        with replacing(sidecar(path)) as beside, replacing(path) as temporary:
            with temporary.open("wb") as file:
                header = {"descr": "<f4", "fortran_order": False, "shape": (count, space.dimension)}
                np.lib.format.write_array_header_1_0(file, header)
                for names, vectors in blocks:
                    sources += names
                    file.write(vectors.astype("<f4", copy=False).tobytes())
            fields = {"space": space.id, **asdict(space), "rows": count, "sources": sources}
            del fields["id"]
            beside.write_text(json_text(fields, indent=1) + "\n", encoding="utf-8")

    def _describe(self, path: Path) -> dict[str, Any]:
        beside = sidecar(path)
        try:
            fields = json.loads(beside.read_text(encoding="utf-8"))
            for name in ("space", "model", "dimension", "sources"):
                fields[name]
        except FileNotFoundError:
            raise FileError(f"{beside} does not exist: without it nobody knows the space of {path}") from None
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidArgument(f"{beside} does not describe embeddings: {error!r}") from error
        return dict(fields)

    def read_space(self, path: Path) -> Space:
        fields = self._describe(path)
        return Space(
            fields["space"],
            fields["model"],
            fields["dimension"],
            fields.get("normalized"),
            fields.get("model_path", ""),
        )

    def read_blocks(self, path: Path) -> Iterator[Block]:
        fields = self._describe(path)
        sources = fields["sources"]
        try:
            vectors = np.load(path, mmap_mode="r" if sources else None, allow_pickle=False)
        except ValueError as error:
            raise InvalidArgument(f"{path} is not an array of numpy: {error}") from error
        if vectors.shape != (len(sources), fields["dimension"]) or vectors.dtype != np.float32:
            raise InvalidArgument(
                f"{path} holds {vectors.dtype} {vectors.shape}, but {sidecar(path).name} tells of float32 "
                f"({len(sources)}, {fields['dimension']}): they do not belong together"
            )
        for start in range(0, len(sources), BLOCK_ROWS):
            yield sources[start : start + BLOCK_ROWS], np.array(vectors[start : start + BLOCK_ROWS])


# ---- JSON lines ------------------------------------------------------------------------------------------------------


def json_line(source: str, space: Space, vector: Floats) -> str:
    """A row. Nine digits tell all float32 apart."""
    head = json_text({"source": source, "space": space.id, "model": space.model})
    numbers = ", ".join(map("%.9g".__mod__, vector.tolist()))
    return f'{head[:-1]}, "embedding": [{numbers}]}}\n'


class JsonLines:
    """A JSON object for each row: source, space, model, embedding."""

    def check_available(self) -> None:
        """Needs Python alone."""

    def write(self, path: Path, space: Space, count: int, blocks: Iterable[Block]) -> None:
        from pyffi.models.files import replacing

        with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
            for names, vectors in blocks:
                file.writelines(json_line(*row) for row in zip(names, [space] * len(names), vectors, strict=True))

    def _rows(self, path: Path) -> Iterator[tuple[Space, str, Floats]]:
        first: Space | None = None
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    row = json.loads(line)
                    vector = np.array(row["embedding"], np.float32)
                    space = Space(row["space"], row.get("model", "?"), len(vector))
                    source = str(row["source"])
                except (ValueError, TypeError, KeyError) as error:
                    raise InvalidArgument(f"{path} is not of embeddings in line {number}: {error!r}") from error
                if first is None:
                    first = space
                check_same_space(first, space, f"{path} to line {number - 1}")
                if space.dimension != first.dimension:
                    raise InvalidArgument(
                        f"{path} has {space.dimension} numbers in line {number}, not {first.dimension}"
                    )
                yield first, source, vector

    def read_space(self, path: Path) -> Space:
        for space, _, _ in self._rows(path):
            return space
        raise InvalidArgument(f"{path} has no row, so that nothing tells its space")

    def read_blocks(self, path: Path) -> Iterator[Block]:
        names: list[str] = []
        vectors: list[Floats] = []
        for _, source, vector in self._rows(path):
            names.append(source)
            vectors.append(vector)
            if len(names) == BLOCK_ROWS:
                yield names, np.array(vectors)
                names, vectors = [], []
        if names:
            yield names, np.array(vectors)


# ---- Parquet ---------------------------------------------------------------------------------------------------------

_KEY = b"multimodal"  # of the schema's metadata: the space, as JSON


class Parquet:
    """Columns `source` (string) and `embedding` (fixed_size_list of float); the schema's metadata has the space."""

    def check_available(self) -> None:
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError:
            raise UnsupportedError("Parquet needs pyarrow: pip install 'multimodal-ffi[parquet]'") from None

    def write(self, path: Path, space: Space, count: int, blocks: Iterable[Block]) -> None:
        self.check_available()
        import pyarrow as pa
        from pyarrow import parquet

        from pyffi.models.files import replacing

        fields = [("source", pa.string()), ("embedding", pa.list_(pa.float32(), space.dimension))]
        schema = pa.schema(fields, metadata={_KEY: json_text(asdict(space)).encode()})
        with replacing(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
            for names, vectors in blocks:
                # Arrow's strings are UTF-8: other bytes in the name of a file are written as \xff.
                sources = [os.fsencode(name).decode("utf-8", "backslashreplace") for name in names]
                flat = pa.array(vectors.ravel(), pa.float32())
                rows = pa.FixedSizeListArray.from_arrays(flat, space.dimension)
                writer.write_batch(pa.record_batch([pa.array(sources, pa.string()), rows], schema=schema))

    def _open(self, path: Path) -> tuple[Any, Space]:
        self.check_available()
        import pyarrow as pa
        from pyarrow import parquet

        try:
            file = parquet.ParquetFile(path)
        except pa.ArrowInvalid as error:
            raise InvalidArgument(f"{path} is not Parquet: {error}") from error
        try:
            return file, Space(**json.loads(file.schema_arrow.metadata[_KEY]))
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidArgument(f"{path} has no embeddings of this package: nothing tells their space") from error

    def read_space(self, path: Path) -> Space:
        return self._open(path)[1]

    def read_blocks(self, path: Path) -> Iterator[Block]:
        file, space = self._open(path)
        for batch in file.iter_batches(BLOCK_ROWS):
            vectors = batch.column("embedding").flatten().to_numpy(zero_copy_only=False)
            yield batch.column("source").to_pylist(), vectors.reshape(-1, space.dimension)


# ---- All of them -----------------------------------------------------------------------------------------------------

FORMATS: dict[str, Format] = {"npy": Npy(), "jsonl": JsonLines(), "parquet": Parquet()}


def format_of(path: str | os.PathLike[str]) -> Format:
    """By the suffix."""
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise InvalidArgument(f"{os.fspath(path)} ends in none of {', '.join(f'.{name}' for name in FORMATS)}")
    return FORMATS[suffix]


def read_embeddings(path: str | os.PathLike[str], format: str | None = None) -> Embeddings:
    """Reads a file that `multimodal embed` or write_embeddings wrote."""
    path = Path(path)
    chosen = format_of(path) if format is None else FORMATS[format]
    space = chosen.read_space(path)
    sources: list[str] = []
    vectors = [np.empty((0, space.dimension), np.float32)]
    for names, block in chosen.read_blocks(path):
        sources += names
        vectors.append(block)
    return Embeddings(space, sources, np.concatenate(vectors))


def write_embeddings(path: str | os.PathLike[str], embeddings: Embeddings, format: str | None = None) -> None:
    """Writes a file of embeddings, in the format of its suffix unless another is named."""
    path = Path(path)
    count, vectors = len(embeddings.sources), embeddings.vectors
    if vectors.shape != (count, embeddings.space.dimension):
        raise InvalidArgument(
            f"embeddings have shape {vectors.shape}; for {count} sources in this space it is "
            f"({count}, {embeddings.space.dimension})"
        )
    chosen = format_of(path) if format is None else FORMATS[format]
    starts = range(0, count, BLOCK_ROWS)
    blocks = ((embeddings.sources[start : start + BLOCK_ROWS], vectors[start : start + BLOCK_ROWS]) for start in starts)
    chosen.write(path, embeddings.space, count, blocks)
