"""Ten hours of silence in a file: decoded to the end, in the memory of a minute."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import soundfile
from conftest import QUICK
from model_files import write_gguf
from native import run

HOURS = 10
SCRIPT = """
import json, sys
from pathlib import Path
from pyffi import Whisper

def resident():
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024

model, audio, options = sys.argv[1:]
transcript = Whisper(model).transcribe(audio, **json.loads(options))
after = []
for segment in transcript:
    after.append(resident())
print(json.dumps({"duration": transcript.info.duration, "first": after[0], "last": after[-1], "segments": len(after)}))
"""


def test_ten_hours_of_zeros_are_transcribed_in_bounded_memory(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    write_gguf(model, n_audio_state=32, n_audio_head=1, n_audio_layer=1, n_text_state=32, n_text_head=1, n_text_layer=1)
    audio = tmp_path / "zeros.flac"
    minute = np.zeros(60 * 16000, dtype=np.int16)
    with soundfile.SoundFile(audio, "w", 16000, 1, "PCM_16") as file:
        for _ in range(HOURS * 60):
            file.write(minute)
    options = {**QUICK, "max_new_tokens": 2}
    found = json.loads(run(sys.executable, "-c", SCRIPT, str(model), str(audio), json.dumps(options)))
    assert found["duration"] == HOURS * 3600
    assert found["segments"] >= HOURS * 120  # a random model says something in every window
    assert found["last"] - found["first"] < 20  # MiB
