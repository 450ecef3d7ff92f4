"""whisper.cpp's `ggml-*.bin`, in the layout that `pyffi/models/ggml.py` describes, of all weight types that it has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pyffi.errors import ModelError
from pyffi.models.binary import BinaryFile
from pyffi.models.checkpoint import Provenance, Tensor
from pyffi.models.ggml import HYPERPARAMETERS, MAGIC
from pyffi.models.mel_filters import N_BINS, mel_filters
from pyffi.models.sources.weight_types import StoredType, stored_size, stored_tensor, stored_type
from pyffi.models.vocabulary import published_vocabulary
from pyffi.models.whisper import ENGLISH_VOCABULARY, TEXT_TOKENS, Dimensions, WhisperCheckpoint

_MAX_TOKEN = 1 << 16


def is_ggml(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == MAGIC.to_bytes(4, "little")


def read_ggml(path: Path, provenance: Provenance) -> WhisperCheckpoint:
    """Reads a ggml file; weights are loaded, and quantised ones turned into float32, when asked for."""
    file = BinaryFile(path)
    if file.number("I", "the magic number") != MAGIC:
        raise ModelError(f"{path} is not a ggml file: it does not start with {MAGIC:#x}")
    dimensions = Dimensions(**{key: file.number("i", key) for key in HYPERPARAMETERS})
    dimensions.validate()
    file.number("i", "the weight type")  # each tensor says its own
    _check_mel_filters(file, dimensions.n_mels)
    vocabulary = [_token(file) for _ in range(file.number("i", "the number of tokens"))]
    if len(vocabulary) < dimensions.n_text_tokens:
        raise ModelError(f"{path} has {len(vocabulary)} tokens: {dimensions.n_text_tokens} are needed")
    return WhisperCheckpoint(
        dimensions=dimensions,
        tensors=dict(_tensors(file)),
        vocabulary=_repaired(vocabulary[: dimensions.n_text_tokens]),
        alignment_heads=[],
        provenance=provenance,
    )


def _check_mel_filters(file: BinaryFile, n_mels: int) -> None:
    shape = (file.number("i", "the number of mel filters"), file.number("i", "the size of mel filters"))
    if shape != (n_mels, N_BINS):
        raise ModelError(f"{file.path}: the mel filters have shape {list(shape)}: {[n_mels, N_BINS]} is needed")
    stored = file.array(file.skip(n_mels * N_BINS * 4, "the mel filters"), np.dtype("<f4"), shape)
    if not np.allclose(stored, mel_filters(n_mels), rtol=1e-5, atol=1e-8):
        raise ModelError(f"{file.path}: the mel filters are not those Whisper was trained with")


def _token(file: BinaryFile) -> bytes:
    length = file.number("i", "the length of a token")
    if not 0 <= length <= _MAX_TOKEN:
        raise ModelError(f"{file.path}: a token has {length} bytes, at {file.offset - 4}: at most {_MAX_TOKEN}")
    return file.take(length, "a token")


def _repaired(vocabulary: list[bytes]) -> list[bytes]:
    """The vocabulary with the bytes that early converters lost: they replaced those that are not UTF-8."""
    whole = published_vocabulary(multilingual=len(vocabulary) != TEXT_TOKENS[ENGLISH_VOCABULARY])
    lossy = [token.decode("utf-8", "replace").encode() for token in whole]
    return whole if vocabulary == lossy else vocabulary


def _tensors(file: BinaryFile) -> Iterator[tuple[str, Tensor]]:
    names: set[str] = set()
    while file.offset < len(file.data):
        rank, length, type_id = (
            file.number("i", what) for what in ("a tensor's rank", "its name's length", "its type")
        )
        if not 1 <= rank <= 3 or not 1 <= length <= 256:
            raise ModelError(f"{file.path}: a tensor of rank {rank} with a name of {length} bytes, at {file.offset}")
        dimensions = [file.number("i", "a tensor's dimensions") for _ in range(rank)]
        name = file.take(length, "a tensor's name").decode("utf-8", errors="backslashreplace")
        kind = stored_type(file, name, type_id)
        if min(dimensions) < 1:
            raise ModelError(f"{file.path}: {name} has dimensions {dimensions}")
        if name in names:
            raise ModelError(f"{file.path} has {name} twice")
        names.add(name)
        yield name, _tensor(file, name, tuple(reversed(dimensions)), kind)


def _tensor(file: BinaryFile, name: str, shape: tuple[int, ...], kind: StoredType) -> Tensor:
    tensor = stored_tensor(file, file.skip(stored_size(file, name, shape, kind), name), shape, kind)
    # whisper.cpp stores the biases of convolutions as columns.
    column = name in ("encoder.conv1.bias", "encoder.conv2.bias") and shape[-1] == 1
    return tensor.reshaped(*shape[:-1]) if column else tensor
