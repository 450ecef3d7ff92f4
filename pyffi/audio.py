"""Audio from wherever it comes: arrays, files, bytes and streams, handed on in blocks of mono float32 at any rate.

soundfile reads WAV, FLAC, OGG, MP3 and more; what it refuses goes to PyAV (M4A, MP4, WebM, ...) where that is
installed. Files are read as they are needed, so that ten hours take no more memory than ten seconds.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias

import numpy as np
import soundfile

from pyffi._ffi import ffi, lib
from pyffi.buffers import Floats, as_integer, as_path, as_samples, is_encoded, owned_array, pointer
from pyffi.callbacks import Run
from pyffi.errors import AudioError, InvalidArgument

SAMPLE_RATE = 16000
BLOCK_SECONDS = 10
SALVAGED_FRAMES = 1024
# What PyAV raises for damaged files, besides FFmpeg's own errors: attributes and elements that are not there.
_DAMAGED = (ValueError, AttributeError, IndexError, OverflowError)


@dataclass(frozen=True, eq=False)
class AudioChunk:
    """Mono samples in [-1, 1], float32 and contiguous, at a rate of 8000 to 192000 hertz."""

    samples: Floats
    sample_rate: int = SAMPLE_RATE

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", as_samples(self.samples, "samples"))
        object.__setattr__(self, "sample_rate", as_integer(self.sample_rate, "sample_rate", 8000, 192000))

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate

    def resample(self, sample_rate: int) -> AudioChunk:
        """The same audio at another rate. Recognition does this by itself."""
        if sample_rate == self.sample_rate:
            return self
        rate = as_integer(sample_rate, "sample_rate", 8000, 192000)
        out, length, error = ffi.new("float **"), ffi.new("size_t *"), ffi.new("char **")
        run = Run()
        run.check(lib.mm_resample(c_chunk(self), rate, run.c, out, length, error), error)
        return AudioChunk(owned_array(out[0], length[0]), rate)


def c_chunk(chunk: AudioChunk) -> tuple[Any, int, int]:
    """An mm_audio_chunk over the samples, which the chunk has to keep alive for as long as C reads them."""
    return pointer(chunk.samples), len(chunk.samples), chunk.sample_rate


# A path, a binary file, the bytes of a file, an AudioChunk, or bare samples: whatever numpy can view as one dimension
# of float32, which no static type can say.
AudioInput: TypeAlias = Any


class Source(Protocol):
    """Audio that is about to be read, once."""

    sample_rate: int
    duration: float | None  # seconds, where it is known before the end

    def blocks(self) -> Iterator[Floats]: ...

    def close(self) -> None: ...


class ArraySource:
    """Samples that are in memory already; blocks are views of them."""

    def __init__(self, chunk: AudioChunk) -> None:
        self.sample_rate = chunk.sample_rate
        self.duration: float | None = chunk.duration
        self.samples = chunk.samples

    def blocks(self) -> Iterator[Floats]:
        step = BLOCK_SECONDS * self.sample_rate
        for start in range(0, len(self.samples), step):
            yield self.samples[start : start + step]

    def close(self) -> None:
        pass


class SoundFileSource:
    """A file that libsndfile reads."""

    def __init__(self, file: str | BinaryIO, name: str) -> None:
        self._name = name
        # In the bytes of the file system: soundfile would refuse a name that is not UTF-8.
        self._file = soundfile.SoundFile(os.fsencode(file) if isinstance(file, str) else file)
        self.sample_rate: int = self._file.samplerate
        self.duration: float | None = self._file.frames / self.sample_rate

    def blocks(self) -> Iterator[Floats]:
        done = 0
        while True:
            try:
                block: Floats = self._file.read(BLOCK_SECONDS * self.sample_rate, dtype="float32", always_2d=True)
            except (soundfile.LibsndfileError, OSError) as error:
                for good in self._salvage(done):
                    done += len(good)
                    yield good.mean(axis=1, dtype=np.float32)
                raise AudioError(
                    f"{self._name} is damaged {done / self.sample_rate:.1f} s from its start: {error}"
                ) from error
            if len(block) == 0:
                break
            done += len(block)
            yield block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)
        missing = self._file.frames - done
        if missing > self.sample_rate:
            warnings.warn(
                f"{self._name} is cut short: its header promises {missing / self.sample_rate:.1f} s more", stacklevel=2
            )

    def _salvage(self, start: int) -> Iterator[Floats]:
        """What can be read of a block that is damaged somewhere."""
        try:
            self._file.seek(start)
            while len(block := self._file.read(SALVAGED_FRAMES, dtype="float32", always_2d=True)):
                yield block
        except (soundfile.LibsndfileError, OSError):
            return

    def close(self) -> None:
        self._file.close()


class PyAvSource:
    """A file that FFmpeg reads."""

    def __init__(self, file: str | BinaryIO, name: str) -> None:
        import av

        self._name = name
        self._opened: BinaryIO | None = None
        if isinstance(file, str) and not file.isprintable():  # such as a name that is not UTF-8
            file = self._opened = Path(file).open("rb")  # noqa: SIM115, open for as long as this object
        self._container = av.open(file, mode="r", metadata_errors="ignore")
        try:
            if not self._container.streams.audio:
                raise AudioError(f"{name} has no audio in it")
            self._stream = self._container.streams.audio[0]
            self.sample_rate: int = self._stream.rate
            length = self._container.duration
            self.duration: float | None = length / av.time_base if length and length > 0 else None
        except BaseException:
            self.close()
            raise

    def blocks(self) -> Iterator[Floats]:
        pending: list[Floats] = []
        for mono in self._frames():
            pending.append(mono)
            if sum(map(len, pending)) >= BLOCK_SECONDS * self.sample_rate:
                yield np.concatenate(pending)
                pending.clear()
        if pending:
            yield np.concatenate(pending)

    def _frames(self) -> Iterator[Floats]:
        import av

        # Interleaved, as PyAV miscounts the planes of more than 8 channels; layout and rate stay as they are.
        interleaved = av.AudioResampler(format="flt")
        try:
            for frame in self._container.decode(self._stream):
                for converted in interleaved.resample(frame):
                    samples = converted.to_ndarray().reshape(-1, converted.layout.nb_channels)
                    yield samples.mean(axis=1, dtype=np.float32)
        except (av.FFmpegError, *_DAMAGED) as error:
            raise AudioError(f"{self._name} is damaged: {error}") from error

    def close(self) -> None:
        self._container.close()
        if self._opened:
            self._opened.close()


class SpooledSource:
    """A stream that cannot be rewound, which the readers need to: it is copied to a temporary file first."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115, open for as long as this object
        shutil.copyfileobj(stream, self._file)
        self._source = _read_file(self._file, name)
        self.sample_rate = self._source.sample_rate
        self.duration = self._source.duration

    def blocks(self) -> Iterator[Floats]:
        return self._source.blocks()

    def close(self) -> None:
        self._source.close()
        self._file.close()


