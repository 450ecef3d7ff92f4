"""What conformance programs are given: synthetic models, done in an instant under emulation too, and a picture."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from clip_files import write_clip
from model_files import small_model, store_ggml, store_gguf

PICTURE = Path(__file__).parents[1] / "tests" / "fixtures" / "pictures" / "alpha.png"


@dataclass(frozen=True)
class Inputs:
    whisper: Path
    clip: Path
    picture: Path

    @property
    def arguments(self) -> tuple[Path, ...]:
        return self.whisper, self.clip, self.picture


@cache
def write_inputs(folder: Path) -> Inputs:
    folder.mkdir(parents=True, exist_ok=True)
    inputs = Inputs(folder / "whisper.gguf", folder / "clip.gguf", folder / "picture.png")
    store_gguf(inputs.whisper, small_model(), "f16")
    write_clip(inputs.clip)
    shutil.copyfile(PICTURE, inputs.picture)
    return inputs


def write_ggml(folder: Path) -> Path:
    """The same Whisper model as whisper.cpp has it."""
    path = folder / "whisper.bin"
    store_ggml(path, small_model(), "f16")
    return path
