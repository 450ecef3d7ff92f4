"""Who is measured, in which environment, and on which file of the same weights."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from benchmarks.environments import OURS, TIMEOUT, Environments
from pyffi.models import convert, pull_ctranslate2


class ContenderFailed(RuntimeError):
    """A recogniser that has ended without a result."""


@dataclass(frozen=True)
class Contender:
    """A recogniser in one of its settings."""

    label: str
    package: str
    weights: str  # which of Weights' files it opens
    compute_type: str = "int8"
    slow: bool = False  # only the shortest recording, once


CONTENDERS = (
    Contender(OURS, OURS, "gguf"),
    Contender("faster-whisper int8", "faster-whisper", "checkpoint"),
    Contender("faster-whisper float32", "faster-whisper", "checkpoint", compute_type="float32"),
    Contender("whisper.cpp (pywhispercpp)", "pywhispercpp", "ggml"),
    Contender("whisper-cpp-python", "whisper-cpp-python", "ggml", slow=True),
)


@dataclass(frozen=True)
class Weights:
    """One model's weights in the forms that the contenders open."""

    name: str
    checkpoint: Path
    gguf: Path
    ggml: Path


def prepare_weights(name: str, checkpoint: Path | None, folder: Path) -> Weights:
    """Fetches a model, unless a CTranslate2 folder is given, and converts it."""
    folder.mkdir(parents=True, exist_ok=True)
    if checkpoint is None:
        checkpoint = pull_ctranslate2(name)
    gguf, ggml = folder / f"{name}.gguf", folder / f"ggml-{name}.bin"
    for target in (gguf, ggml):
        if not target.exists():
            convert(checkpoint, target)
    return Weights(name, checkpoint, gguf, ggml)


def run(
    contender: Contender,
    weights: Weights,
    audio: Sequence[Path],
    environments: Environments,
    folder: Path,
    *,
    threads: int,
    beam_size: int,
) -> dict[str, Any]:
    """Opens the model in a fresh process and transcribes the recordings; see speech_worker.py for the result."""
    request = {
        "model": str(getattr(weights, contender.weights)),
        "compute_type": contender.compute_type,
        "audio": [str(path) for path in audio],
        "threads": threads,
        "beam_size": beam_size,
        "language": "en",
    }
    request_path, result_path = folder / "request.json", folder / "result.json"
    request_path.write_text(json.dumps(request), encoding="utf-8")
    result_path.unlink(missing_ok=True)
    worker = Path(__file__).with_name("speech_worker.py")
    python = environments.python(contender.package)
    script = str(files("pyffi.cli") / "peers.py")
    command: list[str | Path] = [python, worker, script, contender.package, request_path, result_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if not result_path.exists():
        raise ContenderFailed(f"{contender.label} ended with code {done.returncode}:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(result_path.read_text(encoding="utf-8"))
    return result
