"""Matrices and convolutions as panels of 16 outputs: the layout the engine reads in place (docs/model-files.md)."""

from __future__ import annotations

import numpy as np

from pyffi.models.checkpoint import Array

PANEL = 16


def panel_shape(n: int, k: int) -> tuple[int, int, int]:
    return (-(-n // PANEL), k, PANEL)


def pack_matrix(matrix: Array) -> Array:
    """[n][k] as [ceil(n / 16)][k][16]; outputs past n are zero."""
    n, k = matrix.shape
    panels = -(-n // PANEL)
    padded = matrix
    if n % PANEL:
        padded = np.zeros((panels * PANEL, k), matrix.dtype)
        padded[:n] = matrix
    return np.ascontiguousarray(padded.reshape(panels, PANEL, k).transpose(0, 2, 1))


def unpack_matrix(panels: Array, n: int) -> Array:
    """The [n][k] matrix in [ceil(n / 16)][k][16] panels."""
    count, k, lanes = panels.shape
    return np.ascontiguousarray(panels.transpose(0, 2, 1).reshape(count * lanes, k)[:n])


def convolution_matrix(weight: Array) -> Array:
    """A convolution [n][channels][taps...] as a matrix [n][taps * channels]: column tap * channels + channel, taps of
    an image row by row. A matrix stays as it is."""
    return np.ascontiguousarray(np.moveaxis(weight, 1, -1)).reshape(len(weight), -1)


def convolution_weight(matrix: Array, shape: tuple[int, ...]) -> Array:
    """The other way round: the weight of a shape that a matrix holds."""
    n, channels, *taps = shape
    return np.moveaxis(matrix.reshape(n, *taps, channels), -1, 1)
