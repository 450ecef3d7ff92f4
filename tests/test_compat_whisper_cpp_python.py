"""The class of whisper-cpp-python 0.2.0: beside the recorded answers of the original on real speech
(tests/fixtures/whisper_cpp_python.json, written by tools/make_whisper_cpp_python_reference.py), and its arguments."""

from __future__ import annotations

import inspect
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_files import write_ggml
from published import jfk_wav

from pyffi import InvalidArgument
from pyffi.compat.whisper_cpp_python import Params, Whisper
from pyffi.models import resolve

FIXTURE = Path(__file__).parent / "fixtures" / "whisper_cpp_python.json"
ORIGINAL: dict[str, Any] = json.loads(FIXTURE.read_text(encoding="utf-8"))
CUE = re.compile(r"(\d+):(\d\d):(\d\d)[.,](\d{3}) --> (\d+):(\d\d):(\d\d)[.,](\d{3})")


@pytest.fixture(scope="module")
def real() -> Iterator[Whisper]:
    model = Whisper(resolve(ORIGINAL["model"]), n_threads=2)
    yield model
    model.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whisper]:
    path = tmp_path_factory.mktemp("compat") / "ggml.bin"
    write_ggml(path)
    model = Whisper(str(path))
    model.params.max_tokens = 6
    model.params.audio_ctx = 100
    yield model
    model.close()


def words(text: str) -> list[str]:
    """Without punctuation: the two compute in different orders, and a full stop may hang on the last bit."""
    return re.findall(r"[\w']+", text.lower())


def spoken(tokens: list[int]) -> list[int]:
    """Neither special tokens nor full stops (13)."""
    return [token for token in tokens if token < 50256 and token != 13]


def spoken_lines(subtitles: str) -> list[str]:
    """The lines that are neither numbers nor times nor headers."""
    return [line + " " for line in subtitles.splitlines() if not re.match(r"\d|WEBVTT", line)]


def answer(model: Whisper, response_format: Any) -> Any:
    return model.transcribe(str(jfk_wav()), response_format=response_format, temperature=0.0)


# ---- Beside the original ---------------------------------------------------------------------------------------------


def test_json_and_text_are_those_of_the_original(real: Whisper) -> None:
    text = answer(real, "text")
    assert words(text) == words(ORIGINAL["answers"]["text"])
    assert answer(real, "json") == {"text": text}
    assert list(ORIGINAL["answers"]["json"]) == ["text"]


def test_verbose_json_has_the_keys_and_values_of_the_original(real: Whisper) -> None:
    ours, theirs = answer(real, "verbose_json"), ORIGINAL["answers"]["verbose_json"]
    assert list(ours) == list(theirs)
    assert ours["task"] == theirs["task"]
    assert words(ours["text"]) == words(theirs["text"])
    assert {"bytes": ours["language"]} == theirs["language"]  # a str here, as its README has it
    assert ours["duration"] == pytest.approx(theirs["duration"])
    assert [list(segment) for segment in ours["segments"]] == [list(segment) for segment in theirs["segments"]]
    for a, b in zip(ours["segments"], theirs["segments"], strict=True):
        assert words(a["text"]) == words(b["text"])
        assert (a["start"], a["end"]) == pytest.approx((b["start"], b["end"]), abs=0.5)
        assert -1 < a["avg_logprob"] < 0  # of the window, as OpenAI has it; the original's is that of the segment
        assert spoken(a["tokens"]) == spoken(b["tokens"])
    assert json.loads(json.dumps(ours)) == ours


@pytest.mark.parametrize("name", ["srt", "vtt"])
def test_subtitles_have_the_text_of_the_original_and_real_times(real: Whisper, name: str) -> None:
    ours, theirs = answer(real, name), ORIGINAL["answers"][name]
    assert words("".join(spoken_lines(ours))) == words("".join(spoken_lines(theirs))) == words(answer(real, "text"))
    assert {cue.group() for cue in CUE.finditer(theirs)} == {"00:00:00.000 --> 00:00:00.000"}  # whatever was said
    times = [[int(part) for part in cue.groups()] for cue in CUE.finditer(ours)]
    assert times[0][:4] == [0, 0, 0, 0] or times[0][2] < 2
    assert 9 <= times[-1][6] <= 11
    assert ours.startswith("WEBVTT\n\n" if name == "vtt" else "1\n")
    assert ("," in CUE.search(ours).group()) == (name == "srt")  # type: ignore[union-attr]


