"""OpenAI's checkpoints, files of torch.save: Whisper's (`tiny.pt`) and state dicts of CLIP."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from pyffi.errors import ModelError
from pyffi.models.checkpoint import Checkpoint, Provenance
from pyffi.models.sources.clip_openclip import is_clip_state_dict, read_state_dict
from pyffi.models.sources.torch_zip import TorchFile
from pyffi.models.vocabulary import published_vocabulary
from pyffi.models.whisper import ENGLISH_VOCABULARY, Dimensions, WhisperCheckpoint


def read_openai(path: Path, provenance: Provenance) -> Checkpoint:
    """Reads a .pt file, running none of the code it may contain; weights are loaded when asked for."""
    file = TorchFile(path)
    match file.root:
        case {"dims": dict(dims), "model_state_dict": dict(state_dict)}:
            return _read_whisper(file, dims, state_dict, provenance)
        case {"state_dict": dict(state_dict)} if is_clip_state_dict(state_dict):  # of OpenCLIP's training
            return read_state_dict(path, file.tensors(state_dict), provenance)
        case dict(state_dict) if is_clip_state_dict(state_dict):
            return read_state_dict(path, file.tensors(state_dict), provenance)
    raise ModelError(
        f"{path} has no dims and model_state_dict, as Whisper's checkpoints have, and no visual.conv1.weight, "
        "as CLIP's have: not one of OpenAI's checkpoints"
    )


def _read_whisper(
    file: TorchFile, dims: dict[str, Any], state_dict: dict[str, Any], provenance: Provenance
) -> WhisperCheckpoint:
    """Whisper's come without a vocabulary: it is one of the two that Whisper has."""
    missing = [f.name for f in fields(Dimensions) if not isinstance(dims.get(f.name), int)]
    if missing:
        raise ModelError(f"{file.path}: dims has no integer {missing[0]}")
    dimensions = Dimensions(**{f.name: dims[f.name] for f in fields(Dimensions)})
    return WhisperCheckpoint(
        dimensions=dimensions,
        tensors=file.tensors(state_dict),
        vocabulary=published_vocabulary(multilingual=dimensions.n_vocab != ENGLISH_VOCABULARY),
        alignment_heads=[],
        provenance=provenance,
    )
