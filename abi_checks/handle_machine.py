"""Draws sequences of calls, legal and not, has a program carry them out, and knows what each must return.

A process that dies is a result like any other, so that hypothesis finds the shortest sequence that kills it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from hypothesis.strategies import booleans, integers, sampled_from

from abi_checks.checks import Failed

OK, INVALID_ARGUMENT, INVALID_HANDLE, ABORTED, BUSY = 0, -1, -2, -7, -8
NEEDS_AUDIO, DONE = 1, 2
KINDS = ("whisper", "clip", "vad", "transcript")
# Calls that give a number, and those that give a buffer, by the kind of handle that they take.
READERS = {"whisper_info": "whisper", "clip_info": "clip", "vad_reset": "vad", "vad_window": "vad"}
MAKERS = {"tokenize": "whisper", "encode": "whisper", "clip_text": "clip", "vad_probabilities": "vad"}


@dataclass
class Handle:
    """What a handle must be, by what was done with it."""

    kind: str  # empty: never was one
    is_open: bool = True
    is_finished: bool = False
    is_aborted: bool = False

    def answers(self, kind: str) -> bool:
        return self.is_open and self.kind == kind


@dataclass
class Driver:
    """handles.c at work."""

    command: Sequence[str]
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def call(self, *words: str | int) -> list[str]:
        line = " ".join(map(str, words))
        self.calls.append(line)
        assert self.process.stdin
        assert self.process.stdout
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self.process.stdout.readline().split()
        if not answer:
            self.end()
            raise AssertionError(f"the process died ({self.process.returncode})")
        return answer

    def end(self) -> None:
        """All is closed and freed; a sanitizer then looks for what is left."""
        output, errors = self.process.communicate()
        assert self.process.returncode == 0, f"the process ended with {self.process.returncode}\n{output}{errors}"


PICKS = integers(0, 999)


class HandleMachine(RuleBasedStateMachine):
    command: ClassVar[Sequence[str]]
    latest: ClassVar[list[str]]  # the calls of the latest sequence, which is the shortest once hypothesis has failed
    results: ClassVar[dict[str, str]]  # of each call that must always give the same

    def __init__(self) -> None:
        super().__init__()
        self.driver = Driver(self.command)
        type(self).latest = self.driver.calls
        self.known = [Handle(""), Handle(""), Handle("")]  # that never were any
        self.buffers: list[str | None] = []  # their digests; None: freed

    def teardown(self) -> None:
        if self.driver.process.poll() is None:
            self.driver.end()

    # ---- What must be ------------------------------------------------------------------------------------------------

    def expect(self, answer: list[str], *statuses: int) -> None:
        assert int(answer[0]) in statuses, f"status {answer[0]}, not {' or '.join(map(str, statuses))}"

    def same(self, name: str, answer: list[str]) -> None:
        """Results are those of every time before."""
        known = self.results.setdefault(name, answer[1])
        assert answer[1] == known, f"{name} gave {answer[1]}, and {known} before"

    def pick(self, kind: str, pick: int) -> int:
        """Mostly an open handle of that kind, and one that can still do something; else any."""
        fitting = [number for number, handle in enumerate(self.known) if handle.answers(kind)]
        able = [number for number in fitting if not self.known[number].is_aborted]
        numbers = (range(len(self.known)), fitting, able, able)[pick % 4] or fitting or range(len(self.known))
        return numbers[pick // 4 % len(numbers)]

    def opened(self, kind: str, answer: list[str], is_good: bool) -> None:
        self.expect(answer, OK if is_good else INVALID_HANDLE)
        if is_good:
            assert int(answer[1]) == len(self.known)
            self.known.append(Handle(kind))

    def used(self, how: str, kind: str, pick: int) -> list[str] | None:
        """The answer of a call that must work, else None."""
        number = self.pick(kind, pick)
        answer = self.driver.call(how, number)
        is_good = self.known[number].answers(kind)
        self.expect(answer, OK if is_good else INVALID_HANDLE)
        return answer if is_good else None

    # ---- Handles -----------------------------------------------------------------------------------------------------

    @initialize()
    def open_one_of_each(self) -> None:
        for kind in ("whisper", "clip", "vad"):
            self.open(kind)

    @rule(kind=sampled_from(["whisper", "clip", "vad"]))
    def open(self, kind: str) -> None:
        self.opened(kind, self.driver.call(f"open_{kind}"), True)

    @rule(how=sampled_from(["open_transcript", "open_transcript", "transcribe"]), pick=PICKS)
    def open_transcript(self, how: str, pick: int) -> None:
        model = self.pick("whisper", pick)
        is_good = self.known[model].answers("whisper")
        self.opened("transcript", self.driver.call(how, model), is_good)
        if is_good and how == "transcribe":
            self.known[-1].is_finished = True

    @rule(how=sampled_from(["open_nothing", "open_the_wrong_kind"]))
    def fail_to_open(self, how: str) -> None:
        answer = self.driver.call(how)
        assert int(answer[0]) < 0
        self.same(how, answer)
        self.buffers.append(answer[1])

    @rule(kind=sampled_from(KINDS), pick=PICKS)
    def close(self, kind: str, pick: int) -> None:
        """What is closed already, or of another kind, stays as it is."""
        number = self.pick(kind, pick)
        self.driver.call(f"close_{kind}", number)
        if self.known[number].kind == kind:
            self.known[number].is_open = False

    # ---- Models and detectors ----------------------------------------------------------------------------------------

    @rule(how=sampled_from(sorted(READERS)), pick=PICKS)
    def read(self, how: str, pick: int) -> None:
        if answer := self.used(how, READERS[how], pick):
            self.same(how, answer)

    @rule(how=sampled_from(sorted(MAKERS)), pick=PICKS)
    def make(self, how: str, pick: int) -> None:
        if answer := self.used(how, MAKERS[how], pick):
            self.same(how, answer)
            self.buffers.append(answer[1])

    # ---- Transcripts -------------------------------------------------------------------------------------------------

    @rule(how=sampled_from(["push", "push", "finish"]), pick=PICKS)
    def feed(self, how: str, pick: int) -> None:
        self.fed(how, self.pick("transcript", pick))

    def fed(self, how: str, number: int) -> None:
        answer, known = self.driver.call(how, number), self.known[number]
        if not known.answers("transcript"):
            self.expect(answer, INVALID_HANDLE)
        elif known.is_aborted:
            self.expect(answer, ABORTED)
        else:
            self.expect(answer, INVALID_ARGUMENT if how == "push" and known.is_finished else OK)
            known.is_finished |= how == "finish"

    @rule(pick=PICKS, is_fed=booleans())
    def step(self, pick: int, is_fed: bool) -> None:
        number = self.pick("transcript", pick)
        if is_fed:
            self.fed("push", number)
        self.stepped(number, self.driver.call("step", number))

    @rule(pick=PICKS, kind=sampled_from(KINDS), other=PICKS)
    def step_while_another_is_closed(self, pick: int, kind: str, other: int) -> None:
        """A callback steps the other handle, and closes it in every way; it may be the one that is being stepped."""
        number, closed = self.pick("transcript", pick), self.pick(kind, other)
        self.fed("push", number)
        answer = self.driver.call("step_closing", number, closed)
        self.stepped(number, answer)
        if closed and answer[2] == "closed":
            if number == closed:
                assert int(answer[3]) == BUSY
            elif not self.known[closed].answers("transcript"):
                assert int(answer[3]) == INVALID_HANDLE
            self.known[closed].is_open = False

    def stepped(self, number: int, answer: list[str]) -> None:
        known = self.known[number]
        if not known.answers("transcript"):
            self.expect(answer, INVALID_HANDLE)
        elif known.is_aborted:
            self.expect(answer, ABORTED)
        else:
            self.expect(answer, OK)
            assert int(answer[1]) != (NEEDS_AUDIO if known.is_finished else DONE), f"state {answer[1]}"

    @rule(pick=PICKS)
    def abort(self, pick: int) -> None:
        number = self.pick("transcript", pick)
        answer, known = self.driver.call("abort", number), self.known[number]
        self.expect(answer, OK if known.answers("transcript") else INVALID_HANDLE)
        known.is_aborted |= known.answers("transcript")

    @rule(pick=PICKS, how=sampled_from(["info", "segment"]))
    def look(self, pick: int, how: str) -> None:
        number = self.pick("transcript", pick)
        answer = self.driver.call(how, number)
        if not self.known[number].answers("transcript"):
            self.expect(answer, INVALID_HANDLE)
        else:
            self.expect(answer, OK, *([INVALID_ARGUMENT] if how == "segment" else []))

    @rule(pick=PICKS)
    def last_error(self, pick: int) -> None:
        number = self.pick("transcript", pick)
        answer = self.driver.call("last_error", number)
        assert self.known[number].answers("transcript") or answer[1] == "0"

    # ---- Buffers -----------------------------------------------------------------------------------------------------

    @rule(pick=PICKS, how=sampled_from(["check", "overwrite", "free"]))
    def use_buffer(self, pick: int, how: str) -> None:
        """It is as it was, whatever was done meanwhile; it may be written to; it is freed once."""
        alive = [number for number, digest in enumerate(self.buffers) if digest]
        if not alive:
            self.driver.call("free_null")
            return
        number = alive[pick % len(alive)]
        answer = self.driver.call(how, number)
        if how == "check":
            assert answer[1] == self.buffers[number], "a buffer has changed"
        else:
            self.buffers[number] = answer[1] if how == "overwrite" else None


def draw_sequences(command: Sequence[str], examples: int, steps: int) -> str:
    """The same sequences every time; Failed, with the shortest sequence that breaks a rule."""

    class Machine(HandleMachine):
        latest: ClassVar[list[str]] = []
        results: ClassVar[dict[str, str]] = {}

    Machine.command = command
    chosen = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck), print_blob=False, phases=(Phase.generate, Phase.shrink),
    )  # fmt: skip
    try:
        run_state_machine_as_test(Machine, settings=chosen)
    except Exception as error:
        raise Failed(f"{'; '.join(Machine.latest)}: {error}") from error
    return f"{examples} sequences of up to {steps} calls"
