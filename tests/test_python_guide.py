"""The guide of the Python bindings: its examples run, and its tables are complete."""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from model_files import write_gguf

import pyffi
import pyffi.models

GUIDE = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")


def test_the_examples_run_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tone: Callable[..., npt.NDArray[np.float32]]
) -> None:
    write_gguf(tmp_path / "base.gguf", n_text_ctx=32)
    soundfile.write(tmp_path / "interview.flac", tone(2), 16000)
    monkeypatch.setattr(pyffi.models, "resolve", lambda name, kind: tmp_path / f"{name}.gguf")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for example in re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL):
        exec(compile(example, "docs/python.md", "exec"), names)
    assert (tmp_path / "interview.srt").read_text(encoding="utf-8").startswith("1\n00:00:0")


def test_the_table_of_errors_is_complete() -> None:
    errors = {name for name in pyffi.__all__ if name.endswith(("Error", "Argument", "Memory"))}
    listed = set(re.findall(r"^\| `(\w+)` \|", GUIDE, re.MULTILINE))
    assert listed == errors - {"MultimodalError"}
    for name, base in re.findall(r"^\| `(\w+)` \| `(\w+)` \|", GUIDE, re.MULTILINE):
        assert issubclass(getattr(pyffi, name), getattr(pyffi, base, None) or getattr(builtins, base)), name
