"""The command `multimodal`: one file a verb, loaded when it is used.

Exit codes: 0 all went well; 1 something failed, and a line on stderr says what; 2 wrong usage; 130 interrupted.
"""

from __future__ import annotations

import errno
import io
import sys
import warnings
from importlib import import_module
from typing import Any

import click

from pyffi.errors import MultimodalError
from pyffi.info import __version__

VERBS = (
    "transcribe",
    "embed",
    "classify",
    "search",
    "models",
    "info",
    "bench",
    "compare",
)  # pyffi/cli/VERB.py has a command of this name
INTERRUPTED = 130


class Verbs(click.Group):
    """Finds commands by name, and turns the errors of all of them into one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command: click.Command = getattr(import_module(f"pyffi.cli.{name}"), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        warnings.showwarning = show_warning
        if isinstance(sys.stdout, io.TextIOWrapper):  # what the terminal's encoding lacks becomes a question mark
            sys.stdout.reconfigure(errors="replace")
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except Exception as error:
            if not is_expected(error):
                raise
            raise click.ClickException(one_line(error)) from error


def show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    """A warning in one line, without the place in this program where it was noticed."""
    click.echo(f"Warning: {message}", err=True)


def is_expected(error: Exception) -> bool:
    """Whether an error is the world's fault, not a fault of this program: its message is all that a user needs."""
    if isinstance(error, OSError):
        return error.errno != errno.EPIPE  # click ends quietly when the reader of a pipe has gone
    return isinstance(error, MultimodalError)


def one_line(error: Exception) -> str:
    """The message of an expected error; of the system's errors without their number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="multimodal")
def main() -> None:
    """Speech to text, and pictures and texts in one space, with the same bits on every processor.

    \b
    multimodal transcribe interview.flac                  print the text
    multimodal transcribe *.mp3 -f srt,json -o subtitles  write files
    ffmpeg -i video.mkv -f wav - | multimodal transcribe -
    multimodal search photos "a red apple" --html found.html
    multimodal classify *.jpg --labels cat dog "red apple"
    multimodal embed photos -o photos.npy

    \b
    Shell completion:
      bash  eval "$(_MULTIMODAL_COMPLETE=bash_source multimodal)"    in ~/.bashrc
      zsh   eval "$(_MULTIMODAL_COMPLETE=zsh_source multimodal)"     in ~/.zshrc
      fish  _MULTIMODAL_COMPLETE=fish_source multimodal | source     in ~/.config/fish/config.fish

    Exit codes: 0 all went well, 1 something failed, 2 wrong usage, 130 interrupted.
    """
