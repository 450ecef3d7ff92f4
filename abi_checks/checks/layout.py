"""Size, alignment and every offset of public structs, and the values of constants, against what is recorded."""

from __future__ import annotations

from abi_checks.checks import Failed, Subject, check
from abi_checks.elf import Elf
from abi_checks.interface import read_interface


@check()
def library_has_debug_information(subject: Subject) -> str:
    """The library's own debug information names every public struct"""
    names = {struct.name for struct in read_interface(subject.header).structs}
    found = Elf(subject.library).struct_layouts(names)
    if names - set(found):
        raise Failed(f"without debug information: {', '.join(sorted(names - set(found)))}")
    return f"{len(found)} structs"
