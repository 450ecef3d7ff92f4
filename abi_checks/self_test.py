"""Runs the checks on mutants and controls, natively: each must do what it is there for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from abi_checks.checks import Check, NotCheckable, Subject
from abi_checks.mutant_list import CONTROLS, MUTANTS
from abi_checks.mutants import Mutant, make
from abi_checks.platforms import PLATFORMS, WORK
from abi_checks.results import Result

PLATFORM = PLATFORMS["x86_64"]


def self_test(checks: Sequence[Check], jobs: int) -> list[Result]:
    """A result for each mutant and control, and one that says whether every check is proved."""
    known = {check.id: check for check in checks}
    with ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(lambda mutant: _try(mutant, known), (*MUTANTS, *CONTROLS)))
    return [*results, _coverage(known)]


def _try(mutant: Mutant, known: dict[str, Check]) -> Result:
    folder = WORK / "mutants" / "".join(c if c.isalnum() else "-" for c in mutant.name)
    try:
        problems = list(_problems(mutant, known, folder))
    except Exception as error:  # a mutant that cannot be made proves nothing
        problems = [f"{type(error).__name__}: {error}"]
    shutil.rmtree(folder, ignore_errors=True)
    return _result("mutant" if mutant.found_by else "control", mutant.name, problems)


def _problems(mutant: Mutant, known: dict[str, Check], folder: Path) -> Iterator[str]:
    header = make(mutant, PLATFORM, folder)
    must_pass = set(mutant.passes) if mutant.found_by else set(known)
    for id in (*mutant.found_by, *must_pass):
        work = folder / "work" / id
        work.mkdir(parents=True)
        try:
            known[id].run(Subject(PLATFORM, folder, header, work))
        except NotCheckable as reason:
            yield f"{id} was not checkable: {reason}"
        except Exception as error:
            if id in must_pass:
                yield f"{id} failed, although nothing that it is about has changed: {error}"
        else:
            if id not in must_pass:
                yield f"{id} passed"


def _coverage(known: dict[str, Check]) -> Result:
    proved = {id for mutant in MUTANTS for id in mutant.found_by}
    return _result(
        "kit", "every check is proved by a mutant", [f"no mutant of {id}" for id in known if id not in proved]
    )


def _result(kind: str, title: str, problems: list[str]) -> Result:
    return Result("self-test", kind, title, PLATFORM.name, "", "fail" if problems else "pass", 0.0, "\n".join(problems),
                  "python -m abi_checks --self-test")  # fmt: skip
