"""functools.cache for threads: who asks for what another is computing waits for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import TypeVar

Result = TypeVar("Result")


def once(function: Callable[..., Result]) -> Callable[..., Result]:
    """Arguments are hashable and given by position. Where it has raised, it is called again."""
    results: dict[Hashable, Result] = {}
    locks: dict[Hashable, Lock] = {}
    growing = Lock()

    def computed_once(*arguments: Hashable) -> Result:
        with growing:
            lock = locks.setdefault(arguments, Lock())
        with lock:
            if arguments not in results:
                results[arguments] = function(*arguments)
            return results[arguments]

    return computed_once
