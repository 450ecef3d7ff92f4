"""What a library's file says: symbols with their versions, dependencies, hardening, and the layouts in its DWARF."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from elftools.elf.elffile import ELFFile

PF_X = 1
DF_BIND_NOW, DF_1_NOW = 0x8, 0x1


@dataclass(frozen=True)
class Symbol:
    name: str
    version: str  # empty: none
    kind: str  # FUNC, OBJECT, NOTYPE, TLS
    is_defined: bool
    is_weak: bool


Layout: TypeAlias = dict[str, tuple[int, int]]  # offset and size of each field; of "", the whole: 0 and its size


class Elf:
    """A shared library, read on demand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: Any = ELFFile(path.open("rb"))

    @cached_property
    def dynamic_symbols(self) -> list[Symbol]:
        table = self._file.get_section_by_name(".dynsym")
        versions = self._file.get_section_by_name(".gnu.version")
        names = self._version_names()
        found = []
        for i, symbol in enumerate(table.iter_symbols()):
            if symbol["st_info"]["bind"] in ("STB_GLOBAL", "STB_WEAK", "STB_LOOS"):
                index = versions.get_symbol(i)["ndx"] if versions else 0
                found.append(
                    Symbol(
                        symbol.name,
                        names.get(index & 0x7FFF, "") if isinstance(index, int) else "",
                        symbol["st_info"]["type"].removeprefix("STT_"),
                        symbol["st_shndx"] != "SHN_UNDEF",
                        symbol["st_info"]["bind"] == "STB_WEAK",
                    )
                )
        return found

    def _version_names(self) -> dict[int, str]:
        names: dict[int, str] = {}
        needs, defines = (self._file.get_section_by_name(f".gnu.version_{kind}") for kind in "rd")
        for _, versions in needs.iter_versions() if needs else ():
            names |= {version["vna_other"]: version.name for version in versions}
        for entry, own in defines.iter_versions() if defines else ():
            names[entry["vd_ndx"]] = next(own).name
        return names

    @cached_property
    def _dynamic(self) -> list[Any]:
        return list(self._file.get_section_by_name(".dynamic").iter_tags())

    @property
    def needed(self) -> list[str]:
        return [tag.needed for tag in self._dynamic if tag.entry.d_tag == "DT_NEEDED"]

    @property
    def soname(self) -> str:
        return next((str(tag.soname) for tag in self._dynamic if tag.entry.d_tag == "DT_SONAME"), "")

    @property
    def newest_glibc(self) -> str:
        """The newest version of the GNU C library that an imported symbol asks for."""
        versions = {symbol.version for symbol in self.dynamic_symbols if not symbol.is_defined}
        numbers = [name.removeprefix("GLIBC_") for name in versions if re.fullmatch(r"GLIBC_[0-9.]+", name)]
        return max(numbers, key=version_numbers, default="")

    @property
    def weaknesses(self) -> Iterator[str]:
        """What hardening it lacks."""
        tags = {tag.entry.d_tag: tag.entry.d_val for tag in self._dynamic}
        segments = {segment["p_type"]: segment for segment in self._file.iter_segments()}
        if "PT_GNU_RELRO" not in segments:
            yield "no RELRO: tables that the loader fills in stay writable"
        if not (tags.get("DT_FLAGS", 0) & DF_BIND_NOW or tags.get("DT_FLAGS_1", 0) & DF_1_NOW or "DT_BIND_NOW" in tags):
            yield "no BIND_NOW: functions are bound when first called, through a table that stays writable"
        if "PT_GNU_STACK" not in segments or segments["PT_GNU_STACK"]["p_flags"] & PF_X:
            yield "an executable stack"
        if "DT_TEXTREL" in tags or tags.get("DT_FLAGS", 0) & 0x4:
            yield "TEXTREL: the loader writes into code"
        for name in ("DT_RPATH", "DT_RUNPATH"):
            if name in tags:
                yield f"{name.removeprefix('DT_')}: it looks for libraries at a place of the machine that built it"

    @property
    def load_alignments(self) -> set[int]:
        return {segment["p_align"] for segment in self._file.iter_segments() if segment["p_type"] == "PT_LOAD"}

    def struct_layouts(self, names: set[str]) -> dict[str, Layout]:
        """Layouts of structs as its debug information has them, by the name of struct or typedef; the first one met."""
        found: dict[str, Layout] = {}
        if not self._file.has_dwarf_info():
            return found
        for unit in self._file.get_dwarf_info().iter_CUs():
            for die in unit.iter_DIEs():
                if die.tag == "DW_TAG_structure_type" and "DW_AT_name" in die.attributes:
                    name = die.attributes["DW_AT_name"].value.decode()
                    if name in names and name not in found and "DW_AT_byte_size" in die.attributes:
                        found[name] = _layout(die)
            if len(found) == len(names):
                break
        return found


def version_numbers(text: str) -> tuple[int, ...]:
    """2.34 as (2, 34), to be compared."""
    return tuple(map(int, text.split("."))) if text else ()


def _layout(die: Any) -> Layout:
    layout = {"": (0, int(die.attributes["DW_AT_byte_size"].value))}
    for member in die.iter_children():
        if member.tag == "DW_TAG_member":
            offset = member.attributes["DW_AT_data_member_location"].value
            size = _size(member.get_DIE_from_attribute("DW_AT_type"))
            layout[member.attributes["DW_AT_name"].value.decode()] = (offset, size)
    return layout


def _size(die: Any) -> int:
    if "DW_AT_byte_size" in die.attributes:
        return int(die.attributes["DW_AT_byte_size"].value)
    if die.tag == "DW_TAG_pointer_type":
        return int(die.cu.header["address_size"])
    inner = _size(die.get_DIE_from_attribute("DW_AT_type"))
    if die.tag == "DW_TAG_array_type":
        for child in die.iter_children():
            if child.tag == "DW_TAG_subrange_type":
                counted = child.attributes.get("DW_AT_count") or child.attributes["DW_AT_upper_bound"]
                inner *= counted.value + ("DW_AT_count" not in child.attributes)
    return inner
