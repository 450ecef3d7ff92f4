"""What Python adds to a call, and what it copies."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pyffi import Vad
from pyffi._ffi import lib

ROUNDS = 50


def nanoseconds(action: Callable[[], object], calls: int) -> float:
    """Of one call: the least of many rounds."""
    least = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter_ns()
        for _ in range(calls):
            action()
        least = min(least, (time.perf_counter_ns() - started) / calls)
    return least


def in_c(folder: Path) -> list[float]:
    """The same calls from C, through the same shared library."""
    program = folder / "calls"
    flags = subprocess.run(
        [sys.executable, "-m", "pyffi", "--cflags", "--libs"], capture_output=True, text=True, check=True
    ).stdout
    source = Path(__file__).with_name("calls.c")
    subprocess.run(["cc", "-O2", str(source), "-o", str(program), *shlex.split(flags)], check=True)
    output = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    return [float(line) for line in output.split()]


def bytes_copied(seconds: int = 600) -> int:
    """The most that Python allocates at a time while C reads so many seconds of samples; numpy's memory counts too."""
    samples = np.zeros(16000 * seconds, dtype=np.float32)
    with Vad() as vad:
        vad.probabilities(samples[:16000])  # what is made once
        tracemalloc.start()
        vad.probabilities(samples)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


def measure(folder: Path) -> dict[str, Any]:
    window = np.zeros(512, dtype=np.float32)
    with Vad() as vad:
        python = [
            nanoseconds(lib.mm_abi_version, 1000),
            nanoseconds(vad.reset, 1000),
            nanoseconds(lambda: vad.process(window), 100),
        ]
    names = ["mm_abi_version()", "Vad.reset()", "Vad.process(512 samples)"]
    calls = [
        {"call": name, "python_ns": py, "c_ns": c} for name, py, c in zip(names, python, in_c(folder), strict=True)
    ]
    seconds = 600
    return {"calls": calls, "seconds": seconds, "bytes_given": 64000 * seconds, "bytes_copied": bytes_copied(seconds)}
