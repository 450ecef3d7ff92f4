"""Transcripts as text files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyffi import InvalidArgument, Segment, TranscriptionInfo, Word, formats


class Recorded:
    """Segments that are known already."""

    def __init__(self, *segments: Segment) -> None:
        self._segments = segments
        self.info = TranscriptionInfo("de", 0.75, 12.5, 12.5)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._segments)


def segment(start: float, end: float, text: str, words: list[Word] | None = None) -> Segment:
    return Segment(
        id=0, seek=0, start=start, end=end, text=text, tokens=[1, 2], avg_logprob=-0.25, compression_ratio=1.5,
        no_speech_prob=0.125, words=words, temperature=0.0, token_details=[],
    )  # fmt: skip


TWO = Recorded(segment(0.0, 1.5, " Grüße & <Küsse>"), segment(3661.2345, 3662.0, " über --> dort\t\n\n2"))


def test_txt_is_one_line_a_segment() -> None:
    assert formats.render(TWO, "txt") == "Grüße & <Küsse>\nüber --> dort 2\n"


def test_srt_has_numbers_comma_milliseconds_and_no_arrow_in_the_text() -> None:
    assert formats.render(TWO, "srt") == (
        "1\n00:00:00,000 --> 00:00:01,500\nGrüße & <Küsse>\n\n"
        "2\n01:01:01,234 --> 01:01:02,000\nüber -> dort 2\n\n"
    )  # fmt: skip


def test_vtt_has_a_header_and_escapes() -> None:
    assert formats.render(TWO, "vtt") == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:01.500\nGrüße &amp; &lt;Küsse&gt;\n\n"
        "01:01:01.234 --> 01:01:02.000\nüber --&gt; dort 2\n\n"
    )


def test_tsv_has_milliseconds_and_no_tab_in_the_text() -> None:
    assert (
        formats.render(TWO, "tsv") == "start\tend\ttext\n0\t1500\tGrüße & <Küsse>\n3661234\t3662000\tüber --> dort 2\n"
    )


def test_lrc_has_minutes_and_hundredths() -> None:
    assert formats.render(TWO, "lrc") == "[00:00.00]Grüße & <Küsse>\n[61:01.23]über --> dort 2\n"


def test_json_has_everything() -> None:
    words = [Word(0.0, 0.5, " Grüße", 0.5)]
    rendered = formats.render(Recorded(segment(0.0, 1.5, " Grüße", words)), "json")
    assert "Grüße" in rendered
    assert json.loads(rendered) == {
        "text": " Grüße",
        "language": "de",
        "language_probability": 0.75,
        "duration": 12.5,
        "duration_after_vad": 12.5,
        "segments": [
            {
                "id": 0, "seek": 0, "start": 0.0, "end": 1.5, "text": " Grüße", "tokens": [1, 2],
                "avg_logprob": -0.25, "compression_ratio": 1.5, "no_speech_prob": 0.125, "temperature": 0.0,
                "words": [{"start": 0.0, "end": 0.5, "word": " Grüße", "probability": 0.5}],
            }
        ],
    }  # fmt: skip


def test_json_has_no_words_where_none_were_asked_for() -> None:
    assert "words" not in json.loads(formats.render(TWO, "json"))["segments"][0]


@pytest.mark.parametrize(
    ("name", "expected"), [("txt", ""), ("srt", ""), ("vtt", "WEBVTT\n\n"), ("tsv", "start\tend\ttext\n"), ("lrc", "")]
)
def test_an_empty_transcript_is_a_valid_file(name: str, expected: str) -> None:
    assert formats.render(Recorded(), name) == expected


def test_an_unknown_format_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidArgument, match="'docx' is not a transcript format; there are txt, srt, vtt"):
        formats.render(TWO, "docx")


@given(st.floats(0, 360000), st.text())
def test_srt_and_vtt_cues_stay_whole_whatever_the_text(start: float, text: str) -> None:
    cue = Recorded(segment(start, start + 1, text))
    times = r"\d{2,}:[0-5]\d:[0-5]\d[.,]\d{3}"
    for name in ("srt", "vtt"):
        rendered = formats.render(cue, name)
        assert len(re.findall(rf"^{times} --> {times}$", rendered, re.MULTILINE)) == 1
        body = rendered.split("\n", 2 if name == "srt" else 3)[-1]
        assert body.endswith("\n\n")
        assert "\n" not in body.removesuffix("\n\n")
        assert "-->" not in body


@given(st.floats(0, 1e6))
def test_clock_times_carry_over(seconds: float) -> None:
    hours, minutes, rest = formats._clock(seconds, ".").split(":")
    assert abs(int(hours) * 3600 + int(minutes) * 60 + float(rest) - seconds) < 0.00051
    assert int(minutes) < 60
    assert float(rest) < 60


def test_all_writers_are_generators_that_do_not_wait_for_the_end(tmp_path: Path) -> None:
    def endless() -> Iterator[Segment]:
        while True:
            yield segment(0, 1, "more")

    class Live(Recorded):
        def __iter__(self) -> Iterator[Segment]:
            return endless()

    for name in ("txt", "srt", "vtt", "tsv", "lrc"):
        parts = iter(formats.WRITERS[name](Live()))
        assert "more" in next(parts) + next(parts)
