"""What is transcribed: recordings from published packages (tests/published.py), or a list of one's own."""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from pyffi.audio import SAMPLE_RATE, load_audio

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from published import JFK_TEXT, jfk_wav, librivox


@dataclass(frozen=True)
class Recording:
    """16 kHz mono WAV, which every recogniser reads without a decoder of its own."""

    name: str
    path: Path
    seconds: float
    text: str


def _recording(name: str, parts: list[Path], text: str, folder: Path) -> Recording:
    """The parts one after the other, with half a second of silence between."""
    pause = np.zeros(SAMPLE_RATE // 2, dtype=np.float32)
    pieces = [piece for part in parts for piece in (load_audio(part).resample(SAMPLE_RATE).samples, pause)][:-1]
    samples = np.concatenate(pieces)
    path = folder / f"{name}.wav"
    soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16")
    return Recording(name, path, len(samples) / SAMPLE_RATE, text)


def for_speed(folder: Path) -> list[Recording]:
    """One window, and several."""
    paths, texts = zip(*librivox(), strict=True)
    return [
        _recording("jfk", [jfk_wav()], JFK_TEXT, folder),
        _recording("librivox", list(paths) * 2, " ".join(texts * 2), folder),
    ]


def for_accuracy(folder: Path, listed: Path | None) -> list[Recording]:
    """`listed`: tab-separated, with columns path (relative to the list), text and language, of which en is taken."""
    found = [(jfk_wav(), JFK_TEXT), *librivox()]
    if listed is not None:
        with listed.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            found = [(listed.parent / row["path"], row["text"]) for row in rows if row["language"] == "en"]
    return [_recording(f"utterance-{i:03}", [path], text, folder) for i, (path, text) in enumerate(found)]
