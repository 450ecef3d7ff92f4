"""What failed of many things."""

from __future__ import annotations

import click

from pyffi.cli import one_line


class Failures:
    """Messages that are told at the end, where they are not lost above a long output."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def add(self, message: str) -> None:
        self.messages.append(message)

    def add_error(self, error: Exception) -> None:
        self.add(one_line(error))

    def end(self, ctx: click.Context, count: int, what: str) -> None:
        """Lists them; the exit code is 1 if there are any."""
        for message in self.messages:
            click.echo(f"Error: {message}", err=True)
        if self.messages:
            if count > 1:
                click.echo(f"{len(self.messages)} of {count} {what} failed", err=True)
            ctx.exit(1)
