"""Who owns what: buffers that are handed out, handles in any order of calls."""

from __future__ import annotations

from pathlib import Path

from abi_checks.checks import NotCheckable, Subject, check
from abi_checks.handle_machine import draw_sequences
from abi_checks.models import write_inputs
from abi_checks.platforms import build, build_variant
from abi_checks.probes import build_probe
from abi_checks.probes.buffers import run_buffers


@check()
def results_are_their_callers_own(subject: Subject) -> str:
    """Two results of a function share nothing: each can be written to, kept and freed by itself"""
    return run_buffers(subject, "own")


@check()
def mm_free_frees_all_of_a_buffer(subject: Subject) -> str:
    """A buffer that is handed out is one block of memory, which mm_free alone gives back"""
    return run_buffers(subject, "freed")


@check()
def any_order_of_calls_is_safe(subject: Subject) -> str:
    """In any order of calls, on handles of any kind, open, closed or made up: the right status, and never a crash"""
    examples, steps = (6, 25) if subject.platform.emulator else (150, 40)
    return _draw(subject, build_probe(subject, "handles"), examples, steps)


@check("full")
def long_sequences_are_safe(subject: Subject) -> str:
    """The same in more and longer sequences"""
    examples, steps = (12, 40) if subject.platform.emulator else (300, 60)
    return _draw(subject, build_probe(subject, "handles"), examples, steps)


@check("full", where="once")
def no_sequence_leaks(subject: Subject) -> str:
    """The same under AddressSanitizer: once all is closed and freed nothing is left, and nothing was used after that"""
    if subject.platform.emulator:
        raise NotCheckable("leaks are not found in emulation: add --platform x86_64")
    # A mutant is looked at as it is: its blocks of memory are the sanitizer's all the same.
    is_built_here = subject.folder == build(subject.platform)
    library = build_variant("asan") / subject.library.name if is_built_here else subject.library
    sanitized = ("-fsanitize=address,undefined", "-fsanitize-link-c++-runtime", "-lstdc++")
    program = build_probe(subject, "handles", *sanitized, compiler="clang", library=library)
    return _draw(subject, program, 100, 40)


def _draw(subject: Subject, program: Path, examples: int, steps: int) -> str:
    inputs = write_inputs(subject.work)
    command = [*subject.platform.launcher, program, inputs.whisper, inputs.clip]
    return draw_sequences([str(word) for word in command], examples, steps)
