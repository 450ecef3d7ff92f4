"""Runs buffers.c, and sees to it that no function is forgotten there."""

from __future__ import annotations

from abi_checks.checks import Failed, Subject
from abi_checks.interface import read_interface
from abi_checks.models import PICTURE, write_inputs
from abi_checks.probes import build_probe, run_probe
from abi_checks.probes.tables import hands_out_buffers, write_tables

JPEG = PICTURE.with_name("baseline.jpg")


def run_buffers(subject: Subject, mode: str) -> str:
    write_tables(subject)
    interface = read_interface(subject.header)
    wanted = {function.name for function in interface.functions if hands_out_buffers(function, interface)}
    inputs = write_inputs(subject.work)
    program = build_probe(subject, "buffers")
    seen = set(run_probe(subject, program, mode, inputs.whisper, inputs.clip, JPEG, inputs.picture).split())
    if missing := wanted - seen:
        raise Failed(f"calls.h does not call {', '.join(sorted(missing))}")
    return f"{len(wanted)} functions"
