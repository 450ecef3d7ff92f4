"""Where memory lies, and what of it the library touches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from abi_checks.checks import Subject, check
from abi_checks.interface import read_interface
from abi_checks.models import PICTURE, write_inputs
from abi_checks.mutants import CLIB, rebuild
from abi_checks.platforms import build_variant
from abi_checks.probes import build_probe, run_probe
from abi_checks.probes.buffers import run_buffers
from abi_checks.tables import write_tables


@check()
def buffers_are_aligned(subject: Subject) -> str:
    """Every buffer that is handed out lies on a multiple of 64 bytes"""
    return run_buffers(subject, "aligned")


def _inputs(subject: Subject, mode: str, detail: int) -> str:
    inputs = write_inputs(subject.work)
    program = build_probe(subject, "inputs")
    pictures = sorted(PICTURE.parent.iterdir())
    shown = run_probe(subject, program, mode, str(detail), inputs.whisper, inputs.clip, *pictures)
    return f"{int(shown)} calls"


@check()
def inputs_lie_anywhere(subject: Subject) -> str:
    """Inputs give the same results at every offset that their type allows"""
    return _inputs(subject, "offsets", 0 if subject.platform.emulator else 1)


@check()
def inputs_are_read_within_their_bounds(subject: Subject) -> str:
    """Inputs that lie at either end of memory that may only be read: never written to, nothing beyond them read"""
    return _inputs(subject, "bounds", 0 if subject.platform.emulator else 1)


@check("full")
def inputs_of_every_length_are_read_within_their_bounds(subject: Subject) -> str:
    """The same for every length from 0 to 4096; in emulation for those up to 66 and around each multiple of 64"""
    return _inputs(subject, "bounds", 1 if subject.platform.emulator else 2)


def _structs(subject: Subject, mode: str) -> int:
    write_tables(read_interface(subject.header), subject.work)
    inputs = write_inputs(subject.work)
    return int(run_probe(subject, build_probe(subject, "structs"), mode, *inputs.arguments))


@check()
def padding_has_no_influence(subject: Subject) -> str:
    """Whatever the padding of options and of mm_audio_chunk holds, results are the same"""
    return f"{_structs(subject, 'padding')} bytes"


@check()
def structs_are_written_within_their_size(subject: Subject) -> str:
    """Structs that the library fills are written as far as struct_size says, and no byte behind it"""
    return f"{_structs(subject, 'filled')} sizes"


@check("full")
def nothing_is_undefined_at_any_offset(subject: Subject) -> str:
    """Compiled to stop at misaligned access and other undefined behaviour, the library takes all these inputs"""
    sanitized = replace(subject, folder=_sanitized(subject))
    calls = [_inputs(sanitized, mode, 0) for mode in ("offsets", "bounds")]
    run_buffers(sanitized, "aligned")
    sizes = _structs(sanitized, "filled")
    _structs(sanitized, "padding")
    return f"{' and '.join(calls)}, {sizes} sizes of structs"


def _sanitized(subject: Subject) -> Path:
    """The folder of the sanitized library; a mutant's has the sources that it changes compiled alike."""
    variant = {"x86_64": "ubsan", "aarch64": "aarch64-ubsan"}[subject.platform.machine]
    original, tree = build_variant(variant), subject.header.parents[1]
    sources = [path.relative_to(CLIB / "src") for path in (CLIB / "src").rglob("*.cpp")]
    changed = [path for path in sources if (tree / "src" / path).read_bytes() != (CLIB / "src" / path).read_bytes()]
    if not changed:
        return original
    rebuild(original, tree, subject.work, map(str, changed))
    return subject.work
