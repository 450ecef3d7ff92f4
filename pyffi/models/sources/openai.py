"""OpenAI's checkpoints (`tiny.pt`, ...): a dictionary with the dimensions and the state dict.

They come without a vocabulary: it is one of the two that Whisper has.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from pyffi.errors import ModelError
from pyffi.models.checkpoint import ENGLISH_VOCABULARY, Checkpoint, Dimensions, Provenance
from pyffi.models.sources.torch_zip import TorchFile
from pyffi.models.vocabulary import published_vocabulary


def read_openai(path: Path, provenance: Provenance) -> Checkpoint:
    """Reads a .pt file, running none of the code it may contain; weights are loaded when asked for."""
    file = TorchFile(path)
    match file.root:
        case {"dims": dict(dims), "model_state_dict": dict(state_dict)}:
            pass
        case _:
            raise ModelError(f"{path} has no dims and model_state_dict: not one of OpenAI's checkpoints")
    missing = [f.name for f in fields(Dimensions) if not isinstance(dims.get(f.name), int)]
    if missing:
        raise ModelError(f"{path}: dims has no integer {missing[0]}")
    dimensions = Dimensions(**{f.name: dims[f.name] for f in fields(Dimensions)})
    return Checkpoint(
        dimensions=dimensions,
        tensors=file.tensors(state_dict),
        vocabulary=published_vocabulary(multilingual=dimensions.n_vocab != ENGLISH_VOCABULARY),
        alignment_heads=[],
        provenance=provenance,
    )
