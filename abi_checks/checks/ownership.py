"""Who owns what: buffers that are handed out, handles in any order of calls."""

from __future__ import annotations

from abi_checks.checks import Subject, check
from abi_checks.probes.buffers import run_buffers


@check()
def results_are_their_callers_own(subject: Subject) -> str:
    """Two results of a function share nothing: each can be written to, kept and freed by itself"""
    return run_buffers(subject, "own")


@check()
def mm_free_frees_all_of_a_buffer(subject: Subject) -> str:
    """A buffer that is handed out is one block of memory, which mm_free alone gives back"""
    return run_buffers(subject, "freed")
