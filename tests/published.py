"""Real recordings and vocabularies from published packages, pinned in clib/third_party/lock.json.

They are downloaded once into the user's cache; MM_THIRD_PARTY_DIR serves them without a network.

    jfk_wav()           # 11 s at 16 kHz: "And so, my fellow Americans, ask not ..."
    librivox()          # [(path, "and mister john dashwood had then leisure ..."), ...]
"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

FETCH = Path(__file__).parents[1] / "clib" / "third_party" / "fetch.py"
JFK_TEXT = (
    "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country."
)


@cache
def published(name: str) -> Path:
    """The folder with the files of a lock entry."""
    done = subprocess.run([sys.executable, FETCH, name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def jfk_wav() -> Path:
    return published("whisper-cpp-samples") / "samples" / "jfk.wav"


def librivox() -> list[tuple[Path, str]]:
    """Sentences of a LibriVox reading of "Sense and Sensibility" (16 kHz), with their text in bare lower case."""
    folder = published("pocketsphinx-recordings") / "librivox"
    lines = (folder / "transcription").read_text(encoding="utf-8").splitlines()
    found = [re.fullmatch(r"<s> (.*) </s> \((.*)\)", line.strip()) for line in lines]
    return [(folder / f"{match[2]}.wav", match[1]) for match in found if match]


def vocabulary_ggml(name: str) -> Path:
    """A ggml file with the real vocabulary, mel filters and hyperparameters of, say, "tiny.en", but no weights."""
    return published("whisper-cpp-samples") / "models" / f"for-tests-ggml-{name}.bin"
