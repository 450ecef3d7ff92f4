"""Builds the module pyffi._native: cffi in API mode, abi3, linked to the libmultimodal.so.1 that lies beside it.

The declarations are cut from the marked plain region of clib/include/multimodal.h, which is their only source; a drift
between header and bindings is therefore impossible, and a wrong callback type stops the compiler.

`ffibuilder` is what setup.py names in cffi_modules. `python ffi_build.py LIBRARY` compiles the module in place, for
work in a source tree, against a library that CMake has built.
"""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from cffi import FFI

ROOT = Path(__file__).resolve().parent
INCLUDE = ROOT / "clib" / "include"
HEADER = INCLUDE / "multimodal.h"
LIBRARY = "libmultimodal.so.1"

BEGIN = "/* ---- begin of the plain region"
END = "/* ---- end of the plain region"

# The functions that C calls; pyffi/callbacks.py defines them.
TRAMPOLINES = """
extern "Python" {
    int32_t pyffi_on_token(const mm_token *token, void *user_data);
    int32_t pyffi_on_progress(double seconds_done, double seconds_total, void *user_data);
    int32_t pyffi_should_abort(void *user_data);
    void pyffi_on_log(int32_t level, const char *message, void *user_data);
}
"""


def plain_region(header: str) -> str:
    """The part of the header between the markers, which must be free of conditionals: cffi does not preprocess."""
    for marker in (BEGIN, END):
        if header.count(marker) != 1:
            raise ValueError(f"multimodal.h must have the marker {marker!r} once, not {header.count(marker)} times")
    begin, end = header.index("\n", header.index(BEGIN)) + 1, header.index(END)
    if begin > end:
        raise ValueError("multimodal.h: the plain region ends before it begins")
    region = header[begin:end]
    directive = re.search(r"^[ \t]*#[ \t]*(?!define\b)\w*.*$", region, re.MULTILINE)
    if directive:
        raise ValueError(f"multimodal.h: only #define is allowed in the plain region, not {directive[0].strip()!r}")
    return region


def cdef(header: str) -> str:
    """What cffi is told: the plain region without the export macro, then the functions that C calls."""
    return re.sub(r"\bMM_API\s+", "", plain_region(header)) + TRAMPOLINES


def make_ffibuilder(header: Path = HEADER, library_dirs: Sequence[Path] = ()) -> FFI:
    """The builder; setup.py adds the directory where it has built the library, if none is given."""
    ffi = FFI()
    ffi.cdef(cdef(header.read_text(encoding="utf-8")))
    ffi.set_source(
        "pyffi._native",
        '#include "multimodal.h"',
        include_dirs=[str(header.parent)],
        library_dirs=[str(path) for path in library_dirs],
        extra_compile_args=["-Werror=incompatible-pointer-types"],
        # By file name: a wheel carries no libmultimodal.so symlink.
        extra_link_args=[f"-l:{LIBRARY}", "-Wl,-rpath,$ORIGIN"],
    )
    return ffi


ffibuilder = make_ffibuilder()


def compile_in_place(library: Path, build_dir: Path = ROOT / "build" / "ffi") -> Path:
    """Compiles pyffi/_native.abi3.so against `library` and copies the library beside it."""
    package = ROOT / "pyffi"
    shutil.copyfile(library, package / LIBRARY)
    compiled = Path(make_ffibuilder(library_dirs=[package]).compile(str(build_dir), target="_native.abi3.so"))
    return Path(shutil.copyfile(compiled, package / compiled.name))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Compiles pyffi._native in place.")
    parser.add_argument("library", type=Path, help=f"{LIBRARY} as CMake has built it")
    print(compile_in_place(parser.parse_args().library))
