"""How far two arrays of numbers agree: in ULPs, in normalised error, and in what would be decided by them.

    python -m abi_checks.agreement OURS.npy THEIRS.npy

compares any two engines' log-mel spectrograms, encoder outputs, logits or embeddings, saved by numpy.save. A ULP is
the distance of neighbouring floats. The normalised mean squared error (NMSE) is the energy of the difference over that
of the second array. A decision is the place of the largest value in the last dimension.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

BARS = 32  # characters of the longest bar of a histogram


@dataclass(frozen=True)
class Agreement:
    values: int
    ulps: dict[str, int]  # how many values are that far apart: "0", "1", "2", "3-4", "5-8", ...
    largest: float  # difference
    nmse: float
    decisions: int
    same_decisions: int

    def __str__(self) -> str:
        most = max(self.ulps.values())
        width = max(map(len, self.ulps))
        rows = (f"  {name:>{width}} ULP {n:>9} {'#' * -(-BARS * n // most)}" for name, n in self.ulps.items())
        return (
            f"{self.values} values; largest difference {self.largest:.3g}, NMSE {self.nmse:.3g}; "
            f"{self.same_decisions} of {self.decisions} decisions the same\n" + "\n".join(rows)
        )


def agreement(ours: Floats, theirs: Floats) -> Agreement:
    """Of two arrays of one shape. Two NaNs agree."""
    if ours.shape != theirs.shape or not ours.size:
        raise ValueError(f"arrays of shapes {ours.shape} and {theirs.shape} cannot be compared")
    kind = np.float64 if np.float64 in (ours.dtype, theirs.dtype) else np.float32
    a, b = (np.atleast_1d(array.astype(kind)) for array in (ours, theirs))
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    both_nan = np.isnan(a) & np.isnan(b)
    with np.errstate(invalid="ignore"):
        difference = np.where(both_nan | (wide_a == wide_b), 0.0, np.abs(wide_a - wide_b))
    energy = float(np.sum(np.where(both_nan, 0.0, wide_b) ** 2))
    error = float(np.sum(difference**2))
    decided = a.argmax(axis=-1) == b.argmax(axis=-1)
    return Agreement(
        values=a.size,
        ulps=_histogram(np.where(both_nan, 0.0, ulps_apart(a, b))),
        largest=float(difference.max()),
        nmse=error / energy if energy else (0.0 if error == 0 else float("inf")),
        decisions=decided.size,
        same_decisions=int(decided.sum()),
    )


def ulps_apart(a: Floats, b: Floats) -> npt.NDArray[np.float64]:
    """How many floats lie between two, plus one; 0 for the same one. +0 and -0 are one apart."""
    integers, sign = (np.int32, 2**31) if a.dtype == np.float32 else (np.int64, 2**63)

    def order(values: Floats) -> npt.NDArray[Any]:
        bits = values.view(integers).astype(object if sign > 2**32 else np.int64)
        return np.where(bits < 0, -sign - bits - 1, bits)

    distances: npt.NDArray[np.float64] = np.abs(order(a) - order(b)).astype(np.float64)
    return distances


def _histogram(distances: npt.NDArray[np.float64]) -> dict[str, int]:
    buckets = np.where(distances == 0, -1, np.ceil(np.log2(np.maximum(distances, 1)))).astype(int)
    names = {-1: "0", 0: "1", 1: "2"}
    counted = sorted(Counter(buckets.ravel().tolist()).items())
    return {names.get(i, f"{2 ** (i - 1) + 1}-{2**i}"): count for i, count in counted}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("ours", type=Path)
    parser.add_argument("theirs", type=Path)
    arguments = parser.parse_args()
    print(agreement(np.load(arguments.ours), np.load(arguments.theirs)))


if __name__ == "__main__":
    main()
