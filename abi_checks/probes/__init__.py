"""C programs that checks build against a library and run."""

from __future__ import annotations

from pathlib import Path

from abi_checks.checks import Subject
from abi_checks.platforms import run

FOLDER = Path(__file__).parent
FLAGS = ("-std=c99", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror")


def build_probe(
    subject: Subject,
    name: str,
    *options: str | Path,
    shared: bool = True,
    compiler: str = "gcc",
    library: Path | None = None,
) -> Path:
    """Compiles NAME.c; it finds the shared library where it lies, unless another is named."""
    program = subject.work / name
    library = library or subject.library
    linked = (library, f"-Wl,-rpath,{library.parent}") if shared else ()
    include = ("-I", subject.header.parent, "-I", FOLDER, "-I", subject.work)
    command = subject.platform.compiler(compiler, "c")
    run(*command, *FLAGS, *include, FOLDER / f"{name}.c", *options, *linked, "-lm", "-ldl", "-pthread", "-o", program)
    return program


def run_probe(subject: Subject, program: Path, *arguments: str | Path) -> str:
    """What it prints; CommandFailed, with what it found, if it returns anything but 0."""
    return run(*subject.platform.launcher, program, *arguments)
