"""CLIP model files that are not as they should be: refused when opened, by name, with what is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clip_files import SIGLIP, SyntheticClip, synthetic_clip
from model_files import ARRAY, F32, STRING, U32

import pyffi
from pyffi import Clip
from pyffi.models.verify import verify_model


@pytest.fixture(scope="module")
def model() -> SyntheticClip:
    return synthetic_clip()


def refused(path: Path, model: SyntheticClip, kind: type[pyffi.MultimodalError], message: str) -> None:
    model.write(path)
    with pytest.raises(kind, match=message) as caught:
        Clip(path)
    assert str(path) in str(caught.value)


def without(model: SyntheticClip, *names: str) -> SyntheticClip:
    """Lacks metadata and tensors of these names."""
    return replace(
        model,
        metadata=[entry for entry in model.metadata if entry[0] not in names],
        stored=[tensor for tensor in model.stored if tensor.name not in names],
    )


def with_value(model: SyntheticClip, key: str, kind: Any, value: Any) -> SyntheticClip:
    return replace(without(model, key), metadata=[*without(model, key).metadata, (key, kind, value)])


def test_every_tensor_is_needed(tmp_path: Path, model: SyntheticClip) -> None:
    optional = {"v.class_embd": "pooling", "v.pre_ln.weight": "", "v.pre_ln.bias": "v.pre_ln.bias is missing"}
    for name in [tensor.name for tensor in model.stored]:
        if name == "v.pre_ln.weight":  # then there is no such norm
            continue
        message = optional.get(name, f"{name} is missing")
        refused(tmp_path / "model.gguf", without(model, name), pyffi.ModelError, message)


def test_every_shape_is_checked(tmp_path: Path, model: SyntheticClip) -> None:
    for i, tensor in enumerate(model.stored):
        wrong = replace(tensor, dims=(*tensor.dims[:-1], tensor.dims[-1] + 1), data=tensor.data + tensor.data)
        stored = [*model.stored[:i], wrong, *model.stored[i + 1 :]]
        refused(tmp_path / "model.gguf", replace(model, stored=stored), pyffi.ModelError, tensor.name)


def test_nan_in_a_vector_is_refused_and_in_a_matrix_found_by_verify_model(tmp_path: Path, model: SyntheticClip) -> None:
    for i, tensor in enumerate(model.stored):
        if tensor.name not in ("v.blk.1.ln1.weight", "t.position_embd.weight", "v.blk.0.attn_q.weight"):
            continue
        values = np.frombuffer(tensor.data, "<f4" if tensor.type == 0 else "<f2").copy()
        values[5] = np.nan
        damaged = replace(tensor, data=values.tobytes())
        wrong = replace(model, stored=[*model.stored[:i], damaged, *model.stored[i + 1 :]])
        message = f"{tensor.name} holds NaN"
        if tensor.type == 0:
            refused(tmp_path / "model.gguf", wrong, pyffi.ModelError, message)
        wrong.write(tmp_path / "model.gguf")
        with pytest.raises(pyffi.ModelError, match=message):
            verify_model(tmp_path / "model.gguf")


@pytest.mark.parametrize(
    ("key", "kind", "value", "message"),
    [
        ("general.architecture", STRING, "llama", "a CLIP model is needed"),
        ("clip.vision.image_size", U32, 0, "image_size is 0"),
        ("clip.vision.image_size", U32, 4097, "image_size is 4097"),
        ("clip.vision.patch_size", U32, 33, "patch_size is 33"),
        ("clip.vision.attention.head_count", U32, 3, "head_count is 3, which does not divide the width 32"),
        ("clip.vision.feed_forward_length", U32, 10**6, "feed_forward_length is 1000000"),
        ("clip.vision.block_count", U32, 257, "block_count is 257"),
        ("clip.vision.attention.layer_norm_epsilon", F32, float("nan"), "layer_norm_epsilon is"),
        ("clip.vision.image_mean", (ARRAY, F32), (0.5, 0.5), "image_mean has 2 numbers"),
        ("clip.vision.image_std", (ARRAY, F32), (0.5, 0.0, 0.5), "image_std has 0 for channel 1"),
        ("clip.vision.image_mean", (ARRAY, F32), (0.5, float("inf"), 0.5), "image_mean has inf"),
        ("clip.text.context_length", U32, 5000, "context_length is 5000"),
        ("clip.text.projection_dim", U32, 32, "spaces of different size"),
        ("clip.logit_scale", F32, float("nan"), "logit_scale is not a finite number"),
        ("tokenizer.ggml.tokens", (ARRAY, STRING), ["a", "b"], "tokens?"),
    ],
)
def test_every_hyperparameter_is_checked(
    tmp_path: Path, model: SyntheticClip, key: str, kind: Any, value: Any, message: str
) -> None:
    refused(tmp_path / "model.gguf", with_value(model, key, kind, value), pyffi.ModelError, message)


@pytest.mark.parametrize(
    "key",
    [
        "clip.activation",
        "clip.loss",
        "clip.vision.pooling",
        "clip.vision.resize",
        "clip.vision.crop",
        "clip.vision.interpolation",
        "clip.text.pooling",
    ],
)
def test_a_recipe_of_a_newer_release_is_not_guessed_at(tmp_path: Path, model: SyntheticClip, key: str) -> None:
    unknown = with_value(model, key, STRING, "newest")
    refused(tmp_path / "model.gguf", unknown, pyffi.UnsupportedError, f'{key} is "newest"; this release knows')


def test_what_the_picture_part_of_a_language_model_is_is_said(tmp_path: Path, model: SyntheticClip) -> None:
    projector = with_value(model, "clip.projector_type", STRING, "mlp")
    refused(tmp_path / "model.gguf", projector, pyffi.UnsupportedError, "the picture part of a language model")


def test_a_model_without_tokenizer_needs_a_vocabulary_size(tmp_path: Path) -> None:
    refused(
        tmp_path / "model.gguf",
        without(synthetic_clip(**SIGLIP), "clip.text.vocab_size"),
        pyffi.ModelError,
        "vocab_size is missing",
    )


def test_a_file_cut_anywhere_is_refused(tmp_path: Path, model: SyntheticClip) -> None:
    path = tmp_path / "model.gguf"
    model.write(path)
    content = path.read_bytes()
    for size in range(1, len(content) - 64, 997):
        path.write_bytes(content[:size])
        with pytest.raises(pyffi.ModelError, match=str(path)):
            Clip(path)


def test_verify_says_what_a_model_is(tmp_path: Path, model: SyntheticClip) -> None:
    model.write(tmp_path / "model.gguf")
    report = verify_model(tmp_path / "model.gguf")
    assert report["kind"] == "images and texts" and report["hyperparameters"]["embedding_dim"] == 24
