"""Converters: every format gives the same GGUF, and whatever is wrong with a checkpoint is refused by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from checkpoint_writers import (
    Array,
    ct2_bytes,
    ct2_variable,
    from_bfloat16,
    to_bfloat16,
    weights,
    write_ctranslate2,
    write_openai,
    write_transformers,
)
from gguf_reader import read_gguf
from model_files import (
    SyntheticModel,
    gpt2_printable,
    is_matrix,
    panels,
    synthetic_model,
    write_ggml,
)
from model_files import write_gguf as write_synthetic_gguf

from pyffi.errors import ModelError
from pyffi.models import Provenance, convert, open_checkpoint
from pyffi.models.ggml import write_ggml as write_our_ggml
from pyffi.models.gguf import WeightType
from pyffi.models.sources.ctranslate2 import Variables
from pyffi.models.sources.ggml import read_ggml
from pyffi.models.vocabulary import published_vocabulary
from pyffi.models.whisper import WhisperCheckpoint


@pytest.fixture(scope="module")
def model() -> SyntheticModel:
    """Values that float16 holds exactly."""
    made = synthetic_model(seed=3)
    for name, values in made.tensors.items():
        if name != "mel_filters":
            made.tensors[name] = values.astype(np.float16).astype(np.float32)
    return made


def assert_holds(path: Path, expected: dict[str, Array], dtype: str) -> None:
    """The file has exactly these weights, matrices in `dtype` panels, and the model's filters."""
    _, tensors = read_gguf(path)
    assert set(tensors) == {*expected, "mel_filters"}
    for name, values in expected.items():
        stored = panels(values).astype(dtype) if is_matrix(name) else values.astype(np.float32)
        assert tensors[name].dtype == stored.dtype, name
        np.testing.assert_array_equal(tensors[name], stored, err_msg=name)


def expected_metadata(model: SyntheticModel, name: str, heads: bool = True) -> dict[str, Any]:
    metadata = {f"whisper.{key}": value for key, value in vars(model.shape).items()}
    if heads:
        metadata["whisper.alignment_heads"] = [index for head in model.alignment_heads for index in head]
    return metadata | {
        "general.architecture": "whisper",
        "general.name": name,
        "general.source": "a test",
        "general.license": "MIT",
        "general.alignment": 64,
        "multimodal.layout": "panel16",
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": [gpt2_printable(token) for token in model.vocabulary],
    }


def converted(source: Path, weight_type: WeightType = "f16") -> Path:
    target = source.parent / f"{source.name}.{weight_type}.gguf"
    return convert(source, target, weight_type=weight_type, provenance=Provenance("tiny", "a test", "MIT"))


# ---- The same weights from every format ------------------------------------------------------------------------------


@pytest.mark.parametrize("vocabulary", ["json", "txt"])
@pytest.mark.parametrize("kind", ["float16", "float32"])
def test_ctranslate2_gives_the_weights_it_holds(
    tmp_path: Path, model: SyntheticModel, kind: str, vocabulary: str
) -> None:
    write_ctranslate2(tmp_path / "ct2", model, kind, vocabulary=vocabulary)
    path = converted(tmp_path / "ct2")
    assert_holds(path, weights(model), "float16")
    assert read_gguf(path)[0] == expected_metadata(model, "tiny")


@pytest.mark.parametrize(("kind", "shards"), [("F16", 1), ("F32", 1), ("F32", 3)])
@pytest.mark.parametrize("tokenizer", ["vocab.json", "tokenizer.json"])
def test_transformers_gives_the_weights_it_holds(
    tmp_path: Path, model: SyntheticModel, kind: str, shards: int, tokenizer: str
) -> None:
    write_transformers(tmp_path / "hf", model, kind, shards=shards, tokenizer=tokenizer)
    path = converted(tmp_path / "hf")
    assert_holds(path, weights(model), "float16")
    assert read_gguf(path)[0] == expected_metadata(model, "tiny")


def test_transformers_with_pickled_weights_and_a_copy_of_the_embedding(tmp_path: Path, model: SyntheticModel) -> None:
    def tie(tensors: dict[str, Array]) -> None:
        tensors["proj_out.weight"] = tensors["model.decoder.embed_tokens.weight"]

    write_transformers(tmp_path / "hf", model, "F16", pickled=True, change=tie)
    assert_holds(converted(tmp_path / "hf"), weights(model), "float16")


