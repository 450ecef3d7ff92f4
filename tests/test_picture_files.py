"""Which files of a folder are pictures, and in which order they come."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pictures import fill

from pyffi.picture_files import find_pictures


def names(folder: Path) -> list[str]:
    return [os.path.relpath(file.path, folder) for file in find_pictures(folder)]


def test_pictures_are_found_by_suffix_in_order(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "z/c.jpeg", "d/e.webp", "d/f.gif", "g.bmp", "h.tif", "i.tiff"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in ("no.txt", "jpg", "video.mp4", ".hidden.jpg", ".multimodal/x.jpg", "d/.git/y.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    expected = ["a.jpg", "b.PNG", "g.bmp", "h.tif", "i.tiff", "d/e.webp", "d/f.gif", "z/c.jpeg"]
    assert names(tmp_path) == expected


def test_formats_that_pillow_reads_are_left_out_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.jpg", "b.webp"):
        (tmp_path / name).touch()
    monkeypatch.setattr("pyffi.picture_files.find_spec", lambda name: None)
    assert names(tmp_path) == ["a.jpg"]


def test_links_in_a_circle_come_to_an_end_and_real_paths_win(tmp_path: Path) -> None:
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "one.jpg").touch()
    (tmp_path / "a").symlink_to(tmp_path / "z")
    (tmp_path / "z" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "two.jpg").symlink_to(tmp_path / "z" / "one.jpg")
    assert names(tmp_path) == ["two.jpg", "z/one.jpg"]


def test_links_to_other_folders_are_followed(tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", 2)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "link").symlink_to(tmp_path / "elsewhere")
    assert names(tmp_path / "photos") == ["link/0000.jpg", "link/0001.png"]


def test_what_cannot_be_read_is_told_and_the_others_follow(tmp_path: Path) -> None:
    fill(tmp_path / "good", 1)
    (tmp_path / "dangling.jpg").symlink_to("nowhere")
    (tmp_path / "circle").symlink_to("circle")
    errors: list[OSError] = []
    assert [Path(file.path).name for file in find_pictures(tmp_path, errors.append)] == ["0000.jpg"]
    assert [Path(error.filename).name for error in errors] == ["circle", "dangling.jpg"]
    find = find_pictures(tmp_path / "missing", errors.append)
    assert (list(find), str(tmp_path / "missing")) == ([], errors[-1].filename)
