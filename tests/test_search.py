"""The index of a folder of pictures, and what it finds."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import filelock
import numpy as np
import pytest
from clip_files import write_clip
from pictures import BROKEN, fill, picture
from PIL import Image

import pyffi.search
from pyffi import BusyError, Clip, FileError, ImageIndex, InvalidArgument
from pyffi.search import index_folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clip]:
    path = tmp_path_factory.mktemp("models") / "tiny.gguf"
    write_clip(path)
    with Clip(path) as model:
        yield model


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clip]:
    path = tmp_path_factory.mktemp("models") / "other.gguf"
    write_clip(path, seed=1)
    with Clip(path) as model:
        yield model


# ---- The index follows the folder ------------------------------------------------------------------------------------


def counts(index: ImageIndex) -> tuple[int, int, int, int, int]:
    update = index.update()
    return update.embedded, update.recognised, update.removed, len(update.failures), update.known_failures


def test_an_index_follows_what_happens_in_the_folder(tmp_path: Path, clip: Clip) -> None:
    fill(tmp_path, 5)
    with ImageIndex(tmp_path, clip) as index:
        assert len(index) == 0
        assert counts(index) == (5, 0, 0, 0, 0)
        assert counts(index) == (0, 0, 0, 0, 0)
        (tmp_path / "0001.png").unlink()
        (tmp_path / "album").mkdir()
        (tmp_path / "0000.jpg").rename(tmp_path / "album" / "moved.jpg")
        os.utime(tmp_path / "0002.jpg", ns=(1, 1))
        shutil.copy(tmp_path / "0003.png", tmp_path / "copy.png")
        picture(99).save(tmp_path / "0004.jpg")
        fill(tmp_path, 2, first=50)
        assert counts(index) == (3, 3, 2, 0, 0)  # 0004, 0050, 0051; moved, touched, copied; 0000, 0001
        assert len(index) == 7
        assert counts(index) == (0, 0, 0, 0, 0)
        found = {os.path.relpath(match.path, tmp_path) for match in index.search("anything", top=100)}
    assert found == {"album/moved.jpg", "0002.jpg", "0003.png", "copy.png", "0004.jpg", "0050.jpg", "0051.png"}


def test_a_changed_picture_has_its_new_embedding(tmp_path: Path, clip: Clip) -> None:
    (path,) = fill(tmp_path, 1)
    with ImageIndex(tmp_path, clip) as index:
        index.update()
        picture(7).save(path)
        index.update()
        assert index.search(path)[0].similarity == pytest.approx(1, abs=1e-5)
        assert index.search(picture(0))[0].similarity < 0.999


def test_copies_of_one_content_are_embedded_once(tmp_path: Path, clip: Clip) -> None:
    (path,) = fill(tmp_path, 1)
    for i in range(100):
        shutil.copy(path, tmp_path / f"copy{i}.jpg")
    with ImageIndex(tmp_path, clip) as index:
        assert counts(index) == (1, 100, 0, 0, 0)
        assert len(index.search("anything", top=200)) == 101


def test_damaged_pictures_are_told_once_and_unreadable_ones_tried_again(tmp_path: Path, clip: Clip) -> None:
    fill(tmp_path, 3)
    (tmp_path / "broken.jpg").write_bytes(BROKEN)
    (tmp_path / "broken copy.jpg").write_bytes(BROKEN)
    (tmp_path / "dangling.png").symlink_to("nowhere")
    with ImageIndex(tmp_path, clip) as index:
        update = index.update()
        assert (update.embedded, update.known_failures) == (3, 0)
        failures = {Path(path).name: error for path, error in update.failures}
        assert set(failures) == {"broken.jpg", "broken copy.jpg", "dangling.png"}
        assert failures["dangling.png"] == "No such file or directory"
        assert failures["broken.jpg"]
        assert counts(index) == (0, 0, 0, 1, 2)  # the dangling link again, the damaged ones no more
        os.utime(tmp_path / "broken.jpg", ns=(1, 1))
        assert counts(index) == (0, 0, 0, 2, 1)
        picture(9).save(tmp_path / "broken.jpg")
        assert counts(index) == (1, 0, 0, 1, 1)
        assert len(index) == 4


def test_what_is_in_a_folder_that_cannot_be_read_is_kept(
    tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "away", 3)
    fill(tmp_path, 2, first=10)
    with ImageIndex(tmp_path, clip) as index:
        index.update()
        scandir = os.scandir

        def refuse(path: str) -> Iterator[os.DirEntry[str]]:
            if os.path.basename(path) == "away":
                raise PermissionError(13, "Permission denied", path)
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)
        assert counts(index) == (0, 0, 0, 1, 0)
        assert len(index) == 5
    with ImageIndex(tmp_path / "away", clip, index=tmp_path / "place") as index:
        monkeypatch.undo()
        index.update()
        monkeypatch.setattr(os, "scandir", refuse)
        with pytest.raises(FileError, match="away: Permission denied"):
            index.update()
        assert len(index) == 3


@pytest.mark.parametrize("folder", ["", "photos/", "./photos", "photos/../photos"])
def test_a_folder_may_be_named_in_many_ways(
    tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    fill(tmp_path / "photos" / "deep", 2)
    monkeypatch.chdir(tmp_path if folder else tmp_path / "photos")
    with ImageIndex("photos", clip) if folder else ImageIndex(".", clip) as index:
        index.update()
    with ImageIndex(folder or tmp_path / "photos", clip) as index:
        assert counts(index) == (0, 0, 0, 0, 0)
        assert sorted(Path(match.path).name for match in index.search("cat")) == ["0000.jpg", "0001.png"]
        assert all(Path(match.path).exists() for match in index.search("cat"))


def test_an_interrupted_update_goes_on(tmp_path: Path, clip: Clip) -> None:
    fill(tmp_path, 100, size=16)

    def stop(done: int, total: int) -> None:
        assert total == 100
        if done == 70:
            raise KeyboardInterrupt

    with ImageIndex(tmp_path, clip) as index:
        with pytest.raises(KeyboardInterrupt):
            index.update(stop)
        assert len(index) == 70
        assert counts(index) == (30, 0, 0, 0, 0)


def test_a_crash_loses_no_more_than_what_was_not_committed(tmp_path: Path, clip: Clip) -> None:
    fill(tmp_path, 100, size=16)
    program = (
        "import os, sys, pyffi, pyffi.index_update as u\n"
        "u.COMMIT_SECONDS = 0\n"
        "pyffi.ImageIndex(*sys.argv[1:]).update(lambda done, total: done == 70 and os._exit(9))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path, clip.path], check=False)
    assert done.returncode == 9
    with ImageIndex(tmp_path, clip) as index:
        assert counts(index) == (31, 0, 0, 0, 0)


def test_an_empty_folder_and_a_single_picture(tmp_path: Path, clip: Clip) -> None:
    with ImageIndex(tmp_path, clip) as index:
        assert counts(index) == (0, 0, 0, 0, 0)
        assert index.search("anything") == []
        (path,) = fill(tmp_path, 1)
        assert counts(index) == (1, 0, 0, 0, 0)
        assert [match.path for match in index.search("anything")] == [str(path)]


def test_thousands_of_pictures_by_neighbours_as_by_comparing_all(
    tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 3000, size=8)
    with ImageIndex(tmp_path, clip) as index:
        assert counts(index) == (3000, 0, 0, 0, 0)
        assert not index._neighbours.path.exists()
        queries = [clip.encode_image(picture(i)) for i in range(10)]
        exact = [index.search(query, top=20) for query in queries]

        monkeypatch.setattr(pyffi.search, "EXACT_BELOW", 3000)
        (tmp_path / "0000.jpg").unlink()
        fill(tmp_path, 2, first=5000, size=8)
        assert counts(index) == (2, 0, 1, 0, 0)
        assert index._neighbours.path.exists()
        near = [index.search(query, top=20) for query in queries]
        assert index._loaded is not None
        assert index._loaded.embeddings is None  # the graph was used
        agreeing = sum(len(set(a) & set(b)) for a, b in zip(exact, near, strict=True))
        assert agreeing >= 190  # of 200, of which three pictures may have changed

        (tmp_path / "5000.jpg").unlink()
        fill(tmp_path, 2, first=6000, size=8)
        assert counts(index) == (2, 0, 1, 0, 0)
        (found,) = index.search(tmp_path / "6000.jpg", top=1)
        assert found.path == str(tmp_path / "6000.jpg")
        assert found.similarity == pytest.approx(1, abs=1e-5)
        assert all(match.path != str(tmp_path / "5000.jpg") for match in index.search(picture(5000, 8), top=50))

        index._neighbours.path.write_bytes(b"damaged")
        with ImageIndex(tmp_path, clip) as again:
            assert again.search(tmp_path / "6000.jpg", top=1) == [found]  # by comparing all
            again.update()
            assert again.search(tmp_path / "6000.jpg", top=1) == [found]
            assert again._loaded is not None
            assert again._loaded.embeddings is None

        monkeypatch.setattr("pyffi.neighbours.find_spec", lambda name: None)
        with (
            ImageIndex(tmp_path, clip) as without,
            pytest.warns(UserWarning, match=r"pip install 'multimodal-ffi\[search\]'"),
        ):
            without.update()
            assert without.search(tmp_path / "6000.jpg", top=1) == [found]


# ---- Queries ---------------------------------------------------------------------------------------------------------


def test_similarity_is_the_cosine_and_the_best_is_first(tmp_path: Path, clip: Clip) -> None:
    paths = fill(tmp_path, 40)
    with ImageIndex(tmp_path, clip) as index:
        index.update()
        found = index.search("the cat", top=7)
    cosines = clip.similarity(paths, "the cat")
    assert [match.path for match in found] == [str(paths[i]) for i in (-cosines).argsort(kind="stable")[:7]]
    assert [match.similarity for match in found] == pytest.approx(np.sort(cosines)[::-1][:7].tolist(), abs=1e-5)


def test_a_picture_finds_itself_in_whatever_form(tmp_path: Path, clip: Clip) -> None:
    path = fill(tmp_path, 20)[5]
    with ImageIndex(tmp_path, clip) as index:
        index.update()
        embedding = clip.encode_image(path)
        with Image.open(path) as opened:
            pixels = np.asarray(opened.convert("RGB"))
        for query in (
            path,
            path.read_bytes(),
            Image.open(path),
            pixels,
            embedding,
            3 * embedding,
            [path],
            (embedding,),
        ):
            (best,) = index.search(query, top=1)
            assert best.path == str(path)
            assert best.similarity == pytest.approx(1, abs=1e-5)


def test_several_queries_are_taken_together(tmp_path: Path, clip: Clip) -> None:
    paths = fill(tmp_path, 20)
    with ImageIndex(tmp_path, clip) as index:
        index.update()
        found = index.search([paths[3], paths[8]], top=2)
        together = clip.encode_image([paths[3], paths[8]]).sum(axis=0)
        assert found == index.search(together, top=2)


def test_queries_that_make_no_sense_are_refused(tmp_path: Path, clip: Clip) -> None:
    fill(tmp_path, 1)
    with ImageIndex(tmp_path, clip) as index:
        index.update()
        for query, message in (
            (np.zeros(7, np.float32), r"has shape \(7,\); embeddings here have \(24,\)"),
            ([], "the query is empty"),
            (7, "a query is int"),
        ):
            with pytest.raises(InvalidArgument, match=message):
                index.search(query)
        with pytest.raises(InvalidArgument, match="top is 0"):
            index.search("cat", top=0)


# ---- Spaces, places and processes ------------------------------------------------------------------------------------


def test_each_model_has_an_index_of_its_own(tmp_path: Path, clip: Clip, other: Clip) -> None:
    fill(tmp_path, 2)
    with ImageIndex(tmp_path, clip) as index:
        index.update()
    with ImageIndex(tmp_path, other) as index:
        with pytest.raises(
            InvalidArgument, match=rf"no index of space {other.space_id()} \(model other\) yet \(but of tiny\)"
        ):
            index.search("cat")
        assert counts(index) == (2, 0, 0, 0, 0)
    found = sorted(path.name for path in (tmp_path / ".multimodal").glob("*.db"))
    assert found == sorted(f"{model.space_id()}.db" for model in (clip, other))


def test_an_index_of_another_space_is_refused(tmp_path: Path, clip: Clip, other: Clip) -> None:
    fill(tmp_path, 1)
    with ImageIndex(tmp_path, clip) as index:
        index.update()
        index.path.rename(index.path.with_name(f"{other.space_id()}.db"))
    with pytest.raises(
        InvalidArgument, match=r"was made with space \w+ \(model tiny\); this is space \w+ \(model other\)"
    ):
        ImageIndex(tmp_path, other)


def test_pictures_turned_and_not_are_not_mixed(tmp_path: Path, clip: Clip) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(0).save(tmp_path / "turned.jpg", exif=exif)
    with ImageIndex(tmp_path, clip, exif_orientation=True) as index:
        index.update()
        expected = clip.encode_image(tmp_path / "turned.jpg", exif_orientation=True)
        assert index.search(expected)[0].similarity == pytest.approx(1, abs=1e-5)
        assert index.search(clip.encode_image(tmp_path / "turned.jpg"))[0].similarity < 0.999
    with pytest.raises(InvalidArgument, match="was made with exif_orientation True, not False"):
        ImageIndex(tmp_path, clip, exif_orientation=False)
    with ImageIndex(tmp_path, clip) as index:  # as it is
        assert index.search(tmp_path / "turned.jpg")[0].similarity == pytest.approx(1, abs=1e-5)


def test_the_folder_may_move(tmp_path: Path, clip: Clip) -> None:
    fill(tmp_path / "old", 3)
    with ImageIndex(tmp_path / "old", clip) as index:
        index.update()
    (tmp_path / "old").rename(tmp_path / "new")
    with ImageIndex(tmp_path / "new", clip) as index:
        assert counts(index) == (0, 0, 0, 0, 0)
        assert index.search("cat", top=1)[0].path.startswith(str(tmp_path / "new"))


def test_names_that_are_no_text_are_found(tmp_path: Path, clip: Clip) -> None:
    path = tmp_path / os.fsdecode(b"\xff\n.png")
    picture(0).save(path)
    with ImageIndex(tmp_path, clip) as index:
        index.update()
        assert index.search("cat")[0].path == str(path)


def test_a_folder_that_cannot_be_written_has_its_index_in_the_cache(
    tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTIMODAL_CACHE", str(tmp_path / "cache"))
    fill(tmp_path / "photos", 1)
    assert index_folder(tmp_path / "photos") == tmp_path / "photos" / ".multimodal"
    (tmp_path / "photos" / ".multimodal").write_text("in the way")
    place = index_folder(tmp_path / "photos")
    assert place.parent == tmp_path / "cache" / "indexes"
    with ImageIndex(tmp_path / "photos", clip) as index:
        assert counts(index) == (1, 0, 0, 0, 0)
        assert index.path.parent == place
    (tmp_path / "photos" / ".multimodal").unlink()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert index_folder(tmp_path / "photos") == place


def test_an_index_may_be_kept_elsewhere(tmp_path: Path, clip: Clip) -> None:
    fill(tmp_path / "photos", 1)
    with ImageIndex(tmp_path / "photos", clip, index=tmp_path / "deep" / "place") as index:
        index.update()
    assert (tmp_path / "deep" / "place" / f"{clip.space_id()}.db").exists()
    assert not (tmp_path / "photos" / ".multimodal").exists()


def test_opening_an_index_writes_nothing(tmp_path: Path, clip: Clip) -> None:
    with ImageIndex(tmp_path, clip):
        assert not list(tmp_path.iterdir())


def test_a_second_update_waits_and_gives_up(tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, 2)
    with ImageIndex(tmp_path, clip) as index:
        index.update()
        lock = filelock.FileLock(index.path.with_suffix(".lock"), thread_local=False)
        lock.acquire()
        monkeypatch.setattr(pyffi.search, "LOCK_SECONDS", 0.1)
        with pytest.raises(BusyError, match="is being updated by another process"):
            index.update()
        assert len(index.search("cat")) == 2  # as it is
        monkeypatch.setattr(pyffi.search, "LOCK_SECONDS", 30)
        timer = threading.Timer(0.2, lock.release)
        timer.start()
        assert counts(index) == (0, 0, 0, 0, 0)
        timer.join()


def test_what_another_process_adds_is_found(tmp_path: Path, clip: Clip) -> None:
    fill(tmp_path, 2)
    with ImageIndex(tmp_path, clip) as reader, ImageIndex(tmp_path, clip) as writer:
        writer.update()
        with pytest.raises(InvalidArgument, match="has no index"):
            reader.search("cat")
    with ImageIndex(tmp_path, clip) as reader, ImageIndex(tmp_path, clip) as writer:
        assert len(reader.search("cat")) == 2
        fill(tmp_path, 3, first=10)
        writer.update()
        assert len(reader.search("cat")) == 5


def test_threads_may_share_an_index(tmp_path: Path, clip: Clip) -> None:
    paths = fill(tmp_path, 20)
    wrong: list[Path] = []
    with ImageIndex(tmp_path, clip) as index:
        index.update()

        def search(path: Path) -> None:
            if index.search(path, top=1)[0].path != str(path):
                wrong.append(path)

        threads = [threading.Thread(target=search, args=(path,)) for path in paths]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_a_damaged_index_is_told_and_rebuilt(tmp_path: Path, clip: Clip) -> None:
    fill(tmp_path, 2)
    with ImageIndex(tmp_path, clip) as index:
        index.update()
        path = index.path
    for damaged in (b"no database " * 100, path.read_bytes()[:4096]):
        path.write_bytes(damaged)
        with pytest.raises(InvalidArgument, match=r"is damaged .*: rebuild the index"):
            ImageIndex(tmp_path, clip).update()
    with ImageIndex(tmp_path, clip, rebuild=True) as index:
        assert counts(index) == (2, 0, 0, 0, 0)
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM made")
    db.close()
    with pytest.raises(InvalidArgument, match="it does not tell its space"):
        ImageIndex(tmp_path, clip)


def test_no_folder_is_told(tmp_path: Path, clip: Clip) -> None:
    (path,) = fill(tmp_path, 1)
    with pytest.raises(FileError, match=r"0000\.jpg is not a folder"):
        ImageIndex(path, clip)
    with pytest.raises(FileError, match="none is missing"):
        ImageIndex(tmp_path / "none", clip)


def test_the_index_opens_and_closes_a_model_of_its_own(tmp_path: Path, clip: Clip) -> None:
    with ImageIndex(tmp_path, clip.path) as index:
        assert index.clip is not clip
        index.update()
    with pytest.raises(ValueError, match="closed"):
        index.clip.space_id()
    with ImageIndex(tmp_path, clip):
        pass
    clip.space_id()
