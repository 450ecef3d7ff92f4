"""`multimodal compare`: the same audio and the same weights through this library and others, side by side."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import soundfile
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pyffi.audio import SAMPLE_RATE, load_audio
from pyffi.cli import options
from pyffi.cli.files import argument
from pyffi.cli.peers import PEERS
from pyffi.errors import ModelError, MultimodalError
from pyffi.info import build_info
from pyffi.models import convert, pull_ctranslate2
from pyffi.whisper import resolve_model

OURS = "multimodal-ffi"
OTHERS = [name for name in PEERS if name != OURS]
TIMEOUT = 3600


@dataclass(frozen=True)
class Result:
    """What one recogniser made of the audio."""

    name: str
    version: str = ""
    text: str = ""
    open: float = 0.0
    transcribe: float = 0.0
    error: str = ""


def names_of(ctx: click.Context, param: click.Parameter, value: str) -> list[str]:
    """A comma-separated list of recognisers."""
    names = [part.strip() for part in value.split(",") if part.strip()]
    for name in names:
        if name not in OTHERS:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(OTHERS)}")
    return list(dict.fromkeys(names))


def paths_of(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    """PEER=PATH, several times."""
    paths = {}
    for value in values:
        name, _, path = value.partition("=")
        if name not in OTHERS or not path:
            raise click.BadParameter(f"{value!r} is not PEER=PATH with a peer of {', '.join(OTHERS)}")
        paths[name] = str(Path(path).absolute())
    return paths


def normalise(text: str) -> list[str]:
    """The words of a text without case and punctuation, which recognisers are free to differ in."""
    kept = (" " if unicodedata.category(c)[0] in "PSZ" and c != "'" else c for c in text.casefold())
    return "".join(kept).split()


def differing_words(ours: str, theirs: str) -> int:
    """How many words were replaced, left out or put in."""
    matcher = SequenceMatcher(None, normalise(ours), normalise(theirs), autojunk=False)
    return sum(max(i2 - i1, j2 - j1) for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal")


def marked(ours: str, theirs: str) -> Text:
    """Their text with what differs from ours marked: [-ours-] {+theirs+}."""
    a, b = ours.split(), theirs.split()
    text = Text()
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            text.append(" ".join(a[i1:i2]) + " ")
            continue
        if i1 < i2:
            text.append(f"[-{' '.join(a[i1:i2])}-] ", style="red")
        if j1 < j2:
            text.append(f"{{+{' '.join(b[j1:j2])}+}} ", style="green")
    return text


def weights_for(name: str, model: str, given: Mapping[str, str], folder: Path) -> str:
    """The model's weights as a file that a recogniser opens: the one given for it, the model's own, or a conversion."""
    if name in given:
        return given[name]
    source = Path(model)
    if name == "faster-whisper":
        if source.is_dir():
            return str(source.absolute())
        if not source.exists():
            return str(options.fetched(pull_ctranslate2, model))
        raise ModelError("it needs a CTranslate2 folder of the same weights: give --weights faster-whisper=FOLDER")
    if name == OURS:
        return resolve_model(model)
    if not source.exists():
        source = Path(resolve_model(model))
    if source.is_file() and source.suffix == ".bin":
        return str(source.absolute())
    target = folder / "ggml.bin"
    return str(target if target.exists() else convert(source, target))


def run_peer(name: str, request: dict[str, Any], python: str, folder: Path) -> Result:
    """Runs a recogniser in a process of its own, so that one that crashes takes nothing along."""
    request_path, result_path = folder / f"{name}-request.json", folder / f"{name}-result.json"
    request_path.write_text(json.dumps(request), encoding="utf-8")
    script = files("pyffi.cli").joinpath("peers.py").read_text(encoding="utf-8")
    environment = dict(os.environ)
    if name == OURS:  # this very copy, wherever it was imported from
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    process = subprocess.run(
        [python, "-c", script, name, str(request_path), str(result_path)],
        cwd=folder,
        env=environment,
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    if not result_path.exists():
        return Result(name, error=f"ended with code {process.returncode}")
    return Result(name, **json.loads(result_path.read_text(encoding="utf-8")))


@click.command()
@click.argument("audio", type=argument)
@options.model
@click.option(
    "--with",
    "names",
    callback=names_of,
    default=",".join(OTHERS),
    show_default=True,
    metavar="LIST",
    help="Whom to compare with, with commas between.",
)
@click.option(
    "--weights",
    callback=paths_of,
    multiple=True,
    metavar="PEER=PATH",
    help="The same weights in a form that a peer opens.  [default: converted where possible]",
)
@click.option(
    "--python",
    "pythons",
    callback=paths_of,
    multiple=True,
    metavar="PEER=PATH",
    help="The Python that has a peer installed.  [default: this one]",
)
@options.language
@options.beam_size
@options.threads
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def compare(
    ctx: click.Context,
    audio: str,
    model: str,
    names: list[str],
    weights: Mapping[str, str],
    pythons: Mapping[str, str],
    language: str | None,
    beam_size: int,
    threads: int | None,
    as_json: bool,
) -> None:
    """Transcribe AUDIO with this library and with others on the same weights: texts, differences and times.

    faster-whisper computes in int8, as it is mostly used; all others as their weights are.
    """
    chunk = load_audio(audio).resample(SAMPLE_RATE)
    options.open_model(model).close()  # fetches it, if need be
    results = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wav = folder / "audio.wav"
        soundfile.write(wav, chunk.samples, SAMPLE_RATE, subtype="PCM_16")
        request = {
            "audio": str(wav),
            "threads": threads or build_info()["threads"],
            "beam_size": beam_size,
            "language": language,
        }
        for peer in [OURS, *names]:
            try:
                path = weights_for(peer, model, weights, folder)
                python = pythons.get(peer, sys.executable)
                results.append(run_peer(peer, {**request, "model": path}, python, folder))
            except (MultimodalError, OSError, subprocess.TimeoutExpired) as error:  # noqa: PERF203
                results.append(Result(peer, error=str(error)))
    if as_json:
        click.echo(json.dumps([vars(result) for result in results], indent=2, ensure_ascii=False))
    else:
        show(results, chunk.duration)
    if results[0].error:
        ctx.exit(1)


def show(results: Sequence[Result], duration: float) -> None:
    ours = results[0]
    console = Console()
    done = [result for result in results if not result.error]
    table = Table("", "open, s", "transcribe, s", "RTF", "differing words", box=SIMPLE)
    for column in table.columns[1:]:
        column.justify = "right"
    for result in done:
        table.add_row(
            f"{result.name} {result.version}",
            f"{result.open:.3f}",
            f"{result.transcribe:.3f}",
            f"{result.transcribe / duration:.3f}" if duration else "",
            f"{differing_words(ours.text, result.text)} of {len(normalise(ours.text))}" if result is not ours else "",
        )
    console.print(table)
    for result in results:
        if result.error:
            console.print(
                f"{result.name}: {result.error}\n", style="bold", markup=False, highlight=False, soft_wrap=True
            )
        else:
            console.print(result.name, style="bold", highlight=False)
            text = Text(result.text) if result is ours or ours.error else marked(ours.text, result.text)
            console.print(text, end="\n\n", soft_wrap=True)
