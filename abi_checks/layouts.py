"""Layouts of public structs as a compiler sees them: a generated program prints offsets, sizes and alignments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from abi_checks.interface import Interface, read_interface
from abi_checks.platforms import Platform, run

# Of a struct: {"size": 24, "align": 8, "fields": {"samples": [0, 8], ...}}, offset and size of each field.
Layouts = dict[str, dict[str, Any]]

BEGIN = r"""
#include <multimodal.h>
#include <stdio.h>
#ifdef __cplusplus
#define ALIGNMENT(type) alignof(type)
#else
#define ALIGNMENT(type) offsetof(struct { char before; type it; }, it)
#endif
#define BEGIN(separator, type) \
    printf("%s\"%s\": {\"size\": %d, \"align\": %d, \"fields\": {", separator, #type, (int)sizeof(type), \
           (int)ALIGNMENT(type))
#define FIELD(separator, type, name) \
    printf("%s\"%s\": [%d, %d]", separator, #name, (int)offsetof(type, name), (int)sizeof(((type*)0)->name))
#define END printf("}}")
int main(void) {
    printf("{");
"""
END = r"""
    printf("}\n");
    return 0;
}
"""


def program(interface: Interface) -> str:
    """C, and C++, that prints Layouts as JSON."""
    lines = []
    for i, struct in enumerate(interface.structs):
        lines.append(f'BEGIN("{", " if i else ""}", {struct.name});')
        for j, field in enumerate(struct.fields):
            lines.append(f'FIELD("{", " if j else ""}", {struct.name}, {field.name});')
        lines.append("END;")
    return BEGIN + "\n".join(lines) + END


def compiled_layouts(platform: Platform, compiler: str, standard: str, header: Path, work: Path) -> Layouts:
    """What a compiler for the platform, gcc or clang, makes of a header in a dialect such as c99 or c++11."""
    language = "c++" if "+" in standard else "c"
    source, binary = work / f"layouts-{compiler}-{standard}.{language}", work / f"layouts-{compiler}-{standard}"
    source.write_text(program(read_interface(header)), encoding="utf-8")
    command = platform.compiler(compiler, language)
    run(*command, "-w", f"-std={standard}", "-I", header.parent, "-x", language, source, "-o", binary)
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
