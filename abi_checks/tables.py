"""Tables of what the header declares, for C and C++ programs to include: they define what each row does.

STRUCT_BEGIN(mm_bytes)
FIELD(mm_bytes, data)
FIELD(mm_bytes, len)
STRUCT_END(mm_bytes)
CONSTANT(MM_OK)
FUNCTION(mm_free)
"""

from __future__ import annotations

from pathlib import Path

from abi_checks.interface import Interface


def write_tables(interface: Interface, folder: Path) -> Path:
    """Writes structs.inc, constants.inc and functions.inc into the folder, and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for struct in interface.structs:
        rows.append(f"STRUCT_BEGIN({struct.name})")
        rows += [f"FIELD({struct.name}, {field.name})" for field in struct.fields]
        rows.append(f"STRUCT_END({struct.name})")
    (folder / "structs.inc").write_text("\n".join(rows) + "\n", encoding="utf-8")
    constants = [f"CONSTANT({name})" for name in interface.constants]
    (folder / "constants.inc").write_text("\n".join(constants) + "\n", encoding="utf-8")
    functions = [f"FUNCTION({function.name})" for function in interface.functions]
    (folder / "functions.inc").write_text("\n".join(functions) + "\n", encoding="utf-8")
    return folder
