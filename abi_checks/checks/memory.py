"""Where memory lies, and what of it the library touches."""

from __future__ import annotations

from abi_checks.checks import Subject, check
from abi_checks.models import PICTURE, write_inputs
from abi_checks.probes import build_probe, run_probe
from abi_checks.probes.buffers import run_buffers


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
    """The same for every length from 0 to 4096"""
    return _inputs(subject, "bounds", 2)
