"""Options of transcribe(): each value means what it says, and what means nothing is refused by name."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pyffi import InvalidArgument, MultimodalError, VadOptions, Whisper
from pyffi._ffi import ffi, lib
from pyffi.options import TINY, OptionsBuilder

SILENCE = np.zeros(1600, np.float32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language": "klingon"}, "klingon"),
        ({"language": "x" * 10000}, "language"),
        ({"language": ""}, "language"),
        ({"language": 5}, "language must be a str, not int"),
        ({"language": "e\0n"}, "language has a NUL"),
        ({"task": "summarize"}, "task must be 'transcribe' or 'translate', not 'summarize'"),
        ({"beam_size": 0}, "beam_size must be 1 to"),
        ({"beam_size": 17}, "beam_size"),
        ({"beam_size": -1}, "beam_size"),
        ({"beam_size": 2.0}, "beam_size must be an integer, not 2.0"),
        ({"beam_size": 2**40}, "beam_size"),
        ({"best_of": 0}, "best_of"),
        ({"best_of": 17}, "best_of"),
        ({"patience": 0.0}, "patience must be greater than 0, not 0"),
        ({"patience": -1.0}, "patience"),
        ({"patience": math.nan}, "patience"),
        ({"patience": math.inf}, "patience"),
        ({"length_penalty": 0.0}, "length_penalty must be greater than 0"),
        ({"length_penalty": 1e9}, "length_penalty"),
        ({"task": []}, "task must be 'transcribe' or 'translate', not \\[\\]"),
        ({"suppress_tokens": 5}, "suppress_tokens must be token ids, not 5"),
        ({"patience": 10**400}, "patience must be a number"),
        ({"temperature": ()}, "temperature must be a number or a sequence"),
        ({"temperature": "0.5"}, "temperature must be a number"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": (0.0, 2.5)}, "temperatures.1. is 2.5; it must be 0 to 2"),
        ({"temperature": math.nan}, "temperature"),
        ({"temperature": [0.0] * 1000}, "temperatures"),
        ({"compression_ratio_threshold": -1.0}, "compression_ratio_threshold"),
        ({"compression_ratio_threshold": math.nan}, "compression_ratio_threshold"),
        ({"compression_ratio_threshold": "2"}, "compression_ratio_threshold must be a number"),
        ({"log_prob_threshold": 1.0}, "log_prob_threshold"),
        ({"log_prob_threshold": math.nan}, "log_prob_threshold"),
        ({"no_speech_threshold": -0.5}, "no_speech_threshold"),
        ({"no_speech_threshold": math.nan}, "no_speech_threshold"),
        ({"prompt_reset_on_temperature": -1.0}, "prompt_reset_on_temperature"),
        ({"prompt_reset_on_temperature": math.nan}, "prompt_reset_on_temperature"),
        ({"initial_prompt": b"bytes"}, "initial_prompt must be a str, not bytes"),
        ({"initial_prompt": "a\0b"}, "initial_prompt has a NUL character after 1 bytes"),
        ({"initial_prompt": "\ud800"}, "initial_prompt has half a surrogate pair"),
        ({"suppress_tokens": [-1, 5]}, "suppress_tokens is .-1., the set of non-speech tokens, or ids"),
        ({"suppress_tokens": [10**6]}, "suppress_tokens.0. is 1000000"),
        ({"suppress_tokens": [-2]}, "suppress_tokens"),
        ({"suppress_tokens": [1.5]}, "suppress_tokens must be integers"),
        ({"suppress_tokens": [2**40]}, "suppress_tokens must be integers of 32 bits"),
        ({"max_initial_timestamp": -1.0}, "max_initial_timestamp"),
        ({"max_initial_timestamp": 31.0}, "max_initial_timestamp"),
        ({"max_initial_timestamp": math.nan}, "max_initial_timestamp"),
        ({"max_new_tokens": 0}, "max_new_tokens must be 1 to"),
        ({"max_new_tokens": 449}, "max_new_tokens"),
        ({"hallucination_silence_threshold": 2.0}, "hallucination_silence_threshold .* word_timestamps"),
        ({"hallucination_silence_threshold": -1.0, "word_timestamps": True}, "hallucination_silence_threshold"),
        ({"audio_ctx": 0}, "audio_ctx must be 1 to"),
        ({"audio_ctx": 1501}, "audio_ctx"),
        ({"threads": -1}, "threads must be 0 to"),
        ({"threads": 1.5}, "threads must be an integer"),
        ({"seed": -1}, "seed must be 0 to 18446744073709551615, not -1"),
        ({"seed": 2**64}, "seed must be"),
        ({"vad_parameters": {"treshold": 0.5}}, "vad_parameters has no 'treshold'; it has .*threshold"),
        ({"vad_parameters": 0.5}, "vad_parameters must be a VadOptions or a dict, not float"),
        ({"vad_parameters": {"threshold": 0}}, "threshold must be greater than 0 and less than 1, not 0"),
        ({"vad_parameters": {"threshold": 1.5}}, "threshold must be"),
        ({"vad_parameters": {"threshold": math.nan}}, "threshold must be"),
        ({"vad_parameters": {"neg_threshold": 0.0}}, "neg_threshold must be"),
        ({"vad_parameters": {"min_speech_duration_ms": -1}}, "min_speech_duration_ms must be 0 to"),
        ({"vad_parameters": {"min_silence_duration_ms": 0.5}}, "min_silence_duration_ms must be an integer"),
        ({"vad_parameters": {"speech_pad_ms": 2**31}}, "speech_pad_ms must be"),
        ({"vad_parameters": {"max_speech_duration_s": 0}}, "max_speech_duration_s must be greater than 0"),
        ({"vad_parameters": {"max_speech_duration_s": math.nan}}, "max_speech_duration_s must be greater than 0"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_out_of_range_is_refused_by_name(tiny: Whisper, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        tiny.transcribe(SILENCE, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"language": "de"},
        {"language": "German"},
        {"task": "translate"},
        {"beam_size": 16, "best_of": 16, "patience": 2.0, "length_penalty": 1.0},
        {"temperature": 0.0},
        {"temperature": np.float32(0.5)},
        {"temperature": np.array([0.0, 0.4])},
        {"temperature": np.array(0.5)},
        {"temperature": 0},
        {"compression_ratio_threshold": None, "log_prob_threshold": None, "no_speech_threshold": None},
        {"compression_ratio_threshold": 0.0, "log_prob_threshold": 0.0, "no_speech_threshold": 0.0},
        {"condition_on_previous_text": False, "prompt_reset_on_temperature": 0.0},
        {"initial_prompt": ""},
        {"initial_prompt": "Grüße, 你好"},
        {"initial_prompt": "word " * 40000},
        {"suppress_blank": False, "suppress_tokens": None},
        {"suppress_tokens": []},
        {"suppress_tokens": [1, 2, 3]},
        {"suppress_tokens": np.array([5], np.int32)},
        {"without_timestamps": True, "max_initial_timestamp": 0.0},
        {"word_timestamps": True, "hallucination_silence_threshold": 0.0},
        {"prepend_punctuations": "", "append_punctuations": ".,"},
        {"max_new_tokens": 1, "audio_ctx": 1, "threads": 1},
        {"threads": 0, "seed": 2**64 - 1},
        {"threads": 10_000},
        {"vad_filter": True, "vad_parameters": {"threshold": 0.3, "min_silence_duration_ms": 0}},
        {"vad_filter": True, "vad_parameters": VadOptions(neg_threshold=0.2, max_speech_duration_s=10)},
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_in_range_works(tiny: Whisper, quick: dict[str, Any], options: dict[str, Any]) -> None:
    assert tiny.transcribe(SILENCE, **quick | {"audio_ctx": 50} | options).segments is not None


def test_a_failed_call_leaves_the_model_as_it_was(tiny: Whisper, quick: dict[str, Any]) -> None:
    before = tiny.transcribe(SILENCE, **quick).segments
    with pytest.raises(MultimodalError):
        tiny.transcribe(SILENCE, beam_size=99)
    assert tiny.transcribe(SILENCE, **quick).segments == before


# ---- How the values reach C ------------------------------------------------------------------------------------------


def test_zero_is_not_mistaken_for_the_default() -> None:
    options = OptionsBuilder()
    options.number("compression_ratio_threshold", 0.0, off=math.inf)
    options.number("log_prob_threshold", 0, off=-math.inf, zero=-TINY)
    options.suppress_tokens([])
    options.switch("suppress_blank", False)
    assert 0 < options.c.compression_ratio_threshold < 1e-37
    assert -1e-37 < options.c.log_prob_threshold < 0
    assert options.c.suppress_tokens != ffi.NULL
    assert options.c.n_suppress_tokens == 0
    assert options.c.suppress_blank == lib.MM_SWITCH_OFF


def test_none_is_off() -> None:
    options = OptionsBuilder()
    options.number("no_speech_threshold", None, off=math.inf)
    options.text("language", None)
    options.count("threads", None)
    assert options.c.no_speech_threshold == math.inf
    assert options.c.language == ffi.NULL
    assert options.c.threads == 0


def test_the_set_of_non_speech_tokens_is_the_default_of_c() -> None:
    options = OptionsBuilder()
    options.suppress_tokens((-1,))
    assert options.c.suppress_tokens == ffi.NULL


def test_vad_options_say_zero_otherwise() -> None:
    none = VadOptions(min_speech_duration_ms=0, min_silence_duration_ms=0, speech_pad_ms=0).to_c()
    assert (none.min_speech_ms, none.min_silence_ms, none.speech_pad_ms, none.max_speech_s) == (-1, -1, -1, 0)


def test_the_defaults_of_python_are_those_of_c() -> None:
    """What transcribe() passes without being told must be what C does by itself."""
    import inspect

    from pyffi.options import transcribe_options

    c = ffi.new("mm_transcribe_options *")
    assert lib.mm_transcribe_options_init(c, ffi.sizeof("mm_transcribe_options")) == 0
    vad = ffi.new("mm_vad_options *")
    assert lib.mm_vad_options_init(vad, ffi.sizeof("mm_vad_options")) == 0
    parameters = inspect.signature(Whisper.transcribe).parameters
    names = inspect.signature(transcribe_options).parameters
    ours = transcribe_options(**{name: parameters[name].default for name in names}).c
    for name, _ in ffi.typeof("mm_transcribe_options").fields:
        default, value = getattr(c, name), getattr(ours, name)
        if name == "temperatures":
            assert ffi.unpack(value, 6) == ffi.unpack(default, 6)
        elif not isinstance(value, ffi.CData):
            assert value == default, name
    for name in ("threshold", "min_speech_ms", "min_silence_ms", "speech_pad_ms", "max_speech_s"):
        assert getattr(ours.vad_options, name) == getattr(vad, name), name
