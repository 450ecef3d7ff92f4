"""The engine's encoder and decoder against a float64 reference, on small models with seeded weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from model_files import SyntheticModel, write_ggml, write_gguf
from whisper_reference import Reference, relative_error

from pyffi import Whisper

TOKENS = [50258, 50259, 50359, 50363, 300, 17, 4000, 9, 1200, 31, 77, 20000, 5, 5, 5, 812, 44, 2]


def compare(model: SyntheticModel, path: Path, audio_ctx: int) -> None:
    reference = Reference(model)
    mel = np.random.default_rng(3).uniform(-1, 1.5, (2 * audio_ctx - 31, model.shape.n_mels)).astype(np.float32)
    with Whisper(path) as whisper:
        encoded = whisper.encode(mel, audio_ctx=audio_ctx)
        expected = reference.encode(mel.astype(np.float64), audio_ctx)
        assert encoded.shape == expected.shape
        assert relative_error(encoded, expected) < 1e-5
        logits = whisper.logits(encoded, TOKENS)
        assert relative_error(logits, reference.logits(encoded.astype(np.float64), TOKENS)) < 1e-5


@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_encoder_and_logits_match_the_float64_reference(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "model.gguf"
    compare(write_gguf(path, dtype=dtype), path, audio_ctx=90)


@pytest.mark.parametrize("wtype", ["f32", "f16", "q8_0", "q5_0", "q5_1", "q4_0"])
def test_whisper_cpp_files_of_every_type_match_the_reference(tmp_path: Path, wtype: str) -> None:
    path = tmp_path / "model.bin"
    compare(write_ggml(path, wtype=wtype), path, audio_ctx=40)


def test_padding_with_zero_frames_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_gguf(path)
    mel = np.random.default_rng(1).uniform(-1, 1, (51, 80)).astype(np.float32)
    padded = np.zeros((80, 80), dtype=np.float32)
    padded[:51] = mel
    with Whisper(path) as whisper:
        np.testing.assert_array_equal(whisper.encode(mel, audio_ctx=40), whisper.encode(padded, audio_ctx=40))
