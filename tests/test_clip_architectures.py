"""Every kind of CLIP that a model file can describe, of tiny random models, against a forward pass in float64."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from checkpoint_writers import Tensors
from clip_checkpoints import SiglipModel, openclip_model, our_names, write_clip_cpp, write_openclip, write_siglip
from clip_checkpoints import small as small_clip
from clip_files import write_clip
from clip_reference import ClipReference, Recipe
from whisper_reference import relative_error

from pyffi import Clip
from pyffi.errors import UnsupportedError
from pyffi.models import convert

ACTIVATIONS = ("quick_gelu", "gelu", "gelu_tanh")
BOUND = 1e-5


def squares(size: int, n: int = 2) -> list[npt.NDArray[np.uint8]]:
    """Pixels that need no preparing."""
    rng = np.random.default_rng(size)
    return [rng.integers(0, 256, (size, size, 3), dtype=np.uint8) for _ in range(n)]


def assert_pictures_agree(model: Clip, reference: ClipReference) -> None:
    for square in squares(model.info.image_size):
        found = model.encode_image(square, normalize=False)
        assert relative_error(found, reference.encode_square(square)) <= BOUND


def assert_texts_agree(model: Clip, reference: ClipReference, ids: list[list[int]]) -> None:
    for tokens in ids:
        found = model.encode_tokens(tokens, normalize=False)
        assert relative_error(found, reference.encode_tokens(tokens)) <= BOUND, tokens


# ---- Our files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["cls", "mean", "map"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_image_towers_of_every_kind(tmp_path: Path, activation: str, pooling: str) -> None:
    for i, (pre_norm, patch_bias, projection) in enumerate(product((True, False), repeat=3)):
        vision = {"pooling": pooling, "pre_norm": pre_norm, "patch_bias": patch_bias, "projection": projection}
        made = write_clip(
            tmp_path / f"{i}.gguf", i, "f32", activation=activation, projection_dim=32, towers="vision", vision=vision
        )
        reference = ClipReference(unfolded(made.tensors, 8), Recipe(activation, image_pooling=pooling))
        with Clip(tmp_path / f"{i}.gguf") as model:
            assert_pictures_agree(model, reference)


@pytest.mark.parametrize("pooling", ["eot", "last"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_text_towers_of_every_kind(tmp_path: Path, activation: str, pooling: str) -> None:
    for i, (causal, pad, bias, projection) in enumerate(product((True, False), repeat=4)):
        text = {
            "pooling": pooling, "causal": causal, "pad": pad, "pad_token_id": 3, "projection": projection or bias,
            "projection_bias": bias,
        }  # fmt: skip
        made = write_clip(
            tmp_path / f"{i}.gguf", i, "f32", activation=activation, projection_dim=32, towers="text", text=text
        )
        start, end = len(made.tokens) - 2, len(made.tokens) - 1
        recipe = Recipe(activation, text_heads=4, text_pooling=pooling, causal=causal, pad=pad, pad_token_id=3, eot=end)
        full = [start, *range(300, 322), end]
        with Clip(tmp_path / f"{i}.gguf") as model:
            ids = [[start, end], [start, 5, 9, 2, end], full, [start, 7, end, 3, 3], [start, 8, end, end]]
            assert_texts_agree(model, ClipReference(made.tensors, recipe), ids)


@pytest.mark.parametrize("width", [30, 40, 72])
def test_sizes_that_are_no_multiples_of_anything(tmp_path: Path, width: int) -> None:
    """Widths, heads and feed-forward layers that fill no vector, and pictures with a margin behind the last patch."""
    vision = {
        "embedding_length": width, "feed_forward_length": 2 * width + 5, "head_count": 2, "image_size": 31,
        "patch_size": 7,
    }  # fmt: skip
    text = {"embedding_length": width - 3 * (width % 3 == 0), "feed_forward_length": 50, "head_count": 1}
    made = write_clip(tmp_path / "odd.gguf", width, "f32", projection_dim=13, vision=vision, text=text)
    end = len(made.tokens) - 1
    reference = ClipReference(unfolded(made.tensors, 7), Recipe(text_heads=1, eot=end))
    with Clip(tmp_path / "odd.gguf") as model:
        assert_pictures_agree(model, reference)
        assert_texts_agree(model, reference, [[end - 1, 17, 4, end]])


def unfolded(tensors: Tensors, patch: int) -> Tensors:
    """The tensors with the patch embedding as a convolution, of which files hold the matrix."""
    kernel = tensors["v.patch_embd.weight"]
    return {**tensors, "v.patch_embd.weight": kernel.reshape(-1, patch, patch, 3).transpose(0, 3, 1, 2)}


# ---- Converted checkpoints -------------------------------------------------------------------------------------------


def test_siglip(tmp_path: Path) -> None:
    made = SiglipModel()
    write_siglip(tmp_path / "siglip", made)
    recipe = Recipe(
        "gelu_tanh", image_pooling="map", mean=[0.5] * 3, std=[0.5] * 3, text_pooling="last", causal=False, pad=True,
        pad_token_id=1, epsilon=1e-6,
    )  # fmt: skip
    reference = ClipReference(our_names(made.tensors), recipe)
    with Clip(convert(tmp_path / "siglip", tmp_path / "siglip.gguf", weight_type="f32")) as model:
        assert_pictures_agree(model, reference)
        assert_texts_agree(model, reference, [[1], [7, 8, 1], [*range(20, 32)]])
        assert model.info.uses_sigmoid and model.info.logit_bias == -12.5
        with pytest.raises(UnsupportedError, match="tokenizer"):
            model.encode_text("a cat")


@pytest.mark.parametrize("tower", ["vision", "text", "both"])
def test_openclip_variants(tmp_path: Path, tower: str) -> None:
    """Mean pooling beside a class token, without a norm in front; attention to all tokens, pooled at the end or the
    last, a projection with a bias."""
    config: dict[str, Any] = {}
    recipe = Recipe("gelu", eot=49407)
    removed: tuple[str, ...] = ()
    added: Tensors = {}
    if tower != "text":
        config["vision_cfg"] = {"pool_type": "avg", "no_ln_pre": True}
        recipe, removed = replace(recipe, image_pooling="mean"), ("visual.ln_pre.weight", "visual.ln_pre.bias")
    if tower != "vision":
        pooling = "last" if tower == "both" else "argmax"
        config["text_cfg"] = {"no_causal_mask": True, "pool_type": pooling, "proj_bias": True, "pad_id": 7}
        recipe = replace(
            recipe, causal=False, pad=True, pad_token_id=7, text_pooling="last" if tower == "both" else "eot"
        )
        added["text_projection.bias"] = np.linspace(-1, 1, 24, dtype=np.float32)

    def change(tensors: Tensors) -> None:
        for name in removed:
            del tensors[name]
        if added:
            tensors["text_projection.weight"] = tensors.pop("text_projection").T
            tensors.update(added)

    made = openclip_model()
    write_openclip(tmp_path / "open", made, change=change, config={"model_cfg": config})
    tensors = {name: values for name, values in our_names(made.tensors).items() if not (removed and "pre_ln" in name)}
    reference = ClipReference({**tensors, **added}, recipe)
    with Clip(convert(tmp_path / "open", tmp_path / "open.gguf", weight_type="f32")) as model:
        assert_pictures_agree(model, reference)
        assert_texts_agree(model, reference, [[49406, 320, 2368, 49407], [49406, *range(500, 514), 49407]])


@pytest.mark.parametrize("wtype", ["f32", "f16", "q8_0", "q5_0", "q5_1", "q4_0"])
def test_clip_cpp_files_as_they_are_and_converted(tmp_path: Path, wtype: str) -> None:
    """The engine multiplies quantised weights out to the values that the converter gives."""
    made = small_clip("gelu", text=(32, 1, 2, 64))
    held = write_clip_cpp(tmp_path / "cpp.gguf", made, wtype)
    reference = ClipReference(held, Recipe("gelu", eot=len(made.tokens) - 1))
    ids = [len(made.tokens) - 2, 5, 300, len(made.tokens) - 1]
    found = []
    for path in (tmp_path / "cpp.gguf", convert(tmp_path / "cpp.gguf", tmp_path / "ours.gguf", weight_type="f32")):
        with Clip(path) as model:
            assert_pictures_agree(model, reference)
            assert_texts_agree(model, reference, [ids])
            found.append(model.encode_tokens(ids).tobytes() + model.encode_image(squares(32)).tobytes())
    assert found[0] == found[1]
