"""Compares a build with the reference on cases that hypothesis draws, and looks for the smallest that differs.

Cases are drawn here, once, and all replayed in one go on each processor: emulators start slowly. Where one differs, the
same cases are drawn again and hypothesis shrinks it, replaying each smaller case on its own.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.strategies import SearchStrategy

import ffi_build
from abi_checks.certificate import certify
from abi_checks.checks import Failed, Subject
from abi_checks.float_cases import STRATEGIES
from abi_checks.once import once
from abi_checks.platforms import PLATFORMS, WORK, build
from abi_checks.replay import Case, Replay, Results, difference

SEED = 4
REFERENCE = PLATFORMS["x86_64"]
SPECIFICATION = ("MM_ISA=scalar",)  # the kernels that are plain C++
SHRINKING_SECONDS = 60.0


class Differs(Exception):
    """Of one case; the message shows it."""


def compare(subject: Subject, n: int, without: str = "") -> str:
    """Raises unless the build is certified and n cases of each kind, `without` one, have the reference's bits; returns
    what was compared."""
    certify(subject)
    expected = {case: results for case, results in zip(draw(n), _expected(n), strict=True) if case.operation != without}
    known = {
        case: difference(case, was, now, subject.platform.name)
        for (case, was), now in zip(expected.items(), Replay(subject).results(list(expected)), strict=True)
    }
    differing = [case for case, shown in known.items() if shown]
    if differing:
        kinds = Counter(case.operation for case in differing)
        raise Failed(
            f"{len(differing)} of {len(known)} cases differ ({_counted(kinds)}); the smallest found, seed {SEED}:\n"
            + _smallest(subject, n, known, differing[0])
        )
    return f"{len(known)} cases: {_counted(Counter(case.operation for case in known))}"


def _counted(kinds: Counter[str]) -> str:
    return ", ".join(f"{count} of {name}" for name, count in sorted(kinds.items()))


@once
def draw(n: int) -> list[Case]:
    drawn: list[Case] = []
    for strategy in STRATEGIES:
        _for_each(strategy, n, drawn.append)
    return list(dict.fromkeys(drawn))


def _for_each(strategy: SearchStrategy[Case], n: int, body: Callable[[Case], None]) -> None:
    @seed(SEED)
    @settings(
        max_examples=n,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
    )
    @given(strategy)
    def each(case: Case) -> None:
        body(case)

    each()


def _reference(work: Path) -> Replay:
    return Replay(Subject(REFERENCE, build(REFERENCE), ffi_build.HEADER, work), SPECIFICATION)


@once
def _expected(n: int) -> Results:
    with TemporaryDirectory(dir=WORK) as work:
        return _reference(Path(work)).results(draw(n))


def _smallest(subject: Subject, n: int, known: dict[Case, str], first: Case) -> str:
    """The difference of the smallest case of the first one's kind, as far as one can be found in a minute."""
    work = subject.work / "reference"
    work.mkdir()
    reference, found = _reference(work), Replay(subject)
    end = time.monotonic() + SHRINKING_SECONDS

    def compare_one(case: Case) -> None:
        if case not in known:
            if case.operation != first.operation or time.monotonic() > end:
                return
            was, now = (replay.results([case])[0] for replay in (reference, found))
            known[case] = difference(case, was, now, subject.platform.name)
        if known[case] and case.operation == first.operation:
            raise Differs(known[case])

    try:
        for strategy in STRATEGIES:
            _for_each(strategy, n, compare_one)
    except Differs as smallest:
        return str(smallest)
    return known[first]
