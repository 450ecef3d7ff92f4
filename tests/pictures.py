"""Folders of small pictures for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

BROKEN = b"\xff\xd8\xff\xe0, but no more of it"


def picture(seed: int, size: int = 48) -> Image.Image:
    """Coloured squares, different for each seed."""
    squares = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(squares).resize((size, size), Image.Resampling.NEAREST)


def fill(folder: Path, count: int, first: int = 0, size: int = 48) -> list[Path]:
    """Writes so many pictures, JPEG and PNG in turn: 0000.jpg, 0001.png, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{i:04}.{'png' if i % 2 else 'jpg'}" for i in range(first, first + count)]
    for i, path in enumerate(paths, start=first):
        picture(i, size).save(path)
    return paths
