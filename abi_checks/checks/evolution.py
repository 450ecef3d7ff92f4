"""What was compiled against the first header of this ABI version goes on working."""

from __future__ import annotations

import shutil

from abi_checks import abigail, baseline
from abi_checks.checks import NotCheckable, Subject, check
from abi_checks.platforms import run

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
    """The header compiles alone and twice, strictly, as C99 to C23 and C++11 to C++23, by GCC and Clang"""
    source = subject.work / "alone"
    source.write_text('#include "multimodal.h"\n#include "multimodal.h"\nstruct other { int complete; };\n', "utf-8")
    count = 0
    for compiler in ("gcc", "clang"):
        for language, dialects in DIALECTS.items():
            command = subject.platform.compiler(compiler, language)
            strict = [*STRICT, "-Wstrict-prototypes"] if language == "c" else STRICT
            for dialect in dialects:
                run(*command, f"-std={dialect}", *strict, "-I", subject.header.parent, "-x", language, source)
                count += 1
    return f"{count} dialects"
