"""Whisper models of Hugging Face's transformers: a folder with config.json and weights.

Weights are model.safetensors, or shards that model.safetensors.index.json lists, or pytorch_model.bin; the vocabulary
is in vocab.json or tokenizer.json, the alignment heads in generation_config.json.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pyffi.errors import ModelError
from pyffi.models.checkpoint import ENGLISH_VOCABULARY, TEXT_TOKENS, Checkpoint, Dimensions, Provenance, Tensor
from pyffi.models.sources.json_files import parse_alignment_heads, read_object
from pyffi.models.sources.safetensors import read_safetensors
from pyffi.models.sources.torch_zip import TorchFile
from pyffi.models.vocabulary import from_ids, published_vocabulary

_DIMENSIONS = {
    "n_mels": "num_mel_bins",
    "n_audio_ctx": "max_source_positions",
    "n_audio_state": "d_model",
    "n_audio_head": "encoder_attention_heads",
    "n_audio_layer": "encoder_layers",
    "n_vocab": "vocab_size",
    "n_text_ctx": "max_target_positions",
    "n_text_state": "d_model",
    "n_text_head": "decoder_attention_heads",
    "n_text_layer": "decoder_layers",
}
# Parts of a name in transformers and in OpenAI's state dict, applied in this order.
_NAMES = [
    (re.compile(pattern), name)
    for pattern, name in (
        (r"^model\.", ""),
        (r"\.layers\.", ".blocks."),
        (r"\.self_attn_layer_norm\.", ".attn_ln."),
        (r"\.encoder_attn_layer_norm\.", ".cross_attn_ln."),
        (r"\.final_layer_norm\.", ".mlp_ln."),
        (r"\.self_attn\.", ".attn."),
        (r"\.encoder_attn\.", ".cross_attn."),
        (r"\.q_proj\.", ".query."),
        (r"\.k_proj\.", ".key."),
        (r"\.v_proj\.", ".value."),
        (r"\.out_proj\.", ".out."),
        (r"\.fc1\.", ".mlp.0."),
        (r"\.fc2\.", ".mlp.2."),
        (r"^encoder\.layer_norm\.", "encoder.ln_post."),
        (r"^decoder\.layer_norm\.", "decoder.ln."),
        (r"\.embed_positions\.weight$", ".positional_embedding"),
        (r"\.embed_tokens\.", ".token_embedding."),
    )
]
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")


def is_huggingface(folder: Path) -> bool:
    return (folder / "config.json").is_file() and any((folder / name).is_file() for name in _WEIGHTS)


def read_huggingface(folder: Path, provenance: Provenance) -> Checkpoint:
    """Reads a folder of transformers; weights are loaded when asked for."""
    config = read_object(folder / "config.json")
    dimensions = _dimensions(config, folder / "config.json")
    generation = folder / "generation_config.json"
    return Checkpoint(
        dimensions=dimensions,
        tensors=_rename(dict(_weights(folder)), folder),
        vocabulary=_vocabulary(folder, dimensions.n_vocab),
        alignment_heads=parse_alignment_heads(read_object(generation), generation) if generation.is_file() else [],
        provenance=provenance,
    )


def _dimensions(config: dict[str, Any], path: Path) -> Dimensions:
    expected = {"model_type": "whisper", "activation_function": "gelu", "scale_embedding": False}
    for key, value in expected.items():
        if config.get(key, value) != value:
            raise ModelError(f"{path}: {key} is {config[key]!r}: {value!r} is supported")
    for key in _DIMENSIONS.values():
        if not isinstance(config.get(key), int):
            raise ModelError(f"{path}: {key} is {config.get(key)!r}: an integer is needed")
    dimensions = Dimensions(**{ours: config[theirs] for ours, theirs in _DIMENSIONS.items()})
    dimensions.validate()
    return dimensions


def _weights(folder: Path) -> Iterator[tuple[str, Tensor]]:
    single, index, pickled = (folder / name for name in _WEIGHTS)
    if single.is_file():
        yield from read_safetensors(single)
    elif index.is_file():
        yield from _shards(index)
    elif pickled.is_file():
        file = TorchFile(pickled)
        yield from file.tensors(file.root).items()
    else:
        raise ModelError(f"{folder} has none of {', '.join(_WEIGHTS)}")


def _shards(index: Path) -> Iterator[tuple[str, Tensor]]:
    files = read_object(index).get("weight_map")
    if not isinstance(files, dict) or not all(isinstance(name, str) for name in files.values()):
        raise ModelError(f"{index}: weight_map does not map tensors to files")
    for name in sorted(set(files.values())):
        if Path(name).name != name:
            raise ModelError(f"{index} lists {name!r}: a file in the same folder is needed")
        if not (index.parent / name).is_file():
            raise ModelError(f"{index} lists {name}, which is missing")
        yield from ((tensor, value) for tensor, value in read_safetensors(index.parent / name) if tensor in files)


def _rename(weights: dict[str, Tensor], folder: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for original, tensor in weights.items():
        name = original
        for pattern, replacement in _NAMES:
            name = pattern.sub(replacement, name)
        if name in tensors:
            raise ModelError(f"{folder} has {original} twice")
        tensors[name] = tensor
    projection, embedding = tensors.pop("proj_out.weight", None), tensors.get("decoder.token_embedding.weight")
    if projection and embedding and not np.array_equal(projection.load(), embedding.load()):
        raise ModelError(f"{folder}: proj_out.weight is not the token embedding: Whisper shares them")
    return tensors


def _vocabulary(folder: Path, n_vocab: int) -> list[bytes]:
    if (folder / "vocab.json").is_file():
        return from_ids(read_object(folder / "vocab.json"), TEXT_TOKENS[n_vocab])
    if (folder / "tokenizer.json").is_file():
        match read_object(folder / "tokenizer.json"):
            case {"model": {"vocab": dict(ids)}}:
                return from_ids(ids, TEXT_TOKENS[n_vocab])
        raise ModelError(f"{folder / 'tokenizer.json'} has no vocabulary of a BPE model")
    return published_vocabulary(multilingual=n_vocab != ENGLISH_VOCABULARY)