@pytest.mark.parametrize("kind", ["float16", "float32"])
@pytest.mark.parametrize("multilingual", [True, False])
def test_openai_gives_the_weights_it_holds_and_the_vocabulary_of_its_size(
    tmp_path: Path, kind: str, multilingual: bool
) -> None:
    model = synthetic_model(seed=4, multilingual=multilingual)
    write_openai(tmp_path / "tiny.pt", model, kind)
    path = converted(tmp_path / "tiny.pt", "same")
    expected = {name: values.astype(kind) for name, values in weights(model).items()}
    assert_holds(path, expected, kind)
    tokens = read_gguf(path)[0]["tokenizer.ggml.tokens"]
    assert len(tokens) == (50257 if multilingual else 50256)
    assert tokens[1000] == ("ĠÐ¾" if multilingual else "ale")


@pytest.mark.parametrize("wtype", ["f32", "f16", "q8_0", "q5_0", "q5_1", "q4_0"])
@pytest.mark.parametrize("multilingual", [True, False])
def test_whisper_cpp_gives_the_weights_it_holds(tmp_path: Path, wtype: str, multilingual: bool) -> None:
    stored = write_ggml(tmp_path / "ggml.bin", seed=5, wtype=wtype, multilingual=multilingual)
    path = converted(tmp_path / "ggml.bin", "f32")
    assert_holds(path, weights(stored), "float32")
    assert read_gguf(path)[0] == expected_metadata(stored, "tiny", heads=False)


def test_the_reference_reader_sees_the_same_file_and_aligned_tensors(tmp_path: Path, model: SyntheticModel) -> None:
    write_ctranslate2(tmp_path / "ct2", model)
    path = converted(tmp_path / "ct2")
    reader = gguf.GGUFReader(path)
    metadata = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    ours = read_gguf(path)
    assert metadata == ours[0] == expected_metadata(model, "tiny")
    assert {tensor.data_offset % 64 for tensor in reader.tensors} == {0}
    for tensor in reader.tensors:
        np.testing.assert_array_equal(tensor.data, ours[1][tensor.name])


@pytest.mark.parametrize("multilingual", [True, False])
def test_vocabularies_that_lost_bytes_in_early_whisper_cpp_files_are_repaired(
    tmp_path: Path, multilingual: bool
) -> None:
    whole = published_vocabulary(multilingual)
    made = open_checkpoint_of(tmp_path, synthetic_model(multilingual=multilingual))
    lossy = replace(made, vocabulary=[token.decode("utf-8", "replace").encode() for token in whole])
    assert lossy.vocabulary != whole
    write_our_ggml(lossy, tmp_path / "early.bin")
    assert read_ggml(tmp_path / "early.bin", Provenance("early", "a test")).vocabulary == whole


def open_checkpoint_of(folder: Path, model: SyntheticModel) -> WhisperCheckpoint:
    write_ctranslate2(folder / "made", model)
    made = open_checkpoint(folder / "made")
    assert isinstance(made, WhisperCheckpoint)
    return made


def test_bytes_are_those_of_the_independent_writer(tmp_path: Path) -> None:
    """Two writers that share nothing but docs/model-files.md agree on every tensor's bytes."""
    expected = write_synthetic_gguf(tmp_path / "expected.gguf", seed=6, dtype="f16")
    write_ctranslate2(tmp_path / "ct2", synthetic_model(seed=6), "float32")
    ours, theirs = read_gguf(converted(tmp_path / "ct2"))[1], read_gguf(tmp_path / "expected.gguf")[1]
    assert ours.keys() == theirs.keys() == expected.tensors.keys()
    for name in expected.tensors.keys() - {"mel_filters"}:  # of which only one of them claims librosa's last bit
        assert ours[name].tobytes() == theirs[name].tobytes(), name


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("n_text_layer", [1, 2])
def test_distil_turbo_and_large_v3_shapes_are_kept(tmp_path: Path, n_mels: int, n_text_layer: int) -> None:
    model = synthetic_model(
        n_mels=n_mels,
        n_audio_layer=3,
        n_text_layer=n_text_layer,
        n_audio_state=48,
        n_text_state=48,
        n_audio_head=3,
        n_text_head=1,
    )
    write_transformers(tmp_path / "hf", model, "F32")
    path = converted(tmp_path / "hf", "f32")
    assert_holds(path, weights(model), "float32")
    assert read_gguf(path)[0] == expected_metadata(model, "tiny")
    np.testing.assert_array_equal(read_gguf(path)[1]["mel_filters"].shape, (n_mels, 201))


