"""What the checkpoints of transformers and OpenCLIP have in common."""

from __future__ import annotations

import math

import numpy as np

from pyffi.errors import ModelError
from pyffi.models.checkpoint import Tensor, finite
from pyffi.models.clip import LOGIT_SCALE

OPENAI_MEAN, OPENAI_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_MAX_EXPONENT = 80  # which float32 holds the result of
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


def take_scale_and_bias(tensors: dict[str, Tensor]) -> tuple[float, float | None]:
    """What the cosine is multiplied by, whose logarithm is stored, and what is added to it."""
    exponent, bias = (take_number(tensors, name) for name in ("logit_scale", "logit_bias"))
    if exponent is not None and exponent > _MAX_EXPONENT:
        raise ModelError(f"logit_scale has the value {exponent}: an exponent of at most {_MAX_EXPONENT} is supported")
    return (LOGIT_SCALE if exponent is None else math.exp(exponent)), bias
