"""Measures CLIP beside other engines: clip.json and clip.md."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import click
import numpy as np

from benchmarks import clip_report
from benchmarks.clip_inputs import prepare_weights, write_inputs
from benchmarks.environments import OURS, Environments, pairs
from benchmarks.machine import ROOT, machine

SLOT = 0.25  # seconds that an engine has before the next one's turn, if a task is shorter
EXACT = 0.9999  # cosine of embeddings by the same weights in float32
APART = 0.99  # cosine of embeddings of different pictures or texts: it must tell them apart


@dataclass(frozen=True)
class Contender:
    """An engine with one of the forms of the weights."""

    label: str
    package: str
    weights: str  # which of Weights' it opens
    exact: bool = True


CONTENDERS = (
    Contender(f"{OURS}, f32", OURS, "f32"),
    Contender(f"{OURS}, f16", OURS, "f16", exact=False),
    Contender("onnxruntime, f32", "onnxruntime", "onnx"),
    Contender("onnxruntime, int8", "onnxruntime", "onnx_int8", exact=False),
    Contender("PyTorch, f32", "torch", "checkpoint"),
    Contender("faster-clip, int8", "faster-clip", "hub_cache", exact=False),
)


class Worker:
    """An engine that is open in a process of its own and waits for tasks."""

    def __init__(
        self, contender: Contender, python: Path, model: str, inputs: Path, folder: Path, threads: int
    ) -> None:
        self.contender = contender
        request = folder / "request.json"
        request.write_text(
            json.dumps({"package": contender.package, "model": model, "inputs": str(inputs), "threads": threads})
        )
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": str(threads),
            "RAYON_NUM_THREADS": str(threads),
            "FASTER_CLIP_CACHE": model,
        }
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.clip_worker", request],
            cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        )  # fmt: skip
        self.opened = self._answer()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def run(self, task: str, times: int) -> dict[str, Any]:
        assert self._process.stdin is not None
        print(json.dumps([task, times]), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise click.ClickException(f"{self.contender.label} ended with code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def least_cosine(embeddings: np.ndarray[Any, Any], others: np.ndarray[Any, Any]) -> float:
    """Of each row with the same row of the others."""
    a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (embeddings, others))
    return float(np.sum(a * b, axis=1).min())


def compare(workers: Sequence[Worker]) -> dict[str, dict[str, float]]:
    """For each contender and each task that embeds, the least cosine with our own embeddings."""
    cosines: dict[str, dict[str, float]] = defaultdict(dict)
    ours = {task: np.array(workers[0].run(task, 0)["values"]) for task in embedding_tasks(workers[0])}
    for task in ("images", "texts", "photos"):
        if least_cosine(ours[task], np.roll(ours[task], 1, axis=0)) > APART:
            raise click.ClickException(
                f"{task} have all the same embedding: comparing engines by them would show nothing"
            )
    for worker in workers[1:]:
        for task in embedding_tasks(worker):
            cosine = least_cosine(ours[task], np.array(worker.run(task, 0)["values"]))
            cosines[worker.contender.label][task] = cosine
            if worker.contender.exact and cosine < EXACT:
                raise click.ClickException(f"{worker.contender.label}, {task}: cosine {cosine:.6f} with our embeddings")
    return dict(cosines)


def embedding_tasks(worker: Worker) -> list[str]:
    return [task for task in worker.opened["tasks"] if not task.startswith("prepare")]


def measure(workers: Sequence[Worker], rounds: int) -> list[dict[str, Any]]:
    """Round after round, task after task, all engines take turns, so that a busy moment hits them all."""
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    times: dict[tuple[str, str], int] = {}
    memory: dict[str, int] = {}
    for number in range(rounds):
        click.echo(f"CLIP, round {number + 1} of {rounds}")
        for task in workers[0].opened["tasks"]:
            for worker in workers:
                if task not in worker.opened["tasks"]:
                    continue
                key = worker.contender.label, task
                if key not in times:
                    times[key] = max(1, int(SLOT / min(worker.run(task, 1)["seconds"])))
                answer = worker.run(task, times[key])
                seconds[key].append(statistics.median(answer["seconds"]))
                memory[worker.contender.label] = answer["peak_memory"]
    return [
        {
            "contender": worker.contender.label,
            "version": worker.opened["version"],
            "open": worker.opened["open"],
            "first": worker.opened["first"],
            "peak_memory": memory[worker.contender.label],
            "seconds": {task: seconds[worker.contender.label, task] for task in worker.opened["tasks"]},
        }
        for worker in workers
    ]


@click.command(help=__doc__)
@click.option("--python", "pythons", callback=pairs, multiple=True, metavar="PACKAGE=PATH",
              help="The Python that has a package installed, instead of installing it.")  # fmt: skip
@click.option("--without", multiple=True, metavar="PACKAGE", help="Leave an engine out.")
@click.option("--threads", type=int, default=2, show_default=True)
@click.option("--rounds", type=int, default=15, show_default=True, help="The median of so many counts.")
@click.option("--output", type=click.Path(path_type=Path), default=ROOT / "build" / "bench", show_default="build/bench")
def main(pythons: dict[str, Path], without: Sequence[str], threads: int, rounds: int, output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    environments = Environments(output / "environments", pythons)
    contenders = [contender for contender in CONTENDERS if contender.package not in without]
    weights = prepare_weights(output / "models" / "clip", environments.python("onnxruntime"))
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        write_inputs(folder / "inputs", weights.f32)
        results: dict[str, Any] = {"machine": machine(), "threads": threads, "rounds": rounds}
        workers = []
        for contender in contenders:
            click.echo(f"opening {contender.label}")
            python, model = environments.python(contender.package), str(getattr(weights, contender.weights))
            workers.append(stack.enter_context(Worker(contender, python, model, folder / "inputs", folder, threads)))
        results["cosines"] = compare(workers)
        results["engines"] = measure(workers, rounds)
    (output / "clip.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    report = clip_report.report(results)
    (output / "clip.md").write_text(report, encoding="utf-8")
    click.echo(report)
