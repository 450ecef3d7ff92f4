"""What conformance programs are given: synthetic models, done in an instant under emulation too, and a picture."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from abi_checks.once import once

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from clip_files import SIGLIP, write_clip
from model_files import small_model, store_ggml, store_gguf, synthetic_model

PICTURE = Path(__file__).parents[1] / "tests" / "fixtures" / "pictures" / "alpha.png"


@dataclass(frozen=True)
class Inputs:
    whisper: Path
    clip: Path
    picture: Path

    @property
    def arguments(self) -> tuple[Path, ...]:
        return self.whisper, self.clip, self.picture


@once
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


@once
def write_varied(folder: Path) -> tuple[list[Path], list[Path]]:
    """Whisper and CLIP models whose weights are stored in different ways, so that different kernels run."""
    folder.mkdir(parents=True, exist_ok=True)
    inputs = write_inputs(folder)
    whispers = [inputs.whisper, folder / "whisper-wide.gguf", folder / "whisper-q5.bin"]
    clips = [inputs.clip, folder / "siglip.gguf"]
    wide = synthetic_model(1, n_audio_ctx=50, n_audio_state=96, n_text_ctx=32, n_text_state=96, n_text_layer=1)
    store_gguf(whispers[1], wide, "f32")
    store_ggml(whispers[2], small_model(), "q5_0")
    write_clip(clips[1], 1, "f32", **SIGLIP)
    return whispers, clips
