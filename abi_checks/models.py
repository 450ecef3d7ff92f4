"""What conformance programs are given: small synthetic models, done in an instant under emulation too, and a picture."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from clip_files import write_clip
from model_files import small_model, store_gguf


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
    shutil.copyfile(ROOT / "tests" / "fixtures" / "pictures" / "rgba.png", inputs.picture)
    return inputs
