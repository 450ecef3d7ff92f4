"""Pulling CLIP models: what is fetched of a repository, the kinds of models, and the one that is in the package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from clip_checkpoints import openclip_model, small, write_openclip, write_transformers_clip
from clip_files import write_clip
from gguf_reader import read_gguf
from model_servers import HubServer, cut_off

from pyffi import Whisper
from pyffi.errors import InvalidArgument
from pyffi.models import cached_path, pull, pull_ctranslate2, resolve
from pyffi.models.pull import find_local


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return cut_off(monkeypatch, tmp_path / "cache")


@pytest.fixture
def hub(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def test_clip_repositories_are_fetched_with_what_says_how_pictures_and_texts_are_prepared(
    hub: HubServer, tmp_path: Path, cache_folder: Path
) -> None:
    write_transformers_clip(tmp_path / "clip", small(), tokenizer="vocab.json")
    hub.add("openai/clip-vit-base-patch32", tmp_path / "clip")
    path = pull("ViT-B/32")
    assert path == cache_folder / "models" / "clip-vit-b-32.gguf"
    keys, _ = read_gguf(path)
    assert (keys["general.name"], keys["general.license"]) == ("clip-vit-b-32", "MIT")
    assert keys["tokenizer.ggml.merges"] == small().merges
    assert keys["clip.vision.crop"] == "floor"


def test_of_a_clip_repository_with_both_forms_openclips_is_fetched(hub: HubServer, tmp_path: Path) -> None:
    write_transformers_clip(tmp_path / "both", openclip_model())
    write_openclip(tmp_path / "both", openclip_model())
    hub.add("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", tmp_path / "both")
    assert read_gguf(pull("clip-vit-b-32-laion2b"))[0]["clip.vision.crop"] == "half_even"
    assert not any(path.endswith("/model.safetensors") for path, _ in hub.requests)


def test_models_of_another_kind_are_refused_by_name(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"tiny.en is a speech model, and a clip model is needed.*such as emoji"):
        resolve("tiny.en", kind="clip")
    with pytest.raises(InvalidArgument, match=r"clip-vit-b-32 is a clip model, and a speech model is needed.* base"):
        Whisper("ViT-B/32")
    with pytest.raises(InvalidArgument, match="emoji is a clip model, and a speech model is needed"):
        pull_ctranslate2("emoji")
    assert not hub.requests
    write_transformers_clip(tmp_path / "clip", small())
    hub.add("acme/model", tmp_path / "clip")
    assert resolve("acme/model", kind="clip") == resolve("acme/model", kind="speech")  # which only its files tell


def test_a_model_in_the_package_is_used_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["pyffi.models.pull"], "_PACKAGE", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"emoji.gguf, which is a part of this package, is missing: install it"):
        resolve("emoji", kind="clip")
    write_clip(tmp_path / "emoji.gguf")
    assert resolve("emoji", kind="clip") == pull("emoji") == pull("emoji", force=True) == tmp_path / "emoji.gguf"
    assert find_local("emoji") == cached_path("emoji") == cached_path("emoji", "f32") == tmp_path / "emoji.gguf"
