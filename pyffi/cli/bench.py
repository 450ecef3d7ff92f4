"""`multimodal bench`: where the time goes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from pyffi.audio import AudioChunk, load_audio
from pyffi.cli import options
from pyffi.cli.files import argument
from pyffi.results import Token
from pyffi.whisper import Whisper

WINDOW_FRAMES = 3000
T = TypeVar("T")


@dataclass(frozen=True)
class Timings:
    """Seconds, the best of several runs each."""

    audio: float
    open: float
    log_mel: float
    encoder: float  # one window of 30 s
    transcribe: float
    windows: int
    tokens: int

    @property
    def decode(self) -> float:
        """What is left of a transcription without spectrogram and encoder: decoding, and choosing what to decode."""
        return max(0.0, self.transcribe - self.log_mel - self.windows * self.encoder)

    @property
    def real_time_factor(self) -> float:
        return self.transcribe / self.audio


def best_of(runs: int, action: Callable[[], T]) -> tuple[float, T]:
    """The shortest time, and the last result."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        result = action()
        times.append(time.perf_counter() - started)
    return min(times), result


def measure(model: str, audio: str, *, runs: int, threads: int | None, beam_size: int, language: str | None) -> Timings:
    chunk = load_audio(audio)
    if len(chunk) == 0:
        raise click.ClickException(f"{audio} has no samples: there is nothing to measure")
    with options.open_model(model) as whisper:
        path = whisper.path
    opening, whisper = best_of(runs, lambda: Whisper(path))
    with whisper:
        spectrogram, mel = best_of(runs, lambda: whisper.log_mel(chunk))
        encoder, _ = best_of(runs, lambda: whisper.encode(mel[:WINDOW_FRAMES], threads=threads))
        transcribing, work = best_of(
            runs, lambda: transcribe(whisper, chunk, threads=threads, beam_size=beam_size, language=language)
        )
    return Timings(chunk.duration, opening, spectrogram, encoder, transcribing, work.windows, work.tokens)


@dataclass
class Work:
    """What a transcription has decoded, with windows of silence and attempts that were given up."""

    windows: int = 0
    tokens: int = 0
    done: float = 0.0

    def on_progress(self, done: float, total: float | None) -> None:
        if done > self.done:
            self.windows += 1
            self.done = done

    def on_token(self, token: Token) -> None:
        self.tokens += 1


def transcribe(whisper: Whisper, audio: AudioChunk, **arguments: Any) -> Work:
    work = Work()
    whisper.transcribe(audio, on_progress=work.on_progress, on_token=work.on_token, **arguments).text  # noqa: B018
    return work


@click.command()
@click.argument("audio", type=argument)
@options.model
@options.language
@options.beam_size
@options.threads
@click.option(
    "--runs", type=click.IntRange(min=1), default=3, show_default=True, metavar="N", help="Show the best of so many."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def bench(
    audio: str,
    model: str,
    language: str | None,
    beam_size: int,
    threads: int | None,
    runs: int,
    as_json: bool,
) -> None:
    """Measure how long opening a model and each step of transcribing AUDIO take."""
    timings = measure(model, audio, runs=runs, threads=threads, beam_size=beam_size, language=language)
    if as_json:
        values = {**asdict(timings), "decode": timings.decode, "real_time_factor": timings.real_time_factor}
        click.echo(json.dumps(values, indent=2))
        return
    per_token = 1000 * timings.decode / max(1, timings.tokens)
    table = Table(
        "step", "milliseconds", "", box=SIMPLE, title=f"{timings.audio:.1f} s of audio, beam size {beam_size}"
    )
    table.columns[1].justify = "right"
    for step, seconds, note in (
        ("open the model", timings.open, ""),
        ("log-mel spectrogram", timings.log_mel, "all of it"),
        ("encoder", timings.encoder, f"a window; there are {timings.windows}"),
        ("decoder", timings.decode, f"{timings.tokens} tokens, {per_token:.1f} ms each"),
        ("whole transcription", timings.transcribe, f"real-time factor {timings.real_time_factor:.3f}"),
    ):
        table.add_row(step, f"{1000 * seconds:.1f}", note)
    Console().print(table)
