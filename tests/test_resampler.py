"""Resampling as a host sees it: tones come out where and as loud as they went in, lengths are exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyffi import AudioChunk, InvalidArgument
from pyffi.buffers import Floats

RATES = st.one_of(st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000]), st.integers(8000, 192000))


def tones(frequencies: list[float], rate: int, n: int) -> Floats:
    """The mean of cosines of these frequencies, n samples of it."""
    seconds = np.arange(n) / rate
    waves = [np.cos(2 * np.pi * frequency * seconds + i) for i, frequency in enumerate(frequencies)]
    return np.array(np.mean(waves, axis=0), np.float32)


@settings(deadline=None, max_examples=40)
@given(RATES, RATES, st.lists(st.floats(0, 0.45), min_size=1, max_size=4))
def test_tones_below_0_45_of_the_lower_rate_pass_unchanged(from_rate: int, to_rate: int, parts: list[float]) -> None:
    lower = min(from_rate, to_rate)
    frequencies = [part * lower for part in parts]
    out = AudioChunk(tones(frequencies, from_rate, 400 * from_rate // lower), from_rate).resample(to_rate)
    expected = tones(frequencies, to_rate, len(out))
    middle = slice(len(out) * 3 // 10, len(out) * 7 // 10)
    np.testing.assert_allclose(out.samples[middle], expected[middle], atol=2e-5)


@settings(deadline=None, max_examples=40)
@given(RATES, st.floats(0, 1))
def test_what_cannot_be_represented_is_gone(from_rate: int, part: float) -> None:
    to_rate = 8000 + (from_rate - 8000) // 3
    frequency = to_rate / 2 + part * (from_rate - to_rate) / 2
    if to_rate == from_rate:
        return
    out = AudioChunk(tones([frequency], from_rate, 400 * from_rate // to_rate), from_rate).resample(to_rate)
    assert np.abs(out.samples[120:-120]).max() < 1e-5


@settings(deadline=None, max_examples=40)
@given(RATES, RATES, st.integers(0, 3000))
def test_the_length_is_that_of_the_time(from_rate: int, to_rate: int, n: int) -> None:
    out = AudioChunk(np.zeros(n, np.float32), from_rate).resample(to_rate)
    assert len(out) == -(-n * to_rate // from_rate)
    assert out.sample_rate == to_rate
    assert not out.samples.any()


@pytest.mark.parametrize("rate", [0, 7999, 192001, 2**32 + 16000, -16000])
def test_rates_out_of_range_are_refused(rate: int) -> None:
    with pytest.raises(InvalidArgument, match="8000"):
        AudioChunk(np.zeros(10, np.float32)).resample(rate)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 2e6])
def test_the_first_bad_sample_is_named(bad: float) -> None:
    samples = np.zeros(2000, np.float32)
    samples[1234:] = bad
    with pytest.raises(InvalidArgument, match="sample 1234 is"):
        AudioChunk(samples).resample(48000)
