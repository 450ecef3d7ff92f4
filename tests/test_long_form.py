"""The rules of audio longer than a window: seeking, fallback, prompts, silence. A tiny random model follows them as any
other does; what text it gives is of no matter, only what it depends on. The parts that can be tested alone are in
clib/tests/test_fallback.cpp and test_hallucinations.cpp."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pyffi import Segment, Whisper

Samples = npt.NDArray[np.float32]
Tone = Callable[..., Samples]

WINDOW = 30  # seconds
# Nothing is decoded again or skipped, unless a test asks for it.
PLAIN: dict[str, Any] = {
    "language": "en",
    "beam_size": 1,
    "temperature": 0.0,
    "max_new_tokens": 12,
    "no_speech_threshold": None,
    "log_prob_threshold": None,
    "compression_ratio_threshold": None,
}
ALWAYS_FAILS = {"log_prob_threshold": 0.0}  # no text is certain


@pytest.fixture(scope="module")
def minute(tone: Tone) -> Samples:
    return tone(70)


def transcribe(model: Whisper, audio: Samples, **options: Any) -> list[Segment]:
    return list(model.transcribe(audio, **{**PLAIN, **options}))


def tokens(segments: list[Segment]) -> list[list[int]]:
    return [segment.tokens for segment in segments]


@pytest.mark.parametrize("audio_ctx", [1500, 1000, 500, 300])
def test_no_audio_is_passed_over(tiny: Whisper, minute: Samples, audio_ctx: int) -> None:
    """Windows of 30 s and shorter ones begin where the one before ended, and their segments lie inside."""
    seconds = audio_ctx / 50
    segments = transcribe(tiny, minute, audio_ctx=audio_ctx, max_new_tokens=40)
    starts = [0, *sorted({segment.seek for segment in segments}), round(100 * len(minute) / 16000)]
    assert max(b - a for a, b in pairwise(starts)) <= 100 * seconds
    for segment in segments:
        assert segment.seek / 100 <= segment.start <= segment.end <= segment.seek / 100 + seconds + 0.001


def test_text_so_far_prompts_the_next_window(tiny: Whisper, minute: Samples) -> None:
    conditioned = transcribe(tiny, minute)
    alone = transcribe(tiny, minute, condition_on_previous_text=False)
    assert tokens(conditioned)[0] == tokens(alone)[0]
    assert tokens(conditioned) != tokens(alone)


def test_the_initial_prompt_prompts_the_first_window(tiny: Whisper, minute: Samples) -> None:
    prompted = transcribe(tiny, minute, initial_prompt="Dramatis personae")
    assert tokens(prompted)[0] != tokens(transcribe(tiny, minute))[0]


def test_after_a_hot_window_the_prompt_begins_anew(tiny: Whisper, minute: Samples) -> None:
    """The last temperature tried counts, also where the attempt that is kept was a cooler one: a window that failed at
    all temperatures, such as one of a loop, must not prompt the next."""
    hot = ALWAYS_FAILS | {"temperature": (0.0, 0.6)}
    conditioned = transcribe(tiny, minute, **hot)
    assert {segment.temperature for segment in conditioned} == {0.0}  # the more probable attempt was kept
    assert tokens(conditioned) == tokens(transcribe(tiny, minute, condition_on_previous_text=False, **hot))
    cool = ALWAYS_FAILS | {"temperature": (0.0, 0.4)}
    assert tokens(transcribe(tiny, minute, **cool)) != tokens(
        transcribe(tiny, minute, condition_on_previous_text=False, **cool)
    )
    late = hot | {"prompt_reset_on_temperature": 0.7}
    assert tokens(transcribe(tiny, minute, **late)) != tokens(conditioned)


def test_repetitive_or_improbable_windows_are_decoded_again(tiny: Whisper, minute: Samples) -> None:
    first, *_ = transcribe(tiny, minute)
    ratio, logprob = first.compression_ratio, first.avg_logprob
    for options, above in (
        ({"compression_ratio_threshold": ratio - 0.01}, True),
        ({"compression_ratio_threshold": ratio + 0.01}, False),
        ({"log_prob_threshold": logprob + 0.01}, True),
        ({"log_prob_threshold": logprob - 0.01}, False),
    ):
        attempts: set[int] = set()
        transcript = tiny.transcribe(
            minute,
            **{**PLAIN, **options, "temperature": (0.0, 0.2)},
            on_token=lambda token: attempts.add(token.attempt) if token.window == 0 else None,  # noqa: B023
        )
        assert next(iter(transcript)).seek == 0
        assert (max(attempts) > 0) == above, options


@pytest.fixture(scope="module")
def two_windows(tiny: Whisper, tone: Tone) -> tuple[Samples, Segment, Segment]:
    """Audio, and what each of its two windows gives by itself; the first is likelier to be taken for silence."""
    audio = np.concatenate([tone(WINDOW), np.zeros(WINDOW * 16000, np.float32)])
    first, second = transcribe(tiny, audio, without_timestamps=True, condition_on_previous_text=False)
    assert (first.seek, second.seek) == (0, 100 * WINDOW)
    assert first.no_speech_prob > 10 * second.no_speech_prob
    return audio, first, second


def windows(model: Whisper, audio: Samples, **options: Any) -> list[int]:
    """The windows that were not skipped."""
    return [s.seek // (100 * WINDOW) for s in transcribe(model, audio, without_timestamps=True, **options)]


def test_silence_is_skipped(tiny: Whisper, two_windows: tuple[Samples, Segment, Segment]) -> None:
    """By the no-speech probability alone where text of any probability would pass, else only with improbable text."""
    audio, first, second = two_windows
    between = 3 * second.no_speech_prob
    assert windows(tiny, audio, no_speech_threshold=between) == [1]
    assert windows(tiny, audio, no_speech_threshold=2 * first.no_speech_prob) == [0, 1]
    improbable = {"log_prob_threshold": first.avg_logprob + 0.001, "no_speech_threshold": between}
    assert windows(tiny, audio, **improbable) == [1]
    probable = {"log_prob_threshold": first.avg_logprob - 0.001, "no_speech_threshold": between}
    assert windows(tiny, audio, **probable) == [0, 1]


def test_a_skipped_window_leaves_the_initial_prompt_for_the_next(
    tiny: Whisper, two_windows: tuple[Samples, Segment, Segment]
) -> None:
    audio, _, second = two_windows
    options = {
        "no_speech_threshold": 3 * second.no_speech_prob,
        "condition_on_previous_text": False,
        "without_timestamps": True,
    }
    assert tokens(transcribe(tiny, audio, **options)) == [second.tokens]
    (prompted,) = transcribe(tiny, audio, initial_prompt="Dramatis personae", **options)
    assert prompted.seek == second.seek
    assert prompted.tokens != second.tokens