def test_whisper_cpp_files_that_we_write_are_read_back_and_match_the_independent_writer(tmp_path: Path) -> None:
    write_ggml(tmp_path / "theirs.bin", seed=7, wtype="f16")
    write_ctranslate2(tmp_path / "ct2", synthetic_model(seed=7), "float32")
    convert(tmp_path / "ct2", tmp_path / "ours.bin")
    ours, theirs = (read_ggml(tmp_path / name, Provenance("tiny", "a test")) for name in ("ours.bin", "theirs.bin"))
    assert ours.dimensions == theirs.dimensions
    assert ours.vocabulary == theirs.vocabulary
    for name in ours.shapes:
        assert ours.load(name).dtype == theirs.load(name).dtype, name
        np.testing.assert_array_equal(ours.load(name), theirs.load(name), err_msg=name)


@pytest.mark.parametrize("dtype", ["f16", "f32"])
def test_our_own_files_are_read_back(tmp_path: Path, dtype: WeightType) -> None:
    stored = write_synthetic_gguf(tmp_path / "in.gguf", seed=8, dtype=dtype, multilingual=False)
    convert(tmp_path / "in.gguf", tmp_path / "same.gguf", weight_type="same")
    again, given = read_gguf(tmp_path / "same.gguf"), read_gguf(tmp_path / "in.gguf")
    assert again[0] == given[0]
    assert_holds(tmp_path / "same.gguf", weights(stored), "float16" if dtype == "f16" else "float32")
    convert(tmp_path / "in.gguf", tmp_path / "ggml.bin", weight_type="same")
    read = read_ggml(tmp_path / "ggml.bin", Provenance("tiny", "a test"))
    for name, values in weights(stored).items():
        np.testing.assert_array_equal(read.load(name), values, err_msg=name)


# ---- Types -----------------------------------------------------------------------------------------------------------


def test_bfloat16_is_kept_exactly(tmp_path: Path, model: SyntheticModel) -> None:
    expected = {name: from_bfloat16(to_bfloat16(values)) for name, values in weights(model).items()}
    write_ctranslate2(tmp_path / "ct2", model, "bfloat16")
    assert_holds(converted(tmp_path / "ct2", "same"), expected, "float32")
    write_transformers(tmp_path / "hf", model, "BF16")
    assert_holds(converted(tmp_path / "hf", "same"), expected, "float32")


@pytest.mark.parametrize(("kind", "steps"), [("int8", 127), ("int16", 1024)])
def test_integers_are_divided_by_their_scale(tmp_path: Path, model: SyntheticModel, kind: str, steps: int) -> None:
    write_ctranslate2(tmp_path / "ct2", model, kind)
    checkpoint = open_checkpoint(tmp_path / "ct2")
    for name, values in weights(model).items():
        found = checkpoint.load(name)
        bound = 0.5001 * np.abs(values).max() / steps if is_matrix(name) else 0.0
        # Rows of layers that are stored as one have a scale of their own in int8, a common one in int16.
        bound *= 3 if kind == "int16" else 1
        assert np.abs(found - values).max() <= bound, name


def test_same_keeps_half_precision_only_if_every_matrix_has_it(tmp_path: Path, model: SyntheticModel) -> None:
    write_ctranslate2(tmp_path / "half", model, "float16")
    write_ctranslate2(tmp_path / "single", model, "float32")
    assert_holds(converted(tmp_path / "half", "same"), weights(model), "float16")
    assert_holds(converted(tmp_path / "single", "same"), weights(model), "float32")


def test_a_value_too_large_for_f16_is_refused_by_name_and_f32_offered(tmp_path: Path, model: SyntheticModel) -> None:
    def spoil(layers: dict[str, Array]) -> None:
        layers["encoder/conv2/weight"] = layers["encoder/conv2/weight"].copy()
        layers["encoder/conv2/weight"][1, 2, 0] = 70000

    write_ctranslate2(tmp_path / "ct2", model, "float32", change=spoil)
    with pytest.raises(ModelError, match=r"encoder.conv2.weight has the value 70000.*--dtype f32"):
        converted(tmp_path / "ct2")
    assert list(tmp_path.glob("*gguf*")) == []
    converted(tmp_path / "ct2", "f32")


