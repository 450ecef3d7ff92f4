"""How the Python programs print their results; see README.md. Only the standard library: they run on AArch64, too."""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Callable, Iterable

NOTHING = 14695981039346656037


def show(name: str, case: Callable[[], str]) -> None:
    """Prints the line of a case: what it returns or, if it cannot be carried out, why."""
    try:
        value = case()
    except Exception as error:
        value = f"{type(error).__name__}: {error}"
    print(json.dumps({"case": name, "value": value}, ensure_ascii=False), flush=True)


def digest(data: bytes, start: int = NOTHING) -> int:
    """FNV-1a of 64 bits."""
    for byte in data:
        start = ((start ^ byte) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    return start


def hexadecimal(number: int) -> str:
    return f"{number:016x}"


def buffer(length: int, data: bytes, address: int) -> str:
    return f"{length} {hexadecimal(digest(data))} {address % 64}"


def float_bits(value: float) -> str:
    return struct.pack(">f", value).hex()


def double_bits(value: float) -> str:
    return struct.pack(">d", value).hex()


def numbers(values: Iterable[int]) -> str:
    return ",".join(map(str, values))


def audio(n: int) -> array[float]:
    """Samples that are the same in every language."""
    samples, state = array("f", bytes(4 * n)), 1
    for i in range(n):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        samples[i] = ((state >> 8) - 8388608) / 16777216
    return samples
