"""Progress bars on stderr with the speed and the time left; nothing where stderr is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

if TYPE_CHECKING:
    from typing_extensions import Self

Item = TypeVar("Item")


def _bars(enabled: bool) -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[speed]}"),
        console=console,
        transient=True,
        disable=not (enabled and console.is_terminal),
        # Text for the same terminal goes above the bar; text for a pipe stays untouched.
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
    )


def _time_left(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02} left" if hours else f"{minutes}:{seconds:02} left"


@contextmanager
def tally(label: str, enabled: bool = True) -> Iterator[Callable[[int, int], None]]:
    """A bar for things that are counted; the callback takes how many are done, and of how many."""
    with _bars(enabled) as progress:
        task = progress.add_task(label, total=None, speed="")
        started = time.monotonic()

        def on_progress(done: int, total: int) -> None:
            elapsed = time.monotonic() - started
            speed = f"{done} of {total}"
            if done and elapsed > 0:
                speed += f", {done / elapsed:.1f} a second, {_time_left((total - done) * elapsed / done)}"
            progress.update(task, completed=done, total=total, speed=speed)

        yield on_progress


def counted(items: Iterable[Item], total: int, on_progress: Callable[[int, int], None]) -> Iterator[Item]:
    """The items, each told to a tally as it comes."""
    for done, item in enumerate(items, start=1):
        on_progress(done, total)
        yield item


class Meter:
    """Shows how far the transcription of each file is."""

    def __init__(self, enabled: bool = True) -> None:
        self._progress = _bars(enabled)
        self._files = 0

    @contextmanager
    def file(self, path: str, count: int) -> Iterator[Callable[[float, float | None], None]]:
        """The on_progress callback for one of `count` files."""
        self._files += 1
        name = escape(PurePath(path).name or path)
        label = f"{name} ({self._files} of {count})" if count > 1 else name
        task = self._progress.add_task(label, total=None, speed="")
        started = time.monotonic()

        def on_progress(done: float, total: float | None) -> None:
            self._update(task, done, total, time.monotonic() - started)

        try:
            yield on_progress
        finally:
            self._progress.remove_task(task)

    def _update(self, task: TaskID, done: float, total: float | None, elapsed: float) -> None:
        speed = ""
        if done > 0:
            speed = f"real-time factor {elapsed / done:.2f}"
            if total is not None and total > done:
                speed += f", {_time_left((total - done) * elapsed / done)}"
        self._progress.update(task, completed=done, total=total, speed=speed)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()
