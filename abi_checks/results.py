"""What checks found: as a table for one screen, as JSON, and as JUnit's XML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table

from abi_checks.platforms import PLATFORMS

Outcome: TypeAlias = Literal["pass", "fail", "not checkable"]
SIGNS: dict[Outcome, str] = {"pass": "[green]✓[/]", "fail": "[bold red]✗[/]", "not checkable": "[yellow]?[/]"}


@dataclass(frozen=True)
class Result:
    """One property on one platform and, for what host languages do, from one host."""

    topic: str
    property: str
    title: str
    platform: str
    host: str
    outcome: Outcome
    seconds: float
    detail: str  # what was found, or why it could not be looked at
    reproduce: str  # the command that repeats it


def is_good(results: Sequence[Result], allow_not_checkable: bool) -> bool:
    """That something was checked, and nothing failed or, unless allowed, was left out."""
    good = {"pass", "not checkable"} if allow_not_checkable else {"pass"}
    return any(result.outcome == "pass" for result in results) and all(result.outcome in good for result in results)


def platform_names(results: Iterable[Result]) -> list[str]:
    """The platforms that there are results of, in their usual order."""
    present = {result.platform for result in results}
    return [name for name in PLATFORMS if name in present]


def print_table(results: Sequence[Result], console: Console) -> None:
    """A row for each property and host, a column for each platform, then what failed or could not be checked."""
    platforms = platform_names(results)
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("property", overflow="fold")
    table.add_column("host")
    for platform in platforms:
        table.add_column(platform, justify="center", no_wrap=True)
    rows: dict[tuple[str, str, str], dict[str, Outcome]] = {}
    for result in results:
        rows.setdefault((result.topic, result.title, result.host), {})[result.platform] = result.outcome
    topic = ""
    for (row_topic, title, host), outcomes in rows.items():
        signs = [SIGNS[outcomes[platform]] if platform in outcomes else "" for platform in platforms]
        table.add_row("" if row_topic == topic else f"[bold]{row_topic}[/]", title, host, *signs)
        topic = row_topic
    console.print(table)
    for result in results:
        if result.outcome != "pass":
            where = " ".join(filter(None, (result.platform, result.host)))
            console.print(f"\n{SIGNS[result.outcome]} {result.topic}.{result.property} on {where}: {result.title}")
            console.print(result.detail, markup=False, highlight=False)
            console.print(f"Again: {result.reproduce}", style="dim", markup=False, highlight=False)
    counts = {outcome: sum(result.outcome == outcome for result in results) for outcome in SIGNS}
    console.print("\n" + ", ".join(f"{n} {outcome}" for outcome, n in counts.items() if n or outcome == "pass"))


def write_json(results: Iterable[Result], path: Path) -> None:
    path.write_text(json.dumps([asdict(result) for result in results], indent=1, ensure_ascii=False) + "\n", "utf-8")


def write_junit(results: Sequence[Result], path: Path) -> None:
    """As CI systems read it: a suite for each platform. What is not checkable is an error there, not skipped."""
    root = ElementTree.Element("testsuites", name="abi_checks")
    for platform in platform_names(results):
        own = [result for result in results if result.platform == platform]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=platform,
            tests=str(len(own)),
            failures=str(sum(result.outcome == "fail" for result in own)),
            errors=str(sum(result.outcome == "not checkable" for result in own)),
            time=f"{sum(result.seconds for result in own):.3f}",
        )
        for result in own:
            name = " ".join(filter(None, (result.property, result.host)))
            case = ElementTree.SubElement(
                suite, "testcase", classname=f"{platform}.{result.topic}", name=name, time=f"{result.seconds:.3f}"
            )
            if result.outcome != "pass":
                kind = "failure" if result.outcome == "fail" else "error"
                ElementTree.SubElement(case, kind, message=result.title).text = result.detail
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
