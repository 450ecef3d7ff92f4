"""Runs buffers.c, and sees to it that no function is forgotten there."""

from __future__ import annotations

from abi_checks.checks import Failed, Subject
from abi_checks.interface import Function, Interface, read_interface
from abi_checks.models import PICTURE, write_inputs
from abi_checks.probes import build_probe, run_probe
from abi_checks.tables import write_tables

JPEG = PICTURE.with_name("baseline.jpg")


def run_buffers(subject: Subject, mode: str) -> str:
    interface = read_interface(subject.header)
    write_tables(interface, subject.work)
    wanted = {function.name for function in interface.functions if hands_out_buffers(function, interface)}
    inputs = write_inputs(subject.work)
    program = build_probe(subject, "buffers")
    seen = set(run_probe(subject, program, mode, inputs.whisper, inputs.clip, JPEG, inputs.picture).split())
    if missing := wanted - seen:
        raise Failed(f"calls.h does not call {', '.join(sorted(missing))}")
    return f"{len(wanted)} functions"


def hands_out_buffers(function: Function, interface: Interface) -> bool:
    """Whether a caller gets a buffer for mm_free from it, other than a message."""
    handles = {f"{handle} **" for handle in interface.handles}
    return any(
        parameter.type.endswith("**") and parameter.type not in handles and parameter.name != "error_out"
        for parameter in function.parameters
    )
