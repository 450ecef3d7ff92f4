"""The header as tables for C: which functions there are, which fields a struct has."""

from __future__ import annotations

from abi_checks.checks import Subject
from abi_checks.interface import Function, Interface, read_interface

NAME = "tables.h"


def write_tables(subject: Subject) -> None:
    """FUNCTIONS(X) is X(name) for each function, STRUCTS(X) for each struct; FIELDS_name(X) is X(name, field)."""
    interface = read_interface(subject.header)
    macros = {
        "FUNCTIONS(X)": [f"X({function.name})" for function in interface.functions],
        "STRUCTS(X)": [f"X({struct.name})" for struct in interface.structs],
    } | {
        f"FIELDS_{struct.name}(X)": [f"X({struct.name}, {field.name})" for field in struct.fields]
        for struct in interface.structs
    }
    lines = [f"#define {name} {' '.join(items)}\n" for name, items in macros.items()]
    (subject.work / NAME).write_text("".join(lines), encoding="utf-8")


def hands_out_buffers(function: Function, interface: Interface) -> bool:
    """Whether a caller gets a buffer for mm_free from it, other than a message."""
    given = {f"{handle} **" for handle in interface.handles}
    return any(
        parameter.type.endswith("**") and parameter.type not in given and parameter.name != "error_out"
        for parameter in function.parameters
    )
