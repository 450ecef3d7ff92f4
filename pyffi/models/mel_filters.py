"""The mel filter bank of Whisper's front end, in the bits of `librosa.filters.mel(sr=16000, n_fft=400, n_mels=...)`.

Slaney's scale (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above; each triangle has unit area in Hz. Steps
and precision follow librosa's, whose filters OpenAI ships: float64 throughout, each product rounded to float32 once.
"""

from __future__ import annotations

import numpy as np

from pyffi.models.checkpoint import Array

SAMPLE_RATE = 16000
N_FFT = 400
N_BINS = N_FFT // 2 + 1

_HZ_PER_MEL = 200.0 / 3
_LOG_START_HZ = 1000.0
_LOG_START_MEL = _LOG_START_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def _hz_from_mel(mels: Array) -> Array:
    linear = _HZ_PER_MEL * mels
    logarithmic = _LOG_START_HZ * np.exp(_LOG_STEP * (mels - _LOG_START_MEL))
    return np.where(mels >= _LOG_START_MEL, logarithmic, linear)


def mel_filters(n_mels: int) -> Array:
    """The filters [n_mels][201], float32."""
    top = _LOG_START_MEL + np.log(SAMPLE_RATE / 2 / _LOG_START_HZ) / _LOG_STEP
    edges = _hz_from_mel(np.linspace(0.0, top, n_mels + 2))
    bins = np.fft.rfftfreq(N_FFT, d=1.0 / SAMPLE_RATE)

    widths = np.diff(edges)
    rising = (bins[None, :] - edges[:-2, None]) / widths[:-1, None]
    falling = (edges[2:, None] - bins[None, :]) / widths[1:, None]
    triangles: Array = np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
    area = 2.0 / (edges[2:] - edges[:-2])
    triangles *= area[:, None]
    return triangles
