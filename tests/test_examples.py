"""The programs of examples/ do what they say, with real models."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import soundfile
from native import HEADER, LIBRARY, ROOT, build, run
from published import jfk_wav, published

from abi_checks.hosts.go import go
from abi_checks.platforms import PLATFORMS
from pyffi.models import cached_path, pull

STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
COMPILERS = {"c": ["gcc", "-std=c99", *STRICT], "cpp": ["g++", "-std=c++11", *STRICT]}


@pytest.fixture(scope="module", params=[*COMPILERS, "go"])
def programs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples of a language, compiled."""
    folder, sources = tmp_path_factory.mktemp(request.param), ROOT / "examples" / request.param
    library = build("gcc")
    if request.param == "go":
        go(PLATFORMS["x86_64"], library, HEADER.parent, sources, "build", "-o", folder, "./...")
        return folder
    for source in sorted(sources.iterdir()):
        flags: list[str | Path] = [*COMPILERS[request.param], "-I", HEADER.parent]
        link: list[str | Path] = ["-L", library, f"-l:{LIBRARY}", f"-Wl,-rpath,{library}"]
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
