"""The data that ships with the package: known models, vocabularies, mel filters."""

from __future__ import annotations

import re
import struct

import numpy as np
import pytest
from published import vocabulary_ggml

from pyffi.models import find_model, known_models
from pyffi.models.mel_filters import mel_filters
from pyffi.models.registry import EXAMPLES, HubSource, IndexSource
from pyffi.models.vocabulary import clip_vocabulary, from_printable, published_vocabulary, to_printable


def header_of(name: str) -> tuple[np.ndarray, list[bytes]]:
    """Mel filters and vocabulary of one of whisper.cpp's files for tests, whose converter took them from OpenAI's; an
    early one, which replaced bytes that are not UTF-8."""
    data = vocabulary_ggml(name).read_bytes()
    n_mels, n_bins = struct.unpack_from("<2i", data, 48)
    filters = np.frombuffer(data, "<f4", n_mels * n_bins, 56).reshape(n_mels, n_bins)
    offset = 56 + filters.nbytes
    (count,) = struct.unpack_from("<i", data, offset)
    offset += 4
    tokens = []
    for _ in range(count):
        (length,) = struct.unpack_from("<i", data, offset)
        tokens.append(data[offset + 4 : offset + 4 + length])
        offset += 4 + length
    return filters, tokens


def test_mel_filters_have_the_bits_of_those_whisper_ships() -> None:
    ours = mel_filters(80)
    assert ours.dtype == np.float32
    assert ours.tobytes() == header_of("base")[0].tobytes()


@pytest.mark.parametrize("n_mels", [80, 128])
def test_mel_filters_are_triangles_of_unit_area_that_cover_the_band(n_mels: int) -> None:
    filters = mel_filters(n_mels).astype(np.float64)
    assert filters.shape == (n_mels, 201)
    assert filters.min() == 0.0
    peaks = filters.argmax(axis=1)
    assert (np.diff(peaks) >= 0).all()
    assert peaks[-1] < 200
    # 40 Hz a bin; narrow filters are sampled too coarsely for their sum to tell.
    np.testing.assert_allclose(filters[-20:].sum(axis=1) * 40.0, 1.0, rtol=0.02)


@pytest.mark.parametrize(("multilingual", "name", "count"), [(True, "base", 50257), (False, "base.en", 50256)])
def test_vocabularies_are_those_whisper_ships(multilingual: bool, name: str, count: int) -> None:
    tokens = published_vocabulary(multilingual)
    assert len(tokens) == count
    assert [token.decode("utf-8", "replace").encode() for token in tokens] == header_of(name)[1][:count]
    assert len(set(tokens)) == count


def test_every_byte_has_a_printable_form_of_its_own() -> None:
    everything = bytes(range(256))
    printed = to_printable(everything)
    assert len(set(printed)) == 256
    assert not any(character.isspace() for character in printed)
    assert from_printable(printed) == everything


def test_known_models_have_pinned_packages_and_sources_in_order() -> None:
    models = known_models()
    assert {"tiny", "tiny.en", "base", "small.en", "medium", "large-v2", "large-v3", "large-v3-turbo"} <= {
        model.name for model in models
    }
    for model in models:
        if model.packaged:
            continue
        licenses = ("MIT",) if model.kind == "speech" else ("MIT", "Apache-2.0", "CC-BY-NC-4.0")
        assert model.license in licenses
        assert model.parameters > 10**7
        kinds = [isinstance(source, IndexSource) for source in model.sources]
        assert kinds == sorted(kinds) and kinds[0] is False, model.name
        for source in model.sources:
            if isinstance(source, HubSource):
                assert re.fullmatch(r"[\w-]+/[\w.-]+", source.repository)
                assert source.file is None or source.file.startswith("ggml-")
            else:
                digests = [package.sha256 for package in source.packages] + [file.sha256 for file in source.files]
                assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)
                assert {"model.bin", "config.json"} < {file.name for file in source.files}
        assert model.quantization is None or model.name.endswith(f"-{model.quantization}")
    assert any(isinstance(model.sources[-1], IndexSource) for model in models if model.sources)


def test_every_kind_has_models_and_the_one_that_messages_name() -> None:
    kinds = {model.name: model.kind for model in known_models()}
    assert {kinds[name]: name for name in EXAMPLES.values()} == EXAMPLES
    assert kinds["clip-vit-l-14-336"] == kinds["siglip-b-16-224"] == "clip"
    assert find_model("ViT-B/32").name == "clip-vit-b-32"
    assert find_model("someone/else").kind is None


def test_clip_s_vocabulary_is_openais() -> None:
    tokens, merges = clip_vocabulary()
    assert (len(tokens), len(set(tokens)), len(merges)) == (49408, 49408, 48894)
    # "a photo of a cat", as OpenAI's code encodes it.
    ids = [tokens.index(f"{word}</w>") for word in ["a", "photo", "of", "a", "cat"]]
    assert ids == [320, 1125, 539, 320, 2368]
    assert (tokens.index("<|startoftext|>"), tokens.index("<|endoftext|>")) == (49406, 49407)
    assert tokens[:2] == ["!", '"'] and tokens[256] == "!</w>" and tokens[512] == "in"
    known = set(tokens)
    assert all({*merge.split(" "), merge.replace(" ", "")} <= known for merge in merges)
