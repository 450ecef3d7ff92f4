"""Measures speech recognition and CLIP; with `speech` or `clip` one of them, which take options."""

from __future__ import annotations

import click

from benchmarks import clip, speech


@click.group(help=__doc__, invoke_without_command=True)
@click.pass_context
def main(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        ctx.invoke(speech.main)
        ctx.invoke(clip.main)


main.add_command(speech.main, "speech")
main.add_command(clip.main, "clip")

if __name__ == "__main__":
    main()
