"""Writes tests/fixtures/pictures: small JPEG and PNG files of several kinds, whose decoded pixels are golden.

python tools/make_picture_fixtures.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "fixtures" / "pictures"


def picture(width: int, height: int) -> Image.Image:
    """Gradients, an edge, and some noise."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    pixels = np.stack([x / width * 255, y / height * 255, 127 + 127 * np.sin(x / 7) * np.cos(y / 11)], axis=-1)
    pixels[height // 4 : height // 2, width // 3 : width // 2] = (250, 20, 30)
    pixels += np.random.default_rng(1).normal(0, 6, pixels.shape)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    picture(67, 45).save(FOLDER / "baseline.jpg", quality=80)
    picture(45, 67).save(FOLDER / "progressive.jpg", quality=85, subsampling=0, progressive=True)
    picture(50, 40).convert("L").save(FOLDER / "grey.jpg", quality=70)
    picture(34, 41).convert("CMYK").save(FOLDER / "cmyk.jpg", quality=75)
    palette = picture(40, 33).quantize(16)
    palette.save(FOLDER / "palette.png", transparency=3)
    alpha = picture(31, 29)
    alpha.putalpha(Image.linear_gradient("L").resize(alpha.size))
    alpha.save(FOLDER / "alpha.png")
    grey = np.arange(24 * 37, dtype=np.uint16).reshape(24, 37) * 73
    Image.fromarray(grey).save(FOLDER / "grey16.png")
    picture(33, 21).convert("1").save(FOLDER / "bilevel.png")


if __name__ == "__main__":
    main()
