"""Audio from files, bytes, streams and arrays."""

from __future__ import annotations

import io
import os
import struct
import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyffi import AudioChunk, AudioError, InvalidArgument, audio, load_audio

Samples = npt.NDArray[np.float32]
Tone = Callable[..., Samples]

# Name of the file -> how far a decoded sample may be off.
FORMATS = {"a.wav": 1e-4, "a.flac": 1e-4, "a.ogg": 0.2, "a.mp3": 0.2, "a.aiff": 1e-4, "a.w64": 1e-4, "a.opus": 0.3}


def write_av(path: Path, samples: Samples, rate: int, codec: str) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="fltp", layout="mono")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tone: Tone) -> Path:
    """One second of the tone in every format."""
    folder = tmp_path_factory.mktemp("audio")
    for name in FORMATS:
        rate = 48000 if name.endswith("opus") else 44100
        if name.endswith("opus"):
            soundfile.write(folder / name, tone(1, rate), rate, format="OGG", subtype="OPUS")
        else:
            soundfile.write(folder / name, tone(1, rate), rate)
    write_av(folder / "a.m4a", tone(1, 44100), 44100, "aac")
    write_av(folder / "a.mp4", tone(1, 44100), 44100, "aac")
    write_av(folder / "a.mkv", tone(1, 44100), 44100, "aac")
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_soundfile_formats_are_read(folder: Path, tone: Tone, name: str) -> None:
    chunk = load_audio(folder / name)
    expected = tone(1, chunk.sample_rate)
    assert abs(chunk.duration - 1) < 0.06
    n = min(len(chunk), len(expected))
    assert np.abs(chunk.samples[:n] - expected[:n]).max() < FORMATS[name]


@pytest.mark.parametrize("name", ["a.m4a", "a.mp4", "a.mkv"])
def test_what_soundfile_refuses_is_read_by_pyav(folder: Path, tone: Tone, name: str) -> None:
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.info(str(folder / name))
    chunk = load_audio(folder / name)
    expected = tone(1, 44100)
    assert chunk.sample_rate == 44100
    assert abs(chunk.duration - 1) < 0.06
    # The encoder shifts: find the best match.
    shifts = [float(np.corrcoef(chunk.samples[s : s + 20000], expected[:20000])[0, 1]) for s in range(0, 3000, 1)]
    assert max(shifts) > 0.95


