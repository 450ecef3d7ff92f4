"""The same weights give the same bits out of the engine, whichever format they came in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from checkpoint_writers import write_ctranslate2, write_openai, write_transformers
from model_files import SyntheticModel, synthetic_model

from pyffi import Whisper
from pyffi.models import convert

TOKENS = [50258, 50259, 50359, 50363, 300, 17, 4000, 9, 1200, 31, 77]


def half_exact(model: SyntheticModel) -> SyntheticModel:
    """The model with values that float16 holds exactly, so that no format has to round them."""
    for name, values in model.tensors.items():
        if name != "mel_filters":
            model.tensors[name] = values.astype(np.float16).astype(np.float32)
    return model


def outputs(path: Path) -> tuple[bytes, bytes]:
    mel = np.random.default_rng(5).uniform(-1, 1.5, (80, 80)).astype(np.float32)
    with Whisper(path) as whisper:
        encoded = whisper.encode(mel, audio_ctx=40)
        return encoded.tobytes(), whisper.logits(encoded, TOKENS).tobytes()


def test_logits_are_identical_from_every_format(tmp_path: Path) -> None:
    model = half_exact(synthetic_model(seed=21))
    write_ctranslate2(tmp_path / "ctranslate2-f16", model, "float16")
    write_ctranslate2(tmp_path / "ctranslate2-f32", model, "float32")
    write_transformers(tmp_path / "transformers-f16", model, "F16")
    write_transformers(tmp_path / "transformers-f32", model, "F32", shards=2)
    write_transformers(tmp_path / "transformers-pickled", model, "F16", pickled=True)
    write_openai(tmp_path / "openai.pt", model)
    convert(tmp_path / "openai.pt", tmp_path / "whisper-cpp-f16.bin")
    convert(tmp_path / "openai.pt", tmp_path / "whisper-cpp-f32.bin", weight_type="f32")
    convert(tmp_path / "openai.pt", tmp_path / "reference.gguf")

    expected = outputs(tmp_path / "reference.gguf")
    sources = sorted(path for path in tmp_path.iterdir() if path.name != "reference.gguf")
    assert len(sources) == 8
    for source in sources:
        path = convert(source, tmp_path / "converted.gguf")
        assert outputs(path) == expected, source.name
    single = convert(tmp_path / "openai.pt", tmp_path / "single.gguf", weight_type="f32")
    assert outputs(single) == expected
    for name in ("whisper-cpp-f16.bin", "whisper-cpp-f32.bin"):
        assert outputs(tmp_path / name) == expected, f"{name} as it is"


def test_logits_differ_if_a_single_weight_does(tmp_path: Path) -> None:
    """What the test above would see."""
    model = half_exact(synthetic_model(seed=21))
    write_openai(tmp_path / "one.pt", model)
    model.tensors["decoder.blocks.1.cross_attn.value.weight"][63, 63] += 0.25
    write_openai(tmp_path / "two.pt", model)
    one, two = (outputs(convert(tmp_path / f"{n}.pt", tmp_path / f"{n}.gguf")) for n in ("one", "two"))
    assert one[0] == two[0]
    assert one[1] != two[1]
