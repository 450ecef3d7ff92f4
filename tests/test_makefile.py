"""The Makefile: a second run does no needless work, and a change of anything that the build reads is not missed.

The runs are in a copy of the sources, on a PATH whose commands do nothing but write down that they were called.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from native import ROOT, build, copy_sources, run

# Calls of tools that only look: is a command there?
LOOKS = re.compile(r".* (--version|-c import .*)")
STAMPS = (".venv/tools", ".venv/package", ".venv/dev")


class Copy:
    """A copy of the sources in which make can run."""

    def __init__(self, folder: Path) -> None:
        self.sources, self.commands, self.log = folder / "sources", folder / "commands", folder / "log"
        copy_sources(self.sources)
        self.commands.mkdir()
        for name in ("bash", "cat", "find", "ls", "make", "mkdir", "nproc", "sed", "sh", "sort", "touch"):
            (self.commands / name).symlink_to(shutil.which(name) or name)
        for name in ("c++", "cmake", "multimodal", "pip", "python", "python3"):
            command = self.commands / name
            command.write_text(
                f'#!/bin/sh\necho {name} "$@" >> {self.log}\n[ "$*" != --version ] || echo cmake version 3.25.1\n'
                f'[ "$*" != "-m venv .venv" ] || mkdir .venv\n',
                encoding="utf-8",
            )
            command.chmod(0o755)

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.commands), "HOME": str(self.sources)}
        return subprocess.run(
            ["make", *arguments], cwd=self.sources, env=environment, capture_output=True, text=True, check=False
        )

    def calls(self, *arguments: str) -> list[str]:
        """The commands that make runs, without those that only look what is there."""
        self.log.write_text("", encoding="utf-8")
        self.make(*arguments)
        return [line for line in self.log.read_text(encoding="utf-8").splitlines() if not LOOKS.fullmatch(line)]

    def is_up_to_date(self, target: str, *changed: str) -> bool:
        """As it would be if files were changed now."""
        done = self.make("--question", *(f"--what-if={file}" for file in changed), target)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode == 0


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def test_demo_installs_once(copy: Copy) -> None:
    first, second = copy.calls("demo"), copy.calls("demo")
    assert first[0] == "python3 -m venv .venv"
    assert [call.split()[0] for call in first[1:3]] == ["pip", "pip"]
    assert first[3:] == second
    assert [call.split()[0] for call in second] == [
        "multimodal",
        "python",
        "multimodal",
        "python",
        "multimodal",
        "multimodal",
    ]


def test_lib_makes_the_virtual_environment_once_and_needs_no_packages(copy: Copy) -> None:
    first, second = copy.calls("lib"), copy.calls("lib")
    assert first == ["python3 -m venv .venv", *second]
    assert [" ".join(call.split()[:2]) for call in second] == [
        "python clib/third_party/fetch.py", "cmake -S", "cmake --build",
    ]  # fmt: skip


def test_a_second_build_of_the_library_compiles_and_links_nothing() -> None:
    folder = build("gcc")
    said = run(
        "flock", f"{folder}.lock", "sh", "-c", f"cmake -S '{ROOT / 'clib'}' -B '{folder}' && cmake --build '{folder}'"
    )
    assert "Built target multimodal_static" in said
    assert re.findall("(?:Building|Linking) .*", said) == []


# ---- What is out of date ---------------------------------------------------------------------------------------------
@pytest.fixture
def made(copy: Copy) -> Copy:
    """Where the virtual environment is complete."""
    copy.make(*STAMPS)
    return copy


def test_without_a_change_nothing_is_out_of_date(made: Copy) -> None:
    assert all(made.is_up_to_date(stamp) for stamp in STAMPS)


@pytest.mark.parametrize(
    "file", ["setup.py", "ffi_build.py", "pyproject.toml", "clib/src/kernels/vec.h", "clib/models/silero_vad.gguf"]
)
def test_a_change_of_the_native_part_makes_the_package_out_of_date(made: Copy, file: str) -> None:
    assert not made.is_up_to_date(".venv/package", file)
    assert made.is_up_to_date(".venv/dev", file)


def test_a_new_source_makes_the_package_out_of_date(made: Copy) -> None:
    file = "clib/src/whisper/new.cpp"
    (made.sources / file).touch()
    assert not made.is_up_to_date(".venv/package", file)


def test_changed_requirements_make_the_development_tools_out_of_date(made: Copy) -> None:
    assert not made.is_up_to_date(".venv/dev", "requirements-dev.txt")


@pytest.mark.parametrize("file", ["pyffi/whisper.py", "README.md", "clib/tests/check.h", "clib/fuzz/fuzz_model.cpp"])
def test_a_change_of_what_is_used_in_place_rebuilds_nothing(made: Copy, file: str) -> None:
    (made.sources / file).parent.mkdir(exist_ok=True)
    (made.sources / file).touch()
    assert all(made.is_up_to_date(stamp, file) for stamp in STAMPS)


def test_the_package_depends_on_every_file_that_its_build_reads(made: Copy) -> None:
    """By what CMake and the compiler recorded about a build."""
    records = [path for path in (build("gcc") / "CMakeFiles").rglob("*") if path.is_file() and path.suffix != ".o"]
    named = {name for path in records for name in re.findall(rb"\bclib/[\w./-]+", path.read_bytes())}
    read = {name.decode() for name in named if (ROOT / name.decode()).is_file()}
    read -= {name for name in read if name.startswith(("clib/tests/", "clib/fuzz/"))}
    kinds = {"multimodal.pc.in", "exports/multimodal.map", "models/silero_vad.gguf", "src/audio/fft.h"}
    assert read.issuperset(f"clib/{name}" for name in kinds)
    rules = made.make("--print-data-base", "--question", ".venv/package").stdout
    (prerequisites,) = re.findall(r"^\.venv/package: (.*)$", rules, re.MULTILINE)
    assert read - set(prerequisites.split()) == set()
