"""Transcripts as text: txt, srt, vtt, tsv, json, lrc.

Each writer is a generator, so that a command can print a cue as soon as its segment is decoded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

from pyffi.errors import InvalidArgument
from pyffi.results import Segment, TranscriptionInfo

if TYPE_CHECKING:

    class Readable(Protocol):
        """A Transcript, or what a test makes of it."""

        def __iter__(self) -> Iterator[Segment]: ...

        @property
        def info(self) -> TranscriptionInfo: ...


def _line(text: str) -> str:
    """Text on one line: a line break would end a cue, a tab a field."""
    return " ".join(text.split())


def _clock(seconds: float, decimal: str) -> str:
    """HH:MM:SS and milliseconds, hours as many as there are."""
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    whole, milliseconds = divmod(milliseconds, 1000)
    return f"{hours:02}:{minutes:02}:{whole:02}{decimal}{milliseconds:03}"


def write_txt(transcript: Readable) -> Iterator[str]:
    for segment in transcript:
        yield _line(segment.text) + "\n"


def write_srt(transcript: Readable) -> Iterator[str]:
    for number, segment in enumerate(transcript, start=1):
        # SubRip has no escapes; an arrow inside the text would be read as a line of times.
        text = _line(segment.text).replace("-->", "->")
        yield f"{number}\n{_clock(segment.start, ',')} --> {_clock(segment.end, ',')}\n{text}\n\n"


def write_vtt(transcript: Readable) -> Iterator[str]:
    yield "WEBVTT\n\n"
    for segment in transcript:
        text = _line(segment.text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        yield f"{_clock(segment.start, '.')} --> {_clock(segment.end, '.')}\n{text}\n\n"


def write_tsv(transcript: Readable) -> Iterator[str]:
    yield "start\tend\ttext\n"
    for segment in transcript:
        yield f"{round(segment.start * 1000)}\t{round(segment.end * 1000)}\t{_line(segment.text)}\n"


def write_lrc(transcript: Readable) -> Iterator[str]:
    for segment in transcript:
        minutes, hundredths = divmod(round(segment.start * 100), 6000)
        yield f"[{minutes:02}:{hundredths // 100:02}.{hundredths % 100:02}]{_line(segment.text)}\n"


def to_dict(transcript: Readable) -> dict[str, Any]:
    """Everything in a transcript: openai/whisper's keys, and what is known besides."""
    segments = []
    for segment in transcript:
        fields = asdict(segment)
        del fields["token_details"]
        if fields["words"] is None:
            del fields["words"]
        segments.append(fields)
    return {"text": "".join(segment["text"] for segment in segments), **asdict(transcript.info), "segments": segments}


def write_json(transcript: Readable) -> Iterator[str]:
    yield json.dumps(to_dict(transcript), ensure_ascii=False, indent=2) + "\n"


WRITERS: dict[str, Callable[[Readable], Iterable[str]]] = {
    "txt": write_txt,
    "srt": write_srt,
    "vtt": write_vtt,
    "tsv": write_tsv,
    "json": write_json,
    "lrc": write_lrc,
}


def render(transcript: Readable, name: str) -> str:
    """The transcript in one of the formats."""
    if name not in WRITERS:
        raise InvalidArgument(f"{name!r} is not a transcript format; there are {', '.join(WRITERS)}")
    return "".join(WRITERS[name](transcript))
