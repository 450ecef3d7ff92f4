"""What the checkpoints of transformers and OpenCLIP have in common."""

from __future__ import annotations

import numpy as np

from pyffi.errors import ModelError
from pyffi.models.checkpoint import Tensor, finite

OPENAI_MEAN, OPENAI_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_FUSED = ".attn_in."


def split_attention(tensors: dict[str, Tensor]) -> None:
    """Takes PyTorch's fused query, key and value, renamed to `attn_in`, apart."""
    for name in [name for name in tensors if _FUSED in name]:
        fused = tensors.pop(name)
        rows = fused.shape[0] // 3 if fused.shape else 0
        for i, part in enumerate("qkv"):
            # The last one has what is over, so that a wrong shape is found.
            stop = (i + 1) * rows if part != "v" else (fused.shape or (0,))[0]
            tensors[name.replace(_FUSED, f".attn_{part}.")] = fused.rows(i * rows, stop)


def take_number(tensors: dict[str, Tensor], name: str) -> float | None:
    """Takes a tensor of one number out; None if there is none."""
    tensor = tensors.pop(name, None)
    if tensor is None:
        return None
    if tensor.shape not in ((), (1,)):
        raise ModelError(f"{name} has shape {list(tensor.shape)}: one number is needed")
    return float(finite(name, np.atleast_1d(tensor.load()))[0])
