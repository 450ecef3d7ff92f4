"""From Python's arguments of transcribe() to mm_transcribe_options.

In C a field that is zero means its default, so that older hosts keep working as fields are added. In Python each value
means what it says: zeros are refused where they have no meaning, and are otherwise handed over as the number next to
zero. None turns a threshold off, as in openai/whisper.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyffi._ffi import ffi, lib
from pyffi.buffers import as_c_string, as_float, as_integer, as_token_ids
from pyffi.errors import InvalidArgument
from pyffi.vad import VadOptions

TASKS = {"transcribe": lib.MM_TASK_TRANSCRIBE, "translate": lib.MM_TASK_TRANSLATE}
TINY = 2.0**-126  # the least normal float
INT32_MAX = 2**31 - 1


class OptionsBuilder:
    """Fills one mm_transcribe_options and keeps alive what it points to."""

    def __init__(self) -> None:
        self.c = ffi.new("mm_transcribe_options *", {"struct_size": ffi.sizeof("mm_transcribe_options")})
        self._keep: list[Any] = []

    def text(self, name: str, value: str | None) -> None:
        if value is not None:
            self._pointer(name, as_c_string(value, name))

    def task(self, value: str) -> None:
        if not isinstance(value, str) or value not in TASKS:
            raise InvalidArgument(f"task must be 'transcribe' or 'translate', not {value!r}")
        self.c.task = TASKS[value]

    def count(self, name: str, value: int | None, least: int = 1) -> None:
        """A number of things; None is C's default."""
        if value is not None:
            setattr(self.c, name, as_integer(value, name, least, INT32_MAX))

    def switch(self, name: str, value: object) -> None:
        setattr(self.c, name, lib.MM_SWITCH_ON if value else lib.MM_SWITCH_OFF)

    def positive(self, name: str, value: float) -> None:
        number = as_float(value, name)
        if not number > 0:
            raise InvalidArgument(f"{name} must be greater than 0, not {number:g}")
        setattr(self.c, name, number)

    def number(self, name: str, value: float | None, off: float, zero: float = TINY) -> None:
        """A number whose None is `off`, and whose 0 is `zero`: as good as 0, but not C's default."""
        setattr(self.c, name, off if value is None else as_float(value, name) or zero)

    def temperatures(self, value: float | Sequence[float]) -> None:
        is_sequence = isinstance(value, Iterable) and getattr(value, "ndim", 1) != 0  # not an array of no dimension
        numbers: Iterable[Any] = value if is_sequence else [value]  # type: ignore[assignment]
        array = [as_float(number, "temperature") for number in numbers]
        if not array:
            raise InvalidArgument("temperature must be a number or a sequence of at least one")
        self._pointer("temperatures", ffi.new("float[]", array))
        self.c.n_temperatures = len(array)

    def suppress_tokens(self, value: Iterable[int] | None) -> None:
        """-1 stands for the set of non-speech tokens, which is C's default; None or nothing suppresses none."""
        if not isinstance(value, (Iterable, type(None))):
            raise InvalidArgument(f"suppress_tokens must be token ids, not {value!r}")
        tokens = list(value or ())
        if tokens == [-1]:
            return
        if -1 in tokens:
            raise InvalidArgument("suppress_tokens is [-1], the set of non-speech tokens, or ids; it cannot be both")
        self._pointer("suppress_tokens", as_token_ids(tokens, "suppress_tokens"))
        self.c.n_suppress_tokens = len(tokens)

    def vad(self, vad_filter: object, parameters: VadOptions | Mapping[str, Any] | None) -> None:
        self.switch("vad_filter", vad_filter)
        self._pointer("vad_options", VadOptions.of(parameters).to_c())

    def _pointer(self, name: str, value: Any) -> None:
        self._keep.append(value)
        setattr(self.c, name, value)


def transcribe_options(
    *,
    language: str | None,
    task: str,
    beam_size: int,
    best_of: int,
    patience: float,
    length_penalty: float | None,
    temperature: float | Sequence[float],
    compression_ratio_threshold: float | None,
    log_prob_threshold: float | None,
    no_speech_threshold: float | None,
    condition_on_previous_text: bool,
    prompt_reset_on_temperature: float,
    initial_prompt: str | None,
    suppress_blank: bool,
    suppress_tokens: Iterable[int] | None,
    without_timestamps: bool,
    max_initial_timestamp: float,
    word_timestamps: bool,
    prepend_punctuations: str | None,
    append_punctuations: str | None,
    max_new_tokens: int | None,
    hallucination_silence_threshold: float | None,
    vad_filter: bool,
    vad_parameters: VadOptions | Mapping[str, Any] | None,
    audio_ctx: int | None,
    threads: int | None,
    seed: int,
) -> OptionsBuilder:
    """The options of Whisper.transcribe, which documents them."""
    options = OptionsBuilder()
    options.text("language", language)
    options.task(task)
    options.count("beam_size", beam_size)
    options.count("best_of", best_of)
    options.positive("patience", patience)
    if length_penalty is not None:
        options.positive("length_penalty", length_penalty)
    options.temperatures(temperature)
    options.number("compression_ratio_threshold", compression_ratio_threshold, off=math.inf)
    options.number("log_prob_threshold", log_prob_threshold, off=-math.inf, zero=-TINY)
    options.number("no_speech_threshold", no_speech_threshold, off=math.inf)
    options.switch("condition_on_previous_text", condition_on_previous_text)
    options.number("prompt_reset_on_temperature", prompt_reset_on_temperature, off=math.inf)
    options.text("initial_prompt", initial_prompt)
    options.switch("suppress_blank", suppress_blank)
    options.suppress_tokens(suppress_tokens)
    options.switch("timestamps", not without_timestamps)
    options.number("max_initial_timestamp", max_initial_timestamp, off=30.0)
    options.switch("word_timestamps", word_timestamps)
    options.text("prepend_punctuations", prepend_punctuations)
    options.text("append_punctuations", append_punctuations)
    options.count("max_new_tokens", max_new_tokens)
    options.number("hallucination_silence_threshold", hallucination_silence_threshold, off=0.0)
    options.vad(vad_filter, vad_parameters)
    options.count("audio_ctx", audio_ctx)
    options.count("threads", threads, least=0)
    options.c.seed = as_integer(seed, "seed", 0, 2**64 - 1)
    return options
