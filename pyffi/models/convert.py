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
from pyffi.models.sources.clip_gguf import read_clip_gguf
from pyffi.models.sources.clip_openclip import is_openclip, read_clip_safetensors, read_openclip
from pyffi.models.sources.ctranslate2 import is_ctranslate2, read_ctranslate2
from pyffi.models.sources.ggml import is_ggml, read_ggml
from pyffi.models.sources.gguf import is_gguf, read_header, recorded_provenance
from pyffi.models.sources.huggingface import is_huggingface, read_huggingface
from pyffi.models.sources.openai import read_openai
from pyffi.models.sources.weights import OPENCLIP, TRANSFORMERS
from pyffi.models.sources.whisper_gguf import read_whisper_gguf
from pyffi.models.verify import verify_model
from pyffi.models.whisper import WhisperCheckpoint

SUPPORTED = (
    "a faster-whisper folder (model.bin), a transformers folder (config.json with model.safetensors, its shards or "
    "pytorch_model.bin) of Whisper, CLIP or SigLIP, an OpenCLIP folder (open_clip_config.json), one of OpenAI's .pt "
    "files, one of whisper.cpp's ggml-*.bin, one of clip.cpp's GGUF files, or a GGUF that this program wrote"
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
        for recognised, read in _FOLDERS:
            if recognised(path):
                return read, path
        return None
    if path.name == "model.bin":
        return read_ctranslate2, path.parent
    if path.name in OPENCLIP and is_openclip(path.parent):
        return read_openclip, path.parent
    if path.name in TRANSFORMERS or (path.suffix == ".safetensors" and (path.parent / "config.json").is_file()):
        return read_huggingface, path.parent
    if path.suffix == ".safetensors":
        return read_clip_safetensors, path
    if path.suffix == ".pt" or path.name in OPENCLIP:
        return read_openai, path
    if is_gguf(path):
        return _read_gguf, path
    return (read_ggml, path) if is_ggml(path) else None


# The first that recognises a folder reads it. OpenCLIP comes before transformers: repositories that have both forms
# were trained with OpenCLIP.
_FOLDERS: tuple[tuple[Callable[[Path], bool], Reader], ...] = (
    (is_ctranslate2, read_ctranslate2),
    (is_openclip, read_openclip),
    (is_huggingface, read_huggingface),
)


def _read_gguf(path: Path, provenance: Provenance) -> Checkpoint:
    architecture = read_header(path)[1].get("general.architecture")
    if architecture == "clip":
        return read_clip_gguf(path, provenance)
    if architecture == "whisper":
        return read_whisper_gguf(path, provenance)
    raise ModelError(f"{path}: general.architecture is {architecture!r}: 'whisper' and 'clip' are supported")


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
            if not isinstance(checkpoint, WhisperCheckpoint):
                raise ModelError(f"{target} would be a file of whisper.cpp, which holds no CLIP: name it .gguf")
            write_ggml(checkpoint, temporary, weight_type, on_progress)
        else:
            write_gguf(checkpoint, temporary, weight_type, on_progress)
        verify_model(temporary)  # what is written here, the engine opens
    return target
