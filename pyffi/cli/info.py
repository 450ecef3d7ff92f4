"""`multimodal info`: versions, how the library was built, and what it has found on this machine."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

import click

from pyffi._ffi import loaded_library
from pyffi.info import __version__, build_info


def collect() -> dict[str, Any]:
    return {
        "version": __version__,
        "library": str(loaded_library()),
        **build_info(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "m4a_mp4_webm": "yes" if find_spec("av") else "no: pip install 'multimodal-ffi[media]'",
    }


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(as_json: bool) -> None:
    """Show versions, the build and the processor."""
    values = collect()
    if as_json:
        click.echo(json.dumps(values, indent=2))
        return
    rows = dict(flatten(values))
    width = max(map(len, rows))
    for name, value in rows.items():
        click.echo(f"{name:<{width}}  {value}")


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """JSON as lines that people read: nested names joined, lists with commas."""
    for key, value in values.items():
        name = prefix + key.replace("_", " ")
        if isinstance(value, Mapping):
            yield from flatten(value, f"{name} ")
        else:
            yield name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)
