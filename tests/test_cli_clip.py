"""multimodal embed, classify and search, in this process and in one of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from clip_files import write_clip
from pictures import BROKEN, fill, picture
from PIL import Image
from test_cli import COMMAND, run_on_terminal

from pyffi import Clip, read_embeddings
from pyffi.cli import main
from pyffi.unfinished import Unfinished


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two models."""
    folder = tmp_path_factory.mktemp("models")
    write_clip(folder / "tiny.gguf")
    write_clip(folder / "other.gguf", seed=1)
    return folder


@pytest.fixture
def model(models: Path) -> str:
    return str(models / "tiny.gguf")


@pytest.fixture
def other(models: Path) -> str:
    return str(models / "other.gguf")


@pytest.fixture
def run(tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """run("embed", "photos", ...) in tmp_path, with the tiny model. There is photos/ with 4 good pictures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MULTIMODAL_CLIP_MODEL", model)
    fill(tmp_path / "photos", 4)

    def invoke(*arguments: str | Path, **keywords: Any) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments], **keywords)

    return invoke


PHOTOS = ["photos/0000.jpg", "photos/0001.png", "photos/0002.jpg", "photos/0003.png"]


def rows(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


# ---- embed -----------------------------------------------------------------------------------------------------------


def test_pictures_are_printed_as_json_lines(run: Callable[..., Result], model: str) -> None:
    result = run("embed", "photos")
    assert (result.exit_code, result.stderr) == (0, "")
    found = rows(result)
    with Clip(model) as clip:
        expected = clip.encode_image(PHOTOS)
        assert {(row["space"], row["model"]) for row in found} == {(clip.space_id(), "tiny")}
    assert [row["source"] for row in found] == PHOTOS
    assert np.array([row["embedding"] for row in found], np.float32).tobytes() == expected.tobytes()


@pytest.mark.parametrize("suffix", ["npy", "jsonl", "parquet"])
def test_pictures_are_written(run: Callable[..., Result], model: str, suffix: str) -> None:
    result = run("embed", "photos", "-o", f"new/folder/out.{suffix}")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    found = read_embeddings(f"new/folder/out.{suffix}")
    with Clip(model) as clip:
        assert found.vectors.tobytes() == clip.encode_image(PHOTOS).tobytes()
        assert found.space.id == clip.space_id()
    assert found.sources == PHOTOS
    written = {f"out.{suffix}"} | ({"out.npy.json"} if suffix == "npy" else set())
    assert {path.name for path in Path("new/folder").iterdir()} == written


def test_a_format_may_be_named(run: Callable[..., Result]) -> None:
    assert run("embed", "photos", "-o", "out", "--format", "npy").exit_code == 0
    assert np.load("out").shape == (4, 24)
    assert read_embeddings("out", "npy").sources == PHOTOS


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (["photos/0001.png", "photos"], [PHOTOS[1], PHOTOS[0], *PHOTOS[2:]]),
        (["photos/*.jpg"], PHOTOS[::2]),
        (["**/*.png"], PHOTOS[1::2]),
        (["photos/0002.jpg", "photos/000[12].*"], [PHOTOS[2], PHOTOS[1]]),
    ],
)
def test_files_folders_and_patterns_are_taken_once(
    run: Callable[..., Result], inputs: list[str], expected: list[str]
) -> None:
    assert [row["source"] for row in rows(run("embed", *inputs))] == expected


@pytest.mark.parametrize(
    "listed",
    [
        b"photos/0003.png\nphotos/0000.jpg\n",
        b"photos/0003.png\r\nphotos/0000.jpg",
        b"photos/0003.png\0photos/0000.jpg\0",
    ],
)
def test_names_are_read_from_standard_input(run: Callable[..., Result], listed: bytes) -> None:
    assert [row["source"] for row in rows(run("embed", "-", input=listed))] == [PHOTOS[3], PHOTOS[0]]


def test_names_with_line_breaks_come_with_nul(run: Callable[..., Result]) -> None:
    picture(0).save("line\nbreak.png")
    assert [row["source"] for row in rows(run("embed", "-", input=b"line\nbreak.png\0"))] == ["line\nbreak.png"]


def test_a_file_that_is_named_may_be_called_anything(run: Callable[..., Result]) -> None:
    Path(PHOTOS[0]).rename("photos/picture.dat")
    assert [row["source"] for row in rows(run("embed", "photos/picture.dat"))] == ["photos/picture.dat"]
    assert [row["source"] for row in rows(run("embed", "photos"))] == PHOTOS[1:]


def test_one_bad_picture_does_not_stop_the_others(run: Callable[..., Result]) -> None:
    Path("photos/bad.jpg").write_bytes(BROKEN)
    Path("photos/dangling.png").symlink_to("nowhere")
    result = run("embed", "missing.png", "photos", "no*such", "-o", "out.npy")
    assert (result.exit_code, result.stdout) == (1, "")
    assert read_embeddings("out.npy").sources == PHOTOS
    lines = result.stderr.splitlines()
    assert lines[0] == "Error: photos/dangling.png: No such file or directory"
    assert lines[1] == "Error: missing.png: No such file or directory"
    assert lines[2].startswith("Error: photos/bad.jpg: ")
    assert lines[3:] == ["Error: no*such: No such file or directory", "4 of 8 pictures failed"]


def test_bad_pictures_alone_write_nothing(run: Callable[..., Result], tmp_path: Path) -> None:
    Path("bad.jpg").write_bytes(BROKEN)
    result = run("embed", "bad.jpg", "-o", "out/out.npy")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert not list(Path("out").iterdir())


def test_texts_keep_their_order_and_number(run: Callable[..., Result], model: str) -> None:
    Path("texts.txt").write_text("a cat\n\na dog\na cat\n猫", encoding="utf-8")
    texts = ["first", "a cat", "", "a dog", "a cat", "猫"]
    assert run("embed", "--text", "first", "--texts", "texts.txt", "-o", "out.npy").exit_code == 0
    found = read_embeddings("out.npy")
    assert found.sources == texts
    with Clip(model) as clip:
        assert found.vectors.tobytes() == clip.encode_text(texts).tobytes()
    printed = run("embed", "--texts", "-", input="a dog\na cat\n")
    assert [row["source"] for row in rows(printed)] == ["a dog", "a cat"]


def test_a_text_that_is_none_does_not_stop_the_others(run: Callable[..., Result]) -> None:
    Path("texts.txt").write_bytes(b"good\nb\xc3\nalso good\n")
    result = run("embed", "--texts", "texts.txt", "--text", os.fsdecode(b"\xff"))
    assert result.exit_code == 1
    assert [row["source"] for row in rows(result)] == ["good", "also good"]
    lines = result.stderr.splitlines()
    assert lines[0] == "Error: texts.txt, line 2: not UTF-8 after 1 bytes"
    assert "half a surrogate pair" in lines[1]
    assert lines[2] == "2 of 4 texts failed"


def test_lengths_are_kept_if_asked_for(run: Callable[..., Result], model: str) -> None:
    assert run("embed", "photos", "--no-normalize", "-o", "out.npy").exit_code == 0
    found = read_embeddings("out.npy")
    with Clip(model) as clip:
        assert found.vectors.tobytes() == clip.encode_image(PHOTOS, normalize=False).tobytes()
        assert (found.space.id, found.space.normalized) == (clip.space_id(normalize=False), False)
    result = run("embed", "photos", "-o", "out.npy", "--append")
    assert result.exit_code == 1
    assert "(model tiny, not normalised); this is space" in result.stderr


def test_pictures_are_turned_if_asked_for(run: Callable[..., Result], model: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(0).save("turned.jpg", exif=exif)
    with Clip(model) as clip:
        for options, turned in ((["--exif-orientation"], True), (["--no-exif-orientation"], False), ([], False)):
            (row,) = rows(run("embed", "turned.jpg", *options))
            expected = clip.encode_image("turned.jpg", exif_orientation=turned)
            assert np.array(row["embedding"], np.float32).tobytes() == expected.tobytes()


def test_large_pictures_are_refused_if_asked_for(run: Callable[..., Result]) -> None:
    picture(0, 100).save("photos/large.png")
    result = run("embed", "photos", "--max-pixels", "9999")
    assert result.exit_code == 1
    assert [row["source"] for row in rows(result)] == PHOTOS
    assert "large.png" in result.stderr
    assert "9999" in result.stderr


# ---- embed: files that exist, and runs that were interrupted ---------------------------------------------------------


@pytest.mark.parametrize("suffix", ["npy", "jsonl", "parquet"])
def test_an_existing_file_is_replaced_or_added_to_only_if_asked_for(run: Callable[..., Result], suffix: str) -> None:
    out = f"out.{suffix}"
    assert run("embed", PHOTOS[1], "-o", out).exit_code == 0
    result = run("embed", "photos", "-o", out)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {out} exists: --append adds to it, --overwrite replaces it\n"
    assert run("embed", "photos", "-o", out, "--append").exit_code == 0
    assert read_embeddings(out).sources == [PHOTOS[1], PHOTOS[0], *PHOTOS[2:]]
    assert run("embed", "--text", "a cat", "-o", out, "--append").exit_code == 0
    assert read_embeddings(out).sources == [PHOTOS[1], PHOTOS[0], *PHOTOS[2:], "a cat"]
    assert run("embed", PHOTOS[2], "-o", out, "--overwrite").exit_code == 0
    assert read_embeddings(out).sources == [PHOTOS[2]]
    assert run("embed", "photos", "-o", f"new.{suffix}", "--append").exit_code == 0
    assert read_embeddings(f"new.{suffix}").sources == PHOTOS


@pytest.mark.parametrize("suffix", ["npy", "jsonl", "parquet"])
def test_two_spaces_are_not_mixed(run: Callable[..., Result], model: str, other: str, suffix: str) -> None:
    out = Path(f"out.{suffix}")
    assert run("embed", "photos", "-o", out).exit_code == 0
    before = out.read_bytes()
    result = run("embed", "photos", "-o", out, "--append", "--model", other)
    assert result.exit_code == 1
    with Clip(model) as first, Clip(other) as second:
        assert result.stderr == (
            f"Error: {out} was made with space {first.space_id()} (model tiny); this is space {second.space_id()} "
            "(model other): embeddings of different spaces cannot be compared, so they are not mixed. Use the same "
            "model and options, or another file\n"
        )
    assert out.read_bytes() == before
    assert not out.with_name(f"{out.name}.partial").exists()


def test_ctrl_c_leaves_what_the_same_command_goes_on_from(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(Path("many"), 50, size=16)
    assert run("embed", "many", "-o", "whole.npy").exit_code == 0
    add = Unfinished.add

    def interrupted(self: Unfinished, *row: Any) -> None:
        if len(self) == 20:
            raise KeyboardInterrupt
        add(self, *row)

    with monkeypatch.context() as patch:
        patch.setattr(Unfinished, "add", interrupted)
        result = run("embed", "many", "-o", "out.npy")
    assert result.exit_code == 130
    assert result.stderr == "20 rows are kept: the same command goes on from there\nInterrupted\n"
    assert not Path("out.npy").exists()
    os.utime("many/0003.png", ns=(1, 1))  # changed since
    Path("many/0005.png").unlink()
    Path("many/new.png").write_bytes(Path("many/0007.png").read_bytes())
    result = run("embed", "many", "-o", "out.npy")
    assert (result.exit_code, result.stderr) == (0, "18 of 50 are there from a run before\n")
    whole, found = read_embeddings("whole.npy"), read_embeddings("out.npy")
    expected = [i for i in range(50) if i != 5] + [7]
    assert found.vectors.tobytes() == whole.vectors[expected].tobytes()
    assert found.sources == [*(whole.sources[i] for i in expected[:-1]), "many/new.png"]
    assert not Path("out.npy.partial").exists()


def test_a_killed_run_goes_on_and_writes_the_same_file(run: Callable[..., Result], model: str) -> None:
    paths = fill(Path("many"), 100, size=16)
    os.mkfifo("many/0099.pipe")  # where the run waits to be killed
    program = "import pyffi.unfinished, pyffi.cli\npyffi.unfinished.COMMIT_SECONDS = 0\npyffi.cli.main()\n"
    command = [sys.executable, "-c", program, "embed", *map(str, paths), "many/0099.pipe", "-o", "out.npy"]
    with subprocess.Popen(command) as process:
        deadline = time.monotonic() + 60
        while not Path("out.npy.partial").exists() or b"0063.png" not in Path("out.npy.partial").read_bytes():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        second = run("embed", "many", "-o", "out.npy")
        assert (second.exit_code, second.stderr) == (1, "Error: out.npy is being written by another process\n")
        process.send_signal(signal.SIGKILL)
    assert not Path("out.npy").exists()
    result = run("embed", "many", "-o", "out.npy")
    assert result.exit_code == 0
    there = re.fullmatch(r"(\d+) of 100 are there from a run before\n", result.stderr)
    assert there
    assert 63 <= int(there[1]) <= 96
    assert run("embed", "many", "-o", "whole.npy").exit_code == 0
    assert Path("out.npy").read_bytes() == Path("whole.npy").read_bytes()
    assert Path("out.npy.json").read_bytes() == Path("whole.npy.json").read_bytes()


def test_an_interrupted_run_with_another_model_is_not_gone_on_with(
    run: Callable[..., Result], model: str, other: str
) -> None:
    with Clip(model) as clip:
        from pyffi.embeddings import Space

        with Unfinished(Path("out.npy"), Space.of(clip)):
            pass
    result = run("embed", "photos", "-o", "out.npy", "-m", other)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: out.npy.partial, of an interrupted run, was made with space ")
    result = run("embed", "photos", "-o", "out.npy", "--exif-orientation")
    assert result.exit_code == 1
    assert "an interrupted run with no options; this one has --exif-orientation" in result.stderr
    assert run("embed", "photos", "-o", "out.npy").exit_code == 0


def test_thousands_of_pictures(run: Callable[..., Result], model: str) -> None:
    fill(Path("many"), 3000, size=8)
    assert run("embed", "many", "-o", "out.npy").exit_code == 0
    found = read_embeddings("out.npy")
    assert found.vectors.shape == (3000, 24)
    with Clip(model) as clip:
        assert found.vectors[2999].tobytes() == clip.encode_image(found.sources[2999]).tobytes()


# ---- classify --------------------------------------------------------------------------------------------------------


def test_labels_come_with_probability_and_cosine(run: Callable[..., Result], model: str) -> None:
    labels = ["cat", "dog", "red apple"]
    result = run("classify", PHOTOS[0], "--labels", *labels)
    assert (result.exit_code, result.stderr) == (0, "")
    with Clip(model) as clip:
        expected = clip.classify(PHOTOS[0], labels)
    assert result.stdout.splitlines() == [
        f"{100 * label.probability:6.2f} %  {label.similarity:6.3f}  {label.label}" for label in expected
    ]


def test_several_pictures_are_told_apart_and_bad_ones_at_the_end(run: Callable[..., Result]) -> None:
    Path("photos/bad.jpg").write_bytes(BROKEN)
    result = run("classify", "photos", "none.jpg", "--labels", "cat", "dog", "--top", "1")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[::2] == [f"==> {path} <==" for path in PHOTOS]
    lines = result.stderr.splitlines()
    assert lines[0].startswith("Error: photos/bad.jpg: ")
    assert lines[1:] == ["Error: none.jpg: No such file or directory", "2 of 6 pictures failed"]


def test_classes_as_json_and_tsv(run: Callable[..., Result], model: str) -> None:
    found = rows(run("classify", "photos", "--labels", "cat", "dog", "--format", "json"))
    with Clip(model) as clip:
        expected = clip.classify(PHOTOS, ["cat", "dog"])
        assert {row["space"] for row in found} == {clip.space_id()}
    assert [row["image"] for row in found] == PHOTOS
    for row, labels in zip(found, expected, strict=True):
        assert [list(label) for label in row["labels"]] == [["label", "probability", "similarity"]] * 2
        assert [label["label"] for label in row["labels"]] == [label.label for label in labels]
        assert [label["probability"] for label in row["labels"]] == pytest.approx(
            [label.probability for label in labels]
        )
    lines = run("classify", "photos", "--labels", "cat", "dog", "--format", "tsv").stdout.splitlines()
    assert lines[0] == "image\tlabel\tprobability\tsimilarity"
    assert len(lines) == 9
    assert lines[1].split("\t")[:2] == [PHOTOS[0], expected[0][0].label]


@pytest.mark.parametrize(
    "arguments",
    [
        [PHOTOS[0], "--labels", "cat", "dog", "red apple"],
        [PHOTOS[0], "--labels", "cat", "dog", "--top", "9", "--labels", "red apple"],
        [PHOTOS[0], "--labels=cat,dog, red apple"],
        ["--labels", "cat,dog,red apple,cat,", "--", PHOTOS[0]],
        ["--labels", "cat", "--labels-file", "labels.txt", PHOTOS[0]],
    ],
)
def test_labels_may_be_given_in_many_ways(run: Callable[..., Result], arguments: list[str]) -> None:
    Path("labels.txt").write_text("dog\n\n  red apple \n", encoding="utf-8")
    result = run("classify", "--format", "json", *arguments)
    assert result.exit_code == 0
    assert {label["label"] for label in rows(result)[0]["labels"]} == {"cat", "dog", "red apple"}


def test_labels_and_pictures_come_from_standard_input(run: Callable[..., Result]) -> None:
    assert len(rows(run("classify", "-", "--labels", "cat", "-f", "json", input="\n".join(PHOTOS)))) == 4
    (row,) = rows(run("classify", PHOTOS[0], "--labels-file", "-", "-f", "json", input="cat\ndog"))
    assert {label["label"] for label in row["labels"]} == {"cat", "dog"}


def test_several_templates_make_an_ensemble(run: Callable[..., Result], model: str) -> None:
    templates = ["a photo of a {}", "{}"]
    options = [argument for template in templates for argument in ("--template", template)]
    (row,) = rows(run("classify", PHOTOS[0], "--labels", "cat", "dog", "-f", "json", *options))
    with Clip(model) as clip:
        expected = clip.classify(PHOTOS[0], ["cat", "dog"], template=templates)
    assert [label["similarity"] for label in row["labels"]] == pytest.approx([label.similarity for label in expected])


# ---- search ----------------------------------------------------------------------------------------------------------


def test_a_search_indexes_and_finds(run: Callable[..., Result], model: str) -> None:
    result = run("search", "photos", "a", "red", "apple")
    assert result.exit_code == 0
    assert result.stderr == "4 pictures in the index: 4 embedded\n"
    with Clip(model) as clip:
        cosines = clip.similarity(PHOTOS, "a red apple")
    expected = [f"{cosines[i]:6.3f}  {PHOTOS[i]}" for i in (-cosines).argsort()]
    assert result.stdout.splitlines() == expected
    again = run("search", "photos", "a red apple", "--top", "2")
    assert (again.stdout.splitlines(), again.stderr) == (expected[:2], "")


def test_an_update_is_told_and_can_be_left_out(run: Callable[..., Result]) -> None:
    assert run("search", "photos").stderr == "4 pictures in the index: 4 embedded\n"
    Path(PHOTOS[0]).rename("photos/moved.jpg")
    Path(PHOTOS[1]).unlink()
    picture(9).save("photos/new.png")
    Path("photos/bad.jpg").write_bytes(BROKEN)
    result = run("search", "photos", "cat", "--no-update")
    assert (result.stderr, PHOTOS[1] in result.stdout, "new.png" in result.stdout) == ("", True, False)
    result = run("search", "photos", "cat")
    assert result.exit_code == 0
    lines = result.stderr.splitlines()
    assert lines[0].startswith("Warning: photos/bad.jpg: ")
    assert lines[1] == "4 pictures in the index: 1 embedded, 1 recognised, 2 removed, 1 unreadable"
    assert run("search", "photos", "cat").stderr == "Warning: damaged pictures are left out: 1\n"
    assert run("search", "photos", "cat", "--quiet").stderr == ""
    result = run("search", "photos", "cat", "--rebuild")
    assert result.stderr.splitlines()[1] == "4 pictures in the index: 4 embedded, 1 unreadable"


def test_pictures_are_found_by_pictures_and_words(run: Callable[..., Result]) -> None:
    result = run("search", "photos", "--image", PHOTOS[2], "--top", "1")
    assert result.stdout == f" 1.000  {PHOTOS[2]}\n"
    both = run("search", "photos", "cat", "--image", PHOTOS[2], "--image", PHOTOS[3], "--top", "1")
    assert both.exit_code == 0
    missing = run("search", "photos", "--image", "none.jpg")
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert missing.stderr.endswith("Error: none.jpg: No such file or directory\n")


def test_matches_as_json_and_tsv(run: Callable[..., Result], model: str) -> None:
    found = rows(run("search", "photos", "cat", "-f", "json"))
    with Clip(model) as clip:
        assert {row["space"] for row in found} == {clip.space_id()}
    assert {row["path"] for row in found} == set(PHOTOS)
    lines = run("search", "photos", "cat", "-f", "tsv").stdout.splitlines()
    assert lines[0] == "similarity\tpath"
    assert lines[1] == f"{found[0]['similarity']:.6f}\t{found[0]['path']}"


def test_a_page_is_written(run: Callable[..., Result]) -> None:
    result = run("search", "photos", "<cat>", "--image", PHOTOS[0], "--html", "pages/found.html", "--top", "3")
    assert result.exit_code == 0
    page = Path("pages/found.html").read_text(encoding="utf-8")
    assert "<h1>&lt;cat&gt; + 0000.jpg</h1>" in page
    assert page.count("<li>") == 3
    assert page.count("data:image/jpeg") == 4


def test_each_model_has_an_index_and_none_is_told(run: Callable[..., Result], other: str) -> None:
    assert run("search", "photos", "cat").exit_code == 0
    result = run("search", "photos", "cat", "--model", other, "--no-update")
    assert result.exit_code == 1
    assert "(model other) yet (but of tiny): update it first" in result.stderr
    assert run("search", "photos", "cat", "--model", other).exit_code == 0
    assert len(list(Path("photos/.multimodal").glob("*.db"))) == 2


def test_an_index_may_be_elsewhere(run: Callable[..., Result]) -> None:
    assert run("search", "photos", "cat", "--index", "place").exit_code == 0
    assert len(list(Path("place").glob("*.db"))) == 1
    assert not Path("photos/.multimodal").exists()


# ---- All of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["embed"], "give either INPUTS, or --text or --texts"),
        (["embed", "photos", "--text", "cat"], "give either INPUTS, or --text or --texts"),
        (["embed", "photos", "-o", "out.csv"], "out.csv ends in none of .npy, .jsonl, .parquet: give --format"),
        (["embed", "photos", "-f", "npy"], "npy cannot be printed: give --output"),
        (["embed", "photos", "-f", "csv"], "'csv' is not one of 'npy', 'jsonl', 'parquet'"),
        (["embed", "photos", "-o", "x.npy", "--append", "--overwrite"], "give either --append or --overwrite"),
        (["embed", "photos", "--max-pixels", "0"], "x>=1"),
        (["classify", "--labels", "cat", "photo.jpg"], "name pictures before --labels, which takes all words after it"),
        (["classify", "photos"], "no label: give --labels or --labels-file"),
        (["classify", "photos", "--labels"], "Option '--labels' requires an argument"),
        (["classify", "photos", "--labels", "cat", "--top", "0"], "x>=1"),
        (["search"], "Missing argument 'FOLDER'"),
        (["search", "nowhere", "cat"], "'nowhere' does not exist"),
        (["search", "photos", "--no-update"], "give QUERY or --image, or leave out --no-update"),
        (["search", "photos", "--html", "x.html"], "--html needs QUERY or --image"),
        (["search", "photos", "cat", "--rebuild", "--no-update"], "give either --rebuild or --no-update"),
    ],
)
def test_wrong_usage_is_told(run: Callable[..., Result], arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["embed", "empty"], "no pictures in empty"),
        (["embed", "-"], "no pictures in -"),
        (["embed", "--texts", "-"], "no texts in -"),
        (["embed", "--texts", "none.txt"], "none.txt: No such file or directory"),
        (["classify", "empty", "--labels", "cat"], "no pictures in empty"),
        (["classify", "photos", "--labels-file", "latin1.txt"], "latin1.txt is not UTF-8 after 1 bytes"),
        (["classify", "photos", "--labels", "cat", "--template", "no place"], "template is 'no place'"),
        (["search", "empty", "cat"], "no pictures in empty: none of .jpg .jpeg .png"),
        (["search", "photos", "cat", "--model", "/nonexistent/model.gguf"], "/nonexistent/model.gguf"),
    ],
)
def test_failures_are_told_in_one_line(run: Callable[..., Result], arguments: list[str], message: str) -> None:
    Path("empty").mkdir()
    Path("latin1.txt").write_bytes("né".encode("latin-1"))
    result = run(*arguments, input=b"")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_terminal_gets_progress_and_a_pipe_the_rows(tmp_path: Path, model: str) -> None:
    fill(tmp_path, 40, size=16)
    for verb in (["embed", tmp_path], ["classify", tmp_path, "--labels", "cat"], ["search", tmp_path, "cat"]):
        shown, written = run_on_terminal([*verb, "-m", model], stdout=subprocess.PIPE)
        assert b"40 of 40, " in shown
        assert b" a second, 0:00 left" in shown
        assert b"\x1b" not in written
        assert written.strip()


def test_the_reader_of_a_pipe_may_go_away(tmp_path: Path, model: str) -> None:
    fill(tmp_path, 200, size=16)
    with subprocess.Popen(
        [*COMMAND, "embed", tmp_path, "-m", model], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 1
