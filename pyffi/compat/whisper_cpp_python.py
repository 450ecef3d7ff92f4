"""The `Whisper` class of whisper-cpp-python 0.2.0, over this library.

    from pyffi.compat.whisper_cpp_python import Whisper     # was: from whisper_cpp_python import Whisper

Constructor, methods, arguments, defaults and the five response formats are the original's. What it got wrong is put
right; docs/whisper-cpp-python.md lists it, and what `params` offers.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from pyffi import whisper
from pyffi.audio import SAMPLE_RATE, AudioInput
from pyffi.errors import InvalidArgument
from pyffi.formats import render
from pyffi.transcript import Transcript

ResponseFormat: TypeAlias = Literal["json", "text", "srt", "verbose_json", "vtt"]
# ctx and state, which are None here, percent done, and None.
ProgressCallback: TypeAlias = Callable[[None, None, int, None], object]


@dataclass(slots=True)
class Greedy:
    best_of: int = 2


@dataclass(slots=True)
class BeamSearch:
    beam_size: int = 2
    patience: float = 1.0


@dataclass(slots=True)
class Params:
    """The fields of whisper.cpp's `whisper_full_params` that have a meaning here, with its defaults."""

    strategy: int = 0  # 0 greedy, 1 beam search
    n_threads: int = 1
    translate: bool = False
    initial_prompt: str | None = None
    temperature_inc: float = 0.4  # tried next when a window fails; 0: no other try
    entropy_thold: float = 2.4
    logprob_thold: float = -1.0
    no_speech_thold: float = 0.6
    max_initial_ts: float = 1.0
    length_penalty: float = -1.0  # negative: the mean log-probability
    max_tokens: int = 0  # of a window; 0: no limit of its own
    audio_ctx: int = 0  # 0: all
    suppress_blank: bool = True
    suppress_non_speech_tokens: bool = False
    greedy: Greedy = field(default_factory=Greedy)
    beam_search: BeamSearch = field(default_factory=BeamSearch)
    progress_callback: ProgressCallback | None = None
    # Nothing is ever printed here; these can be set as before.
    print_special: bool = False
    print_progress: bool = False
    print_realtime: bool = False
    print_timestamps: bool = False

    def temperatures(self, first: float) -> list[float]:
        """What whisper.cpp tries in turn: upwards to 1."""
        if self.temperature_inc <= 0:
            return [first]
        tries = max(1, int((1.0 - first) / self.temperature_inc + 1e-6) + 1)
        return [first + i * self.temperature_inc for i in range(tries)]


class Whisper:
    WHISPER_SR = SAMPLE_RATE

    def __init__(self, model_path: str | os.PathLike[str], strategy: int = 0, n_threads: int = 1) -> None:
        """Opens a model: whisper.cpp's ggml-*.bin as before, or whatever else pyffi.Whisper opens."""
        if strategy not in (0, 1):
            raise InvalidArgument(f"strategy must be 0 (greedy) or 1 (beam search), not {strategy!r}")
        self._model = whisper.Whisper(model_path)
        self.params = Params(strategy=strategy, n_threads=n_threads)

    def transcribe(
        self,
        file: AudioInput,
        prompt: str | None = None,
        response_format: ResponseFormat = "json",
        temperature: float = 0.8,
        language: str = "en",
    ) -> Any:
        """Text in the language that is spoken. language: such as "en", or "auto"."""
        return self._run(file, prompt, response_format, temperature, language, self.params.translate)

    def translate(
        self,
        file: AudioInput,
        prompt: str | None = None,
        response_format: ResponseFormat = "json",
        temperature: float = 0.8,
    ) -> Any:
        """English text of speech in any language."""
        return self._run(file, prompt, response_format, temperature, "auto", True)

    def close(self) -> None:
        """Frees the model now rather than when this object is forgotten."""
        self._model.close()

    def _run(
        self,
        file: AudioInput,
        prompt: str | None,
        response_format: ResponseFormat,
        temperature: float,
        language: str,
        translate: bool,
    ) -> Any:
        if response_format not in RESPONSES:
            raise InvalidArgument(f"response_format must be one of {', '.join(RESPONSES)}, not {response_format!r}")
        params = self.params
        task = "translate" if translate else "transcribe"
        transcript = self._model.transcribe(
            file.buffer if isinstance(file, io.TextIOWrapper) else file,  # open("speech.mp3"), as its README has it
            task=task,
            language=None if language in ("", "auto") else language,
            initial_prompt=prompt or params.initial_prompt,
            beam_size=params.beam_search.beam_size if params.strategy == 1 else 1,
            patience=params.beam_search.patience,
            best_of=params.greedy.best_of,
            temperature=params.temperatures(temperature),
            compression_ratio_threshold=params.entropy_thold,
            log_prob_threshold=params.logprob_thold,
            no_speech_threshold=params.no_speech_thold,
            length_penalty=None if params.length_penalty < 0 else params.length_penalty,
            max_initial_timestamp=params.max_initial_ts,
            max_new_tokens=params.max_tokens or None,
            audio_ctx=params.audio_ctx or None,
            suppress_blank=params.suppress_blank,
            suppress_tokens=(-1,) if params.suppress_non_speech_tokens else (),
            threads=params.n_threads,
            on_progress=self._on_progress if params.progress_callback else None,
        )
        return RESPONSES[response_format](transcript, task)

    def _on_progress(self, done: float, total: float | None) -> None:
        if self.params.progress_callback and total:
            self.params.progress_callback(None, None, round(100 * done / total), None)

    @staticmethod
    def format_time(t: float) -> str:
        """Seconds as HH:MM:SS.mmm."""
        milliseconds = round(t * 1000)
        seconds, milliseconds = divmod(milliseconds, 1000)
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{milliseconds:03}"


def _text(transcript: Transcript, task: str) -> str:
    return transcript.text.strip()


def _json(transcript: Transcript, task: str) -> dict[str, Any]:
    return {"text": _text(transcript, task)}


def _verbose_json(transcript: Transcript, task: str) -> dict[str, Any]:
    segments = [
        {
            "id": segment.id,
            "seek": segment.seek,
            "start": segment.start,
            "end": segment.end,
            "text": segment.text,
            "tokens": segment.tokens,
            "temperature": segment.temperature,
            "avg_logprob": segment.avg_logprob,
            "compression_ratio": segment.compression_ratio,
            "no_speech_prob": segment.no_speech_prob,
            "transient": False,
        }
        for segment in transcript
    ]
    info = transcript.info
    return {
        "task": task,
        "language": info.language,
        "duration": info.duration,
        "text": _text(transcript, task),
        "segments": segments,
    }


RESPONSES: dict[str, Callable[[Transcript, str], Any]] = {
    "json": _json,
    "text": _text,
    "srt": lambda transcript, task: render(transcript, "srt"),
    "verbose_json": _verbose_json,
    "vtt": lambda transcript, task: render(transcript, "vtt"),
}
