"""Measures speech recognition beside other recognisers: speech.json, speech.md and a plot."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks import overhead
from benchmarks import speech_recordings as recordings
from benchmarks.environments import OURS, Environments, pairs
from benchmarks.machine import ROOT, machine
from benchmarks.speech_peers import CONTENDERS, Contender, ContenderFailed, Weights, prepare_weights, run


def measure_speed(
    contenders: Sequence[Contender],
    weights: Weights,
    audio: Sequence[recordings.Recording],
    environments: Environments,
    folder: Path,
    *,
    threads: int,
    beam_size: int,
    rounds: int,
) -> list[dict[str, Any]]:
    """Round after round with every contender, so that a busy moment of the machine hits them all; the least counts."""
    runs: dict[Contender, list[dict[str, Any]]] = defaultdict(list)
    for number in range(rounds):
        for contender in contenders:
            if contender.slow and number > 0:
                continue
            paths = [recording.path for recording in (audio[:1] if contender.slow else audio)]
            click.echo(f"{weights.name}, beam {beam_size}, round {number + 1}: {contender.label}")
            try:
                result = run(contender, weights, paths, environments, folder, threads=threads, beam_size=beam_size)
            except ContenderFailed as error:  # the others go on
                click.echo(f"left out: {error}", err=True)
            else:
                runs[contender].append(result)
    return [
        {
            "model": weights.name,
            "beam_size": beam_size,
            "contender": contender.label,
            "version": done[0]["version"],
            "open": min(result["open"] for result in done),
            "peak_memory": max(result["peak_memory"] for result in done),
            "recording": recording.name,
            "audio": recording.seconds,
            "seconds": min(result["seconds"][i] for result in done),
            "text": done[0]["texts"][i],
        }
        for contender, done in runs.items()
        for i, recording in enumerate(audio[: len(done[0]["seconds"])])
    ]


@click.command(help=__doc__)
@click.option("--model", "models", multiple=True, default=("tiny.en", "base"), show_default=True)
@click.option("--checkpoint", "checkpoints", callback=pairs, multiple=True, metavar="MODEL=FOLDER",
              help="A CTranslate2 folder of a model, instead of fetching it.")  # fmt: skip
@click.option("--python", "pythons", callback=pairs, multiple=True, metavar="PACKAGE=PATH",
              help="The Python that has a package installed, instead of installing it.")  # fmt: skip
@click.option("--without", multiple=True, metavar="PACKAGE", help="Leave a recogniser out.")
@click.option("--beam-size", "beam_sizes", multiple=True, type=int, default=(1, 5), show_default=True)
@click.option("--threads", type=int, default=2, show_default=True)
@click.option("--rounds", type=int, default=3, show_default=True, help="The best of so many counts.")
@click.option("--utterances", type=click.Path(path_type=Path, exists=True), metavar="TSV",
              help="Recordings for the word error rate: path, text, language.")  # fmt: skip
@click.option("--output", type=click.Path(path_type=Path), default=ROOT / "build" / "bench", show_default="build/bench")
def main(
    models: Sequence[str],
    checkpoints: dict[str, Path],
    pythons: dict[str, Path],
    without: Sequence[str],
    beam_sizes: Sequence[int],
    threads: int,
    rounds: int,
    utterances: Path | None,
    output: Path,
) -> None:
    output.mkdir(parents=True, exist_ok=True)
    environments = Environments(output / "environments", pythons)
    contenders = [contender for contender in CONTENDERS if contender.package not in without]
    for contender in contenders:
        environments.python(contender.package)
    report_python = environments.python("report")
    results: dict[str, Any] = {"machine": machine(), "threads": threads, "rounds": rounds, "speed": [], "accuracy": []}
    path = output / "speech.json"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        speed_audio = recordings.for_speed(folder)
        accuracy_audio = recordings.for_accuracy(folder, utterances)
        results["overhead"] = overhead.measure(folder)
        for model in models:
            weights = prepare_weights(model, checkpoints.get(model), output / "models")
            for beam_size in beam_sizes:
                results["speed"] += measure_speed(
                    contenders, weights, speed_audio, environments, folder,
                    threads=threads, beam_size=beam_size, rounds=rounds,
                )  # fmt: skip
                for contender in contenders:
                    if contender.slow:
                        continue
                    click.echo(f"{model}, beam {beam_size}, {len(accuracy_audio)} utterances: {contender.label}")
                    paths = [recording.path for recording in accuracy_audio]
                    try:
                        done = run(
                            contender, weights, paths, environments, folder, threads=threads, beam_size=beam_size
                        )
                    except ContenderFailed as error:
                        click.echo(f"left out: {error}", err=True)
                        continue
                    results["accuracy"].append(
                        {
                            "model": model,
                            "beam_size": beam_size,
                            "contender": contender.label,
                            "references": [recording.text for recording in accuracy_audio],
                            "texts": done["texts"],
                            "audio": sum(recording.seconds for recording in accuracy_audio),
                            "seconds": sum(done["seconds"]),
                        }
                    )
                # What is done is kept, should a later part fail.
                path.write_text(json.dumps(results, indent=1, ensure_ascii=False), encoding="utf-8")
    report = Path(__file__).with_name("speech_report.py")
    subprocess.run([report_python, report, path, output, OURS], check=True)
