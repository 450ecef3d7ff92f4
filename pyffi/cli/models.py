"""`multimodal models`: the models that are known by name and the files that they are kept in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from pyffi.models import cache
from pyffi.models.checkpoint import Provenance
from pyffi.models.convert import convert as convert_checkpoint
from pyffi.models.fetching import OnProgress
from pyffi.models.gguf import WEIGHT_TYPES, WeightType
from pyffi.models.pull import cached_path, find_local
from pyffi.models.pull import pull as pull_model
from pyffi.models.registry import known_models
from pyffi.models.verify import verify_model

weight_type = click.option(
    "--dtype",
    "weights",
    type=click.Choice(WEIGHT_TYPES),
    default="f16",
    show_default=True,
    help="Type of the weights; same: f16 if all of the source's are, else f32.",
)


@click.group()
def models() -> None:
    """Show, fetch, convert and check models.

    Models are kept in a cache folder (`multimodal models path`); the environment variable MULTIMODAL_CACHE moves it,
    HF_ENDPOINT names a mirror of the Hugging Face hub.
    """


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_models(as_json: bool) -> None:
    """Show the models that can be used by name, and which of them are here."""
    rows = [
        _row(model.name) | {"kind": model.kind, "languages": model.languages, "parameters": model.parameters}
        for model in known_models()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(f"{'name':<22} {'kind':<7}{'parameters':>10}  {'languages':<14}{'here':>8}")
    for row in rows:
        size = f"{row['size'] / 1e6:.0f} MB" if row["size"] else "-"
        parameters = f"{row['parameters'] / 1e6:.0f} M" if row["parameters"] else "-"
        click.echo(f"{row['name']:<22} {row['kind']:<7}{parameters:>10}  {row['languages']:<14}{size:>8}")


def _row(name: str) -> dict[str, Any]:
    path = cached_path(name)
    here = path.is_file()
    return {"name": name, "path": str(path) if here else None, "size": path.stat().st_size if here else None}


@models.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@weight_type
@click.option("--force", is_flag=True, help="Fetch even what is in the cache.")
@click.option("-q", "--quiet", is_flag=True, help="Show nothing but the paths.")
def pull(names: tuple[str, ...], weights: WeightType, force: bool, quiet: bool) -> None:
    """Fetch models, check and convert them, and print where they are.

    NAME is one that `multimodal models list` shows, or OWNER/REPOSITORY of a Whisper or CLIP model on the Hugging Face
    hub.
    """
    for name in names:
        with download_meter(enabled=not quiet) as on_progress:
            path = pull_model(
                name,
                weight_type=weights,
                force=force,
                on_progress=on_progress,
                on_message=lambda message: None if quiet else click.echo(message, err=True),
            )
        click.echo(path)


@contextmanager
def download_meter(enabled: bool = True) -> Iterator[OnProgress]:
    """Bars on stderr for files that are being fetched; nothing where stderr is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console, transient=True, disable=not (enabled and console.is_terminal)) as progress:

        def on_progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                # What an earlier pull has left is no part of the speed.
                tasks[what] = progress.add_task(what, total=total, completed=done)
            progress.update(tasks[what], completed=done)

        yield on_progress


@models.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path), required=False)
@weight_type
@click.option("--name", help="Recorded in the file.  [default: the source's]")
@click.option("--license", "license_id", metavar="SPDX", help="Recorded in the file, such as MIT.")
def convert(source: Path, target: Path | None, weights: WeightType, name: str | None, license_id: str | None) -> None:
    """Convert a checkpoint to GGUF that is used in place, or to whisper.cpp's format if TARGET ends in .bin.

    SOURCE is found out to be Whisper or CLIP: a faster-whisper, transformers or OpenCLIP folder, one of OpenAI's .pt
    files (no code in it is run), one of whisper.cpp's ggml-*.bin, one of clip.cpp's GGUF, or a GGUF of ours. TARGET is
    SOURCE's name with .gguf if it is not given.
    """
    base = source.resolve().name if source.is_dir() else source.stem
    if target is None:
        target = Path(f"{base}.gguf")
    if target.resolve() == source.resolve():
        raise click.UsageError(f"{target} would replace its own source: give another TARGET")
    convert_checkpoint(source, target, weight_type=weights, provenance=Provenance(name or base, base, license_id))
    click.echo(target)


@models.command()
@click.argument("model", metavar="NAME|FILE")
@click.option("--sha256", help="The SHA-256 that the file must have.  [default: the recorded one, if any]")
def verify(model: str, sha256: str | None) -> None:
    """Check a model file completely, and its SHA-256 if one is known."""
    path = find_local(model)
    record = cache.read_record(path)
    expected = sha256 or (record.sha256 if record else None)
    found = verify_model(path, expected)
    click.echo(f"{path}: valid, sha256 {found['sha256']} {'as expected' if expected else '(none known to compare)'}")


@models.command()
@click.argument("model", metavar="NAME|FILE")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(model: str, as_json: bool) -> None:
    """Show what a model file is and where it came from."""
    path = find_local(model)
    record = cache.read_record(path)
    values = {"path": str(path), **verify_model(path)}
    if record:
        values["pulled"] = asdict(record)
    if as_json:
        click.echo(json.dumps(values, indent=2))
        return
    for line in _lines(values):
        click.echo(line)


def _lines(values: dict[str, Any], indent: str = "") -> Iterator[str]:
    width = max(map(len, values))
    for key, value in values.items():
        if isinstance(value, dict):
            yield f"{indent}{key}"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}{key:<{width}}  {value}"


@models.command()
@click.argument("model", metavar="NAME|FILE", required=False)
def path(model: str | None) -> None:
    """Print where a model is, or the cache folder. Fails if the model is not here."""
    click.echo(cache.cache_folder() if model is None else find_local(model))
