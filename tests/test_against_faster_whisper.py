"""Real models on real speech, beside what faster-whisper says with the same weights (tests/fixtures/faster_whisper.*,
written by tools/make_faster_whisper_reference.py)."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from published import JFK_TEXT, jfk_wav, librivox

from pyffi import Whisper

FIXTURES = Path(__file__).parent / "fixtures"
REFERENCE: dict[str, dict[str, Any]] = json.loads((FIXTURES / "faster_whisper.json").read_text(encoding="utf-8"))
LOGITS = np.load(FIXTURES / "faster_whisper.npz")


def recordings() -> list[Path]:
    return [jfk_wav(), *(path for path, _ in librivox())]


@pytest.fixture(scope="module", params=sorted(REFERENCE))
def named_model(request: pytest.FixtureRequest) -> Iterator[tuple[str, Whisper]]:
    with Whisper(request.param) as model:
        yield request.param, model


def letters(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalpha() or c == " ").strip()


def test_greedy_tokens_are_those_of_faster_whisper(named_model: tuple[str, Whisper]) -> None:
    name, model = named_model
    for path in recordings():
        expected = [tokens for _, _, _, tokens, _, _ in REFERENCE[name][path.name]["segments"]]
        transcript = model.transcribe(path, beam_size=1, temperature=0.0, language="en")
        assert [segment.tokens for segment in transcript] == expected, path.name


def test_probabilities_agree_with_faster_whisper(named_model: tuple[str, Whisper]) -> None:
    name, model = named_model
    for path in recordings():
        transcript = model.transcribe(path, beam_size=1, temperature=0.0, language="en")
        for segment, (_, _, _, _, avg_logprob, no_speech_prob) in zip(
            transcript, REFERENCE[name][path.name]["segments"], strict=True
        ):
            assert segment.avg_logprob == pytest.approx(avg_logprob, abs=5e-3)
            assert segment.no_speech_prob == pytest.approx(no_speech_prob, abs=2e-3)


def test_word_times_agree_with_faster_whisper(named_model: tuple[str, Whisper]) -> None:
    name, model = named_model
    differences: list[float] = []
    for path in recordings():
        transcript = model.transcribe(path, beam_size=5, temperature=0.0, language="en", word_timestamps=True)
        words = [word for segment in transcript for word in segment.words or ()]
        expected = REFERENCE[name][path.name]["words"]
        assert [word.word for word in words] == [text for text, _, _, _ in expected], path.name
        for word, (_, start, end, _) in zip(words, expected, strict=True):
            differences += [abs(word.start - start), abs(word.end - end)]
    assert statistics.median(differences) < 0.060


def test_language_is_detected_as_by_faster_whisper() -> None:
    with Whisper("base") as model:
        for path in recordings():
            samples, rate = soundfile.read(path, dtype="float32")
            code, probability = model.detect_language(samples, sample_rate=rate)[0]
            assert code == "en"
            assert probability == pytest.approx(REFERENCE["base"][path.name]["language_probability"], abs=2e-3)


def test_logits_are_within_a_thousandth_of_faster_whisper(named_model: tuple[str, Whisper]) -> None:
    name, model = named_model
    samples, rate = soundfile.read(jfk_wav(), dtype="float32")
    prompt = [50257, 50362] if name.endswith(".en") else [50258, 50259, 50359, 50363]
    tokens, ids, expected = (LOGITS[f"{name}.{key}"] for key in ("tokens", "ids", "logits"))
    encoded = model.encode(model.log_mel(samples, sample_rate=rate))
    logits = model.logits(encoded, [*prompt, *tokens[:-1].tolist()])[len(prompt) - 1 :]
    for step in range(len(tokens)):
        unmasked = expected[step] > -1e30
        assert unmasked.mean() > 0.5
        theirs = expected[step][unmasked]
        error = np.abs(logits[step][ids[step][unmasked]] - theirs).max()
        assert error <= 1e-3 * np.abs(theirs).max(), f"step {step}: {error}"


def test_the_famous_sentence_is_transcribed(named_model: tuple[str, Whisper]) -> None:
    _, model = named_model
    assert letters(model.transcribe(jfk_wav()).text) == letters(JFK_TEXT)
    assert "ask not what your country can do for you" in model.transcribe(jfk_wav()).text


def test_two_runs_and_all_thread_counts_give_the_same_transcript(named_model: tuple[str, Whisper]) -> None:
    _, model = named_model
    counts = (None, 1, 2, 3, 7)
    runs = [model.transcribe(jfk_wav(), threads=count, word_timestamps=True).segments for count in counts]
    assert all(run == runs[0] for run in runs)
