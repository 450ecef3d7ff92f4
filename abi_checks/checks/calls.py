"""Calls: what crosses from one compiler to another, in which registers, and what a callee leaves as it was."""

from __future__ import annotations

import re
import sys

from abi_checks.calling import argument_table, leaves, signatures
from abi_checks.checks import Failed, NotCheckable, Subject, check, expect_none
from abi_checks.interface import read_interface
from abi_checks.platforms import ROOT, run
from abi_checks.python_calls import DRAWN, SEED
from abi_checks.sides import build_sides, run_sides
from abi_checks.signatures import drawn, fixed
from abi_checks.watched_calls import expect_kept, watch_calls

MANY = 300


def _call_sides(subject: Subject, mode: str, seed: int, n: int) -> str:
    tried, lines = run_sides(subject, mode, seed, n)
    return _expect_calls(lines, tried)


def _expect_calls(lines: list[str], at_least: int) -> str:
    """That a program of sides found nothing broken and came to its end."""
    calls = re.fullmatch(r"calls: (\d+)", lines[-1] if lines else "")
    if not calls or int(calls[1]) < at_least:
        raise Failed("\n".join([*lines[:8], "and the program did not make all its calls"]))
    expect_none(lines[:-1])
    return f"{at_least} signatures, {calls[1]} calls"


@check()
def compilers_agree(subject: Subject) -> str:
    """Arguments and results reach the other side whole: GCC, Clang and the library's compiler, each calling each"""
    return _call_sides(subject, "pairs", SEED, DRAWN)


@check(tier="full")
def compilers_agree_on_many_signatures(subject: Subject) -> str:
    """The same for some hundred drawn signatures: to 15 arguments, nested structs, arrays"""
    return _call_sides(subject, "pairs", SEED + DRAWN, MANY)


@check()
def arguments_travel_as_the_standard_says(subject: Subject) -> str:
    """Each argument and result is in the register or stack slot that System V, or AAPCS64, names"""
    subject.exhibit("slots", argument_table(read_interface(subject.header), subject.platform.machine))
    return _call_sides(subject, "places", SEED, DRAWN)


@check(where="once")
def python_agrees(subject: Subject) -> str:
    """The same between compiled code and Python, by ctypes and by cffi, structs by value and callbacks both ways"""
    if subject.platform.emulator:
        raise NotCheckable("Python runs on this machine's own processor")
    tried, _ = build_sides(subject, [*fixed(), *drawn(SEED, DRAWN)])
    module = ("-m", "abi_checks.python_calls", subject.work / "sides.so", subject.header)
    lines = run(sys.executable, *module, cwd=ROOT, accept=range(-64, 256)).splitlines()
    return _expect_calls(lines, len(tried))


@check(where="once")
def arguments_are_wide_enough(subject: Subject) -> None:
    """No function takes or returns less than 32 bits, whose extension is whose duty compilers disagree about"""
    expect_none(
        f"{signature}: {name} has {type_.size * 8} bits"
        for signature in signatures(read_interface(subject.header)).values()
        for name, type_ in (*signature.parameters, *([("the result", signature.result)] if signature.result else []))
        if len(leaves(type_)) == 1 and type_.size < 4
    )


@check()
def unused_bits_do_not_matter(subject: Subject) -> None:
    """Garbage in the bits of a register or stack slot that its argument does not reach changes no result"""
    expect_kept(watch_calls(subject, "calls"), "garbage")


@check()
def registers_are_kept(subject: Subject) -> str:
    """Registers that are the caller's survive every function and callback; the library trusts in no others"""
    found = watch_calls(subject, "calls")
    expect_kept(found, "registers")
    return f"{len(found['called'][0].split())} functions"


@check()
def stack_is_aligned(subject: Subject) -> None:
    """At the entry of every callback the stack pointer is a multiple of 16, and the direction flag is clear"""
    expect_kept(watch_calls(subject, "calls"), "stack")
