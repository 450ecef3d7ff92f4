"""`multimodal transcribe`: audio in, text or subtitles out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from pyffi.cli import is_expected, one_line, options
from pyffi.cli.files import STDIN, argument, expand_all, standard_input
from pyffi.cli.options import complete_list
from pyffi.cli.progress import Meter
from pyffi.formats import WRITERS
from pyffi.transcript import Transcript


def formats_of(ctx: click.Context, param: click.Parameter, value: str) -> list[str]:
    """A comma-separated list of formats."""
    formats = [part.strip().lower() for part in value.split(",") if part.strip()]
    for name in formats:
        if name not in WRITERS:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(WRITERS)}")
    if not formats:
        raise click.BadParameter(f"name one or more of {', '.join(WRITERS)}")
    return list(dict.fromkeys(formats))


def temperatures_of(ctx: click.Context, param: click.Parameter, value: str) -> list[float]:
    """A comma-separated list of temperatures."""
    try:
        numbers = [float(part) for part in value.split(",")]
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of numbers such as 0,0.2,0.4") from None
    for number in numbers:
        if not 0 <= number <= 2:
            raise click.BadParameter(f"{number:g} is not a temperature from 0 to 2")
    return numbers


def threshold_of(ctx: click.Context, param: click.Parameter, value: str) -> float | None:
    """A number, or "off"."""
    try:
        return None if value == "off" else float(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither a number nor 'off'") from None


@dataclass(frozen=True)
class Job:
    """One input, and the name that its outputs begin with."""

    path: str
    stem: str


@click.command()
@click.argument("files", nargs=-1, required=True, type=argument)
@options.model
@click.option(
    "-f",
    "--format",
    "formats",
    callback=formats_of,
    shell_complete=complete_list(WRITERS),
    default="txt",
    show_default=True,
    metavar="LIST",
    help=f"One or more of {', '.join(WRITERS)}, with commas between.",
)
@click.option(
    "-o",
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write FOLDER/NAME.FORMAT for each file.  [default: print]",
)
@options.language
@click.option(
    "--task",
    type=click.Choice(["transcribe", "translate"]),
    default="transcribe",
    show_default=True,
    help="Translation is into English.",
)
@click.option("--word-timestamps", is_flag=True, help="Find the time of each word (in json).")
@click.option("--vad", "vad_filter", is_flag=True, help="Skip what is not speech.")
@click.option("--initial-prompt", metavar="TEXT", help="Text before the first window: names, spelling, style.")
@options.beam_size
@click.option(
    "--best-of",
    type=click.IntRange(1, 16),
    default=5,
    show_default=True,
    metavar="N",
    help="Samples drawn above temperature 0.",
)
@click.option(
    "--temperature",
    callback=temperatures_of,
    default="0,0.2,0.4,0.6,0.8,1",
    show_default=True,
    metavar="LIST",
    help="Tried in order until a result passes the thresholds.",
)
@click.option(
    "--compression-ratio-threshold",
    callback=threshold_of,
    default="2.4",
    show_default=True,
    metavar="NUMBER",
    help="Above it a window is decoded again; or 'off'.",
)
@click.option(
    "--log-prob-threshold",
    callback=threshold_of,
    default="-1.0",
    show_default=True,
    metavar="NUMBER",
    help="Below it a window is decoded again; or 'off'.",
)
@click.option(
    "--no-speech-threshold",
    callback=threshold_of,
    default="0.6",
    show_default=True,
    metavar="NUMBER",
    help="Above it a window is taken for silence; or 'off'.",
)
@click.option(
    "--hallucination-silence-threshold",
    type=float,
    metavar="SECONDS",
    help="With word times: skip longer silence around suspect text.  [default: off]",
)
@click.option(
    "--condition-on-previous-text/--no-condition-on-previous-text",
    default=True,
    show_default=True,
    help="Whether text so far prompts the next window.",
)
@click.option("--without-timestamps", is_flag=True, help="Decode text only: one segment a window.")
@click.option(
    "--audio-ctx",
    type=click.IntRange(min=1),
    metavar="N",
    help="Encoder positions of 20 ms: shorter windows, less work.  [default: 30 s]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Of sampling above temperature 0.",
)
@options.threads
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.pass_context
def transcribe(
    ctx: click.Context,
    /,
    files: Sequence[str],
    model: str,
    formats: list[str],
    output_dir: Path | None,
    quiet: bool,
    **arguments: Any,
) -> None:
    """Transcribe audio files: WAV, FLAC, OGG, MP3 and more; with PyAV also M4A, MP4, WebM. "-" is standard input, and
    patterns such as "*.wav" are expanded. One bad file does not stop the others."""
    jobs = make_jobs(expand_all(files), named=output_dir is not None)
    if output_dir is None and len(formats) > 1:
        raise click.UsageError(f"{len(formats)} formats cannot all be printed; give --output-dir")
    if output_dir is None and len(jobs) > 1 and formats != ["txt"]:
        raise click.UsageError(f"{len(jobs)} files in {formats[0]} cannot all be printed; give --output-dir")
    if arguments["hallucination_silence_threshold"] is not None and not arguments["word_timestamps"]:
        raise click.UsageError("--hallucination-silence-threshold needs --word-timestamps")
    if output_dir is not None:
        output_dir.mkdir(parents=True, exist_ok=True)

    failed = 0
    with options.open_model(model, quiet=quiet) as whisper, Meter(enabled=not quiet) as meter:
        for job in jobs:
            try:
                audio = standard_input() if job.path == STDIN else job.path
                with meter.file(job.path, len(jobs)) as on_progress:
                    transcript = whisper.transcribe(audio, on_progress=on_progress, **arguments)
                    if output_dir is not None:
                        write_files(transcript, formats, output_dir / job.stem)
                    else:
                        if len(jobs) > 1:
                            print(f"==> {job.path} <==")
                        for part in WRITERS[formats[0]](transcript):
                            # Not click.echo, which would write past the progress bar that holds sys.stdout.
                            print(part, end="", flush=True)
            except Exception as error:  # noqa: PERF203
                if not is_expected(error):
                    raise
                failed += 1
                message = one_line(error)
                click.echo(f"Error: {message if job.path in message else f'{job.path}: {message}'}", err=True)
    if failed:
        if len(jobs) > 1:
            click.echo(f"{failed} of {len(jobs)} files failed", err=True)
        ctx.exit(1)


def write_files(transcript: Transcript, formats: list[str], base: Path) -> None:
    """Writes each format once the transcript is complete, so that a failure leaves no half file."""
    rendered = {name: "".join(WRITERS[name](transcript)) for name in formats}
    for name, text in rendered.items():
        base.with_name(f"{base.name}.{name}").write_text(text, encoding="utf-8", newline="\n")


def make_jobs(paths: Sequence[str], *, named: bool) -> list[Job]:
    """Gives each input an output name of its own, if outputs are named."""
    for part in ("stem", "name"):
        stems = ["stdin" if path == STDIN else str(getattr(Path(path), part)) for path in paths]
        repeated = [stem for stem, count in Counter(stems).items() if count > 1]
        if not repeated or not named:
            return [Job(path, stem) for path, stem in zip(paths, stems, strict=True)]
    raise click.UsageError(f"several files are named {repeated[0]}: transcribe them in separate runs")
