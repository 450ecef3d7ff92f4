"""Options that several verbs have."""

from __future__ import annotations

from pathlib import Path

import click

from pyffi.whisper import Whisper

model = click.option(
    "-m",
    "--model",
    default="base",
    show_default=True,
    envvar="MULTIMODAL_MODEL",
    show_envvar=True,
    metavar="NAME|FILE",
    help="A model's file, or a name that `multimodal models list` shows.",
)
threads = click.option(
    "--threads", type=click.IntRange(min=1), help="Use at most so many cores.  [default: all]", metavar="N"
)
beam_size = click.option(
    "--beam-size", type=click.IntRange(1, 16), default=5, show_default=True, help="1 is greedy.", metavar="N"
)
language = click.option("-l", "--language", help="Such as en.  [default: detected]", metavar="CODE")


def open_model(name: str, *, quiet: bool = False) -> Whisper:
    """Opens a model; where it has to be fetched or converted first, stderr tells of it."""
    if name.endswith(".gguf") and Path(name).is_file():
        return Whisper(name)
    from pyffi.cli.models import download_meter  # brings converters and downloads along: only where it is needed
    from pyffi.models import resolve

    with download_meter(enabled=not quiet) as on_progress:
        path = resolve(
            name,
            on_progress=on_progress,
            on_message=lambda message: None if quiet else click.echo(message, err=True),
        )
    return Whisper(path)
