"""Checkpoints that are cut or changed anywhere are read or refused by name: converters raise nothing but ModelError."""

from __future__ import annotations

import contextlib
import copy
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoint_writers import ct2_bytes, ct2_variable, safetensors_bytes, to_bfloat16
from clip_checkpoints import (
    SiglipModel,
    openclip_model,
    small,
    write_clip_cpp,
    write_openclip,
    write_siglip,
    write_transformers_clip,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from model_files import (
    ARRAY,
    F32,
    I32,
    U32,
    GgufTensor,
    GgufValue,
    gguf_bytes,
    gguf_metadata,
    synthetic_model,
    write_ggml,
)

from pyffi.errors import ModelError
from pyffi.models import convert, open_checkpoint
from pyffi.models.sources.ctranslate2 import Variables
from pyffi.models.sources.gguf import read_header, read_tensors
from pyffi.models.sources.safetensors import read_safetensors


@pytest.fixture(scope="module")
def small_files() -> dict[str, bytes]:
    """Files with all parts of their formats but only a few weights."""
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    metadata: list[GgufValue] = [("general.alignment", U32, 64), ("heads", (ARRAY, I32), [1, 2]), ("x", F32, np.nan)]
    return {
        "gguf": gguf_bytes(metadata, [GgufTensor("a", (4, 3), 0, values.tobytes())]),
        "ctranslate2": ct2_bytes([ct2_variable("a/weight", values, "float32")], {"b/weight": "a/weight"}),
        "safetensors": safetensors_bytes({"a": ("F32", values), "b": ("BF16", to_bfloat16(values))}),
    }


def read_all(kind: str, path: Path) -> None:
    if kind == "ctranslate2":
        variables = Variables(path)
        for name in ("a/weight", "b/weight"):
            variables.tensor(name).load()
    elif kind == "gguf":
        file, metadata, count = read_header(path)
        for _, tensor in read_tensors(file, count, metadata.get("general.alignment")):
            tensor.load()
    else:
        for _, tensor in read_safetensors(path):
            tensor.load()


@pytest.mark.parametrize("kind", ["ctranslate2", "safetensors", "gguf"])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, small_files: dict[str, bytes], kind: str) -> None:
    path = tmp_path / "model"
    path.write_bytes(small_files[kind])
    read_all(kind, path)
    padding = 16 if kind == "gguf" else 0  # behind the last tensor
    for size in range(len(small_files[kind]) - padding):
        path.write_bytes(small_files[kind][:size])
        with pytest.raises(ModelError):
            read_all(kind, path)


@pytest.mark.parametrize("kind", ["ctranslate2", "safetensors", "gguf"])
@settings(deadline=None)
@given(data=st.data())
def test_a_file_with_any_bytes_changed_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, small_files: dict[str, bytes], kind: str, data: st.DataObject
) -> None:
    content = bytearray(small_files[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("mutated") / "model"
    path.write_bytes(content)
    try:
        read_all(kind, path)
    except ModelError as error:
        assert str(path) in str(error)


def test_every_description_in_one_of_our_own_files_is_checked(tmp_path: Path) -> None:
    model = synthetic_model()
    metadata = gguf_metadata(model)
    embedding = GgufTensor("decoder.token_embedding.weight", (16, 64, 3242), 1, bytes(2 * 16 * 64 * 3242))
    untiled = GgufTensor("decoder.token_embedding.weight", (64, 51865), 1, bytes(2 * 64 * 51865))
    quantised = GgufTensor("decoder.token_embedding.weight", (16, 64, 3242), 8, embedding.data)
    cases: list[tuple[dict[str, object], list[GgufTensor], str]] = [
        ({}, [embedding], "tensors are missing, such as decoder.blocks"),
        ({}, [untiled], r"token_embedding.weight has shape \[51865, 64\]: \[3242, 64, 16\] is needed"),
        ({}, [quantised], "token_embedding.weight has type 8"),
        ({}, [embedding, embedding], "has decoder.token_embedding.weight twice"),
        ({"multimodal.layout": "rows"}, [embedding], "multimodal.layout is 'rows': 'panel16'"),
        ({"general.architecture": "llama"}, [embedding], "general.architecture is 'llama': 'whisper'"),
        ({"whisper.n_text_layer": 257}, [embedding], "n_text_layer is 257: 1 to 256"),
        ({"tokenizer.ggml.tokens": ["a"]}, [embedding], "tensors are missing|has 1 text tokens"),
        ({"general.alignment": 0}, [embedding], "general.alignment is 0"),
    ]
    for changes, tensors, message in cases:
        changed = [(key, kind, changes.get(key, value)) for key, kind, value in metadata]
        (tmp_path / "model.gguf").write_bytes(gguf_bytes(changed, tensors))
        with pytest.raises(ModelError, match=message) as caught:
            convert(tmp_path / "model.gguf", tmp_path / "out.bin")
        assert str(tmp_path / "model.gguf") in str(caught.value)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (4, 51900, "n_vocab is 51900"),
        (8, -1, "n_audio_ctx is -1"),
        (16, 5, "n_audio_head 5"),
        (20, 10**6, "n_audio_layer is 1000000"),
        (40, 8, "n_mels is 8"),
        (48, 10**6, r"mel filters have shape \[1000000, 201\]"),
        (56 + 80 * 201 * 4, 2**31 - 1, r"a token has -\d+ bytes"),
        (60 + 80 * 201 * 4, 2**31 - 1, "a token has 2147483647 bytes"),
    ],
)
def test_every_count_of_a_whisper_cpp_file_is_checked(tmp_path: Path, offset: int, value: int, message: str) -> None:
    write_ggml(tmp_path / "ggml.bin")
    content = bytearray((tmp_path / "ggml.bin").read_bytes())
    struct.pack_into("<i", content, offset, value)
    (tmp_path / "ggml.bin").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        convert(tmp_path / "ggml.bin", tmp_path / "out.gguf")


