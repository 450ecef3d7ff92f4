"""What many tests need: a tiny model with random weights, and audio made of numpy."""

from __future__ import annotations

import functools
import gc
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from model_files import write_gguf

from pyffi import Whisper

Samples = npt.NDArray[np.float32]

# Random weights say something in every window with these, and say it quickly.
QUICK: dict[str, Any] = {
    "language": "en",
    "beam_size": 1,
    "temperature": 0.0,
    "max_new_tokens": 6,
    "no_speech_threshold": None,
    "log_prob_threshold": None,
    "compression_ratio_threshold": None,
}


@pytest.fixture(scope="session")
def quick() -> dict[str, Any]:
    """Options with which a random model is done soon."""
    return dict(QUICK)


@pytest.fixture(scope="session")
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A multilingual model of a width of 64."""
    path = tmp_path_factory.mktemp("models") / "tiny.gguf"
    write_gguf(path)
    return path


@pytest.fixture(scope="session")
def tiny(tiny_path: Path) -> Iterator[Whisper]:
    with Whisper(tiny_path) as model:
        yield model


@pytest.fixture(scope="session")
def tone() -> Callable[..., Samples]:
    """tone(seconds, rate=16000): a chord with some noise, always the same."""

    def make(seconds: float, rate: int = 16000) -> Samples:
        time = np.arange(round(seconds * rate)) / rate
        chord = sum(np.sin(2 * np.pi * frequency * time) for frequency in (220.0, 331.0, 550.0))
        noise = np.random.default_rng(1).standard_normal(len(time))
        return (0.1 * chord + 0.01 * noise).astype(np.float32)

    return make


def pytest_configure() -> None:
    """A shell lets what it runs in the background ignore Ctrl-C, and so would all that is started here."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


NOTE = "note"


@pytest.fixture
def note(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """note(line) says something at the end of the run, for what depends on the machine."""
    return functools.partial(record_property, NOTE)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed"):
        for name, line in report.user_properties:
            if name == NOTE:
                terminalreporter.write_line(str(line))


def resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.fixture
def assert_no_leak() -> Callable[[Callable[[], object], int], None]:
    """assert_no_leak(action, bytes): after warming up, a hundred calls may not grow the process by so much."""

    def check(action: Callable[[], object], allowed: int) -> None:
        for _ in range(20):
            action()
        before = resident_bytes()
        for _ in range(100):
            action()
        assert resident_bytes() - before < allowed

    return check
