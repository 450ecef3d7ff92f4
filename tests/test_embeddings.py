"""Files of embeddings, and rows that outlive an interruption."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from pyffi import Embeddings, InvalidArgument, Space, UnsupportedError, read_embeddings, write_embeddings
from pyffi.embeddings import BLOCK_ROWS, FORMATS, sidecar
from pyffi.errors import BusyError, FileError
from pyffi.unfinished import Unfinished

SPACE = Space("0123456789abcdef", "tiny", 5, True, "/models/tiny.gguf")
OTHER = Space("fedcba9876543210", "large", 5, True, "/models/large.gguf")
NASTY = ["plain.jpg", 'quote".png', "línea\nnueva 猫.png", "tab\t", "", os.fsdecode(b"not utf-8 \xff.jpg")]


def embeddings(count: int, space: Space = SPACE) -> Embeddings:
    vectors = np.random.default_rng(count).standard_normal((count, space.dimension)).astype(np.float32)
    return Embeddings(space, [f"{i}.jpg" for i in range(count)], vectors)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("count", [1, BLOCK_ROWS - 1, BLOCK_ROWS, 2 * BLOCK_ROWS + 1])
def test_what_was_written_is_read(tmp_path: Path, suffix: str, count: int) -> None:
    written = embeddings(count)
    path = tmp_path / "folder" / f"file.{suffix.upper()}"
    write_embeddings(path, written)
    found = read_embeddings(path)
    assert (found.space.id, found.space.model, found.space.dimension) == (SPACE.id, "tiny", 5)
    assert found.sources == written.sources
    assert found.vectors.dtype == np.float32
    assert found.vectors.tobytes() == written.vectors.tobytes()
    assert len(found) == count


@pytest.mark.parametrize("suffix", FORMATS)
def test_any_name_and_every_float_survives(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 0x7F800000, (len(NASTY), 5), np.uint32)  # all finite ones, subnormal too
    written = Embeddings(SPACE, NASTY, bits.view(np.float32))
    path = tmp_path / f"file.{suffix}"
    write_embeddings(path, written)
    found = read_embeddings(path)
    assert found.vectors.tobytes() == written.vectors.tobytes()
    # Parquet's strings are UTF-8 and nothing else.
    assert found.sources == ([*NASTY[:-1], "not utf-8 \\xff.jpg"] if suffix == "parquet" else NASTY)


def test_no_rows_are_an_array_too(tmp_path: Path) -> None:
    write_embeddings(tmp_path / "none.npy", embeddings(0))
    assert np.load(tmp_path / "none.npy").shape == (0, 5)
    assert read_embeddings(tmp_path / "none.npy").vectors.shape == (0, 5)


def test_other_programs_can_read_the_files(tmp_path: Path) -> None:
    written = embeddings(3)
    for suffix in FORMATS:
        write_embeddings(tmp_path / f"file.{suffix}", written)
    array = np.load(tmp_path / "file.npy", allow_pickle=False)
    assert (array.dtype, array.shape, array.flags.c_contiguous) == (np.float32, (3, 5), True)
    assert json.loads((tmp_path / "file.npy.json").read_text()) == {
        "space": SPACE.id,
        "model": "tiny",
        "model_path": "/models/tiny.gguf",
        "normalized": True,
        "dimension": 5,
        "rows": 3,
        "sources": ["0.jpg", "1.jpg", "2.jpg"],
    }
    lines = [json.loads(line) for line in (tmp_path / "file.jsonl").read_text().splitlines()]
    assert [list(line) for line in lines] == [["source", "space", "model", "embedding"]] * 3
    assert lines[2]["embedding"] == pytest.approx(written.vectors[2].tolist())
    table = pyarrow.parquet.read_table(tmp_path / "file.parquet")
    assert str(table.schema.field("embedding").type) == "fixed_size_list<element: float>[5]"
    assert table.column("source").to_pylist() == written.sources
    assert json.loads(table.schema.metadata[b"multimodal"])["id"] == SPACE.id


def test_rows_of_another_shape_are_refused(tmp_path: Path) -> None:
    wrong = Embeddings(SPACE, ["a", "b"], np.zeros((3, 5), np.float32))
    with pytest.raises(InvalidArgument, match=r"\(3, 5\); for 2 sources in this space it is \(2, 5\)"):
        write_embeddings(tmp_path / "x.npy", wrong)
    assert not list(tmp_path.iterdir())


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"x\.csv ends in none of \.npy, \.jsonl, \.parquet"):
        write_embeddings(tmp_path / "x.csv", embeddings(1))


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    old = embeddings(2)
    for suffix, format in FORMATS.items():
        path = tmp_path / f"file.{suffix}"
        write_embeddings(path, old)

        def blocks() -> Any:
            yield ["a"], np.zeros((1, 5), np.float32)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            format.write(path, SPACE, 2, blocks())
        assert read_embeddings(path).sources == old.sources
    assert len(list(tmp_path.iterdir())) == len(FORMATS) + 1  # and the sidecar: no temporary file


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UnsupportedError, match=r"pip install 'multimodal-ffi\[parquet\]'"):
        write_embeddings(tmp_path / "x.parquet", embeddings(1))


def test_damaged_files_are_told(tmp_path: Path) -> None:
    write_embeddings(tmp_path / "x.npy", embeddings(3))
    np.save(tmp_path / "x.npy", np.zeros((2, 5), np.float32))
    with pytest.raises(InvalidArgument, match=r"holds float32 \(2, 5\), but x.npy.json tells of float32 \(3, 5\)"):
        read_embeddings(tmp_path / "x.npy")
    (tmp_path / "x.npy").write_bytes(b"no array")
    with pytest.raises(InvalidArgument, match="not an array of numpy"):
        read_embeddings(tmp_path / "x.npy")
    sidecar(tmp_path / "x.npy").write_text('{"space": "1"}')
    with pytest.raises(InvalidArgument, match="does not describe embeddings: KeyError"):
        read_embeddings(tmp_path / "x.npy")
    sidecar(tmp_path / "x.npy").unlink()
    with pytest.raises(FileError, match="without it nobody knows the space"):
        read_embeddings(tmp_path / "x.npy")

    row = '{"source": "a", "space": "1", "embedding": [1, 2]}\n'
    for text, message in (
        (row + row[:20], r"x\.jsonl is not of embeddings in line 2"),
        (row + row.replace('"1"', '"2"'), r"x\.jsonl to line 1 was made with space 1 .*; this is space 2"),
        (row + row.replace("[1, 2]", "[1]"), "has 1 numbers in line 2, not 2"),
        ("", "has no row"),
    ):
        (tmp_path / "x.jsonl").write_text(text)
        with pytest.raises(InvalidArgument, match=message):
            read_embeddings(tmp_path / "x.jsonl")

    (tmp_path / "x.parquet").write_bytes(b"no columns")
    with pytest.raises(InvalidArgument, match=r"x\.parquet is not Parquet"):
        read_embeddings(tmp_path / "x.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"source": ["a"]}), tmp_path / "x.parquet")
    with pytest.raises(InvalidArgument, match="nothing tells their space"):
        read_embeddings(tmp_path / "x.parquet")


# ---- Unfinished ------------------------------------------------------------------------------------------------------


def test_rows_are_there_after_an_interruption(tmp_path: Path) -> None:
    rows = embeddings(3).vectors
    with pytest.raises(KeyboardInterrupt), Unfinished(tmp_path / "x.npy", SPACE) as unfinished:
        unfinished.add(NASTY[-1], (10, 20), rows[0])
        unfinished.add("text", None, rows[1])
        raise KeyboardInterrupt
    with Unfinished(tmp_path / "x.npy", SPACE) as unfinished:
        assert len(unfinished) == 2
        assert unfinished.has(NASTY[-1], (10, 20))
        assert unfinished.has("text", None)
        for source, stamp in ((NASTY[-1], (10, 21)), (NASTY[-1], (11, 20)), (NASTY[-1], None), ("other", None)):
            assert not unfinished.has(source, stamp)
        unfinished.add(NASTY[-1], (10, 21), rows[2])  # replaces
        ((names, vectors),) = unfinished.blocks(["text", NASTY[-1], "text"])
        assert names == ["text", NASTY[-1], "text"]
        assert vectors.tobytes() == rows[[1, 2, 1]].tobytes()
        unfinished.delete()
    assert not list(tmp_path.iterdir())


def test_another_space_or_other_options_do_not_go_on(tmp_path: Path) -> None:
    with Unfinished(tmp_path / "x.npy", SPACE, "--exif-orientation"):
        pass
    message = (
        r"x\.npy\.partial, of an interrupted run, was made with space 0123456789abcdef \(model tiny\); this is space"
    )
    with pytest.raises(InvalidArgument, match=message):
        Unfinished(tmp_path / "x.npy", OTHER, "--exif-orientation")
    with pytest.raises(InvalidArgument, match="an interrupted run with --exif-orientation; this one has none"):
        Unfinished(tmp_path / "x.npy", SPACE)
    with Unfinished(tmp_path / "x.npy", replace(SPACE, model="renamed"), "--exif-orientation"):
        pass  # the same space by another name


def test_two_runs_do_not_write_the_same_file(tmp_path: Path) -> None:
    with (
        Unfinished(tmp_path / "x.npy", SPACE),
        pytest.raises(BusyError, match=r"x\.npy is being written by another process"),
    ):
        Unfinished(tmp_path / "x.npy", SPACE)


def test_a_damaged_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.npy.partial").write_bytes(b"no database " * 100)
    with pytest.raises(InvalidArgument, match="is damaged: delete it to begin anew"):
        Unfinished(tmp_path / "x.npy", SPACE)
    with pytest.raises(FileError, match="unable to open"):
        Unfinished(tmp_path / "no such folder" / "x.npy", SPACE)
