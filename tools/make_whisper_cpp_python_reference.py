"""Writes tests/fixtures/whisper_cpp_python.json: what whisper-cpp-python 0.2.0 answers, in its own words.

    CMAKE_POLICY_VERSION_MINIMUM=3.5 pip install whisper-cpp-python==0.2.0
    python tools/make_whisper_cpp_python_reference.py GGML JFK_WAV

GGML is tiny.en in whisper.cpp's format: `multimodal models convert CHECKPOINT ggml-tiny.en.bin`; JFK_WAV the recording
that tests/published.py names. Temperature 0, since at the default of 0.8 no two runs need agree. It takes minutes.
Run by the Python that has the original; nothing else is imported.
"""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from whisper_cpp_python import Whisper

FORMATS = ["json", "text", "srt", "verbose_json", "vtt"]
FIXTURE = Path(__file__).parents[1] / "tests" / "fixtures" / "whisper_cpp_python.json"


def plain(value: Any) -> Any:
    """Its language is bytes, which JSON cannot hold."""
    if isinstance(value, bytes):
        return {"bytes": value.decode()}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def main() -> None:
    model_path, audio = sys.argv[1:]
    model = Whisper(model_path, n_threads=2)
    # One run, put into each format: a second run would only take its time again.
    result = None
    run = model._full

    def once(data: Any) -> Any:
        nonlocal result
        result = result or run(data)
        return result

    model._full = once
    answers = {name: model.transcribe(audio, response_format=name, temperature=0.0) for name in FORMATS}
    fixture = {
        "package": f"whisper-cpp-python {metadata.version('whisper-cpp-python')}",
        "model": "tiny.en",
        "answers": plain(answers),
        "format_time": {str(t): Whisper.format_time(t) for t in (0, 10.98, 3725.5)},
    }
    FIXTURE.write_text(json.dumps(fixture, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


main()
