"""What the libraries export, need and are hardened with, on each machine."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

from abi_checks import baseline
from abi_checks.checks import Failed, Subject, check, expect_none
from abi_checks.elf import Elf, version_numbers
from abi_checks.interface import read_interface
from abi_checks.platforms import run

STUB = Path(__file__).parents[2] / "pyffi" / "_native.pyi"
VERSION = "MM_1"  # the symbols' version node
SONAME = "libmultimodal.so.1"
# The C library and its loader alone; the C++ runtime is inside.
NEEDED = {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "ld-linux-armhf.so.3",
          "ld-linux-riscv64-lp64d.so.1", "ld64.so.1"}  # fmt: skip
# Weak: the linker's, and what the C++ runtime's transactions would call. Nobody calls them where they are absent.
HOOKS = re.compile(r"__gmon_start__$|__cxa_(finalize|pure_virtual)$|_ITM_|_ZGTt")
# What must be inside an archive: C++, its runtime, the codecs.
FOREIGN = re.compile(r"_Z|__cxa_(?!atexit$)|__gxx|_Unwind|jpeg_|jsimd_|inflate|crc32|adler32|zlib|png_|ggml_|whisper_")
# The largest that kernels have: on AArch64 some have pages of 64 KiB.
PAGE_SIZES = {"x86_64": 0x1000, "aarch64": 0x10000, "armv7l": 0x1000, "riscv64": 0x1000, "s390x": 0x1000}


@check()
def exports_are_those_of_the_header(subject: Subject) -> str:
    """The shared library exports the header's functions, which are those recorded, and nothing else"""
    declared = {function.name for function in read_interface(subject.header).functions}
    recorded = set(baseline.read("declarations")["functions"])
    elf = Elf(subject.library)
    subject.exhibit("symbols", [asdict(symbol) for symbol in elf.dynamic_symbols])
    exported = {symbol.name for symbol in elf.dynamic_symbols if symbol.is_defined} - {VERSION}
    expect_none(_set_differences({"the header": declared, "the record": recorded, "the library": exported}))
    return f"{len(exported)} functions"


@check(where="once")
def stub_declares_the_functions(subject: Subject) -> None:
    """The type stub of the Python bindings has the header's functions and nothing else"""
    declared = {function.name for function in read_interface(subject.header).functions}
    stubbed = set(re.findall(r"^    def (mm_\w+)", STUB.read_text(encoding="utf-8"), re.MULTILINE))
    expect_none(_set_differences({"the header": declared, "the stub": stubbed}))


@check()
def exports_are_functions_of_one_version(subject: Subject) -> None:
    """Each export is a function, not weak, with the version of the ABI; the soname has it, too"""
    elf = Elf(subject.library)
    exported = [symbol for symbol in elf.dynamic_symbols if symbol.is_defined and symbol.name != VERSION]
    expect_none(
        f"{symbol.name}: {symbol.kind}, version {symbol.version or 'none'}{', weak' if symbol.is_weak else ''}"
        for symbol in exported
        if (symbol.kind, symbol.version, symbol.is_weak) != ("FUNC", VERSION, False)
    )
    if elf.soname != SONAME:
        raise Failed(f"the soname is {elf.soname or 'missing'}, not {SONAME}")


@check()
def needs_the_c_library_only(subject: Subject) -> str:
    """It depends on the C library alone, and not on a newer one than is recorded"""
    elf = Elf(subject.library)
    expect_none(f"it needs {name}" for name in elf.needed if name not in NEEDED)
    imported = [symbol for symbol in elf.dynamic_symbols if not symbol.is_defined]
    expect_none(
        f"it imports {symbol.name}, of no version of the C library"
        for symbol in imported
        if not symbol.version.startswith("GLIBC_") and not (symbol.is_weak and HOOKS.match(symbol.name))
    )
    oldest = baseline.read("platforms")[subject.platform.machine]["glibc"]
    if version_numbers(elf.newest_glibc) > version_numbers(oldest):
        names = sorted(symbol.name for symbol in imported if symbol.version == f"GLIBC_{elf.newest_glibc}")
        raise Failed(f"it needs glibc {elf.newest_glibc} for {', '.join(names)}; recorded is {oldest}")
    return f"glibc {elf.newest_glibc}"


@check()
def is_hardened(subject: Subject) -> None:
    """RELRO, bound when loaded, no executable stack, no relocations in code, no paths, the pages of all kernels"""
    elf = Elf(subject.library)
    expect_none(elf.weaknesses)
    wanted = PAGE_SIZES[subject.platform.machine]
    expect_none(f"segments are aligned to {align:#x}, not {wanted:#x}" for align in elf.load_alignments - {wanted})


@check()
def archive_hides_the_same(subject: Subject) -> str:
    """The static archive defines the same global symbols and wants the C library alone"""
    declared = {function.name for function in read_interface(subject.header).functions}
    nm = subject.platform.tool("nm")
    listed = [line.split() for line in run(nm, "--format=posix", "--extern-only", subject.archive).splitlines()]
    symbols = [(words[0], words[1]) for words in listed if len(words) > 1]
    defined = {name for name, kind in symbols if kind not in "Uwv"}
    expect_none(_set_differences({"the header": declared, "the archive": defined}))
    wanted = sorted({name for name, kind in symbols if kind == "U"} - defined)
    expect_none(f"the archive wants {name}" for name in wanted if FOREIGN.match(name))
    return f"{len(defined)} functions"


def _set_differences(sets: dict[str, set[str]]) -> list[str]:
    """What some of the named sets have and others lack."""
    return [
        f"{name}: in {', '.join(title for title, names in sets.items() if name in names)} only"
        for name in sorted(set().union(*sets.values()))
        if not all(name in names for names in sets.values())
    ]
