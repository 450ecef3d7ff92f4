"""What Python adds to a call, and what it copies."""

from __future__ import annotations

import shlex
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pyffi import Vad
from pyffi._ffi import ffi, lib
from pyffi.buffers import pointer
from pyffi.vad import WINDOW

ROUNDS = 1000  # short ones: the least is one that nobody disturbed


def nanoseconds(action: Callable[[], object], calls: int) -> float:
    """Of one call: the least of many rounds."""
    least = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter_ns()
        for _ in range(calls):
            action()
        least = min(least, (time.perf_counter_ns() - started) / calls)
    return least


def added(wrapper: Callable[[], object], bare: Callable[[], object], calls: int) -> float:
    """What a wrapper adds to the bare call, in nanoseconds: the median over pairs, which noise hits alike."""
    differences = []
    for _ in range(ROUNDS):
        started = time.perf_counter_ns()
        for _ in range(calls):
            bare()
        between = time.perf_counter_ns()
        for _ in range(calls):
            wrapper()
        differences.append((time.perf_counter_ns() - between - (between - started)) / calls)
    return statistics.median(differences)


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
    samples, probability = pointer(window), ffi.new("float *")
    crossing_c, reset_c, process_c = in_c(folder)
    with Vad() as vad:
        crossing = nanoseconds(lib.mm_abi_version, 1000) - crossing_c
        reset = nanoseconds(vad.reset, 500) - reset_c
        # The network takes longer than what is looked for, so it is measured on both sides.
        handle = vad._handle
        wrapped = added(
            lambda: vad.process(window), lambda: lib.mm_vad_process(handle, samples, WINDOW, probability), 5
        )
    calls = [
        {"call": "mm_abi_version()", "c_ns": crossing_c, "added_ns": crossing},
        {"call": "Vad.reset()", "c_ns": reset_c, "added_ns": reset},
        {"call": "Vad.process(512 samples)", "c_ns": process_c, "added_ns": wrapped + crossing},
    ]
    seconds = 600
    return {"calls": calls, "seconds": seconds, "bytes_given": 64000 * seconds, "bytes_copied": bytes_copied(seconds)}
