"""The HTML report: what was proved, in one file that needs nothing else, with layouts, slots and symbols drawn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2

from abi_checks import baseline
from abi_checks.checks import EXHIBITS
from abi_checks.elf import Elf
from abi_checks.platforms import PLATFORMS, Platform, build, run
from abi_checks.results import Result, platform_names

ROW = 8  # bytes in a row of a struct's map


@dataclass(frozen=True)
class Cell:
    """Bytes of one field, or of padding, in one row of a map."""

    field: str  # empty: padding
    width: int
    starts: bool  # the field begins here
    hue: int


def write_report(results: Sequence[Result], path: Path) -> None:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    platforms = [PLATFORMS[name] for name in platform_names(results)]
    exhibits = {platform.name: _exhibits(platform) for platform in platforms}
    path.write_text(
        environment.get_template("report.html.j2").render(
            written=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            platforms=[_described(platform) for platform in platforms],
            counts={
                name: sum(result.outcome == name for result in results) for name in ("pass", "fail", "not checkable")
            },
            topics=_topics(results),
            unproved=[result for result in results if result.outcome != "pass"],
            structs=_struct_maps({name: own["layouts"] for name, own in exhibits.items() if "layouts" in own}),
            declarations=baseline.read("declarations"),
            exhibits=exhibits,
        ),
        encoding="utf-8",
    )


def _exhibits(platform: Platform) -> dict[str, Any]:
    files = (platform.work / "checks").glob(f"*/{EXHIBITS}/*.json")
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(files)}


def _described(platform: Platform) -> dict[str, Any]:
    elf = Elf(build(platform) / "libmultimodal.so.1")
    return {
        "name": platform.name,
        "runs": f"{platform.emulator}, {platform.cpu}" if platform.emulator else "this machine",
        "compiler": run(platform.tool("gcc"), "--version").partition("\n")[0],
        "size": elf.path.stat().st_size,
        "needed": elf.needed,
        "glibc": elf.newest_glibc,
        "weaknesses": list(elf.weaknesses),
        "alignment": max(elf.load_alignments),
    }


def _topics(results: Sequence[Result]) -> dict[str, dict[tuple[str, str], dict[str, Result]]]:
    """Topic, then property's title and host, then platform."""
    topics: dict[str, dict[tuple[str, str], dict[str, Result]]] = {}
    for result in results:
        rows = topics.setdefault(result.topic, {})
        rows.setdefault((result.title, result.host), {})[result.platform] = result
    return topics


def _struct_maps(layouts: dict[str, Any]) -> list[dict[str, Any]]:
    """A map for each struct and each group of platforms that lay it out alike."""
    structs: dict[str, dict[str, list[str]]] = {}
    for platform, own in layouts.items():
        for name, layout in own.items():
            structs.setdefault(name, {}).setdefault(json.dumps(layout), []).append(platform)
    return [
        {"name": name, "platforms": platforms, **json.loads(layout), "rows": _rows(json.loads(layout))}
        for name, kinds in structs.items()
        for layout, platforms in kinds.items()
    ]


def _rows(layout: dict[str, Any]) -> list[list[Cell]]:
    owners: list[tuple[str, int]] = [("", 0)] * layout["size"]
    for i, (name, (offset, size)) in enumerate(layout["fields"].items()):
        owners[offset : offset + size] = [(name, i * 47 % 360)] * size
    rows = []
    for start in range(0, layout["size"], ROW):
        cells, at = [], start
        for (name, hue), group in groupby(owners[start : start + ROW]):
            width = len(list(group))
            cells.append(Cell(name, width, bool(name) and layout["fields"][name][0] == at, hue))
            at += width
        rows.append(cells)
    return rows
