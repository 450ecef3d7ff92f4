"""PNG files of every kind, also those that Pillow does not write: interlaced, 2 and 4 bits, any chunks anywhere."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# (colour type, bits per sample): all that there are. 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha.
LAYOUTS = [
    *((0, depth) for depth in (1, 2, 4, 8, 16)),
    *((3, depth) for depth in (1, 2, 4, 8)),
    *((colour, depth) for colour in (2, 4, 6) for depth in (8, 16)),
]
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xaeB`\x82"
# Of each pass of Adam7: first column, first row, and the steps to the next.
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]

Chunk = tuple[bytes, bytes]


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def header(width: int, height: int, colour: int, depth: int, *, interlaced: bool = False) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))


def write_png(
    samples: npt.NDArray[np.uint16],
    colour: int,
    depth: int,
    *,
    interlaced: bool = False,
    filters: Sequence[int] = (0, 1, 2, 3, 4),
    palette: bytes | None = None,
    before: Sequence[Chunk] = (),
    after: Sequence[Chunk] = (),
    piece: int = 1 << 20,
) -> bytes:
    """A file of samples, (height, width, channels), each less than 2 ** depth.

    filters  of the rows, in turn
    before   chunks before the pixels, and `after` them
    piece    bytes of compressed pixels in a chunk
    """
    height, width, _ = samples.shape
    passes = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlaced else [samples]
    compressed = zlib.compress(b"".join(_filtered(part, depth, filters) for part in passes if part.size))
    parts = [SIGNATURE, header(width, height, colour, depth, interlaced=interlaced)]
    if palette is not None:
        parts.append(chunk(b"PLTE", palette))
    parts += [chunk(*each) for each in before]
    parts += [chunk(b"IDAT", compressed[i : i + piece]) for i in range(0, len(compressed), piece)]
    parts += [chunk(*each) for each in after]
    return b"".join([*parts, END])


def _filtered(samples: npt.NDArray[np.uint16], depth: int, filters: Sequence[int]) -> bytes:
    height, width, channels = samples.shape
    if depth == 16:
        rows = samples.astype(">u2").view(np.uint8).reshape(height, -1)
    elif depth == 8:
        rows = samples.astype(np.uint8).reshape(height, -1)
    else:
        bits = samples.reshape(height, width, 1) >> np.arange(depth - 1, -1, -1, dtype=np.uint16) & 1
        rows = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    step = max(1, channels * depth // 8)
    above = np.zeros(rows.shape[1], np.int32)
    out = []
    for y, row in enumerate(rows.astype(np.int32)):
        left, corner = (np.concatenate([np.zeros(step, np.int32), line])[: len(row)] for line in (row, above))
        kind = filters[y % len(filters)]
        predicted = [0 * row, left, above, (left + above) // 2, _paeth(left, above, corner)][kind]
        out.append(bytes([kind]) + ((row - predicted) % 256).astype(np.uint8).tobytes())
        above = row
    return b"".join(out)


def _paeth(
    left: npt.NDArray[np.int32], above: npt.NDArray[np.int32], corner: npt.NDArray[np.int32]
) -> npt.NDArray[np.int32]:
    a, b, c = abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)
    return np.where((a <= b) & (a <= c), left, np.where(b <= c, above, corner))


def with_checksums(data: bytes) -> bytes:
    """The same with every checksum of a chunk put right, as far as chunks can be followed."""
    out, at = [data[:8]], 8
    while at + 12 <= len(data) and at + 12 + (length := int.from_bytes(data[at : at + 4], "big")) <= len(data):
        out.append(chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return b"".join([*out, data[at:]])
