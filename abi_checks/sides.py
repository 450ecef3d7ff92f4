"""Builds a program in which compilers call each other: C by GCC, C by Clang, and C++ compiled as the library is.

Each side has the same functions, of given signatures; see probes/sides.h.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from abi_checks.calling import INTEGERS, VECTORS, Passing, Record, Signature, Type, leaves, slot, travel
from abi_checks.calling import signatures as declared
from abi_checks.checks import NotCheckable, Subject
from abi_checks.interface import read_interface
from abi_checks.once import once
from abi_checks.platforms import Platform, run
from abi_checks.signatures import drawn, fixed

PROBES = Path(__file__).parent / "probes"
COMMANDS = "compile_commands.json"
# Of a compile command: what says how to compile, not what.
WITHOUT = ("-o", "-c", "-MF", "-MT", "-MQ")
RESULT_INTEGERS = {"x86_64": ("rax", "rdx"), "aarch64": ("x0", "x1")}


def library_compiler(subject: Subject) -> list[str]:
    """The command that compiled the library's exports, without their names, warnings and folders."""
    file = subject.folder / COMMANDS
    if not file.exists():
        raise NotCheckable(f"{file} does not say how the library was compiled")
    commands = json.loads(file.read_text(encoding="utf-8"))
    command = next(item["command"] for item in commands if item["file"].endswith("/src/api/audio.cpp"))
    words = iter(shlex.split(command))
    kept = []
    for word in words:
        if word in WITHOUT:
            next(words)
        elif not word.startswith(("-I", "-D", "-W", "-ffile-prefix-map", "-M")) and not word.endswith("ccache"):
            kept.append(word)
    return kept


def build_sides(subject: Subject, more: Iterable[Signature]) -> tuple[list[Signature], tuple[str, ...]]:
    """Signatures, those of the header and more, and the command of a program that calls them."""
    platform, work = subject.platform, subject.work
    interface = read_interface(subject.header)
    signatures = [*declared(interface).values(), *more]
    pointers = {function.name: f"__typeof__(&{function.name})" for function in interface.functions}
    pointers |= {callback.name: callback.name for callback in interface.callbacks}
    known = {struct.name for struct in interface.structs}
    (work / "side.c").write_text(_side(signatures, pointers, known), "utf-8")
    (work / "table.c").write_text(_tables(signatures, platform.machine), "utf-8")
    include = ("-I", subject.header.parent, "-I", PROBES)
    plain = ("-std=c99", "-O2", "-fPIC", "-w")
    compilers: dict[str, Sequence[str | Path]] = {
        "gcc": [*platform.compiler("gcc", "c"), *plain],
        "clang": [*platform.compiler("clang", "c"), *plain],
        "library": [*library_compiler(subject), "-w", "-x", "c++"],
    }
    for name, compiler in compilers.items():
        run(*compiler, *include, f"-DSIDE={name}", "-c", work / "side.c", "-o", work / f"{name}.o")
    parts = [PROBES / name for name in ("sides.c", "intercept.c", "intercept.S")]
    objects = [work / f"{name}.o" for name in compilers]
    link: list[str | Path] = [
        *platform.compiler("gcc", "c"),
        "-std=c99",
        "-O1",
        "-fPIC",
        *include,
        work / "table.c",
        *parts,
        *objects,
    ]
    run(*link, "-o", work / "sides")
    run(*link, "-shared", "-o", work / "sides.so")
    return signatures, (*platform.launcher, str(work / "sides"))


def run_sides(subject: Subject, mode: str, seed: int, n: int) -> tuple[int, list[str]]:
    """How many signatures there are, and what probes/sides.c prints for those of the header, the fixed and n drawn."""
    file = subject.folder / COMMANDS
    version = file.read_bytes() if file.exists() else b""
    count, outputs = _run_sides(subject.platform, subject.folder, subject.header, hash(version), seed, n)
    return count, outputs[mode].splitlines()


@once
def _run_sides(
    platform: Platform, folder: Path, header: Path, version: int, seed: int, n: int
) -> tuple[int, dict[str, str]]:
    with TemporaryDirectory() as work:
        tried, program = build_sides(Subject(platform, folder, header, Path(work)), [*fixed(), *drawn(seed, n)])
        any_status = range(-64, 256)  # what it prints says whether it came to its end
        return len(tried), {mode: run(*program, mode, accept=any_status) for mode in ("pairs", "places")}


# ---- A side ----------------------------------------------------------------------------------------------------------

SIDE = """#include <string.h>

#include "multimodal.h"
#include "sides.h"

#define JOINED(a, b) a##b
#define JOIN(a, b) JOINED(a, b)
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

"""
SIDE_END = """};
#ifdef __cplusplus
extern "C"
#endif
const struct side JOIN(side_, SIDE) = {TEXT(SIDE), functions};
"""


def struct_definitions(types: Iterable[Type | None], known: Iterable[str] = ()) -> Iterator[str]:
    """Of all structs in these types, inner ones first, but for those whose names are known."""
    done = set(known)

    def define(type_: Type | None) -> Iterator[str]:
        if not isinstance(type_, Record) or type_.c in done:
            return
        done.add(type_.c)
        for field in type_.fields:
            yield from define(field.type)
        fields = "".join(
            f"    {field.type.c} {field.name}{f'[{field.count}]' if field.count else ''};\n" for field in type_.fields
        )
        yield f"typedef struct {type_.c} {{\n{fields}}} {type_.c};\n"

    for type_ in types:
        yield from define(type_)