# ---- Particulars of CTranslate2 --------------------------------------------------------------------------------------


def test_rows_that_pad_the_vocabulary_are_dropped(tmp_path: Path, model: SyntheticModel) -> None:
    write_ctranslate2(tmp_path / "ct2", model, padding_rows=7)
    assert_holds(converted(tmp_path / "ct2"), weights(model), "float16")


def test_an_alias_stands_for_any_variable_and_a_projection_may_be_a_copy(tmp_path: Path, model: SyntheticModel) -> None:
    def share(layers: dict[str, Array]) -> None:
        layers["decoder/projection/weight"] = layers["decoder/embeddings/weight"]
        del layers["decoder/layer_1/ffn/layer_norm/beta"]

    aliases = {"decoder/layer_1/ffn/layer_norm/beta": "decoder/layer_0/ffn/layer_norm/beta"}
    write_ctranslate2(tmp_path / "ct2", model, change=share, aliases=aliases)
    expected = weights(model)
    expected["decoder.blocks.1.mlp_ln.bias"] = expected["decoder.blocks.0.mlp_ln.bias"]
    assert_holds(converted(tmp_path / "ct2"), expected, "float16")


def test_an_output_projection_of_its_own_is_refused(tmp_path: Path, model: SyntheticModel) -> None:
    def untie(layers: dict[str, Array]) -> None:
        layers["decoder/projection/weight"] = layers["decoder/embeddings/weight"] + 1

    write_ctranslate2(tmp_path / "ct2", model, change=untie, aliases={})
    with pytest.raises(ModelError, match="projection is not the token embedding"):
        converted(tmp_path / "ct2")


def test_a_bias_of_keys_is_refused(tmp_path: Path, model: SyntheticModel) -> None:
    def add_bias(layers: dict[str, Array]) -> None:
        layers["encoder/layer_1/self_attention/linear_0/bias"] = np.ones(3 * 64, np.float32)

    write_ctranslate2(tmp_path / "ct2", model, change=add_bias)
    with pytest.raises(ModelError, match="encoder/layer_1/self_attention/linear_0 has a bias for keys"):
        converted(tmp_path / "ct2")


# ---- What is wrong is named ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["model.decoder.layers.1.fc1.weight", "model.encoder.layer_norm.bias"])
def test_values_that_are_not_finite_are_refused_with_their_place(
    tmp_path: Path, model: SyntheticModel, name: str, value: float
) -> None:
    def spoil(tensors: dict[str, Array]) -> None:
        tensors[name] = tensors[name].copy()
        tensors[name].flat[-1] = value

    write_transformers(tmp_path / "hf", model, "F32", change=spoil)
    place = r"decoder.blocks.1.mlp.0.weight has the value (nan|inf) at \[255, 63\]"
    with pytest.raises(ModelError, match=place if "fc1" in name else r"encoder.ln_post.bias .* at \[63\]") as caught:
        converted(tmp_path / "hf")
    assert str(tmp_path / "hf") in str(caught.value)


def test_missing_surplus_and_misshapen_tensors_are_named(tmp_path: Path, model: SyntheticModel) -> None:
    cases = [
        (
            lambda t: t.pop("model.encoder.layers.0.fc1.bias"),
            "1 tensors are missing, such as encoder.blocks.0.mlp.0.bias",
        ),
        (lambda t: t.update({"model.lora.weight": np.zeros((2, 2), np.float32)}), "do not belong .* lora.weight"),
        (
            lambda t: t.update({"model.decoder.layer_norm.weight": np.zeros(65, np.float32)}),
            r"decoder.ln.weight has shape \[65\]: \[64\] is needed",
        ),
        (
            lambda t: t.update({"proj_out.weight": t["model.decoder.embed_tokens.weight"] * 2}),
            "proj_out.weight is not the token embedding",
        ),
    ]
    for i, (change, message) in enumerate(cases):
        write_transformers(tmp_path / f"{i}", model, "F32", change=change)
        with pytest.raises(ModelError, match=message):
            converted(tmp_path / f"{i}")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("model_type", "wav2vec2", "model_type is 'wav2vec2': 'whisper', 'clip', .* are supported"),
        ("vocab_size", 51900, "n_vocab is 51900"),
        ("vocab_size", "many", "vocab_size is 'many'"),
        ("num_mel_bins", 64, "n_mels is 64"),
        ("encoder_attention_heads", 5, "n_audio_state is 64 and n_audio_head 5"),
        ("decoder_layers", 0, "n_text_layer is 0"),
        ("decoder_layers", 10**9, "n_text_layer is 1000000000"),
        ("activation_function", "relu", "activation_function is 'relu'"),
    ],
)
def test_every_field_of_a_configuration_is_checked(
    tmp_path: Path, model: SyntheticModel, field: str, value: object, message: str
) -> None:
    write_transformers(tmp_path / "hf", model, config={field: value})
    with pytest.raises(ModelError, match=message) as caught:
        converted(tmp_path / "hf")
    assert str(tmp_path / "hf") in str(caught.value)


