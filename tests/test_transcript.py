"""Transcripts that decode while they are read: laziness, callbacks, stopping, threads, and what stays after errors."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from pyffi import (
    AbortedError,
    AudioChunk,
    AudioError,
    BusyError,
    ClosedError,
    InvalidArgument,
    Segment,
    Token,
    Transcript,
    Whisper,
)

Samples = npt.NDArray[np.float32]
Tone = Callable[..., Samples]
Options = dict[str, Any]


@pytest.fixture
def minute(tiny: Whisper, tone: Tone, quick: Options) -> Transcript:
    """Seventy seconds: three windows."""
    return tiny.transcribe(tone(70), **quick)


def callback(name: str, function: object) -> Options:
    return {name: function}


def read_until(error: type[Exception], transcript: Transcript) -> list[Segment]:
    """The segments that come before an error."""
    segments = []
    with pytest.raises(error):
        for segment in transcript:
            segments.append(segment)  # noqa: PERF402, a comprehension would lose them
    return segments


# ---- Reading ---------------------------------------------------------------------------------------------------------


def test_segments_come_before_later_audio_is_decoded(tiny: Whisper, tone: Tone, quick: Options) -> None:
    tokens: list[Token] = []
    transcript = tiny.transcribe(tone(90), on_token=tokens.append, **quick)
    assert not tokens
    segment = next(iter(transcript))
    assert segment.id == 0
    assert {token.window for token in tokens} == {0}
    assert len(transcript.segments) > 1
    assert {token.window for token in tokens} == {0, 1, 2}


def test_audio_is_read_only_as_far_as_it_is_needed(tiny: Whisper, tone: Tone, quick: Options, tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, tone(200), 16000, subtype="FLOAT")

    class Watched:
        position = 0

        def __init__(self) -> None:
            self.file = path.open("rb")

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def read(self, size: int = -1) -> bytes:
            data = self.file.read(size)
            self.position = max(self.position, self.file.tell())
            return data

    watched = Watched()
    next(iter(tiny.transcribe(watched, **quick)))
    assert watched.position < 70 * 16000 * 4
    watched.file.close()


def test_reading_twice_gives_the_same_without_decoding_twice(tiny: Whisper, tone: Tone, quick: Options) -> None:
    tokens: list[Token] = []
    transcript = tiny.transcribe(tone(70), on_token=tokens.append, **quick)
    first = list(transcript)
    decoded = len(tokens)
    assert [id(segment) for segment in transcript] == [id(segment) for segment in first]
    assert len(tokens) == decoded > 0


def test_segments_have_the_fields_of_faster_whisper(minute: Transcript) -> None:
    segments = minute.segments
    assert [segment.id for segment in segments] == list(range(len(segments)))
    assert {segment.seek for segment in segments} == {0, 3000, 6000}
    for segment in segments:
        assert 0 <= segment.start <= segment.end <= 70
        assert segment.tokens == [token.id for token in segment.token_details]
        assert segment.avg_logprob < 0
        assert segment.compression_ratio > 0
        assert 0 <= segment.no_speech_prob <= 1
        assert segment.temperature == 0
        assert segment.words is None
        assert segment.token_details
        for token in segment.token_details:
            assert 0 < token.probability <= 1
            assert (token.start, token.end) == (None, None)
    assert minute.tokens == [token for segment in segments for token in segment.token_details]
    assert minute.text == "".join(segment.text for segment in segments).strip() != ""


def test_word_times_are_in_order_and_make_up_the_text(tiny: Whisper, tone: Tone, quick: Options) -> None:
    transcript = tiny.transcribe(tone(40), word_timestamps=True, **quick)
    for segment in transcript:
        assert segment.words is not None
        assert "".join(word.word for word in segment.words).strip() == segment.text.strip()
    for word in transcript.words:
        assert word.start <= word.end
        assert 0 <= word.probability <= 1
    assert all(a.start <= b.start for a, b in pairwise(transcript.words))
    assert any(token.start is not None for token in transcript.tokens)


def test_words_that_were_not_asked_for_are_refused(minute: Transcript) -> None:
    with pytest.raises(InvalidArgument, match="pass word_timestamps=True"):
        _ = minute.words


def test_info_waits_for_the_first_window_only(tiny: Whisper, tone: Tone, quick: Options) -> None:
    tokens: list[Token] = []
    transcript = tiny.transcribe(tone(90), on_token=tokens.append, **quick | {"language": None})
    info = transcript.info
    assert {token.window for token in tokens} <= {0}
    assert len(info.language) == 2
    assert 0 < info.language_probability <= 1
    assert info.duration == 90
    assert transcript.segments
    assert (transcript.info.duration, transcript.info.duration_after_vad) == (90, 90)


def test_unpack_is_for_code_written_for_faster_whisper(minute: Transcript) -> None:
    segments, info = minute.unpack()
    assert info.language == "en"
    assert list(segments) == minute.segments


def test_the_same_audio_gives_the_same_whatever_it_comes_in(
    tiny: Whisper, tone: Tone, quick: Options, tmp_path: Path
) -> None:
    samples = tone(35)
    path = tmp_path / "a.wav"
    soundfile.write(path, samples, 16000, subtype="FLOAT")
    expected = tiny.transcribe(samples, **quick).segments
    for audio in (path, path.read_bytes(), samples.data, AudioChunk(samples), samples.tolist()):
        assert tiny.transcribe(audio, **quick).segments == expected


def test_the_rate_of_an_array_is_given(tiny: Whisper, tone: Tone, quick: Options) -> None:
    assert tiny.transcribe(tone(2, 48000), sample_rate=48000, **quick).info.duration == 2
    with pytest.raises(InvalidArgument, match="sample_rate must be 8000 to 192000, not 4000"):
        tiny.transcribe(tone(2), sample_rate=4000, **quick)


@pytest.mark.parametrize("n", [0, 1, 2, 159, 160, 480000])
def test_short_and_silent_audio_is_no_error(tiny: Whisper, quick: Options, n: int) -> None:
    transcript = tiny.transcribe(np.zeros(n, np.float32), **quick)
    assert transcript.info.duration == n / 16000
    assert isinstance(transcript.text, str)


def test_the_language_of_nothing_is_not_known(tiny: Whisper) -> None:
    info = tiny.transcribe(np.zeros(0, np.float32)).info
    assert (info.language, info.language_probability) == ("", 0.0)


def test_saving_chooses_the_format_by_the_name(minute: Transcript, tmp_path: Path) -> None:
    minute.save(tmp_path / "a.SRT")
    assert (tmp_path / "a.SRT").read_text(encoding="utf-8") == minute.to_srt()
    minute.save(str(tmp_path / "a.json"))
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["language"] == "en"
    with pytest.raises(InvalidArgument, match="'docx' is not a transcript format"):
        minute.save(tmp_path / "a.docx")
    for name in ("txt", "vtt", "tsv", "lrc"):
        assert getattr(minute, f"to_{name}")()


# ---- Callbacks -------------------------------------------------------------------------------------------------------


def test_callbacks_tell_tokens_segments_and_progress(tiny: Whisper, tone: Tone, quick: Options) -> None:
    tokens: list[Token] = []
    segments: list[Segment] = []
    progress: list[tuple[float, float | None]] = []
    transcript = tiny.transcribe(
        tone(70),
        on_token=tokens.append,
        on_segment=segments.append,
        on_progress=lambda done, total: progress.append((done, total)),
        **quick,
    )
    assert transcript.segments == segments
    assert [token.id for token in transcript.tokens if token.text] == [t.id for t in tokens if t.text]
    assert progress[-1] == (70, 70)
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)
    assert {total for _, total in progress} == {70}


@pytest.mark.parametrize("name", ["on_token", "on_segment", "on_progress"])
def test_an_exception_in_a_callback_comes_out_of_the_read_unchanged(
    tiny: Whisper, tone: Tone, quick: Options, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    error = KeyError("mine")

    def fail(*_: object) -> None:
        raise error

    transcript = tiny.transcribe(tone(70), **callback(name, fail), **quick)
    with pytest.raises(KeyError) as caught:
        list(transcript)
    assert caught.value is error
    with pytest.raises(AbortedError, match="an earlier KeyError has ended this transcript"):
        list(transcript)
    assert "failed" in repr(transcript)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["on_token", "on_segment", "on_progress"])
def test_a_callback_that_returns_true_stops(tiny: Whisper, tone: Tone, quick: Options, name: str) -> None:
    transcript = tiny.transcribe(tone(70), **callback(name, lambda *_: True), **quick)
    with pytest.raises(AbortedError):
        list(transcript)


def test_segments_before_an_error_stay(tiny: Whisper, tone: Tone, quick: Options) -> None:
    def fail_late(token: Token) -> None:
        if token.window == 1:
            raise RuntimeError

    transcript = tiny.transcribe(tone(70), on_token=fail_late, **quick)
    seen = read_until(RuntimeError, transcript)
    assert {segment.seek for segment in seen} == {0}
    assert read_until(AbortedError, transcript) == seen


@pytest.mark.parametrize("answer", [None, 1, "x", 0, False])
def test_other_answers_go_on(tiny: Whisper, tone: Tone, quick: Options, answer: object) -> None:
    assert tiny.transcribe(tone(5), on_token=lambda _: answer, on_segment=lambda _: answer, **quick).segments


@pytest.mark.parametrize("name", ["on_token", "on_segment", "on_progress"])
def test_calling_back_in_is_refused(tiny: Whisper, tone: Tone, quick: Options, name: str) -> None:
    holder: list[Transcript] = []
    refused: list[str] = []

    def call_back_in(*_: object) -> None:
        for use in (lambda: holder[0].text, holder[0].close):
            with pytest.raises(BusyError) as caught:
                use()
            refused.append(str(caught.value))
        assert tiny.tokenize("the model itself is free")
        assert tiny.transcribe(tone(1), **quick).segments

    holder.append(tiny.transcribe(tone(35), **callback(name, call_back_in), **quick))
    assert holder[0].segments
    assert "the call that runs this callback" in refused[0]


@pytest.mark.parametrize("name", ["on_token", "on_segment", "on_progress"])
def test_what_cannot_be_called_is_refused(tiny: Whisper, tone: Tone, name: str) -> None:
    with pytest.raises(InvalidArgument, match=f"{name} must be callable, not 3"):
        tiny.transcribe(tone(1), **callback(name, 3))


# ---- Stopping --------------------------------------------------------------------------------------------------------


def endless(tiny: Whisper, **options: Any) -> Transcript:
    """Work for a long time: fallbacks, beams, samples."""
    noise = np.random.default_rng(2).standard_normal(16000 * 900).astype(np.float32)
    return tiny.transcribe(0.1 * noise, language="en", no_speech_threshold=None, **options)


def test_abort_from_another_thread_stops_at_once(tiny: Whisper) -> None:
    transcript = endless(tiny)
    stopped_at: list[float] = []

    def stop() -> None:
        time.sleep(0.3)
        stopped_at.append(time.monotonic())
        transcript.abort()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(AbortedError):
        list(transcript)
    assert time.monotonic() - stopped_at[0] < 0.3
    thread.join()


def test_closing_while_another_thread_reads_stops_it(tiny: Whisper) -> None:
    transcript = endless(tiny)
    errors: list[BaseException] = []

    def read() -> None:
        try:
            list(transcript)
        except (AbortedError, ClosedError) as error:
            errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.2)
    started = time.monotonic()
    transcript.close()
    thread.join()
    assert time.monotonic() - started < 0.3
    assert len(errors) == 1


def test_reading_on_after_close_is_a_closed_error(minute: Transcript) -> None:
    with minute:
        first = next(iter(minute))
    reading = iter(minute)
    assert next(reading) is first
    with pytest.raises(ClosedError, match="closed before its end"):
        list(reading)
    minute.close()


def test_a_complete_transcript_can_be_read_after_close(minute: Transcript) -> None:
    text = minute.text
    minute.close()
    assert (minute.text, minute.info.language) == (text, "en")
    assert "complete" in repr(minute)


INTERRUPTED = """
import sys, threading, time
import numpy as np
from pyffi import Whisper
noise = np.random.default_rng(2).standard_normal(16000 * 900).astype(np.float32)
transcript = Whisper(sys.argv[1]).transcribe(0.1 * noise, language="en", no_speech_threshold=None)
print("ready", flush=True)
try:
    list(transcript)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_stops_at_once(tiny_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, tiny_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert time.monotonic() - started < 0.3
        assert process.wait() == 0
        assert process.stderr.read() == ""


# ---- Audio that fails on the way -------------------------------------------------------------------------------------


def test_samples_that_are_not_finite_are_refused_where_they_are(tiny: Whisper, tone: Tone, quick: Options) -> None:
    for value in (np.nan, np.inf, -np.inf, 1e30):
        samples = tone(15)
        samples[5] = value
        with pytest.raises(InvalidArgument, match=r"\b5\b"):
            list(tiny.transcribe(samples, **quick))
        samples = tone(15)
        samples[160005] = value
        with pytest.raises(InvalidArgument, match=r"\b5\b.*counted from sample 160000"):
            list(tiny.transcribe(samples, **quick))


def test_a_file_that_breaks_off_fails_each_time_it_is_read(
    tiny: Whisper, tone: Tone, quick: Options, tmp_path: Path
) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, tone(60), 16000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 4 // 5])
    transcript = tiny.transcribe(path, **quick)
    seen = read_until(AudioError, transcript)
    assert {segment.seek for segment in seen} == {0}
    assert read_until(AudioError, transcript) == seen
    with pytest.raises(AudioError, match=r"cut\.flac is damaged 4\d\.\d s"):
        _ = transcript.text


# ---- Threads and life ------------------------------------------------------------------------------------------------


def test_several_threads_may_read_one_transcript(minute: Transcript) -> None:
    results: list[list[Segment]] = []
    threads = [threading.Thread(target=lambda: results.append(list(minute))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(result == results[0] for result in results)


def test_a_transcript_outlives_its_model(tiny_path: Path, tone: Tone, quick: Options) -> None:
    model = Whisper(tiny_path)
    transcript = model.transcribe(tone(70), **quick)
    next(iter(transcript))
    model.close()
    assert len(transcript.segments) >= 3


def test_a_transcript_is_not_pickled(minute: Transcript) -> None:
    with pytest.raises(TypeError, match=r"pickle transcript\.segments"):
        pickle.dumps(minute)
    segments = minute.segments
    assert pickle.loads(pickle.dumps(segments)) == segments


def test_a_forgotten_transcript_is_freed_without_the_cycle_collector(
    tiny: Whisper, tone: Tone, quick: Options, tmp_path: Path
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(70), 16000)
    gc.disable()
    try:
        transcript = tiny.transcribe(path, on_token=lambda _: None, **quick)
        next(iter(transcript))
        reference = weakref.ref(transcript)
        payload = weakref.ref(transcript._callbacks)
        del transcript
        assert reference() is None
        assert payload() is None
    finally:
        gc.enable()
    assert not is_open(path)


def test_the_file_is_closed_as_soon_as_it_is_read_or_has_failed(
    tiny: Whisper, tone: Tone, quick: Options, tmp_path: Path
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(40), 16000)
    transcript = tiny.transcribe(path, **quick)
    next(iter(transcript))
    assert is_open(path)
    assert transcript.text
    assert not is_open(path)
    failing = tiny.transcribe(path, on_token=lambda _: True, **quick)
    assert is_open(path)
    assert read_until(AbortedError, failing) == []
    assert not is_open(path)
    with tiny.transcribe(path, **quick):
        assert is_open(path)
    assert not is_open(path)


def is_open(path: Path) -> bool:
    return path in {descriptor.resolve() for descriptor in Path("/proc/self/fd").iterdir()}


def test_a_transcript_that_was_being_read_is_refused_in_a_forked_child(tiny: Whisper) -> None:
    started = threading.Event()
    transcript = endless(tiny, on_token=lambda _: started.set())
    thread = threading.Thread(target=lambda: read_until(AbortedError, transcript))
    thread.start()
    started.wait()
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            for use in (lambda: transcript.text, transcript.close):
                with pytest.raises(BusyError, match="parent process"):
                    use()
            code = 0
        os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    transcript.abort()
    thread.join()


def test_nothing_leaks(
    tiny: Whisper, tone: Tone, quick: Options, assert_no_leak: Callable[[Callable[[], object], int], None]
) -> None:
    samples = tone(1)
    options = quick | {"audio_ctx": 100}

    def whole() -> None:
        assert tiny.transcribe(samples, **options).segments

    def forgotten() -> None:
        tiny.transcribe(samples, **options)

    def failing() -> None:
        with pytest.raises(ZeroDivisionError):
            list(tiny.transcribe(samples, on_token=lambda _: 1 / 0, **options))

    for action in (whole, forgotten, failing):
        assert_no_leak(action, 2_000_000)
