"""Options that several verbs have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from pyffi.clip import Clip
from pyffi.image import MAX_PIXELS
from pyffi.whisper import Whisper

if TYPE_CHECKING:
    from pyffi.models import Kind


def complete_list(names: Iterable[str]) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Shell completion of a list with commas between."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        begun, comma, last = incomplete.rpartition(",")
        return [f"{begun}{comma}{name}" for name in names if name.startswith(last)]

    return complete


def complete_model(kind: Kind) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Shell completion of known models of a kind; of files, if it is none of them."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from pyffi.models import known_models

        names = [model.name for model in known_models() if model.kind == kind and model.name.startswith(incomplete)]
        return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]

    return complete


model = click.option(
    "-m",
    "--model",
    shell_complete=complete_model("speech"),
    default="base",
    show_default=True,
    envvar="MULTIMODAL_MODEL",
    show_envvar=True,
    metavar="NAME|FILE",
    help="A model's file, or a name that `multimodal models list` shows.",
)
clip_model = click.option(
    "-m",
    "--model",
    shell_complete=complete_model("clip"),
    default="emoji",
    show_default=True,
    envvar="MULTIMODAL_CLIP_MODEL",
    show_envvar=True,
    metavar="NAME|FILE",
    help="A CLIP model's file, or a name that `multimodal models list` shows.",
)
exif_orientation = click.option(
    "--exif-orientation/--no-exif-orientation",
    default=None,
    help="Turn pictures as their EXIF data says.  [default: as the model was made, which is no]",
)
max_pixels = click.option(
    "--max-pixels",
    type=click.IntRange(1),
    default=MAX_PIXELS,
    show_default=True,
    metavar="N",
    help="Refuse files with more pixels.",
)
quiet = click.option("-q", "--quiet", is_flag=True, help="No progress.")
threads = click.option(
    "--threads", type=click.IntRange(1, 65536), help="Use at most so many cores.  [default: all]", metavar="N"
)
beam_size = click.option(
    "--beam-size", type=click.IntRange(1, 16), default=5, show_default=True, help="1 is greedy.", metavar="N"
)
language = click.option("-l", "--language", help="Such as en.  [default: detected]", metavar="CODE")


def open_model(name: str, *, quiet: bool = False) -> Whisper:
    """Opens a model; where it has to be fetched or converted first, stderr tells of it."""
    if name.endswith(".gguf") and Path(name).is_file():
        return Whisper(name)
    from pyffi.models import resolve  # brings converters and downloads along: only where it is needed

    return Whisper(fetched(partial(resolve, kind="speech"), name, quiet=quiet))


def open_clip(name: str, *, quiet: bool = False) -> Clip:
    """The same for a CLIP model."""
    if name.endswith(".gguf") and Path(name).is_file():
        return Clip(name)
    from pyffi.models import resolve

    return Clip(fetched(partial(resolve, kind="clip"), name, quiet=quiet))


def fetched(fetch: Callable[..., Path], name: str, *, quiet: bool = False) -> Path:
    """fetch(name), with its messages and progress on stderr."""
    from pyffi.cli.models import download_meter

    with download_meter(enabled=not quiet) as on_progress:
        return fetch(
            name,
            on_progress=on_progress,
            on_message=lambda message: None if quiet else click.echo(message, err=True),
        )
