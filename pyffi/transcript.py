"""A transcript that is decoded while it is read."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from pyffi import formats
from pyffi._ffi import ffi, lib
from pyffi.audio import Source
from pyffi.buffers import Floats, pointer
from pyffi.callbacks import Callbacks
from pyffi.errors import (
    AbortedError,
    BusyError,
    ClosedError,
    InvalidArgument,
    MultimodalError,
    error_for,
    raise_for,
    text,
)
from pyffi.results import Segment, Token, TranscriptionInfo, Word

if TYPE_CHECKING:
    from typing_extensions import Self

SegmentCallback = Callable[[Segment], object]


class Transcript:
    """What Whisper.transcribe returns. Iterating yields segments as they are decoded, a window of 30 s at a time.

        transcript = model.transcribe("interview.flac")
        for segment in transcript:          # decodes as it goes; a second loop starts again from the first segment
            print(segment.start, segment.text)
        print(transcript.info.language, transcript.text)

    `info` waits for the language only; `segments`, `words`, `tokens`, `text`, `to_srt()` and their like for all of it.
    An error, also one raised by a callback, ends the transcript; the segments decoded before it stay. Several threads
    may read one transcript: one decodes while the others wait.
    """

    def __init__(
        self, model: Any, options: Any, callbacks: Callbacks, on_segment: SegmentCallback | None, source: Source
    ) -> None:
        """Made by Whisper.transcribe; `options` is an mm_transcribe_options *."""
        if on_segment is not None and not callable(on_segment):
            raise InvalidArgument(f"on_segment must be callable, not {on_segment!r}")
        self._callbacks = callbacks
        self._user_data = callbacks.install(options)
        callbacks.duration = source.duration
        out, error = ffi.new("mm_transcript **"), ffi.new("char **")
        status = lib.mm_transcript_open(model, options, out, error)
        if status:
            raise_for(status, error)
        self._handle = ffi.gc(out[0], lib.mm_transcript_close)
        self._has_words = options.word_timestamps == lib.MM_SWITCH_ON
        self._on_segment = on_segment
        self._source = source
        self._blocks = source.blocks()
        self._samples_read = 0
        self._segments: list[Segment] = []
        self._c_state = ffi.new("int32_t *")
        self._c_info = ffi.new("mm_transcript_info *", {"struct_size": ffi.sizeof("mm_transcript_info")})
        self._lock = threading.RLock()  # one decodes; it is reentrant so that a callback finds _busy, not a deadlock
        self._busy = False
        self._process = os.getpid()
        self._done = False
        self._failure: MultimodalError | None = None

    # ---- Reading ----------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Segment]:
        index = 0
        while True:
            if index < len(self._segments):
                yield self._segments[index]
                index += 1
            elif not self._advance() and index == len(self._segments):
                return

    @property
    def segments(self) -> list[Segment]:
        """All segments."""
        return list(self)

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(segment.text for segment in self).strip()

    @property
    def words(self) -> list[Word]:
        """All words, with their times."""
        if not self._has_words:
            raise InvalidArgument("this transcript has no word times: pass word_timestamps=True to transcribe()")
        return [word for segment in self for word in segment.words or ()]

    @property
    def tokens(self) -> list[Token]:
        """All tokens."""
        return [token for segment in self for token in segment.token_details]

    @property
    def info(self) -> TranscriptionInfo:
        """Language and duration: that of the whole audio where the file tells it, else of what was read so far."""
        while self._c_info.language[0] == b"\0" and self._advance():
            pass
        info = self._c_info
        known = None if self._done else self._source.duration
        return TranscriptionInfo(
            language=text(info.language),
            language_probability=info.language_probability,
            duration=info.duration if known is None else known,
            duration_after_vad=info.duration_after_vad,
        )

    def unpack(self) -> tuple[Iterator[Segment], TranscriptionInfo]:
        """`segments, info = model.transcribe(...).unpack()`, for code that was written for faster-whisper."""
        return iter(self), self.info

    # ---- Writing ----------------------------------------------------------------------------------------------------

    def to_txt(self) -> str:
        """One line a segment."""
        return formats.render(self, "txt")

    def to_srt(self) -> str:
        """SubRip subtitles."""
        return formats.render(self, "srt")

    def to_vtt(self) -> str:
        """WebVTT subtitles."""
        return formats.render(self, "vtt")

    def to_tsv(self) -> str:
        """Start and end in milliseconds, and text, separated by tabs."""
        return formats.render(self, "tsv")

    def to_json(self) -> str:
        """Everything, as openai/whisper's JSON."""
        return formats.render(self, "json")

    def to_lrc(self) -> str:
        """Lyrics with times."""
        return formats.render(self, "lrc")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the transcript in the format that the ending of the name says: .srt, .vtt, .txt, .tsv, .json, .lrc."""
        target = Path(path)
        rendered = formats.render(self, target.suffix.removeprefix(".").lower())
        target.write_text(rendered, encoding="utf-8", newline="\n")

    # ---- Decoding ---------------------------------------------------------------------------------------------------

    def _advance(self) -> bool:
        """Decodes one window. False if there was nothing left to do."""
        self._check_process()
        with self._lock:
            if self._busy:
                raise BusyError("this transcript is busy with the call that runs this callback")
            if self._failure is not None:
                raise copy.copy(self._failure)
            if self._done:
                return False
            self._busy = True
            try:
                self._decode_window()
            except BaseException as error:
                self._failure = (
                    copy.copy(error)
                    if isinstance(error, MultimodalError)
                    else AbortedError(f"an earlier {type(error).__name__} has ended this transcript")
                )
                self._release()
                raise
            finally:
                self._busy = False
            return True

    def _check_process(self) -> None:
        """In a forked child the thread that was reading is gone, and nobody will release its lock."""
        if self._busy and self._process != os.getpid():
            raise BusyError("a thread of the parent process was reading this transcript when this one was forked")

    def _decode_window(self) -> None:
        while True:
            status = lib.mm_transcript_step(self._handle, self._c_state)
            self._callbacks.raise_stored()
            self._check(status)
            if self._c_state[0] != lib.MM_STEP_NEEDS_AUDIO:
                break
            block = next(self._blocks, None)
            if block is None:
                self._check(lib.mm_transcript_finish(self._handle))
            else:
                self._push(block)
        self._collect()
        if self._c_state[0] == lib.MM_STEP_DONE:
            self._done = True
            self._release()

    def _push(self, block: Floats) -> None:
        chunk = (pointer(block), len(block), self._source.sample_rate)
        status = lib.mm_transcript_push(self._handle, chunk)
        if status:
            where = f" (counted from sample {self._samples_read})" if self._samples_read else ""
            raise error_for(status, text(lib.mm_transcript_last_error(self._handle)) + where)
        self._samples_read += len(block)

    def _collect(self) -> None:
        """Takes over what the window has brought."""
        self._check(lib.mm_transcript_info_get(self._handle, self._c_info))
        for index in range(len(self._segments), self._c_info.n_segments):
            segment = self._read_segment(index)
            self._segments.append(segment)
            if self._on_segment is not None and self._on_segment(segment) is True:
                raise AbortedError("on_segment has asked to stop")

    def _read_segment(self, index: int) -> Segment:
        segment = ffi.new("mm_segment *", {"struct_size": ffi.sizeof("mm_segment")})
        self._check(lib.mm_transcript_segment(self._handle, index, segment))
        token = ffi.new("mm_token *", {"struct_size": ffi.sizeof("mm_token")})
        tokens = []
        for i in range(segment.n_tokens):
            self._check(lib.mm_transcript_token(self._handle, index, i, token))
            tokens.append(Token.from_c(token))
        if not self._has_words:
            return Segment.from_c(segment, tokens, None)
        word = ffi.new("mm_word *", {"struct_size": ffi.sizeof("mm_word")})
        words = []
        for i in range(segment.n_words):
            self._check(lib.mm_transcript_word(self._handle, index, i, word))
            words.append(Word.from_c(word))
        return Segment.from_c(segment, tokens, words)

    def _check(self, status: int) -> None:
        if status:
            if status == lib.MM_ERROR_INVALID_HANDLE:
                raise ClosedError("this transcript was closed before its end")
            raise error_for(status, text(lib.mm_transcript_last_error(self._handle)))

    # ---- Ending -----------------------------------------------------------------------------------------------------

    def abort(self) -> None:
        """Stops the decoding that is running, and all that would follow, within 20 ms. Any thread may call this."""
        lib.mm_transcript_abort(self._handle)

    def close(self) -> None:
        """Stops decoding and frees everything but the segments decoded so far."""
        self._check_process()
        if not self._lock.acquire(blocking=False):  # another thread decodes
            self.abort()
            self._lock.acquire()
        try:
            if self._busy:
                raise BusyError("the call that runs this callback uses its transcript; let it return True to stop")
            self._release()
        finally:
            self._lock.release()

    def _release(self) -> None:
        ffi.release(self._handle)
        self._blocks = iter(())
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Transcript cannot be pickled, for it may still be decoding: pickle transcript.segments")

    def __repr__(self) -> str:
        state = "complete" if self._done else "failed" if self._failure else "decoding"
        return f"<pyffi.Transcript: {len(self._segments)} segments, {state}>"
