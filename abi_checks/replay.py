"""Replays cases on a build and a processor, and says how what comes out differs from what another gave.

A case is an operation with its inputs. probes/replay.c carries cases out and writes all that the library computes as
tensors, in the order in which they depend on each other: the first that differs is where the difference arose.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from abi_checks import models
from abi_checks.agreement import agreement
from abi_checks.checks import Failed, Subject
from abi_checks.platforms import WORK, run

PROBE = Path(__file__).parent / "probes" / "replay.c"
# In the order of those of replay.c.
OPERATIONS = ("resample", "voice activity", "speech", "transcription", "Whisper's tokens", "resize", "pixels",
              "picture file", "text", "CLIP's tokens")  # fmt: skip
TYPES = {b"f": "f4", b"d": "f8", b"i": "i4", b"b": "u1"}
AUDIO = ("resample", "voice activity", "speech", "transcription")  # their data are floats


@dataclass(frozen=True)
class Case:
    operation: str
    integers: tuple[int, ...]  # which model, how many threads, what else the operation takes
    data: bytes
    recipe: str = field(compare=False)  # how the data was made, for people


@dataclass(frozen=True)
class Tensor:
    name: str
    values: npt.NDArray[Any]

    def differs(self, other: Tensor) -> bool:
        """To the last bit; but which NaN a NaN is, is nobody's result."""
        a, b = self.values, other.values
        if self.name != other.name or a.dtype != b.dtype or a.shape != b.shape:
            return True
        if a.dtype.kind != "f":
            return not np.array_equal(a, b)
        bits = a.view(f"i{a.itemsize}") == b.view(f"i{a.itemsize}")
        return not bool(np.all(bits | (np.isnan(a) & np.isnan(b))))


Results = list[list[Tensor]]  # of each case


@dataclass(frozen=True)
class Replay:
    """A library on a processor, with the variables of the environment that it is run with."""

    subject: Subject
    environment: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return " ".join((self.subject.platform.name, *self.environment))

    @functools.cached_property
    def command(self) -> tuple[str, ...]:
        subject = self.subject
        program = subject.work / "replay"
        link = (subject.library, f"-Wl,-rpath,{subject.folder}")
        options = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", subject.header.parent)
        run(*subject.platform.compiler("gcc", "c"), *options, PROBE, *link, "-o", program)
        return ("env", *self.environment, *subject.platform.launcher, str(program))

    def results(self, cases: Sequence[Case]) -> Results:
        order = (
            ">" if self.subject.platform.machine == "s390x" else "<"
        )  # of bytes: the program reads and writes its own
        written, out = self.subject.work / "cases", self.subject.work / "results"
        written.write_bytes(b"".join(_encoded(case, order) for case in cases))
        whispers, clips = models.write_varied(WORK / "inputs")
        run(*self.command, written, out, str(len(whispers)), *whispers, *clips)
        found = list(_decoded(out.read_bytes(), order))
        if len(found) != len(cases) or not all(found):
            raise Failed(f"{self.name}: {len(cases)} cases gave {sum(map(bool, found))} results")
        return found


def _encoded(case: Case, order: str) -> bytes:
    data = case.data
    if case.operation in AUDIO:
        data = np.frombuffer(data, "<f4").astype(f"{order}f4").tobytes()
    head = struct.pack(f"{order}IIQ", OPERATIONS.index(case.operation), len(case.integers), len(data))
    body = struct.pack(f"{order}{len(case.integers)}i", *case.integers) + data
    return head + body + bytes(-len(body) % 8)


def _decoded(data: bytes, order: str) -> Iterator[list[Tensor]]:
    place, tensors = 0, list[Tensor]()
    while place < len(data):
        name, kind, count = struct.unpack_from(f"{order}15scQ", data, place)
        place += struct.calcsize("=15scQ")
        dtype, label = np.dtype(order + TYPES[kind]), name.rstrip(b"\0").decode()
        if label:
            values = np.frombuffer(data, dtype, count, place)
            tensors.append(Tensor(label, values.astype(dtype.newbyteorder("="))))
        else:
            yield tensors
            tensors = []
        place += dtype.itemsize * count


# ---- Differences -----------------------------------------------------------------------------------------------------


def difference(case: Case, expected: Sequence[Tensor], found: Sequence[Tensor], name: str) -> str:
    """The first tensor in which what `name` gave differs from what the reference gave, for people; empty if none."""
    for place, (was, now) in enumerate(zip_longest(expected, found)):
        if was is None or now is None or was.differs(now):
            before = dict.fromkeys(tensor.name for tensor in expected[:place])
            same = f"after {', '.join(before)}, which are the same" if before else "the first that is computed"
            lines = [
                f"{case.operation}: {case.recipe}",
                f"first differing tensor: {(was or now).name}, {same}",
                f"  reference: {_shown(was)}",
                f"  {name}: {_shown(now)}",
            ]
            if was is not None and now is not None:
                lines += _measured(was.values, now.values)
            return "\n".join(lines)
    return ""


def _measured(was: npt.NDArray[Any], now: npt.NDArray[Any]) -> Iterator[str]:
    if was.dtype.kind == "f" and was.dtype == now.dtype and was.shape == now.shape:
        bits = f"i{was.itemsize}"
        yield f"  first at {np.flatnonzero(was.view(bits) != now.view(bits))[0]}; {agreement(now, was)}"


def _shown(tensor: Tensor | None) -> str:
    if tensor is None:
        return "nothing"
    if tensor.values.dtype == np.uint8:
        data = tensor.values.tobytes()
        return f"{len(data)} bytes {data[:60]!r}"
    first = " ".join(float.hex(float(x)) if tensor.values.dtype.kind == "f" else str(x) for x in tensor.values[:4])
    return f"{tensor.values.size} values {first}"