# ---- CLIP ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clip_cpp(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("clip") / "clip.gguf"
    write_clip_cpp(path, small(), "f16")
    return path.read_bytes()


@settings(deadline=None)
@given(data=st.data())
def test_a_clip_cpp_file_with_any_bytes_changed_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, clip_cpp: bytes, data: st.DataObject
) -> None:
    content = bytearray(clip_cpp)
    # Keys are in front of the tokens, tensors behind them: most changes go there.
    keys, end = clip_cpp.index(b"tokenizer.ggml.tokens"), clip_cpp.rindex(b"text_projection.weight") + 60
    places = st.one_of(st.integers(0, keys), st.integers(clip_cpp.index(b"<|endoftext|>"), end), st.integers(0, end))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(places)] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("mutated") / "model.gguf"
    path.write_bytes(content)
    with contextlib.suppress(ModelError):
        checkpoint = open_checkpoint(path)
        for name in checkpoint.shapes:
            checkpoint.load(name)


HOSTILE: list[Any] = [None, True, -1, 0, 2**70, 1e300, float("nan"), "x", "", [], [None], [[1, 2]], {}, {"a": None}]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a JSON value something else could be: of long objects and lists, at their first places."""
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for count, (key, entry) in enumerate(entries):
        if count < 20:
            yield from places(entry, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = copy.copy(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], new)
    return changed


def write_siglip_with_tokenizer(folder: Path) -> None:
    write_siglip(folder, SiglipModel())
    tokens = {"1": {"content": "</s>"}}
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": "</s>", "added_tokens_decoder": tokens}))


def write_clip_with_added_tokens(folder: Path) -> None:
    write_transformers_clip(folder, small())
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    added = [{"content": "<|endoftext|>", "id": len(small().tokens) - 1}]
    (folder / "tokenizer.json").write_text(json.dumps({**tokenizer, "added_tokens": added}))


@pytest.mark.parametrize(
    ("write", "names"),
    [
        (write_clip_with_added_tokens, ("config.json", "preprocessor_config.json", "tokenizer.json")),
        (write_siglip_with_tokenizer, ("config.json", "preprocessor_config.json", "tokenizer_config.json")),
        (lambda folder: write_openclip(folder, openclip_model()), ("open_clip_config.json",)),
    ],
)
def test_a_file_of_json_with_anything_anywhere_is_read_or_refused(
    tmp_path: Path, write: Callable[[Path], object], names: tuple[str, ...]
) -> None:
    write(tmp_path)
    open_checkpoint(tmp_path)
    for name in names:
        whole = (tmp_path / name).read_text()
        fields = json.loads(whole)
        for place in places(fields):
            for value in HOSTILE:
                (tmp_path / name).write_text(json.dumps(replaced(fields, place, value)))
                with contextlib.suppress(ModelError):
                    open_checkpoint(tmp_path)
        (tmp_path / name).write_text(whole)