@pytest.mark.parametrize("layout", ["stereo", "5.1", "7.1"])
def test_any_number_of_channels_is_mixed_down(tmp_path: Path, layout: str) -> None:
    rate = 48000
    channels = av.AudioLayout(layout).nb_channels
    levels = np.linspace(-0.4, 0.3, channels, dtype=np.float32)
    samples = np.repeat(levels[:, None], rate, axis=1)
    with av.open(str(tmp_path / "a.m4a"), "w") as container:
        stream = container.add_stream("aac", rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(samples.T.reshape(1, -1).copy(), format="flt", layout=layout)
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    chunk = load_audio(tmp_path / "a.m4a")
    assert abs(len(chunk) - rate) < 4096
    assert np.median(chunk.samples) == pytest.approx(levels.mean(), abs=0.02)


@pytest.mark.parametrize("name", ["a.wav", "a.m4a"])
def test_names_need_not_be_utf8(folder: Path, tmp_path: Path, name: str) -> None:
    odd = os.fsencode(tmp_path) + b"/caf\xe9." + name[2:].encode()
    Path(os.fsdecode(odd)).write_bytes((folder / name).read_bytes())
    expected = load_audio(folder / name).samples
    np.testing.assert_array_equal(load_audio(os.fsdecode(odd)).samples, expected)
    np.testing.assert_array_equal(load_audio(Path(os.fsdecode(odd))).samples, expected)


def test_what_comes_before_the_damage_is_read(tmp_path: Path, tone: Tone) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, tone(4, 16000), 16000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    blocks: list[Samples] = []
    with pytest.raises(AudioError, match=r"cut.flac is damaged (1\.[5-9]|2\.\d) s from its start"):
        for block in audio.open_audio(path).blocks():
            blocks.append(block)  # noqa: PERF402, the point is that they come before the error
    found = np.concatenate(blocks)
    assert 1.5 < len(found) / 16000 < 2.5
    np.testing.assert_allclose(found, tone(4, 16000)[: len(found)], atol=1e-4)


def test_a_wave_file_of_36_bits_is_refused() -> None:
    """FFmpeg opens it, and PyAV then has a stream without a rate."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 3, 8000, 120000, 15, 36)
    data = struct.pack("<4sI", b"data", 15 * 800) + bytes(15 * 800)
    file = struct.pack("<4sI4s", b"RIFF", 4 + len(form) + len(data), b"WAVE") + form + data
    with pytest.raises(AudioError):
        load_audio(file)


def test_a_headerless_file_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(4000))
    with pytest.raises(AudioError, match=r"a\.raw cannot be read as audio: .*numpy\.fromfile"):
        load_audio(tmp_path / "a.raw")


def test_path_text_stream_and_bytes_are_the_same(folder: Path) -> None:
    path = folder / "a.flac"
    expected = load_audio(path).samples
    inputs: list[Any] = [str(path), path.read_bytes(), bytearray(path.read_bytes()), memoryview(path.read_bytes())]
    inputs.append(io.BytesIO(path.read_bytes()))
    for value in inputs:
        assert np.array_equal(load_audio(value).samples, expected)
    with path.open("rb") as file:
        file.seek(50)  # a stream that can be rewound is
        assert np.array_equal(load_audio(file).samples, expected)
        assert not file.closed


@pytest.mark.parametrize("name", ["a.flac", "a.m4a"])
def test_a_pipe_is_read(folder: Path, name: str) -> None:
    reader, writer = os.pipe()

    def feed() -> None:
        with os.fdopen(writer, "wb") as end:
            end.write((folder / name).read_bytes())

    thread = threading.Thread(target=feed)
    thread.start()
    with os.fdopen(reader, "rb") as end:
        assert np.array_equal(load_audio(end).samples, load_audio(folder / name).samples)
    thread.join()


def test_a_named_pipe_is_read(folder: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    thread = threading.Thread(target=lambda: fifo.write_bytes((folder / "a.wav").read_bytes()))
    thread.start()
    assert len(load_audio(fifo)) == 44100
    thread.join()


def test_channels_are_mixed_by_mean(tmp_path: Path, tone: Tone) -> None:
    left, right = tone(1), tone(1)[::-1]
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([left, right], axis=1), 16000, subtype="FLOAT")
    assert np.allclose(load_audio(path).samples, (left + right) / 2, atol=1e-7)


def test_arrays_and_chunks_are_not_copied(tone: Tone) -> None:
    samples = tone(25)
    assert load_audio(samples, 8000).samples is samples
    assert load_audio(AudioChunk(samples, 8000)).sample_rate == 8000
    for block in audio.open_audio(samples).blocks():
        assert np.shares_memory(block, samples)


def test_a_chunk_checks_what_it_is_given(tone: Tone) -> None:
    chunk = AudioChunk(tone(2, 8000), 8000)
    assert (len(chunk), chunk.duration) == (16000, 2.0)
    with pytest.raises(InvalidArgument, match="samples is an array of float64"):
        AudioChunk(np.zeros(5))  # type: ignore[arg-type]
    for rate in (7999, 192001, 0, -1, 2**40):
        with pytest.raises(InvalidArgument, match=f"sample_rate must be 8000 to 192000, not {rate}"):
            AudioChunk(tone(1), rate)
    with pytest.raises(InvalidArgument, match=r"sample_rate must be an integer, not 16000\.0"):
        AudioChunk(tone(1), 16000.0)  # type: ignore[arg-type]


def test_a_chunk_can_be_resampled(tone: Tone) -> None:
    chunk = AudioChunk(tone(1, 48000), 48000).resample(16000)
    assert (chunk.sample_rate, len(chunk)) == (16000, 16000)
    assert chunk.resample(16000) is chunk
    clean = AudioChunk(np.sin(2 * np.pi * 440 * np.arange(48000) / 48000).astype(np.float32), 48000).resample(16000)
    expected = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    assert np.abs(clean.samples - expected)[500:-500].max() < 1e-3


def test_resampling_refuses_what_is_not_finite() -> None:
    with pytest.raises(InvalidArgument, match="7"):
        AudioChunk(np.array([0.0] * 7 + [np.nan], np.float32), 48000).resample(16000)


def test_only_the_first_seconds_are_read_where_only_they_are_needed(tmp_path: Path, tone: Tone) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, tone(50), 16000)
    assert load_audio(path, seconds=31).duration == 31
    assert load_audio(tone(50), seconds=31).duration == 31
    assert load_audio(path, seconds=80).duration == 50


def test_a_long_file_needs_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "hour.wav"
    with soundfile.SoundFile(path, "w", 8000, 2) as file:
        for _ in range(60):
            file.write(np.zeros((60 * 8000, 2), np.int16))
    source = audio.open_audio(path)
    assert source.duration == 3600
    tracemalloc.start()
    assert sum(map(len, source.blocks())) == 3600 * 8000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    source.close()
    assert peak < 8e6


# ---- Files that are no audio -----------------------------------------------------------------------------------------


def test_missing_unreadable_and_directory_paths_raise_what_python_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.wav"):
        load_audio(tmp_path / "none.wav")
    with pytest.raises(IsADirectoryError):
        load_audio(tmp_path)
    with pytest.raises(InvalidArgument, match="NUL"):
        load_audio("a\0.wav")


@pytest.mark.parametrize("name", ["x.wav", "x.mp3", "x.raw", "x"])
@pytest.mark.parametrize("content", [b"", b"RIFF", b"not audio at all" * 100])
def test_a_file_that_is_no_audio_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    expected = "(cannot be read as audio|has no audio in it)" if content else "is empty"
    with pytest.raises(AudioError, match=rf"{name} {expected}"):
        load_audio(path)
    with pytest.raises(AudioError, match=f"the audio given as bytes {expected}"):
        load_audio(content)


def test_a_video_without_sound_is_named(tmp_path: Path) -> None:
    path = tmp_path / "silent.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(AudioError, match=r"silent\.mkv has no audio in it"):
        load_audio(path)


def test_without_pyav_the_message_says_how_to_get_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match=r"a\.m4a cannot be read as audio: .*pip install 'multimodal-ffi\[media\]'"):
        load_audio(folder / "a.m4a")


def test_a_file_opened_as_text_is_refused(folder: Path) -> None:
    with (folder / "a.wav").open(encoding="latin-1") as file, pytest.raises(InvalidArgument, match="binary mode"):
        load_audio(file)


@pytest.mark.parametrize("name", ["cut.wav", "cut.ogg"])
def test_a_file_that_is_cut_short_gives_what_it_has(tmp_path: Path, tone: Tone, name: str) -> None:
    assert 20 < load_audio(cut(tmp_path / name, tone(40))).duration < 28


def test_a_cut_is_told_where_the_header_shows_it(tmp_path: Path, tone: Tone) -> None:
    with pytest.warns(UserWarning, match=r"cut\.mp3 is cut short: its header promises 1\d\.\d s more"):
        assert 20 < load_audio(cut(tmp_path / "cut.mp3", tone(40))).duration < 28
    with pytest.raises(AudioError, match=r"cut\.flac is damaged 2\d\.\d s from its start: .*flac decoder"):
        load_audio(cut(tmp_path / "cut.flac", tone(40)))


def cut(path: Path, samples: Samples) -> Path:
    """A file of which the last two fifths are missing."""
    soundfile.write(path, samples, 16000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])
    return path


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.filterwarnings("ignore:.*is cut short")
def test_damaged_files_never_do_worse_than_an_audio_error(folder: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*FORMATS, "a.m4a", "a.mkv"]))
    content = bytearray((folder / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, min(len(content) - 1, 4000)))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(1, len(content)))]
    try:
        chunk = load_audio(bytes(content))
    except InvalidArgument:
        return
    assert chunk.samples.dtype == np.float32
