"""Voice activity: where in the audio someone speaks, by the Silero model that is built into the library."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from pyffi._ffi import ffi, lib
from pyffi.audio import SAMPLE_RATE, AudioInput, c_chunk, load_audio
from pyffi.buffers import Floats, as_float, as_integer, as_path, as_samples, owned_array, pointer
from pyffi.callbacks import Run
from pyffi.errors import InvalidArgument, error_for, raise_for

if TYPE_CHECKING:
    from typing_extensions import Self

WINDOW = 512  # samples at 16 kHz: 32 ms


class SpeechSegment(NamedTuple):
    """A run of speech, in seconds."""

    start: float
    end: float


@dataclass(frozen=True)
class VadOptions:
    """How probabilities become runs of speech. Names are those of faster-whisper.

    threshold                 speech starts at this probability
    neg_threshold             and ends below this one; None: threshold - 0.15, at least 0.01
    min_speech_duration_ms    shorter runs are dropped
    max_speech_duration_s     longer ones are cut at the longest silence inside
    min_silence_duration_ms   speech ends only after so much silence
    speech_pad_ms             kept on both sides of speech
    """

    threshold: float = 0.5
    neg_threshold: float | None = None
    min_speech_duration_ms: int = 250
    max_speech_duration_s: float = math.inf
    min_silence_duration_ms: int = 2000
    speech_pad_ms: int = 400

    @classmethod
    def of(cls, value: VadOptions | Mapping[str, Any] | None) -> VadOptions:
        """Options as they are given to transcribe(): an object, a mapping, or None for the defaults."""
        if value is None or isinstance(value, VadOptions):
            return value or cls()
        if not isinstance(value, Mapping):
            raise InvalidArgument(f"vad_parameters must be a VadOptions or a dict, not {type(value).__name__}")
        known = {field.name for field in fields(cls)}
        for name in value:
            if name not in known:
                raise InvalidArgument(f"vad_parameters has no {name!r}; it has {', '.join(sorted(known))}")
        return cls(**value)

    def to_c(self) -> Any:
        """mm_vad_options *. There zero means default, which here has to be said otherwise."""
        options = ffi.new("mm_vad_options *", {"struct_size": ffi.sizeof("mm_vad_options")})
        options.threshold = _probability(self.threshold, "threshold")
        if self.neg_threshold is not None:
            options.neg_threshold = _probability(self.neg_threshold, "neg_threshold")
        options.min_speech_ms = _milliseconds(self.min_speech_duration_ms, "min_speech_duration_ms")
        options.min_silence_ms = _milliseconds(self.min_silence_duration_ms, "min_silence_duration_ms")
        options.speech_pad_ms = _milliseconds(self.speech_pad_ms, "speech_pad_ms")
        longest = as_float(self.max_speech_duration_s, "max_speech_duration_s")
        if not longest > 0:
            raise InvalidArgument(f"max_speech_duration_s must be greater than 0, not {longest:g}")
        options.max_speech_s = 0 if math.isinf(longest) else longest
        return options


def _probability(value: object, name: str) -> float:
    number = as_float(value, name)
    if not 0 < number < 1:
        raise InvalidArgument(f"{name} must be greater than 0 and less than 1, not {number:g}")
    return number


def _milliseconds(value: object, name: str) -> int:
    return as_integer(value, name, 0, 2**31 - 1) or -1


class Vad:
    """A voice activity detector. It keeps state between calls of process(): use one for each stream of audio."""

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        """Opens the built-in model, or a GGUF file of the Silero architecture."""
        out, error = ffi.new("mm_vad **"), ffi.new("char **")
        status = lib.mm_vad_open(ffi.NULL if path is None else as_path(path), out, error)
        if status:
            raise_for(status, error)
        self._handle = ffi.gc(out[0], lib.mm_vad_close)
        self._lock = threading.Lock()
        self._probability = ffi.new("float *")  # of process(), which is called 31 times a second

    def process(self, samples: Floats) -> float:
        """Probability that someone speaks in the next 512 samples at 16 kHz."""
        samples = as_samples(samples, "samples")
        if len(samples) != WINDOW:
            raise InvalidArgument(f"process takes {WINDOW} samples at a time, not {len(samples)}")
        with self._lock:
            status = lib.mm_vad_process(self._handle, pointer(samples), WINDOW, self._probability)
            probability = self._probability[0]
        if status == lib.MM_ERROR_INVALID_ARGUMENT:
            raise InvalidArgument("the samples must be finite, and of a magnitude of at most 1e6")
        if status:
            raise error_for(status)
        return float(probability)

    def reset(self) -> None:
        """Forgets the state: the next sample is the first of new audio."""
        with self._lock:
            status = lib.mm_vad_reset(self._handle)
        if status:
            raise error_for(status)

    def probabilities(self, audio: AudioInput, *, sample_rate: int = SAMPLE_RATE) -> Floats:
        """Probability of speech in each 32 ms of the whole audio."""
        chunk = load_audio(audio, sample_rate)
        out, length, error = ffi.new("float **"), ffi.new("size_t *"), ffi.new("char **")
        run = Run()
        with self._lock:
            status = lib.mm_vad_probabilities(self._handle, c_chunk(chunk), run.c, out, length, error)
        run.check(status, error)
        return owned_array(out[0], length[0])

    def segments(
        self,
        audio: AudioInput,
        options: VadOptions | Mapping[str, Any] | None = None,
        *,
        sample_rate: int = SAMPLE_RATE,
    ) -> list[SpeechSegment]:
        """Runs of speech in the whole audio, in order."""
        c_options = VadOptions.of(options).to_c()
        chunk = load_audio(audio, sample_rate)
        out, length, error = ffi.new("mm_vad_segment **"), ffi.new("size_t *"), ffi.new("char **")
        run = Run()
        with self._lock:
            status = lib.mm_vad_segments(self._handle, c_chunk(chunk), c_options, run.c, out, length, error)
        run.check(status, error)
        try:
            return [SpeechSegment(out[0][i].start, out[0][i].end) for i in range(length[0])]
        finally:
            lib.mm_free(out[0])

    def close(self) -> None:
        """Frees the detector; using it afterwards raises ClosedError."""
        ffi.release(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