def test_alignment_heads_outside_of_the_model_are_refused(tmp_path: Path, model: SyntheticModel) -> None:
    write_ctranslate2(tmp_path / "ct2", model)
    for heads, message in (([[2, 0]], r"alignment head \(2, 0\)"), ([[0, -1]], r"\(0, -1\)"), ("all", "is 'all'")):
        (tmp_path / "ct2" / "config.json").write_text(json.dumps({"alignment_heads": heads}))
        with pytest.raises(ModelError, match=message):
            converted(tmp_path / "ct2")


def test_vocabularies_with_gaps_or_foreign_characters_are_refused(tmp_path: Path, model: SyntheticModel) -> None:
    write_transformers(tmp_path / "hf", model)
    ids = json.loads((tmp_path / "hf" / "vocab.json").read_text())
    ids["more"] = ids.pop("Ġa") + 60000
    (tmp_path / "hf" / "vocab.json").write_text(json.dumps(ids))
    with pytest.raises(ModelError, match="has none with the id 256"):
        converted(tmp_path / "hf")

    write_ctranslate2(tmp_path / "ct2", model)
    tokens = json.loads((tmp_path / "ct2" / "vocabulary.json").read_text())
    cases = [
        ([*tokens[:9], "日", *tokens[10:]], "'日', which no byte has"),
        ([*tokens[:9], "a b", *tokens[10:]], "' ', which no byte has"),
        (tokens[:99], "no <|end"),
    ]
    for spoilt, message in cases:
        (tmp_path / "ct2" / "vocabulary.json").write_text(json.dumps(spoilt))
        with pytest.raises(ModelError, match=message.replace("|", r"\|")):
            converted(tmp_path / "ct2")


def test_a_vocabulary_and_a_head_count_of_another_kind_are_refused(tmp_path: Path, model: SyntheticModel) -> None:
    write_ctranslate2(tmp_path / "ct2", model, vocabulary="txt")
    (tmp_path / "ct2" / "vocabulary.txt").write_bytes(b"\xff\n")
    with pytest.raises(ModelError, match=r"vocabulary\.txt is not UTF-8"):
        converted(tmp_path / "ct2")
    heads = ct2_variable("encoder/num_heads", np.asarray(np.nan, np.float32), "float32")
    (tmp_path / "model.bin").write_bytes(ct2_bytes([heads], {}))
    with pytest.raises(ModelError, match=r"encoder/num_heads is float32 \[\]: one integer is needed"):
        Variables(tmp_path / "model.bin").scalar("encoder/num_heads")


def test_what_is_no_checkpoint_is_refused_with_what_is_supported(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "notes.txt", tmp_path / "empty"):
        with pytest.raises(ModelError, match="needed is a faster-whisper folder"):
            convert(path, tmp_path / "out.gguf")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        convert(tmp_path / "absent", tmp_path / "out.gguf")


def test_a_failed_conversion_leaves_the_file_that_was_there(tmp_path: Path, model: SyntheticModel) -> None:
    (tmp_path / "out.gguf").write_text("precious")

    def spoil(layers: dict[str, Array]) -> None:
        layers["decoder/layer_norm/gamma"] = np.full(64, np.nan, np.float32)

    write_ctranslate2(tmp_path / "ct2", model, change=spoil)
    with pytest.raises(ModelError, match=r"decoder.ln.weight has the value nan at \[0\]"):
        convert(tmp_path / "ct2", tmp_path / "out.gguf")
    assert (tmp_path / "out.gguf").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct2", "out.gguf"]
