"""A library that defines whatever ours defines inside, and what others are known to define, and does harm with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from abi_checks.checks import Failed, Subject
from abi_checks.platforms import Platform, run

# Names of codecs, of engines and of the C++ runtime, should a build not have them, or name what is inside otherwise.
FUNCTIONS = [
    "inflate", "inflateInit2_", "inflateEnd", "inflateReset", "crc32", "adler32", "zlibVersion", "uncompress",
    "zcalloc", "zcfree", "jpeg_std_error", "jpeg_CreateDecompress", "jpeg_read_header", "jpeg_read_scanlines",
    "jpeg_resync_to_restart", "tj3Decompress8", "png_create_read_struct", "png_read_info", "png_read_row",
    "png_error", "ggml_init", "ggml_free", "ggml_mul_mat", "ggml_time_us", "ggml_graph_compute",
    "ggml_backend_cpu_init", "gguf_init_from_file", "whisper_init_from_file", "whisper_encode", "whisper_decode",
    "whisper_full", "whisper_tokenize", "clip_model_load", "clip_tokenize", "mm_init", "mm_alloc", "mm_malloc",
    "mm_decode", "mm_encode", "mm_error", "mm_whisper_free", "mm_clip_free", "_Znwm", "_Znam", "_ZdlPv", "_ZdaPv",
    "_ZdlPvm", "_ZnwmSt11align_val_t", "_ZSt9terminatev", "__cxa_throw", "__cxa_begin_catch",
    "__cxa_allocate_exception", "__cxa_guard_acquire", "__gxx_personality_v0", "_Unwind_RaiseException",
    "_Unwind_Resume",
]  # fmt: skip
DATA = [
    "jpeg_natural_order", "ggml_type_traits", "whisper_lang_codes", "mm_version", "mm_table", "_ZTVSt9bad_alloc",
]  # fmt: skip
# What a function does: ends the process, or returns nonsense.
DEEDS = {
    "aborts": {"x86_64": "ud2", "aarch64": "udf #0"},
    "lies": {"x86_64": "mov $-1, %rax; ret", "aarch64": "mov x0, #-1; ret"},
}
IS_NAME = re.compile(r"[A-Za-z_][\w.$]*").fullmatch
WORTH = 1000  # symbols that a build with its symbol table has, at the very least


def hostile_objects(subject: Subject, with_api: bool) -> dict[str, Path]:
    """An object file for each deed; `with_api`: one that takes the names of the public functions, too."""
    functions, data = _names(subject)
    functions |= set(FUNCTIONS)
    data = (data | set(DATA)) - functions
    if not with_api:
        public = {name for name, _, is_global in _symbols(subject.library, ".dynsym") if is_global}
        functions -= public
    objects = {}
    for deed, code in DEEDS.items():
        path = subject.work / f"{deed}{'-api' if with_api else ''}.s"
        path.write_text("".join(_assembly(functions, data, code[subject.platform.machine])), encoding="ascii")
        objects[deed] = path.with_suffix(".o")
        run(subject.platform.tool("gcc"), "-c", path, "-o", objects[deed])
    return objects


def as_library(platform: Platform, object_file: Path) -> Path:
    library = object_file.with_name(f"lib{object_file.stem}.so")
    run(platform.tool("gcc"), "-shared", "-nostdlib", object_file, "-o", library)
    return library


def _assembly(functions: set[str], data: set[str], code: str) -> Iterator[str]:
    yield '.section .note.GNU-stack,"",%progbits\n.text\n'
    for name in sorted(functions):
        yield f".globl {name}\n.type {name}, %function\n{name}:\n"
    yield f"{code}\n.data\n.balign 64\n"
    for name in sorted(data):
        yield f".globl {name}\n.type {name}, %object\n.size {name}, 4096\n{name}:\n"
    yield ".fill 4096, 1, 0xA5\n"


def _names(subject: Subject) -> tuple[set[str], set[str]]:
    """All functions and data that the library defines, but for what every program needs to work at all."""
    foreign = _of_every_program(subject)
    found = [item for item in _symbols(subject.library, ".symtab") if IS_NAME(item[0]) and item[0] not in foreign]
    if len(found) < WORTH:
        raise Failed(f"{subject.library.name} has {len(found)} symbols: nothing can take their place")
    functions = {name for name, kind, _ in found if kind == "STT_FUNC"}
    return functions, {name for name, kind, _ in found if kind == "STT_OBJECT"} - functions


def _of_every_program(subject: Subject) -> set[str]:
    """Names of the C library, of its part that is linked statically, and of what every library has."""
    tool = subject.platform.tool
    empty = subject.work / "empty.so"
    run(tool("gcc"), "-shared", "-x", "c", "/dev/null", "-o", empty)
    names = {name for name, _, _ in _symbols(empty, ".symtab")}
    for library in ("libc.so.6", "libm.so.6"):
        path = run(tool("gcc"), f"-print-file-name={library}").strip()
        names |= {name for name, _, _ in _symbols(Path(path), ".dynsym")}
    archive = run(tool("gcc"), "-print-file-name=libc_nonshared.a").strip()
    lines = run(tool("nm"), "--format=posix", "--defined-only", archive).splitlines()
    return names | {line.split()[0] for line in lines if line and not line.endswith(":")}


def _symbols(path: Path, section: str) -> Iterator[tuple[str, str, bool]]:
    """Name, kind, and whether it is global, of all that is defined."""
    with path.open("rb") as file:
        table = ELFFile(file).get_section_by_name(section)
        for symbol in table.iter_symbols() if isinstance(table, SymbolTableSection) else ():
            if symbol["st_shndx"] != "SHN_UNDEF" and symbol.name:
                yield symbol.name, symbol["st_info"]["type"], symbol["st_info"]["bind"] != "STB_LOCAL"
