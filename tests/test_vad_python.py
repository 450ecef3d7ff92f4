"""The voice activity detector as Python sees it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from pyffi import AudioChunk, ClosedError, InvalidArgument, MultimodalError, SpeechSegment, Vad, VadOptions

Samples = npt.NDArray[np.float32]
Tone = Callable[..., Samples]


@pytest.fixture(scope="module")
def vad() -> Vad:
    return Vad()


def test_probabilities_are_one_for_each_window(vad: Vad, tone: Tone) -> None:
    probabilities = vad.probabilities(tone(1.01))
    assert probabilities.shape == (32,)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert vad.probabilities(np.zeros(0, np.float32)).shape == (0,)


def test_processing_window_by_window_gives_the_same(vad: Vad, tone: Tone) -> None:
    samples = tone(512 * 20 / 16000)
    expected = vad.probabilities(samples)
    vad.reset()
    assert [vad.process(samples[i : i + 512]) for i in range(0, len(samples), 512)] == expected.tolist()
    vad.process(samples[:512])
    vad.reset()
    assert vad.process(samples[:512]) == expected[0]


def test_there_is_no_speech_in_silence(vad: Vad) -> None:
    assert vad.segments(np.zeros(16000 * 3, np.float32)) == []


def test_segments_follow_the_options(vad: Vad, tone: Tone, tmp_path: Path) -> None:
    samples = tone(4)
    everything = vad.segments(samples, VadOptions(threshold=1e-6, neg_threshold=1e-7, min_speech_duration_ms=0))
    assert everything
    assert all(isinstance(segment, SpeechSegment) and segment.start < segment.end <= 4 for segment in everything)
    path = tmp_path / "a.wav"
    soundfile.write(path, samples, 16000, subtype="FLOAT")
    options = {"threshold": 1e-6, "neg_threshold": 1e-7, "min_speech_duration_ms": 0}
    for audio in (path, AudioChunk(samples), path.read_bytes()):
        assert vad.segments(audio, options) == everything
    pieces = vad.segments(samples, {**options, "max_speech_duration_s": 1.0, "speech_pad_ms": 0})
    assert max(end - start for start, end in pieces) < 1.1
    assert len(pieces) > len(everything)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(511, np.float32), "512 samples at a time, not 511"),
        (np.zeros(512), "float64"),
        (np.full(512, np.nan, np.float32), "finite"),
        (b"\0" * 2048, "samples is bytes"),
    ],
)
def test_bad_windows_are_refused(vad: Vad, samples: Any, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        vad.process(samples)


def test_audio_that_is_not_finite_is_refused_where_it_is(vad: Vad) -> None:
    samples = np.zeros(1000, np.float32)
    samples[700] = math.inf
    for call in (vad.probabilities, vad.segments):
        with pytest.raises(InvalidArgument, match="700"):
            call(samples)


def test_a_file_that_is_no_model_is_refused(tiny_path: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "none.gguf", tiny_path):
        with pytest.raises(MultimodalError, match=path.name):
            Vad(path)


def test_everything_after_close_is_a_closed_error() -> None:
    with Vad() as vad:
        vad.reset()
    vad.close()
    uses: list[Callable[[], object]] = [
        lambda: vad.process(np.zeros(512, np.float32)),
        lambda: vad.probabilities(np.zeros(512, np.float32)),
        lambda: vad.segments(np.zeros(512, np.float32)),
        vad.reset,
    ]
    for use in uses:
        with pytest.raises(ClosedError, match="closed"):
            use()


def test_threads_take_turns(vad: Vad, tone: Tone) -> None:
    expected = vad.probabilities(tone(1)).tolist()
    results: list[list[float]] = []
    threads = [
        threading.Thread(target=lambda: results.extend(vad.probabilities(tone(1)).tolist() for _ in range(5)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 40


def test_nothing_leaks(assert_no_leak: Callable[[Callable[[], object], int], None], tone: Tone) -> None:
    samples = tone(0.1)

    def use() -> None:
        detector = Vad()
        detector.segments(samples)
        detector.probabilities(samples)

    assert_no_leak(use, 2_000_000)
