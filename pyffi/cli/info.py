"""`multimodal info`: versions, how the library was built, and what it has found on this machine."""

from __future__ import annotations

import json
import platform
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
    width = max(map(len, values))
    for name, value in values.items():
        click.echo(f"{name.replace('_', ' '):<{width}}  {plain(value)}")


def plain(value: object) -> str:
    """A JSON value as people write it."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {plain(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(plain, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
