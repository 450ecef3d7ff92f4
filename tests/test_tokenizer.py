"""The tokenizer on Whisper's real vocabularies: token ids equal tiktoken's (tests/fixtures/tokenizer.json, written by
tools/make_tokenizer_reference.py)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_files import write_gguf

from pyffi import InvalidArgument, Whisper
from pyffi.models.vocabulary import published_vocabulary

FIXTURE = Path(__file__).parent / "fixtures" / "tokenizer.json"
REFERENCE: dict[str, Any] = json.loads(FIXTURE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=["english", "multilingual"])
def named_model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Whisper]]:
    multilingual = request.param == "multilingual"
    path = tmp_path_factory.mktemp("models") / "model.gguf"
    write_gguf(path, multilingual=multilingual, vocabulary=published_vocabulary(multilingual))
    with Whisper(path) as model:
        yield request.param, model


def test_token_ids_are_those_of_tiktoken(named_model: tuple[str, Whisper]) -> None:
    name, model = named_model
    for text, expected in zip(REFERENCE["texts"], REFERENCE[name], strict=True):
        assert model.tokenize(text) == expected, text


def test_any_text_survives_encoding_and_decoding(named_model: tuple[str, Whisper]) -> None:
    _, model = named_model

    @given(st.text(st.characters(exclude_categories=["Cs"])))
    def check(text: str) -> None:
        ids = model.tokenize(text)
        assert model.detokenize(ids) == text
        assert all(0 <= token < 50257 for token in ids)

    check()


def test_bytes_that_are_not_utf8_decode_as_in_python(named_model: tuple[str, Whisper]) -> None:
    name, model = named_model
    vocabulary = published_vocabulary(name == "multilingual")

    @given(st.lists(st.integers(0, 50255), max_size=8) | st.lists(st.integers(94, 255), max_size=8))
    def check(ids: list[int]) -> None:
        assert model.detokenize(ids) == b"".join(vocabulary[token] for token in ids).decode("utf-8", "replace")

    check()


def test_special_tokens_are_left_out_and_unknown_ids_refused(named_model: tuple[str, Whisper]) -> None:
    _, model = named_model
    hello = model.tokenize(" hello")
    assert model.detokenize([50258, *hello, model.info.n_vocab - 1]) == " hello"
    with pytest.raises(InvalidArgument, match=str(model.info.n_vocab)):
        model.detokenize([model.info.n_vocab])
