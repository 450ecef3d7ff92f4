"""Writes a checkpoint as whisper.cpp's `ggml-*.bin`, for running the same weights side by side with it.

The layout is that of whisper.cpp's `models/convert-pt-to-ggml.py`, all little-endian: u32 magic, the hyperparameters,
the mel filters, the vocabulary as bytes, then the tensors: i32 rank, name length and type, dimensions fastest first,
name, data. Matrices have the model's type, everything else is f32. Alignment heads have no place in it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pyffi.models.checkpoint import Array
from pyffi.models.gguf import WeightType, cast, matrix_dtype
from pyffi.models.mel_filters import mel_filters
from pyffi.models.vocabulary import END_OF_TEXT
from pyffi.models.whisper import WhisperCheckpoint

MAGIC = 0x67676D6C
# In the order of the file's header.
HYPERPARAMETERS = (
    "n_vocab",
    "n_audio_ctx",
    "n_audio_state",
    "n_audio_head",
    "n_audio_layer",
    "n_text_ctx",
    "n_text_state",
    "n_text_head",
    "n_text_layer",
    "n_mels",
)
F32, F16 = 0, 1


def write_ggml(
    checkpoint: WhisperCheckpoint,
    path: Path,
    weight_type: WeightType = "f16",
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes the checkpoint to `path`; `on_progress` is told the tensors written and their total number."""
    dtype = matrix_dtype(checkpoint, weight_type)
    mel = mel_filters(checkpoint.dimensions.n_mels)
    vocabulary = [*checkpoint.vocabulary]
    if len(vocabulary) == 50256:  # whisper.cpp expects 50257 entries of either vocabulary
        vocabulary.append(END_OF_TEXT.encode())
    with path.open("wb") as file:
        file.write(struct.pack("<I", MAGIC))
        file.write(struct.pack("<10i", *(getattr(checkpoint.dimensions, name) for name in HYPERPARAMETERS)))
        file.write(struct.pack("<i", F16 if dtype == np.float16 else F32))
        file.write(struct.pack("<2i", *mel.shape) + mel.astype("<f4").tobytes())
        file.write(struct.pack("<i", len(vocabulary)))
        for token in vocabulary:
            file.write(struct.pack("<i", len(token)) + token)
        for done, name in enumerate(checkpoint.shapes, start=1):
            values = checkpoint.load(name)
            values = cast(name, values, dtype) if checkpoint.is_matrix(name) else values.astype(np.float32)
            if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
                values = values[:, None]  # added to a [channels][time] matrix
            file.write(_tensor_header(name, values))
            file.write(np.ascontiguousarray(values).tobytes())
            if on_progress:
                on_progress(done, len(checkpoint.shapes))


def _tensor_header(name: str, values: Array) -> bytes:
    encoded = name.encode()
    kind = F16 if values.dtype == np.float16 else F32
    return struct.pack(f"<{3 + values.ndim}i", values.ndim, len(encoded), kind, *reversed(values.shape)) + encoded
