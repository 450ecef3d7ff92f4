"""Size, alignment and every offset of public structs, and the values of constants, against what is recorded."""

from __future__ import annotations

from abi_checks import baseline
from abi_checks.checks import Failed, Subject, check, expect_none
from abi_checks.elf import Elf
from abi_checks.interface import read_interface
from abi_checks.layouts import Layouts, compiled_layouts, differences

COMPILERS = ("gcc", "clang")
DIALECTS = ("c99", "c++11")
# Their sizes and signs are the same on every processor that has 64-bit pointers, or 32-bit ones.
PORTABLE = {"int8_t", "uint8_t", "int16_t", "uint16_t", "int32_t", "uint32_t", "int64_t", "uint64_t", "size_t", "float",
            "double"}  # fmt: skip


@check(where="once")
def declarations_are_recorded(subject: Subject) -> str:
    """The header declares what is recorded of this ABI version: types, values, parameters, const"""
    found = baseline.declarations(read_interface(subject.header))
    expect_none(differences(baseline.read("declarations"), found))
    return ", ".join(f"{len(part)} {name}" for name, part in found.items())


@check(where="machine")
def compilers_agree(subject: Subject) -> str:
    """Size, alignment and offsets are those recorded, for GCC and Clang, C and C++"""
    expected = baseline.read(f"layouts-{subject.platform.machine}")
    found: Layouts = {}
    for compiler in COMPILERS:
        for dialect in DIALECTS:
            found = compiled_layouts(subject.platform, compiler, dialect, subject.header, subject.work)
            expect_none(f"{compiler}, {dialect}: {line}" for line in differences(expected, found))
    subject.exhibit("layouts", found)
    return f"{len(expected)} structs"


@check()
def library_agrees(subject: Subject) -> str:
    """The library was compiled with these layouts, as its debug information shows"""
    names = {struct.name for struct in read_interface(subject.header).structs}
    found = Elf(subject.library).struct_layouts(names)
    if names - set(found):
        raise Failed(f"the debug information lacks {', '.join(sorted(names - set(found)))}; build with -g")
    for name, struct in baseline.read(f"layouts-{subject.platform.machine}").items():
        expected = {"": [0, struct["size"]], **struct["fields"]}
        compiled = {field: list(place) for field, place in found.get(name, {}).items()}
        expect_none(differences(expected, compiled, name))
    return f"{len(found)} structs"


@check(where="once")
def types_are_portable(subject: Subject) -> None:
    """Public structs have fixed-width types, size_t, float, double, pointers and text only"""
    interface = read_interface(subject.header)
    allowed = PORTABLE | {struct.name for struct in interface.structs} | {call.name for call in interface.callbacks}
    expect_none(
        f"{struct.name}.{field.name} is {field.type}"
        for struct in interface.structs
        for field in struct.fields
        if not (field.type in allowed or field.type.endswith("*") or (field.type == "char" and field.count))
    )


@check(where="once")
def structs_tell_their_size(subject: Subject) -> None:
    """Structs that may grow start with struct_size; those that are frozen are known"""
    frozen = {"mm_audio_chunk", "mm_bytes", "mm_pixels", "mm_vad_segment", "mm_language"}
    expect_none(
        f"{struct.name} starts with {struct.fields[0].type} {struct.fields[0].name}"
        for struct in read_interface(subject.header).structs
        if struct.name not in frozen and (struct.fields[0].type, struct.fields[0].name) != ("uint32_t", "struct_size")
    )