def test_times_are_formatted_right_where_the_original_gives_zero() -> None:
    assert set(ORIGINAL["format_time"].values()) == {"00:00:00.000"}
    assert [Whisper.format_time(float(t)) for t in ORIGINAL["format_time"]] == [
        "00:00:00.000",
        "00:00:10.980",
        "01:02:05.500",
    ]


# ---- Arguments -------------------------------------------------------------------------------------------------------


def test_the_signatures_are_those_of_the_original() -> None:
    def names(function: Any) -> list[tuple[str, Any]]:
        return [(p.name, p.default) for p in inspect.signature(function).parameters.values()][1:]

    assert names(Whisper.__init__) == [("model_path", inspect.Parameter.empty), ("strategy", 0), ("n_threads", 1)]
    common = [
        ("file", inspect.Parameter.empty),
        ("prompt", None),
        ("response_format", "json"),
        ("temperature", 0.8),
    ]
    assert names(Whisper.transcribe) == [*common, ("language", "en")]
    assert names(Whisper.translate) == common
    assert Whisper.WHISPER_SR == 16000


def test_paths_binary_and_text_files_and_bytes_are_read(small: Whisper) -> None:
    path = jfk_wav()
    expected = small.transcribe(str(path), temperature=0.0)
    with path.open("rb") as binary, path.open(encoding="latin-1") as text:
        assert small.transcribe(binary, temperature=0.0) == expected
        assert small.transcribe(text, temperature=0.0) == expected
    assert small.transcribe(io.BytesIO(path.read_bytes()), temperature=0.0) == expected
    assert small.transcribe(path.read_bytes(), temperature=0.0) == expected


def test_the_default_temperature_gives_the_same_text_each_time(small: Whisper) -> None:
    assert small.transcribe(str(jfk_wav())) == small.transcribe(str(jfk_wav()))


def test_translating_needs_no_prompt_and_does_not_last(small: Whisper) -> None:
    silence = np.zeros(16000, dtype=np.float32)
    assert small.translate(silence, response_format="verbose_json")["task"] == "translate"
    assert small.transcribe(silence, response_format="verbose_json")["task"] == "transcribe"


def test_beam_search_is_strategy_1(tmp_path: Path) -> None:
    write_ggml(tmp_path / "ggml.bin")
    with pytest.raises(InvalidArgument, match="strategy"):
        Whisper(str(tmp_path / "ggml.bin"), strategy=2)
    model = Whisper(str(tmp_path / "ggml.bin"), strategy=1)
    model.params.audio_ctx, model.params.max_tokens = 50, 4
    assert isinstance(model.transcribe(np.zeros(8000, dtype=np.float32), temperature=0.0)["text"], str)


def test_progress_is_told_in_percent(small: Whisper) -> None:
    seen: list[int] = []
    small.params.progress_callback = lambda ctx, state, percent, user_data: seen.append(percent)
    try:
        small.transcribe(str(jfk_wav()), temperature=0.0)
    finally:
        small.params.progress_callback = None
    assert seen == sorted(seen)
    assert seen[-1] == 100


def test_what_cannot_be_done_is_refused_by_name(small: Whisper) -> None:
    with pytest.raises(InvalidArgument, match="verbose_json"):
        small.transcribe(str(jfk_wav()), response_format="xml")  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="speed_up"):
        small.params.speed_up = True  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("temperature", "increment", "expected"),
    [(0.0, 0.4, [0.0, 0.4, 0.8]), (0.8, 0.4, [0.8]), (0.0, 0.2, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), (0.3, 0.0, [0.3])],
)
def test_temperatures_rise_to_one(temperature: float, increment: float, expected: list[float]) -> None:
    assert Params(temperature_inc=increment).temperatures(temperature) == pytest.approx(expected)
