"""The C++ host: conformance.cpp, through multimodal.hpp."""

from __future__ import annotations

from pathlib import Path

from abi_checks.checks import Subject
from abi_checks.interface import read_interface
from abi_checks.platforms import run
from abi_checks.tables import write_tables

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wno-unused-function", "-Werror")
FLAGS = ("-std=c++11", "-O1", *WARNINGS)


def command(subject: Subject) -> list[str]:
    """Builds the program against a library; returns the command that it is run with, but for its arguments."""
    folder = Path(__file__).parent
    program = subject.work / "conformance-cpp"
    tables = write_tables(read_interface(subject.header), subject.work / "tables")
    includes = ("-I", subject.header.parent, "-I", tables)
    link = ("-L", subject.folder, "-l:libmultimodal.so.1", f"-Wl,-rpath,{subject.folder}")
    compiler = subject.platform.compiler("gcc", "c++")
    run(*compiler, *FLAGS, *includes, folder / "conformance.cpp", *link, "-o", program)
    return [*subject.platform.launcher, str(program)]
