"""Where memory lies, and what of it the library touches."""

from __future__ import annotations

from abi_checks.checks import Subject, check
from abi_checks.probes.buffers import run_buffers


@check()
def buffers_are_aligned(subject: Subject) -> str:
    """Every buffer that is handed out lies on a multiple of 64 bytes"""
    return run_buffers(subject, "aligned")
