"""The programs of examples/ do what they say, with real models."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import soundfile
from native import HEADER, LIBRARY, ROOT, build, run
from published import jfk_wav, published

from pyffi.models import cached_path, pull

COMPILERS = {"c": ["gcc", "-std=c99"], "cpp": ["g++", "-std=c++11"]}
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]


@pytest.fixture(scope="module", params=list(COMPILERS))
def programs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples of a language, compiled."""
    folder = tmp_path_factory.mktemp(request.param)
    library = build("gcc")
    for source in sorted((ROOT / "examples" / request.param).iterdir()):
        link = ("-L", library, f"-l:{LIBRARY}", f"-Wl,-rpath,{library}")
        flags: list[str | Path] = [*COMPILERS[request.param], *STRICT, "-I", HEADER.parent]
        run(*flags, source, *link, "-o", folder / source.stem)
    return folder


def test_transcribe_prints_what_is_said_as_it_is_recognised(programs: Path) -> None:
    samples, rate = soundfile.read(jfk_wav(), dtype="float32")
    assert rate == 16000
    done = subprocess.run(
        [programs / "transcribe", pull("tiny.en")], input=samples.tobytes(), capture_output=True, check=True
    )
    assert "ask not what your country can do for you" in done.stdout.decode()


def test_classify_finds_the_crab(programs: Path) -> None:
    picture = published("twemoji-pictures") / "1f980.png"
    labels = ("a crab", "a vehicle", "a building")
    lines = run(programs / "classify", cached_path("emoji"), picture, *labels).splitlines()
    assert max(lines, key=lambda line: float(line.split()[0])).endswith("a crab")


@pytest.mark.parametrize("arguments", [[], ["there is no such model", "there is no such file", "text"]])
def test_what_goes_wrong_is_told(programs: Path, arguments: list[str]) -> None:
    for program in ("classify", "transcribe"):
        given = arguments[:1] if program == "transcribe" else arguments
        done = subprocess.run([programs / program, *given], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        assert done.returncode == (1 if arguments else 2)
        assert b"usage" in done.stderr or b"there is no such" in done.stderr
