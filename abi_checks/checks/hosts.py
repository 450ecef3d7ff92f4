"""Every host language runs the same cases and prints the same results, which are those recorded."""

from __future__ import annotations

import importlib
from itertools import zip_longest
from pathlib import Path

from abi_checks import baseline
from abi_checks.checks import Check, Failed, Subject, Where, add, expect_none
from abi_checks.models import write_inputs
from abi_checks.platforms import WORK, run

# A folder of abi_checks/hosts/ each.
HOSTS: dict[str, Where] = {
    "c": "platform",
    "cpp": "platform",
    "python_api": "platform",
    "python_ctypes": "platform",
    "go": "platform",
}


# What a machine may have of its own: sizes and offsets and, if it is big-endian, that weights are not used where they
# are mapped, which two cases tell.
MAY_DIFFER = ("layout.", "whisper_info", "model_verify")


def output(host: str, subject: Subject) -> str:
    """What the conformance program of a host prints."""
    command: list[str | Path] = importlib.import_module(f"abi_checks.hosts.{host}").command(subject)
    return run(*command, *write_inputs(WORK / "inputs").arguments, cwd=subject.work)


def prints_what_is_recorded(host: str, subject: Subject) -> str:
    expected = baseline.conformance(subject.platform.machine)
    found = output(host, subject).splitlines()
    if not expected:
        raise Failed("no results are recorded")
    pairs = zip_longest(expected, found, fillvalue="nothing")
    expect_none(f"{was}\n  became {now}" for was, now in pairs if was != now)
    return f"{len(found)} cases"


def _add(host: str, where: Where) -> None:
    title = "The conformance program prints the results recorded, to the last bit"
    add(Check("hosts", host, title, "quick", where, lambda subject: prints_what_is_recorded(host, subject), host))


for _host, _where in HOSTS.items():
    _add(_host, _where)
