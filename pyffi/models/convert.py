"""Finds out what a path is and converts it: `convert("whisper-base/", "base.gguf")`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from pyffi.errors import ModelError
from pyffi.models.checkpoint import Checkpoint, Provenance
from pyffi.models.files import replacing
from pyffi.models.ggml import write_ggml
from pyffi.models.gguf import WeightType, write_gguf
from pyffi.models.sources.ctranslate2 import is_ctranslate2, read_ctranslate2
from pyffi.models.sources.ggml import is_ggml, read_ggml
from pyffi.models.sources.gguf import is_gguf, read_gguf, recorded_provenance
from pyffi.models.sources.huggingface import is_huggingface, read_huggingface
from pyffi.models.sources.openai import read_openai
from pyffi.models.verify import verify_model

SUPPORTED = (
    "a faster-whisper folder (model.bin), a transformers folder (config.json with model.safetensors, its shards or "
    "pytorch_model.bin), one of OpenAI's .pt files, one of whisper.cpp's ggml-*.bin, or a GGUF that this program wrote"
)
Reader = Callable[[Path, Provenance], Checkpoint]


def open_checkpoint(source: str | os.PathLike[str], provenance: Provenance | None = None) -> Checkpoint:
    """Opens a checkpoint of any supported kind; where it comes from is recorded in what is written of it."""
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: needed is {SUPPORTED}")
    found = _find_reader(path)
    if found is None:
        raise ModelError(f"{path} is not a model that can be converted: needed is {SUPPORTED}")
    read, path = found
    with _named(path):
        return read(path, provenance or default_provenance(path))


def default_provenance(path: Path) -> Provenance:
    if path.is_file() and is_gguf(path):
        return recorded_provenance(path)
    base = path.resolve().name if path.is_dir() else path.stem
    return Provenance(name=base, source=base)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Puts the path in front of errors that do not name it."""
    try:
        yield
    except ModelError as error:
        if str(path) in str(error):
            raise
        raise ModelError(f"{path}: {error}") from None


def checkpoint_path(path: Path) -> Path | None:
    """The file or folder of the checkpoint that a path names, None if it is none; its contents are not checked."""
    found = _find_reader(path) if path.exists() else None
    return found[1] if found else None


def _find_reader(path: Path) -> tuple[Reader, Path] | None:
    """What reads a path, and the file or folder it reads: a file of a folder's stands for the folder."""
    if path.is_dir():
        if is_ctranslate2(path):
            return read_ctranslate2, path
        return (read_huggingface, path) if is_huggingface(path) else None
    if path.name == "model.bin":
        return read_ctranslate2, path.parent
    if path.suffix == ".safetensors" or path.name in ("model.safetensors.index.json", "pytorch_model.bin"):
        return read_huggingface, path.parent
    if path.suffix == ".pt":
        return read_openai, path
    if is_gguf(path):
        return read_gguf, path
    return (read_ggml, path) if is_ggml(path) else None


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    weight_type: WeightType = "f16",
    provenance: Provenance | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Converts a checkpoint to our GGUF, or to whisper.cpp's format if the target's name ends in .bin.

    The target appears when it is complete; if anything fails there is none, or the one that was there before.
    """
    checkpoint = open_checkpoint(source, provenance)
    target = Path(target)
    with _named(Path(source)), replacing(target) as temporary:
        if target.suffix == ".bin":
            write_ggml(checkpoint, temporary, weight_type, on_progress)
        else:
            write_gguf(checkpoint, temporary, weight_type, on_progress)
        verify_model(temporary)  # what is written here, the engine opens
    return target
