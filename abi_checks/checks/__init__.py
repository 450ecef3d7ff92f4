"""What is proved: one file a topic, one function a property.

A check is a function of a Subject that returns if the property holds, and otherwise raises: Failed, or whatever a
failing command gives. NotCheckable says why a property cannot be looked at here, which is never a pass.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from abi_checks.platforms import Platform

Tier: TypeAlias = Literal["quick", "full"]
# Where a check runs: on every platform, on the first of each build of the library, of each machine, or once.
Where: TypeAlias = Literal["platform", "build", "machine", "once"]

TOPICS = (
    "layout",
    "symbols",
    "evolution",
    "calls",
    "memory",
    "ownership",
    "coexistence",
    "process_state",
    "floats",
    "hosts",
)
EXHIBITS = "exhibits"  # folder of a check that holds them
SHOWN = 12  # lines of what a check found


class Failed(Exception):
    """The property does not hold; the message shows the first cases that break it."""


class NotCheckable(Exception):
    """Why the property cannot be checked here."""


@dataclass(frozen=True)
class Subject:
    """A build of a library, with its header: libmultimodal, or a mutant of it."""

    platform: Platform
    folder: Path  # holds the libraries
    header: Path
    work: Path  # for what a check makes; empty at first, and of this subject alone

    @property
    def library(self) -> Path:
        return self.folder / "libmultimodal.so.1"

    @property
    def archive(self) -> Path:
        return self.folder / "libmultimodal.a"

    def exhibit(self, name: str, value: Any) -> None:
        """Puts what was found into the report: JSON that report.html.j2 knows how to draw."""
        folder = self.work / EXHIBITS
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")


Proof: TypeAlias = Callable[[Subject], str | None]  # what it returns is shown beside the pass


@dataclass(frozen=True)
class Check:
    topic: str
    name: str  # the function's
    title: str  # the first line of its docstring
    tier: Tier
    where: Where
    run: Proof = field(compare=False)
    host: str = ""  # the host language that it is about

    @property
    def id(self) -> str:
        return f"{self.topic}.{self.name}"

    @property
    def is_portable(self) -> bool:
        """Whether it can be run on every processor, and not only on those that have vector code and probes of ours."""
        return self.topic in ("layout", "symbols", "evolution", "floats") or self.host in ("c", "cpp")


_checks: dict[str, Check] = {}


def add(check: Check) -> None:
    """Registers a check that is made, not written."""
    _checks[check.id] = check


def check(tier: Tier = "quick", where: Where = "build") -> Callable[[Proof], Proof]:
    """Registers the proof of a property. Its module is the topic, the first line of its docstring the title."""

    def register(function: Proof) -> Proof:
        topic = function.__module__.rpartition(".")[2]
        title = (inspect.getdoc(function) or "").partition("\n")[0]
        if not title:
            raise ValueError(f"{topic}.{function.__name__} does not say what it proves")
        add(Check(topic, function.__name__, title, tier, where, function))
        return function

    return register


def all_checks() -> Mapping[str, Check]:
    """Every check, by its id, topic by topic."""
    for topic in TOPICS:
        importlib.import_module(f"abi_checks.checks.{topic}")
    return dict(sorted(_checks.items(), key=lambda item: TOPICS.index(item[1].topic)))


def expect_none(faults: Iterable[str]) -> None:
    """Fails with the first faults, a line each, if there are any."""
    lines = list(faults)
    if lines:
        raise Failed("\n".join(lines[:SHOWN] + ([f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])))
