"""Resizing against Pillow: not one bit differs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pyffi import InvalidArgument, resize_image

Pixels = npt.NDArray[np.uint8]

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
SIZES = st.integers(1, 300)


def pixels(seed: int, width: int, height: int, high_contrast: bool = False) -> Pixels:
    """Noise, or black and white, where bicubic overshoots most."""
    rng = np.random.default_rng(seed)
    if high_contrast:
        return np.array(rng.integers(0, 2, (height, width, 3)) * 255, np.uint8)
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def assert_same(array: Pixels, width: int, height: int, filter: str) -> None:
    expected = np.asarray(Image.fromarray(array).resize((width, height), FILTERS[filter]))
    np.testing.assert_array_equal(resize_image(array, (width, height), filter), expected)


@settings(deadline=None, max_examples=250)
@given(st.integers(0, 2**32 - 1), SIZES, SIZES, SIZES, SIZES, st.sampled_from(list(FILTERS)), st.booleans())
def test_any_size_to_any_size(
    seed: int, from_width: int, from_height: int, width: int, height: int, filter: str, high_contrast: bool
) -> None:
    assert_same(pixels(seed, from_width, from_height, high_contrast), width, height, filter)


@pytest.mark.parametrize("filter", FILTERS)
@pytest.mark.parametrize(
    ("source", "size"),
    [
        ((2000, 1500), (298, 224)),
        ((1, 1), (500, 300)),
        ((3000, 2), (1, 1)),
        ((4001, 3), (4000, 3)),  # to the next size
        ((3, 4001), (3, 4000)),
        ((700, 500), (700, 40)),  # one direction
        ((700, 500), (40, 500)),
        ((700, 500), (700, 500)),  # none
        ((3, 301), (30, 300)),  # more than 100 times as high as wide: the other direction comes first
        ((3, 300), (30, 299)),
        ((3, 301), (30, 302)),
        ((20000, 7), (224, 9)),
        ((50, 40), (6000, 300)),
    ],
)
def test_sizes_at_the_limits_of_a_rule(source: tuple[int, int], size: tuple[int, int], filter: str) -> None:
    assert_same(pixels(1, *source, high_contrast=True), *size, filter)


def test_rows_may_lie_apart() -> None:
    whole = pixels(2, 90, 80)
    part = whole[5:70, 11:60]
    np.testing.assert_array_equal(resize_image(part, (30, 20)), resize_image(part.copy(), (30, 20)))
    part.flags.writeable = False
    assert resize_image(part, (30, 20)).flags.writeable


@pytest.mark.parametrize(
    ("array", "size", "filter", "message"),
    [
        ([[[1, 2, 3]]], (2, 2), "bicubic", "pixels is list, not a numpy array"),
        (np.zeros((2, 2, 3)), (2, 2), "bicubic", "array of float64; it must be uint8"),
        (np.zeros((2, 2), np.uint8), (2, 2), "bicubic", r"shape \(2, 2\); it must be \(height, width, 3\)"),
        (np.zeros((0, 2, 3), np.uint8), (2, 2), "bicubic", "no pixels in it"),
        (pixels(1, 4, 4)[:, ::2], (2, 2), "bicubic", "not contiguous in memory"),
        (pixels(1, 4, 4)[::-1], (2, 2), "bicubic", "not contiguous in memory"),
        (pixels(1, 4, 4), 3, "bicubic", r"size must be \(width, height\), not 3"),
        (pixels(1, 4, 4), (0, 3), "bicubic", "width must be 1 to 16777216, not 0"),
        (pixels(1, 4, 4), (3, 2**24 + 1), "bicubic", "height must be 1 to"),
        (pixels(1, 4, 4), (3, 3), "lanczos", "'bicubic' or 'bilinear', not 'lanczos'"),
    ],
)
def test_wrong_arguments_are_refused(array: Any, size: Any, filter: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        resize_image(array, size, filter)
