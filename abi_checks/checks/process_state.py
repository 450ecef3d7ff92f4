"""What a process has set up for itself: no call, and neither loading nor unloading the library, changes it."""

from __future__ import annotations

from abi_checks.checks import Subject, check
from abi_checks.watched_calls import expect_kept, watch_calls


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
