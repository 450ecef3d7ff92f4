"""Options that several verbs have."""

from __future__ import annotations

import click

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
