"""Builds the library in clib/ with CMake and the cffi module pyffi._native against it; pyproject.toml has the rest."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
CLIB = ROOT / "clib"
LIBRARY = "libmultimodal.so.1"
COMPILER_VARIABLES = ("CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "CMAKE_GENERATOR")


def first_version(text: str) -> tuple[int, ...]:
    """MAJOR and MINOR of the first version in a text; nothing if there is none."""
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else ()


CMAKE_MINIMUM = first_version((CLIB / "CMakeLists.txt").read_text(encoding="utf-8"))


class BuildError(SystemExit):
    """What is missing and how to get it, in one message."""

    def __init__(self, message: str) -> None:
        super().__init__(f"\nmultimodal-ffi cannot be built: {message}\n")


def version() -> str:
    """The release, as the header has it."""
    header = (CLIB / "include" / "multimodal.h").read_text(encoding="utf-8")
    return ".".join(re.findall(r"^#define MM_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", header, re.MULTILINE))


def check_prerequisites() -> str:
    """Tells what is missing at once, and before a tool tells it less well; returns the CMake to use."""
    problems = []
    for variable, language, names, package in (
        ("CXX", "C++", ("c++", "g++", "clang++"), "g++"),
        ("CC", "C", ("cc", "gcc", "clang"), "gcc"),
    ):
        chosen = os.environ.get(variable, "").split()[:1]
        if chosen and not shutil.which(chosen[0]):
            problems.append(f"{variable} names {chosen[0]}, which is not on the PATH; set it to a {language} compiler")
        elif not chosen and not any(map(shutil.which, names)):
            problems.append(f"a {language} compiler is missing; install it (Debian, Ubuntu: apt-get install {package})")
    if not ("CMAKE_GENERATOR" in os.environ or shutil.which("make") or shutil.which("gmake")):
        problems.append("make is missing; install it (Debian, Ubuntu: apt-get install make)")
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        problems.append("Python.h is missing; install Python's headers (Debian, Ubuntu: apt-get install python3-dev)")
    cmake = find_cmake()
    if not cmake:
        old, wanted = shutil.which("cmake"), f"CMake {CMAKE_MINIMUM[0]}.{CMAKE_MINIMUM[1]} or newer"
        problem = f"{old} is not {wanted}" if old else "CMake is missing"
        problems.append(f"{problem}; install {wanted} (pip install cmake, or apt-get install cmake)")
    if problems or not cmake:
        raise BuildError("\n  ".join(problems))
    return cmake


def find_cmake() -> str | None:
    """The first CMake that is new enough: on the PATH, or beside this Python, where `pip install cmake` puts it."""
    for path in (None, sysconfig.get_path("scripts")):
        command = shutil.which("cmake", path=path)
        if command:
            with contextlib.suppress(OSError):  # a script whose interpreter is gone
                shown = subprocess.run([command, "--version"], capture_output=True, text=True, check=False).stdout
                if first_version(shown) >= CMAKE_MINIMUM:
                    return command
    return None


def fetch_third_party() -> None:
    """Before CMake does it, so that a failure is told without CMake's frame around it."""
    fetch = [sys.executable, str(CLIB / "third_party" / "fetch.py"), "zlib", "libjpeg-turbo"]
    done = subprocess.run(fetch, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(done.stderr.strip())


def build_library() -> Path:
    """Builds and installs the shared library, laid out as in the package; returns where."""
    command = check_prerequisites()
    fetch_third_party()
    settings = [f"{name}={os.environ[name]}" for name in COMPILER_VARIABLES if name in os.environ]
    variant = "-" + hashlib.sha256("\n".join(settings).encode()).hexdigest()[:8] if settings else ""
    folder = ROOT / "build" / f"wheel-{sysconfig.get_platform()}{variant}"
    prefix = folder / "package"
    run(
        command, "-S", CLIB, "-B", folder, f"-DPython3_EXECUTABLE={sys.executable}", f"-DCMAKE_INSTALL_PREFIX={prefix}",
        "-DCMAKE_INSTALL_LIBDIR=.", "-DCMAKE_INSTALL_INCLUDEDIR=include",
        # A wheel has no symbolic links, hence no libmultimodal.so.
        f"-DMM_PC_LINK=-l:{LIBRARY} -Wl,-rpath,${{libdir}}",
    )  # fmt: skip
    run(command, "--build", folder, "--target", "multimodal", "--parallel", str(len(os.sched_getaffinity(0))))
    run(command, "--install", folder, "--component", "shared", "--strip")
    return prefix


def run(*command: str | Path) -> None:
    """Shows what the command says only if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(map(str, command[:2]))} failed:\n{done.stdout[-8000:]}")


class NativeFirst(build):
    """What is missing is told before anything is copied: an installer shows all that was printed before, too."""

    sub_commands = sorted(build.sub_commands, key=lambda command: command[0] != "build_ext")


class BuildNative(build_ext):
    """Builds the library first, links the extension to it and lays the library beside it."""

    def run(self) -> None:
        prefix = build_library()
        for extension in self.extensions:
            extension.library_dirs.insert(0, str(prefix))
        super().run()
        package = Path(self.build_lib, "pyffi")
        for part in ("include", "pkgconfig"):
            shutil.copytree(prefix / part, package / part, dirs_exist_ok=True)
        for folder in [package, *([ROOT / "pyffi"] if self.inplace else [])]:
            shutil.copy(prefix / LIBRARY, folder / LIBRARY)


# Free-threaded Python has no stable ABI that cffi could use before 3.15.
stable_abi = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")

setup(
    version=version(),
    cmdclass={"build": NativeFirst, "build_ext": BuildNative},
    cffi_modules=["ffi_build.py:ffibuilder"],
    options={"bdist_wheel": {"py_limited_api": "cp310"}} if stable_abi else {},
    setup_requires=[] if find_cmake() else [f"cmake>={CMAKE_MINIMUM[0]}.{CMAKE_MINIMUM[1]}"],
)
