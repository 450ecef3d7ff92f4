"""The Muon optimiser: momentum whose matrices are made orthogonal, so that every direction of a weight learns alike."""

from __future__ import annotations

from typing import Any

import torch

MOMENTUM = 0.95
# The quintic iteration of Keller Jordan's Muon (https://kellerjordan.github.io/posts/muon/).
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
RMS = 0.2  # of an update at rate 1, which is AdamW's


class Muon:
    """For matrices; those of one shape, or of its transpose, are updated together."""

    def __init__(self, matrices: list[Any], weight_decay: float) -> None:
        self._weight_decay = weight_decay
        self._alike: dict[tuple[int, ...], list[Any]] = {}
        for matrix in matrices:
            self._alike.setdefault(tuple(sorted(matrix.shape)), []).append(matrix)
        self._momentum = {shape: torch.zeros(len(alike), *shape) for shape, alike in self._alike.items()}

    def step(self, rate: float) -> None:
        with torch.no_grad():
            for shape, alike in self._alike.items():
                gradients = torch.stack([_lying(matrix.grad, shape) for matrix in alike])
                momentum = self._momentum[shape].lerp_(gradients, 1 - MOMENTUM)
                updates = orthogonal(gradients.lerp(momentum, MOMENTUM)) * (RMS * shape[1] ** 0.5)
                for matrix, update in zip(alike, updates, strict=True):
                    matrix.mul_(1 - rate * self._weight_decay)
                    matrix.sub_(update if tuple(matrix.shape) == shape else update.T, alpha=rate)


def _lying(matrix: Any, shape: tuple[int, ...]) -> Any:
    return matrix if tuple(matrix.shape) == shape else matrix.T


def orthogonal(x: Any) -> Any:
    """Roughly the nearest matrices with orthonormal rows, of [n][rows][columns] with rows <= columns."""
    a, b, c = COEFFICIENTS
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
    for _ in range(ITERATIONS):
        square = x @ x.transpose(1, 2)
        x = a * x + (b * square + c * square @ square) @ x
    return x.float()
