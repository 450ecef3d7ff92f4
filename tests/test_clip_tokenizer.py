"""CLIP's tokenizer on its real vocabulary: ids equal those of package tokenizers, set up as transformers does it
(clip_tokenizer_reference.py; tests/fixtures/clip_tokenizer.json, written by tools/make_clip_tokenizer_reference.py)."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from clip_files import synthetic_clip
from clip_tokenizer_reference import decoded, random_text, real_texts, reference_tokenizer
from tokenizers import Tokenizer

from pyffi import Clip, InvalidArgument
from pyffi.models.vocabulary import clip_vocabulary

FIXTURE = Path(__file__).parent / "fixtures" / "clip_tokenizer.json"
REFERENCE: dict[str, Any] = json.loads(FIXTURE.read_text(encoding="utf-8"))
LONGEST = 4000  # tokens of the model that is to see texts whole

WriteModel = Callable[..., Path]


@pytest.fixture(scope="module")
def write_model(tmp_path_factory: pytest.TempPathFactory) -> WriteModel:
    """write_model(context_length, merges=True): a text tower with the real vocabulary."""

    def write(context_length: int, merges: bool = True) -> Path:
        path = tmp_path_factory.mktemp("models") / "model.gguf"
        text = {"context_length": context_length, "embedding_length": 16, "head_count": 1, "block_count": 1}
        model = synthetic_clip(towers="text", text=text, merges=clip_vocabulary()[1])
        if not merges:
            model.metadata[:] = [value for value in model.metadata if value[0] != "tokenizer.ggml.merges"]
        model.write(path)
        return path

    return write


@pytest.fixture(scope="module")
def whole(write_model: WriteModel) -> Iterator[Clip]:
    with Clip(write_model(LONGEST)) as model:
        yield model


@pytest.fixture(scope="module")
def reference() -> Tokenizer:
    return reference_tokenizer(*clip_vocabulary())


def check_same(model: Clip, reference: Tokenizer, texts: Iterator[str]) -> int:
    """How many texts there were."""
    count = 0
    while batch := list(islice(texts, 4096)):
        count += len(batch)
        for text, expected in zip(batch, reference.encode_batch(batch), strict=True):
            assert model.tokenize(text) == expected.ids, ascii(text)
    return count


@pytest.mark.parametrize("merges", [True, False], ids=["merges in the file", "merges recovered from tokens"])
def test_difficult_texts_have_the_ids_of_tokenizers(write_model: WriteModel, merges: bool) -> None:
    with Clip(write_model(77, merges)) as model:
        for text, ids, text_again in zip(*(REFERENCE[key] for key in ("texts", "ids", "decoded")), strict=True):
            assert model.tokenize(text) == ids, ascii(text)
            assert model.detokenize(ids) == text_again, ascii(text)


def test_code_points_have_the_ids_of_tokenizers(whole: Clip, reference: Tokenizer) -> None:
    """All of the planes that Unicode has assigned anything in; elsewhere some, which are all alike."""
    used = [*range(0xD800), *range(0xE000, 0x40000), *range(0xE0000, 0xF0000)]
    code_points = [*used, *range(0x40000, 0xE0000, 997), *range(0xF0000, 0x110000, 997)]
    # By itself, between letters, and among marks of other classes.
    texts = (
        " ".join(f"{chr(c)} a{chr(c)}b \u0323{chr(c)}\u0301" for c in code_points[start : start + 128])
        for start in range(0, len(code_points), 128)
    )
    assert check_same(whole, reference, texts) > 2500


def test_100000_random_and_real_texts_have_the_ids_of_tokenizers(whole: Clip, reference: Tokenizer) -> None:
    rng = random.Random(20261125)
    real = real_texts()
    assert len(real) > 40_000
    assert check_same(whole, reference, iter(real)) + check_same(
        whole, reference, (random_text(rng) for _ in range(60_000))
    ) > 100_000  # fmt: skip


def test_random_ids_decode_as_tokenizers_does_it(whole: Clip, reference: Tokenizer) -> None:
    rng = random.Random(1)
    for _ in range(2000):
        ids = rng.choices(range(49408 if rng.random() < 0.5 else 512), k=rng.randint(0, 12))
        assert whole.detokenize(ids) == decoded(reference, ids), ids
    with pytest.raises(InvalidArgument, match="49408"):
        whole.detokenize([49408])


def test_a_text_of_a_megabyte_is_cut(whole: Clip, reference: Tokenizer) -> None:
    for text in ("a photo of a cat " * 62_000, "photograph" * 105_000):
        ids = whole.tokenize(text)
        assert len(ids) == LONGEST
        assert ids == [*reference.encode(text).ids[: LONGEST - 1], 49407]
