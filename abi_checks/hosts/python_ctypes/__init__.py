"""Python through ctypes: structs and prototypes are made at run time, from what the header declares."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from abi_checks.checks import Subject
from abi_checks.interface import read_interface
from abi_checks.platforms import ROOT
from abi_checks.sysroot import python


def command(subject: Subject) -> list[str]:
    """The command of conformance.py, but for its arguments."""
    declared = subject.work / "interface.json"
    declared.write_text(json.dumps(asdict(read_interface(subject.header))), encoding="utf-8")
    program = Path(__file__).with_name("conformance.py")
    return [*python(subject.platform, ROOT), str(program), str(declared), str(subject.library)]
