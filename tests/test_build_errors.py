"""What a build says where something is missing or wrong: once, with the remedy, before anything is compiled.

The tests run `pip install .` and `make lib` in a copy of the sources on a machine of their own: a PATH that has only
what it is given, compilers that leave a mark if they are told to compile, a package index that cannot be reached.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from native import ROOT, copy_sources, run

ZLIB: dict[str, str] = json.loads((ROOT / "clib" / "third_party" / "lock.json").read_text(encoding="utf-8"))["zlib"]
ARCHIVE, SHA256 = ZLIB["archive"], ZLIB["sha256"]
NOT_IT = b"not the archive"
FETCH_REMEDY = (
    f"To build without the network, put {ARCHIVE} (sha256 {SHA256}) into a folder and set MM_THIRD_PARTY_DIR to it; "
    "to use another package index, set PIP_INDEX_URL."
)
WRONG_DIGEST = (
    f"{{source}} has sha256 {hashlib.sha256(NOT_IT).hexdigest()}, not the expected {SHA256}: it is damaged or not the "
    f"published one. {FETCH_REMEDY}"
)
NO_CXX = "a C++ compiler is missing; install it (Debian, Ubuntu: apt-get install g++)"
NO_CC = "a C compiler is missing; install it (Debian, Ubuntu: apt-get install gcc)"
NO_MAKE = "make is missing; install it (Debian, Ubuntu: apt-get install make)"
NO_HEADERS = "Python.h is missing; install Python's headers (Debian, Ubuntu: apt-get install python3-dev)"
CMAKE_REMEDY = "install CMake 3.18 or newer (pip install cmake, or apt-get install cmake)"


class Machine:
    """A copy of the sources, and what there is to build them with."""

    def __init__(self, folder: Path, index: str) -> None:
        self.folder, self.sources, self.commands = folder, folder / "sources", folder / "commands"
        self.index = index
        copy_sources(self.sources)
        # A Python that has what this one has, but no commands such as cmake beside it.
        run(sys.executable, "-m", "venv", "--without-pip", folder / "python")
        self.python = folder / "python" / "bin" / "python"
        (self.site_packages / "all.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
        self.commands.mkdir()
        for name in ("bash", "find", "ls", "make", "mkdir", "nproc", "sed", "sh", "sort", "touch"):
            (self.commands / name).symlink_to(shutil.which(name) or name)
        for name in ("python", "python3"):
            self.add(name, f'exec {self.python} "$@"')
        for name in ("c++", "g++", "cc", "gcc", "nasm"):
            self.add(name, f'[ "$*" = --version ] || : > {folder}/compiled')
        self.have_cmake("3.18.0")

    @property
    def site_packages(self) -> Path:
        (found,) = (self.folder / "python" / "lib").glob("python3*/site-packages")
        return found

    def add(self, name: str, script: str, folder: Path | None = None) -> None:
        path = (folder or self.commands) / name
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    def have_cmake(self, version: str | None) -> None:
        if version:
            self.add("cmake", f"echo cmake version {version}")
        else:
            self.remove("cmake")

    def remove(self, *names: str) -> None:
        for name in names:
            (self.commands / name).unlink()

    def pip_install(self, **environment: str) -> str:
        """Why `pip install .` says that the package cannot be built."""
        options: list[str | Path] = ["--no-build-isolation", "--no-deps", "--target", self.folder / "installed"]
        output = self.fail([self.python, "-m", "pip", "install", *options, "."], environment)
        assert output.count("cannot be built") == 1
        assert len(output.splitlines()) < 35, output
        _, _, message = output.partition("multimodal-ffi cannot be built: ")
        message, _, _ = message.partition("[end of output]")
        return "\n".join(line.strip() for line in message.strip().splitlines())

    def make_lib(self, **environment: str) -> str:
        """What `make lib` says, up to make's own last line."""
        *lines, last = self.fail(["make", "lib"], environment).splitlines()
        assert last.startswith("make: *** [Makefile:"), lines
        return "\n".join(lines)

    def fail(self, command: Sequence[str | Path], environment: dict[str, str]) -> str:
        settings = {
            "HOME": str(self.folder), "PATH": str(self.commands), "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0",
            "PIP_INDEX_URL": self.index, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **environment,
        }  # fmt: skip
        done = subprocess.run(
            command, cwd=self.sources, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            encoding="utf-8", check=False,
        )  # fmt: skip
        assert done.returncode != 0, done.stdout
        assert "Traceback" not in done.stdout
        assert not (self.folder / "compiled").exists(), done.stdout
        return done.stdout