def _types(signature: Signature) -> list[Type | None]:
    return [signature.result, *(type_ for _, type_ in signature.parameters)]


def _side(signatures: Sequence[Signature], pointers: Mapping[str, str], known: Iterable[str]) -> str:
    """The source of a side. pointers: how the header spells the types of pointers to what it declares"""
    types = [type_ for signature in signatures for type_ in _types(signature)]
    rows = "".join(f"    {{(any_callee)callee_{s.name}, call_{s.name}}},\n" for s in signatures)
    return "\n".join(
        [
            SIDE,
            *struct_definitions(types, known),
            *(_callee(signature) + _caller(signature, pointers.get(signature.name)) for signature in signatures),
            f"static const struct side_function functions[] = {{\n{rows}{SIDE_END}",
        ]
    )


def _expectations(number: int, variable: str, type_: Type) -> str:
    return "".join(
        f'    expect_scalar({number}, "{path}", &{variable}{path}, {offset}, sizeof({variable}{path}));\n'
        for path, offset, _ in leaves(type_)
    )


def _callee(signature: Signature) -> str:
    lines = [f"static {str(signature).replace(signature.name, f'callee_{signature.name}', 1)} {{\n"]
    for number, (name, type_) in enumerate(signature.parameters, 1):
        lines += [_expectations(number, name, type_), f"    scribble(&{name}, sizeof({name}));\n"]
    if signature.result:
        lines.append(f"    {signature.result.c} result;\n    fill(0, &result, sizeof(result));\n    return result;\n")
    return "".join([*lines, "}\n"])


def _caller(signature: Signature, pointer: str | None) -> str:
    """Where the first argument is a struct and the result is one of the same type, it replaces the argument."""
    parameters, result = signature.parameters, signature.result
    lines = [f"static STANDARD void call_{signature.name}(any_callee callee) {{\n"]
    for number, (name, type_) in enumerate(parameters, 1):
        lines.append(f"    {type_.c} {name};\n    fill({number}, &{name}, sizeof({name}));\n")
    types = ", ".join(type_.c for _, type_ in parameters) or "void"
    pointer = pointer or f"{result.c if result else 'void'} (*)({types})"
    replaces = isinstance(result, Record) and bool(parameters) and parameters[0][1] == result
    target = "" if not result else f"{parameters[0][0]} = " if replaces else f"{result.c} result = "
    arguments = ", ".join(name for name, _ in parameters)
    lines.append(f"    {target}(({pointer})callee)({arguments});\n")
    if result:
        lines.append(_expectations(0, parameters[0][0] if replaces else "result", result))
    for number, (name, _) in enumerate(parameters, 1):
        if not (replaces and number == 1):
            lines.append(f"    expect_untouched({number}, &{name}, sizeof({name}));\n")
    return "".join([*lines, "}\n"])


# ---- Where arguments travel ------------------------------------------------------------------------------------------


def _tables(signatures: Sequence[Signature], machine: str) -> str:
    lines = ['#include <stddef.h>\n\n#include "sides.h"\n']
    lines += [f"extern const struct side side_{name};" for name in ("gcc", "clang", "library")]
    lines.append("const struct side* const sides[] = {&side_gcc, &side_clang, &side_library, NULL};")
    lines.append("const char* const declarations[] = {")
    lines += [f'    "{signature}",' for signature in signatures]
    lines.append("    NULL};")
    travels = []
    for signature in signatures:
        way = travel(signature, machine)
        rows = [row for number, passing in enumerate(way.parameters, 1) for row in _places(number, passing, machine)]
        size = 0
        if way.result:
            size = way.result.type.size if way.result.is_address else 0
            rows += [] if size else list(_places(0, way.result, machine))
        lines.append(f"static const struct place places_{signature.name}[] = {{{', '.join(rows) or '{0}'}}};")
        travels.append(f"    {{places_{signature.name}, {len(rows)}, {size}}},")
    return "\n".join([*lines, "const struct travel travels[] = {", *travels, "};\n"])


def _places(number: int, passing: Passing, machine: str) -> Iterator[str]:
    """Each scalar of the value, or the part of it that travels in one place."""
    for path, start, scalar in leaves(passing.type):
        for place in passing.places:
            where, at = _array(number, place.where, place.at, machine)
            if passing.is_address:
                first, size, inside = start, scalar.size, start
            else:
                first = max(start, place.offset)
                size = min(start + scalar.size, place.offset + place.size) - first
                inside = 0
                at += first - place.offset
            if size > 0:
                yield (
                    f'{{{number}, "{path}", "{slot(passing)}", {where}, {int(passing.is_address)}, {at}, {inside}, '
                    f"{first}, {size}}}"
                )


def _array(number: int, where: str, at: int, machine: str) -> tuple[str, int]:
    """In which array of struct frame, and at which of its bytes."""
    integers = RESULT_INTEGERS[machine] if number == 0 else INTEGERS[machine]
    if where == "stack":
        return "ON_STACK", at
    if where == "x8":
        return "AT_INDIRECT", 0
    if where in VECTORS[machine]:
        return "IN_VECTOR", 16 * VECTORS[machine].index(where)
    return "IN_INTEGER", 8 * integers.index(where)
