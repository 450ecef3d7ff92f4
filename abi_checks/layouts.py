"""Layouts of public structs as a compiler sees them: a program prints offsets, sizes and alignments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from abi_checks.interface import read_interface
from abi_checks.platforms import Platform, run
from abi_checks.tables import write_tables

# Of a struct: {"size": 24, "align": 8, "fields": {"samples": [0, 8], ...}}, offset and size of each field.
Layouts = dict[str, dict[str, Any]]

PROGRAM = Path(__file__).parent / "probes" / "layouts.c"


def compiled_layouts(platform: Platform, compiler: str, standard: str, header: Path, work: Path) -> Layouts:
    """What a compiler for the platform, gcc or clang, makes of a header in a dialect such as c99 or c++11."""
    language = "c++" if "+" in standard else "c"
    binary = work / f"layouts-{compiler}-{standard}"
    tables = write_tables(read_interface(header), work)
    options: list[str | Path] = ["-w", f"-std={standard}", "-I", header.parent, "-I", tables, "-x", language, PROGRAM]
    run(*platform.compiler(compiler, language), *options, "-o", binary)
    layouts: Layouts = json.loads(run(*platform.launcher, binary))
    return layouts


def differences(expected: Any, found: Any, path: str = "") -> list[str]:
    """What two trees of dictionaries do not have in common, a line each."""
    if isinstance(expected, dict) and isinstance(found, dict):
        lines = []
        for key in [*expected, *(key for key in found if key not in expected)]:
            place = f"{path} {key}".strip()
            if key not in found:
                lines.append(f"{place}: gone; was {json.dumps(expected[key])}")
            elif key not in expected:
                lines.append(f"{place}: new; is {json.dumps(found[key])}")
            else:
                lines += differences(expected[key], found[key], place)
        if not lines and list(expected) != list(found):
            lines.append(f"{path}: the order is {', '.join(found)}, was {', '.join(expected)}".strip())
        return lines
    return [] if expected == found else [f"{path}: {json.dumps(expected)} became {json.dumps(found)}"]
