"""Voice activity against silero-vad itself (tests/fixtures/silero_vad.json, written by tools/make_vad_fixtures.py)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from published import jfk_wav

from pyffi import AudioChunk, InvalidArgument, Vad, VadOptions
from pyffi.buffers import Floats

RATE, WINDOW = 16000, 512
REFERENCE: dict[str, list[float]] = json.loads(
    (Path(__file__).parent / "fixtures" / "silero_vad.json").read_text(encoding="utf-8")
)


def synthetic_speech(n: int) -> Floats:
    """Vowels: pulses of a falling pitch through three resonators, with pauses. As in tools/make_vad_fixtures.py."""
    resonators = ((1.9015, -0.9825), (1.7243, -0.9652), (0.9671, -0.9349), (1.8137, -0.9747))
    memory = [[0.0, 0.0] for _ in resonators]
    samples, phase = [], 0
    for t in range(n):
        phase += 140 - t // 400 % 40
        pulse = 1.0 if phase >= RATE and t // 1600 % 8 < 6 else 0.0
        phase %= RATE
        noise = ((t * 1103515245 + 12345) % 65536 / 32768 - 1) * 0.001
        total = noise
        vowel = t // 4000 % 2
        for a, (c1, c2) in zip(memory[vowel:], resonators[vowel:], strict=True):
            a[0], a[1] = pulse + c1 * a[0] + c2 * a[1], a[0]
            total += 0.03 * a[0]
        samples.append(total)
    return np.array(samples, np.float32)


@pytest.fixture(scope="module")
def jfk() -> Floats:
    samples, rate = soundfile.read(jfk_wav(), dtype="float32")
    assert rate == RATE
    return np.ascontiguousarray(samples)


@pytest.fixture(scope="module")
def synthetic() -> Floats:
    return synthetic_speech(5 * RATE + 100)


def test_probabilities_are_those_of_silero_vad_on_speech(jfk: Floats) -> None:
    np.testing.assert_allclose(Vad().probabilities(jfk), REFERENCE["jfk"], atol=1e-4)


def test_probabilities_are_those_of_silero_vad_on_a_synthetic_voice(synthetic: Floats) -> None:
    np.testing.assert_allclose(Vad().probabilities(synthetic), REFERENCE["synthetic"], atol=1e-4)


def test_the_bits_are_those_of_every_processor(synthetic: Floats) -> None:
    digest = hashlib.sha256(Vad().probabilities(synthetic).tobytes()).hexdigest()
    assert digest == "3eefa4ba418ceb4aa7ddcb3dbd7115fbd80b1687ed27ee21a0ab0d3fc0fb4998"


def test_windows_one_by_one_give_the_same(synthetic: Floats) -> None:
    whole = Vad().probabilities(synthetic)
    padded = np.pad(synthetic, (0, -len(synthetic) % WINDOW))
    with Vad() as vad:
        for _ in range(2):
            assert [vad.process(window) for window in padded.reshape(-1, WINDOW)] == whole.tolist()
            vad.reset()


def test_whole_audio_starts_and_ends_with_a_fresh_state(synthetic: Floats) -> None:
    first = Vad().probabilities(synthetic)
    vad, window = Vad(), synthetic[:WINDOW]
    for use in (vad.probabilities, vad.segments):
        vad.process(synthetic[-WINDOW:])
        assert vad.probabilities(synthetic).tolist() == first.tolist()
        use(synthetic)
        assert vad.process(window) == first[0]


def test_speech_is_found_in_a_recording(jfk: Floats) -> None:
    silence = np.zeros(3 * RATE, np.float32)
    audio = np.concatenate([silence, jfk, silence, jfk])
    first, second = Vad().segments(audio)
    assert first.start == pytest.approx(2.9, abs=0.3)
    assert first.end == pytest.approx(14.0, abs=0.5)
    assert second.start == pytest.approx(16.9, abs=0.3)
    assert second.end == len(audio) / RATE


def test_the_rate_of_the_audio_makes_little_difference(jfk: Floats) -> None:
    at_48k = AudioChunk(jfk, RATE).resample(48000)
    options = VadOptions(min_silence_duration_ms=300, speech_pad_ms=100)
    expected = Vad().segments(jfk, options)
    got = Vad().segments(at_48k, options)
    np.testing.assert_allclose(np.array(got), np.array(expected), atol=0.1)


def test_long_speech_is_cut_at_a_silence(jfk: Floats) -> None:
    whole = Vad().segments(jfk, VadOptions(speech_pad_ms=0))
    cut = Vad().segments(jfk, VadOptions(speech_pad_ms=0, max_speech_duration_s=5))
    assert len(whole) == 1
    assert len(cut) > 1
    assert all(segment.end - segment.start <= 5 for segment in cut)
    probabilities = Vad().probabilities(jfk)
    for segment in cut[:-1]:  # each ends where a pause begins
        assert probabilities[round(segment.end * RATE) // WINDOW] < 0.5


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 40000),
    st.floats(0.05, 0.95),
    st.integers(0, 500),
    st.integers(0, 500),
    st.integers(0, 500),
    st.sampled_from([float("inf"), 1.1, 2.0]),
)
def test_segments_are_in_order_and_inside(
    n: int, threshold: float, speech: int, silence: int, pad: int, longest: float
) -> None:
    options = VadOptions(threshold, None, speech, longest, silence, pad)
    segments = Vad().segments(synthetic_speech(n), options)
    times = [time for segment in segments for time in segment]
    assert times == sorted(times)
    assert all(0 <= time <= n / RATE for time in times)
    assert all(segment.end > segment.start for segment in segments)


@pytest.mark.parametrize("n", [0, 1, 511, 512, 513])
def test_there_is_one_probability_for_each_window_begun(n: int) -> None:
    assert len(Vad().probabilities(np.zeros(n, np.float32))) == -(-n // WINDOW)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (VadOptions(threshold=1.5), "threshold"),
        (VadOptions(neg_threshold=-1.0), "neg_threshold"),
        (VadOptions(min_silence_duration_ms=10**8), "min_silence_ms"),
        (VadOptions(max_speech_duration_s=0.1), "max_speech_s"),
    ],
)
def test_options_out_of_range_are_refused(options: VadOptions, name: str) -> None:
    with pytest.raises(InvalidArgument, match=name):
        Vad().segments(np.zeros(WINDOW, np.float32), options)
