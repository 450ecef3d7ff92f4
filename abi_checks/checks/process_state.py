"""What a process has set up for itself: no call, and neither loading nor unloading the library, changes it."""

from __future__ import annotations

from abi_checks.checks import Failed, Subject, check, expect_none
from abi_checks.models import write_inputs
from abi_checks.platforms import WORK, run
from abi_checks.watched_calls import compile_probe, expect_kept, watch_calls

LOADS, EMULATED_LOADS = 100, 20


@check()
def calls_change_nothing(subject: Subject) -> None:
    """Every function leaves errno, floating-point control, signals, locale, umask, folder and cancel state alone"""
    expect_kept(watch_calls(subject, "calls"), "state")
    expect_kept(watch_calls(subject, "modes"), "state")


@check()
def callbacks_see_the_state_of_the_host(subject: Subject) -> None:
    """In callbacks all of that is as it was before the call, whatever the library has set for itself"""
    expect_kept(watch_calls(subject, "calls"), "callbacks")
    expect_kept(watch_calls(subject, "modes"), "callbacks")


@check()
def results_do_not_depend_on_the_mode(subject: Subject) -> None:
    """Rounding modes and flush-to-zero of the host change no bit of any result"""
    expect_kept(watch_calls(subject, "modes"), "modes")


def load(subject: Subject, mode: str, *arguments: str) -> None:
    """Runs probes/load.c on the library."""
    program = compile_probe(subject, "load", ("load.c", "host_state.c"))
    lines = run(*program, mode, subject.library, *arguments, accept=range(-64, 256)).splitlines()
    if lines[-1:] != ["done"]:
        raise Failed("\n".join([*lines[:8], "and the program did not come to its end"]))
    expect_none(lines[:-1])


def model() -> str:
    return str(write_inputs(WORK / "inputs").whisper)


@check()
def loading_changes_nothing(subject: Subject) -> None:
    """dlopen and dlclose leave floating-point control, signals, locale, umask and folder alone"""
    load(subject, "state")


@check()
def unloading_leaves_nothing(subject: Subject) -> str:
    """Loading, working on several threads and unloading again and again leaves no descriptor, thread, mapping or key"""
    times = EMULATED_LOADS if subject.platform.emulator else LOADS
    load(subject, "often", model(), str(times))
    return f"{times} times"


@check()
def forked_child_goes_on(subject: Subject) -> None:
    """A child uses the model that its parent has opened, on threads of its own, and gets the same bits"""
    load(subject, "fork", model())