@pytest.fixture
def index() -> Iterator[str]:
    """The address of a package index that refuses every connection."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/simple"


@pytest.fixture
def machine(tmp_path: Path, index: str) -> Machine:
    return Machine(tmp_path, index)


@pytest.fixture
def made(machine: Machine) -> Machine:
    """Where `make` has made its virtual environment before."""
    (machine.sources / ".venv").mkdir()
    (machine.sources / ".venv" / "tools").touch()
    return machine


@pytest.fixture
def wrong_archives(tmp_path: Path) -> Path:
    """A package index on disk, whose file of zlib is another."""
    project = tmp_path / "index" / ZLIB["project"]
    project.mkdir(parents=True)
    (project / ARCHIVE).write_bytes(NOT_IT)
    (project / "index.html").write_text(f'<a href="{ARCHIVE}">{ARCHIVE}</a>', encoding="utf-8")
    return project


# ---- pip install . ---------------------------------------------------------------------------------------------------
def test_pip_names_the_package_of_a_missing_compiler(machine: Machine) -> None:
    machine.remove("c++", "g++")
    assert machine.pip_install() == NO_CXX


def test_pip_names_the_variable_that_names_no_compiler(machine: Machine) -> None:
    message = "CXX names /nonexistent/g++, which is not on the PATH; set it to a C++ compiler"
    assert machine.pip_install(CXX="/nonexistent/g++ -m64") == message


def test_pip_names_all_that_is_missing_at_once(machine: Machine) -> None:
    machine.remove("c++", "g++", "cc", "gcc", "make", "cmake")
    hide = "import sysconfig; sysconfig.get_path = lambda *a, of=sysconfig.get_path, **k: of(*a, **k) + '/../nowhere'"
    (machine.site_packages / "hide.pth").write_text(hide, encoding="utf-8")
    expected = [NO_CXX, NO_CC, NO_MAKE, NO_HEADERS, f"CMake is missing; {CMAKE_REMEDY}"]
    assert machine.pip_install() == "\n".join(expected)


def test_pip_says_that_cmake_is_too_old(machine: Machine) -> None:
    machine.have_cmake("3.10.2")
    assert machine.pip_install() == f"{machine.commands}/cmake is not CMake 3.18 or newer; {CMAKE_REMEDY}"


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 127\n", "#!/nonexistent/python\n"])
def test_pip_says_that_cmake_does_not_work(machine: Machine, script: str) -> None:
    """Such as pyenv's placeholder, and pip's script after its Python has gone."""
    (machine.commands / "cmake").write_text(script, encoding="utf-8")
    assert machine.pip_install() == f"{machine.commands}/cmake is not CMake 3.18 or newer; {CMAKE_REMEDY}"


def test_the_remedy_for_an_old_cmake_works(machine: Machine, tmp_path: Path) -> None:
    """`pip install cmake` puts a CMake beside Python, which need not be on the PATH."""
    machine.have_cmake("3.10.2")
    machine.add("cmake", "echo cmake version 4.0.1", machine.python.parent)
    assert machine.pip_install(MM_THIRD_PARTY_DIR=str(tmp_path)).startswith(f"{tmp_path / ARCHIVE} does not exist")


@pytest.mark.parametrize(("cmake", "required"), [("3.18.0", []), ("3.10.2", ["cmake>=3.18"]), (None, ["cmake>=3.18"])])
def test_an_isolated_build_gets_cmake_from_pip_where_there_is_none(
    machine: Machine, cmake: str | None, required: list[str]
) -> None:
    machine.have_cmake(cmake)
    hook = "import setuptools.build_meta as hooks; requires = hooks.get_requires_for_build_wheel()"
    program = f"{hook}; print([name for name in requires if 'cmake' in name])"
    shown = run(machine.python, "-c", program, cwd=machine.sources, env={"PATH": str(machine.commands)})
    assert shown.splitlines()[-1] == str(required)


def test_pip_says_how_to_build_without_the_network(machine: Machine) -> None:
    message = machine.pip_install()
    assert message.startswith(f"cannot download {ARCHIVE} ({machine.index}/{ZLIB['project']}/: <urlopen error ")
    assert message.endswith(FETCH_REMEDY)


def test_pip_says_that_an_archive_is_not_the_pinned_one(machine: Machine, wrong_archives: Path) -> None:
    message = machine.pip_install(MM_THIRD_PARTY_DIR=str(wrong_archives))
    assert message == WRONG_DIGEST.format(source=wrong_archives / ARCHIVE)


# ---- make lib --------------------------------------------------------------------------------------------------------
MISSING_COMPILER = "Missing: g++ (names of Debian's packages). Install them and run make again."


def test_make_names_the_package_of_a_missing_compiler(machine: Machine) -> None:
    machine.remove("c++")
    assert machine.make_lib() == MISSING_COMPILER


def test_make_names_the_package_of_a_compiler_that_cannot_be_installed(machine: Machine) -> None:
    machine.remove("c++")
    machine.add("sudo", '"$@"')
    machine.add("apt-get", "[ $1 = update ] || { echo E: Failed to fetch; exit 100; }")
    said = ["Installing what is missing: g++", "E: Failed to fetch", MISSING_COMPILER]
    assert machine.make_lib() == "\n".join(said)


@pytest.mark.parametrize("has_apt", [False, True])
def test_make_goes_on_without_nasm(machine: Machine, has_apt: bool) -> None:
    machine.remove("nasm")
    if has_apt:
        machine.add("sudo", '"$@"')
        machine.add("apt-get", "exit 100")
    assert f"cannot download {ARCHIVE}" in machine.make_lib()


def test_make_names_the_variable_that_names_no_compiler(made: Machine) -> None:
    problem, remedy = "CXX names /nonexistent/g++, which is not on the PATH.", "Set it to a compiler, or unset it,"
    assert made.make_lib(CXX="/nonexistent/g++ -m64") == f"{problem} {remedy} and run make again."


@pytest.mark.parametrize("cmake", ["3.10.2", None])
def test_make_says_where_cmake_can_come_from(machine: Machine, cmake: str | None) -> None:
    """The system's will not do, and the package index cannot be reached."""
    machine.have_cmake(cmake)
    assert machine.make_lib() == (
        "pip cannot install 'cmake>=3.18': build/pip.log says why. Set PIP_INDEX_URL to a package index, or "
        "PIP_FIND_LINKS to a folder, that has it. Or install CMake yourself (Debian, Ubuntu: apt-get install cmake). "
        "Then run make again."
    )
    assert "No matching distribution found for cmake" in (machine.sources / "build" / "pip.log").read_text()


def test_make_says_how_to_build_without_the_network(machine: Machine) -> None:
    """And needs it for nothing else: the virtual environment is made."""
    message = machine.make_lib()
    assert message.startswith(f"cannot download {ARCHIVE} ({machine.index}/{ZLIB['project']}/: <urlopen error ")
    assert message.endswith(FETCH_REMEDY)
    assert (machine.sources / ".venv" / "tools").is_file()


def test_make_says_that_an_archive_is_not_the_pinned_one(made: Machine, wrong_archives: Path) -> None:
    message = made.make_lib(PIP_INDEX_URL=wrong_archives.parent.as_uri())
    assert message == WRONG_DIGEST.format(source=(wrong_archives / ARCHIVE).as_uri())


def test_make_says_that_python_has_no_pip_to_ask(made: Machine) -> None:
    (made.site_packages / "all.pth").unlink()
    why = f"{made.python} has no pip to ask where"
    assert made.make_lib(PIP_INDEX_URL="") == f"cannot download {ARCHIVE} ({why}). {FETCH_REMEDY}"
