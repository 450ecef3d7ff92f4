"""What was compiled against the first header of this ABI version goes on working."""

from __future__ import annotations

import shutil
from itertools import zip_longest
from pathlib import Path

from abi_checks import abigail, baseline
from abi_checks.checks import NotCheckable, Subject, check, expect_none
from abi_checks.interface import read_interface
from abi_checks.models import write_inputs
from abi_checks.platforms import WORK, run
from abi_checks.tables import write_tables

PROGRAM = Path(__file__).parents[1] / "probes" / "old_client.c"
HOSTS = Path(__file__).parents[1] / "hosts"
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wundef", "-Werror", "-fsyntax-only"]
DIALECTS = {
    "c": ("c99", "c11", "c17", "c2x"),
    "c++": ("c++11", "c++14", "c++17", "c++20", "c++2b"),
}


@check()
def library_is_compatible(subject: Subject) -> str:
    """libabigail finds no change of an exported function or of a type that it can reach, but for additions"""
    if not shutil.which("abidw"):
        raise NotCheckable("abidw is missing here. `make test-packages` installs Debian's abigail-tools.")
    recorded = baseline.FOLDER / f"multimodal-1-{subject.platform.machine}.abi"
    return abigail.compare(recorded, subject.library, subject.header.parent, subject.work)


@check(where="machine")
def header_compiles_in_every_dialect(subject: Subject) -> str:
    """The headers compile alone and twice, strictly, as C99 to C23 and C++11 to C++23, by GCC and Clang"""
    sources = {"c": subject.work / "alone.c", "c++": subject.work / "alone.cpp"}
    for language, header in (("c", "multimodal.h"), ("c++", "multimodal.hpp")):
        include = f'#include "{header}"\n'
        sources[language].write_text(f"{include}{include}struct other {{ int complete; }};\n", encoding="utf-8")
    count = 0
    for compiler in ("gcc", "clang"):
        for language, dialects in DIALECTS.items():
            command = subject.platform.compiler(compiler, language)
            strict = [*STRICT, "-Wstrict-prototypes"] if language == "c" else STRICT
            for dialect in dialects:
                run(*command, f"-std={dialect}", *strict, "-I", subject.header.parent, sources[language])
                count += 1
    return f"{count} dialects"


@check(where="machine")
def cpp_header_can_be_used_in_every_dialect(subject: Subject) -> str:
    """All of multimodal.hpp can be used, strictly and without RTTI, as C++11 to C++23, by GCC and Clang"""
    program = HOSTS / "cpp" / "conformance.cpp"
    tables = write_tables(read_interface(subject.header), subject.work)
    flags = [*STRICT, "-Wno-unused-function", "-fno-rtti", f"-I{subject.header.parent}", f"-I{tables}"]
    runs = [(compiler, dialect) for compiler in ("gcc", "clang") for dialect in DIALECTS["c++"]]
    for compiler, dialect in runs:
        run(*subject.platform.compiler(compiler, "c++"), f"-std={dialect}", *flags, program)
    return f"{len(runs)} dialects"


@check(where="platform")
def old_clients_go_on_working(subject: Subject) -> str:
    """A client compiled against the first header of this ABI version runs as it did"""
    found = old_client(subject).splitlines()
    expected = (baseline.FOLDER / "old_client.txt").read_text(encoding="utf-8").splitlines()
    pairs = zip_longest(expected, found, fillvalue="nothing")
    expect_none(f"{was}\n  became {now}" for was, now in pairs if was != now)
    return f"{len(found)} lines"


def old_client(subject: Subject) -> str:
    """What the old client prints. The header is the recorded one: of the subject only the library is used."""
    include = subject.work / "include"
    include.mkdir(exist_ok=True)
    shutil.copyfile(baseline.FOLDER / "multimodal-1.h", include / "multimodal.h")
    program = subject.work / "old_client"
    link = ("-L", subject.folder, "-l:libmultimodal.so.1", f"-Wl,-rpath,{subject.folder}")
    run(*subject.platform.compiler("gcc", "c"), "-std=c99", "-O2", "-I", include, PROGRAM, *link, "-o", program)
    return run(*subject.platform.launcher, program, *write_inputs(WORK / "inputs").arguments)
