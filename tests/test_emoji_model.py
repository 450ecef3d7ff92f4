"""The CLIP model in the package (docs/emoji-model.md): what is in the file and where it came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from gguf_reader import read_gguf
from published import published

from pyffi import Clip

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "pyffi" / "models" / "emoji.gguf"
PACKAGES: dict[str, dict[str, str]] = json.loads((ROOT / "tools/emoji_clip/packages.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def model() -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    return read_gguf(MODEL)


def test_it_takes_less_than_10_mb() -> None:
    assert MODEL.stat().st_size < 10_000_000


def test_it_names_the_packages_it_was_trained_on_and_their_licences(model: tuple[dict[str, Any], Any]) -> None:
    for name, package in PACKAGES.items():
        used = package["role"] != "test"
        assert (f"{name} {package['version']}" in model[0]["general.source"]) == used
        if used:
            assert package["licence"] in model[0]["general.license"]


def test_every_licence_has_its_text_or_address() -> None:
    text = (ROOT / "LICENSES" / "emoji-artwork.txt").read_text(encoding="utf-8")
    for licence in {package["licence"] for package in PACKAGES.values() if package["role"] != "test"}:
        assert licence in text
    for words in ("Permission is hereby granted", "UNICODE LICENSE V3", "Apache License", "licenses/by/4.0/legalcode"):
        assert words in text


def test_share_alike_artwork_is_for_the_test_only() -> None:
    assert {name for name, package in PACKAGES.items() if "-SA-" in package["licence"]} == {
        name for name, package in PACKAGES.items() if package["role"] == "test"
    }


def test_its_vocabulary_is_built_as_clips(model: tuple[dict[str, Any], Any]) -> None:
    """The bytes, the bytes that end a word, what merges make, and the two special tokens."""
    tokens, merges = model[0]["tokenizer.ggml.tokens"], model[0]["tokenizer.ggml.merges"]
    assert tokens[256:512] == [token + "</w>" for token in tokens[:256]]
    assert tokens[512:-2] == [merge.replace(" ", "") for merge in merges]
    assert tokens[-2:] == ["<|startoftext|>", "<|endoftext|>"]
    assert len(set(tokens)) == len(tokens)


def test_its_tensors_have_the_shapes_its_keys_say(model: tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]) -> None:
    keys, tensors = model
    for tower, prefix in (("vision", "v"), ("text", "t")):
        width = keys[f"clip.{tower}.embedding_length"]
        hidden = keys[f"clip.{tower}.feed_forward_length"]
        for layer in range(keys[f"clip.{tower}.block_count"]):
            block = f"{prefix}.blk.{layer}"
            assert tensors[f"{block}.ffn_up.weight"].shape == (hidden // 16, width, 16)
            assert tensors[f"{block}.ffn_down.weight"].shape == (width // 16, hidden, 16)
            assert tensors[f"{block}.attn_q.weight"].shape == (width // 16, width, 16)
    assert all(np.isfinite(values).all() for values in tensors.values())
    assert 1 < keys["clip.logit_scale"] <= 100


def test_its_embeddings_are_those_of_pytorch() -> None:
    """Which multiplied the weights of the file in float32; the fixture has the rule of its pictures."""
    expected = json.loads((ROOT / "tests" / "fixtures" / "emoji_clip.json").read_text(encoding="utf-8"))
    y, x, channel = np.ogrid[:64, :64, :3]
    pictures = [
        ((x * (k + 3) + y * (2 * k + 1) + 85 * channel + x * y * k // 16) % 256).astype(np.uint8) for k in range(5)
    ]
    with Clip("emoji") as clip:
        assert [clip.tokenize(text) for text in expected["texts"]] == expected["tokens"]
        assert clip.info.logit_scale == pytest.approx(expected["logit_scale"])
        for found, wanted in (
            (clip.encode_image(pictures, normalize=False), expected["images"]),
            (clip.encode_text(expected["texts"], normalize=False), expected["text_embeddings"]),
        ):
            answers = np.array([line.split() for line in wanted], np.float64)
            assert np.abs(found - answers).max() <= 2e-4 * np.abs(answers).max()


@pytest.mark.parametrize(
    ("picture", "kind"), [("1f980", "an animal"), ("1f422", "an animal"), ("1f349", "something to eat")]
)
def test_it_tells_what_kind_of_thing_a_picture_shows_that_it_was_not_trained_on(picture: str, kind: str) -> None:
    """Crab, turtle and watermelon were held out."""
    path = published("twemoji-pictures") / f"{picture}.png"
    with Clip("emoji") as clip:
        best = clip.classify(path, ["an animal", "something to eat", "a vehicle", "a building"])[0]
    assert best.label == kind
