"""Builds the library in clib/ with CMake and the cffi module pyffi._native against it; pyproject.toml has the rest."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
CLIB = ROOT / "clib"
LIBRARY = "libmultimodal.so.1"
COMPILER_VARIABLES = ("CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "CMAKE_GENERATOR")


class BuildError(SystemExit):
    """What is missing and how to get it, in one message."""

    def __init__(self, message: str) -> None:
        super().__init__(f"\nmultimodal-ffi cannot be built: {message}\n")


def version() -> str:
    """The release, as the header has it."""
    header = (CLIB / "include" / "multimodal.h").read_text(encoding="utf-8")
    return ".".join(re.findall(r"^#define MM_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", header, re.MULTILINE))


def check_prerequisites() -> None:
    """Everything that is usually missing, told before a tool tells it less well."""
    for variable, names in (("CXX", ["c++", "g++", "clang++"]), ("CC", ["cc", "gcc", "clang"])):
        chosen = os.environ.get(variable, "").split()[:1]
        if not any(shutil.which(name) for name in chosen or names):
            problem = f"{variable} names {chosen[0]}, which is not" if chosen else f"none of {', '.join(names)} is"
            raise BuildError(f"{problem} on the PATH; install a compiler (Debian, Ubuntu: apt-get install g++)")
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        raise BuildError("Python.h is missing; install Python's headers (Debian, Ubuntu: apt-get install python3-dev)")
    if not shutil.which("cmake"):
        raise BuildError("cmake is not on the PATH; install it (pip install cmake, or apt-get install cmake)")


def fetch_third_party() -> None:
    """Before CMake does it, so that a failure is told without CMake's frame around it."""
    fetch = [sys.executable, str(CLIB / "third_party" / "fetch.py"), "zlib"]
    done = subprocess.run(fetch, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(done.stderr.strip())


def build_library() -> Path:
    """Builds and installs the shared library, laid out as in the package; returns where."""
    check_prerequisites()
    fetch_third_party()
    settings = [f"{name}={os.environ[name]}" for name in COMPILER_VARIABLES if name in os.environ]
    variant = "-" + hashlib.sha256("\n".join(settings).encode()).hexdigest()[:8] if settings else ""
    build = ROOT / "build" / f"wheel-{sysconfig.get_platform()}{variant}"
    prefix = build / "package"
    cmake(
        "-S", CLIB, "-B", build, f"-DPython3_EXECUTABLE={sys.executable}", f"-DCMAKE_INSTALL_PREFIX={prefix}",
        "-DCMAKE_INSTALL_LIBDIR=.", "-DCMAKE_INSTALL_INCLUDEDIR=include",
        # A wheel has no symbolic links, hence no libmultimodal.so.
        f"-DMM_PC_LINK=-l:{LIBRARY} -Wl,-rpath,${{libdir}}",
    )  # fmt: skip
    cmake("--build", build, "--target", "multimodal", "--parallel", str(len(os.sched_getaffinity(0))))
    cmake("--install", build, "--component", "shared", "--strip")
    return prefix


def cmake(*arguments: str | Path) -> None:
    """Runs CMake and shows what it says only if it fails."""
    command: list[str | Path] = ["cmake", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"cmake {arguments[0]} failed:\n{done.stdout[-8000:]}")


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
    cmdclass={"build_ext": BuildNative},
    cffi_modules=["ffi_build.py:ffibuilder"],
    options={"bdist_wheel": {"py_limited_api": "cp310"}} if stable_abi else {},
    setup_requires=[] if shutil.which("cmake") else ["cmake>=3.18"],
)