def open_audio(audio: AudioInput, sample_rate: int = SAMPLE_RATE) -> Source:
    """Opens audio for reading; `sample_rate` is that of bare arrays, all else knows its own."""
    if isinstance(audio, AudioChunk):
        return ArraySource(audio)
    if isinstance(audio, (str, os.PathLike)):
        return _open_path(os.fsdecode(as_path(audio, "audio")))
    if is_encoded(audio):
        return _read_file(io.BytesIO(audio), "the audio given as bytes")
    if hasattr(audio, "read"):
        return _open_stream(audio)
    return ArraySource(AudioChunk(as_samples(audio), sample_rate))


def load_audio(audio: AudioInput, sample_rate: int = SAMPLE_RATE, seconds: float | None = None) -> AudioChunk:
    """Reads audio into memory, all of it or its first seconds; an array is taken as it is."""
    source = open_audio(audio, sample_rate)
    try:
        if isinstance(source, ArraySource):
            samples = source.samples
        else:
            blocks: list[Floats] = []
            for block in source.blocks():
                blocks.append(block)
                if seconds is not None and sum(map(len, blocks)) >= seconds * source.sample_rate:
                    break
            samples = np.concatenate(blocks) if blocks else np.empty(0, np.float32)
        if seconds is not None:
            samples = samples[: round(seconds * source.sample_rate)]
        return AudioChunk(samples, source.sample_rate)
    finally:
        source.close()


def _open_path(path: str) -> Source:
    with Path(path).open("rb") as file:  # raises what a missing, unreadable or directory path should raise
        if not file.seekable():  # a pipe
            return SpooledSource(file, path)
        if os.fstat(file.fileno()).st_size == 0:
            raise AudioError(f"{path} is empty")
    return _read_file(path, path)


def _open_stream(stream: BinaryIO) -> Source:
    name = str(getattr(stream, "name", None) or "the audio file object")
    if not isinstance(stream.read(0), (bytes, bytearray)):
        raise InvalidArgument(f"{name} is open as text; open it in binary mode, as in open(path, 'rb')")
    if not getattr(stream, "seekable", bool)():
        return SpooledSource(stream, name)
    return _read_file(stream, name)


def _read_file(file: str | BinaryIO, name: str) -> Source:
    """Tries the readers in turn; a seekable file is read from its beginning."""
    if not isinstance(file, str) and file.seek(0, os.SEEK_END) == 0:
        raise AudioError(f"{name} is empty")
    try:
        return SoundFileSource(file, name)
    except TypeError:  # a name that ends in .raw
        reason = "nothing says what samples .raw files hold: read them with numpy.fromfile, pass float32"
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".")
    try:
        import av
    except ImportError:
        raise AudioError(
            f"{name} cannot be read as audio: {reason}; for M4A, MP4, WebM and more, "
            "run `pip install 'multimodal-ffi[media]'`"
        ) from None
    if not isinstance(file, str):
        file.seek(0)
    try:
        return PyAvSource(file, name)
    except (av.FFmpegError, *_DAMAGED) as error:
        if isinstance(error, AudioError) and not name.endswith(".raw"):
            raise
        why = getattr(error, "strerror", None) or error
        raise AudioError(f"{name} cannot be read as audio: {reason} (libsndfile); {why} (FFmpeg)") from error
