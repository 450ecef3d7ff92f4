"""Whisper models of Hugging Face's transformers.

The vocabulary is in vocab.json or tokenizer.json, the alignment heads are in generation_config.json.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pyffi.errors import ModelError
from pyffi.models.checkpoint import Provenance, Tensor
from pyffi.models.sources.json_files import parse_alignment_heads, read_object
from pyffi.models.sources.weights import folder_weights, renamed
from pyffi.models.vocabulary import from_ids, published_vocabulary
from pyffi.models.whisper import ENGLISH_VOCABULARY, TEXT_TOKENS, Dimensions, WhisperCheckpoint

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
_NAMES = (
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


def read_whisper(folder: Path, config: dict[str, Any], provenance: Provenance) -> WhisperCheckpoint:
    """Reads a folder whose config.json this is; weights are loaded when asked for."""
    dimensions = _dimensions(config, folder / "config.json")
    generation = folder / "generation_config.json"
    return WhisperCheckpoint(
        dimensions=dimensions,
        tensors=_tensors(folder),
        vocabulary=_vocabulary(folder, dimensions.n_vocab),
        alignment_heads=parse_alignment_heads(read_object(generation), generation) if generation.is_file() else [],
        provenance=provenance,
    )


def _dimensions(config: dict[str, Any], path: Path) -> Dimensions:
    expected = {"activation_function": "gelu", "scale_embedding": False}
    for key, value in expected.items():
        if config.get(key, value) != value:
            raise ModelError(f"{path}: {key} is {config[key]!r}: {value!r} is supported")
    for key in _DIMENSIONS.values():
        if not isinstance(config.get(key), int):
            raise ModelError(f"{path}: {key} is {config.get(key)!r}: an integer is needed")
    dimensions = Dimensions(**{ours: config[theirs] for ours, theirs in _DIMENSIONS.items()})
    dimensions.validate()
    return dimensions


def _tensors(folder: Path) -> dict[str, Tensor]:
    tensors = renamed(folder_weights(folder), _NAMES, folder)
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
