"""docs/search.md: its commands and programs run as they stand there, in its order, in a folder with pictures."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from clip_files import write_clip
from pictures import fill

import pyffi.models
from pyffi.cli import main
from pyffi.embeddings import FORMATS
from pyffi.picture_files import BY_LIBRARY, BY_PILLOW

GUIDE = (Path(__file__).parents[1] / "docs" / "search.md").read_text(encoding="utf-8")


def test_the_examples_run_one_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_clip("emoji.gguf")
    fill(Path("photos"), 4)
    Path("labels.txt").write_text("cat\ndog\n", encoding="utf-8")
    monkeypatch.setattr(pyffi.models, "resolve", lambda name, kind: tmp_path / f"{name}.gguf")
    environment = os.environ | {"MULTIMODAL_CLIP_MODEL": str(tmp_path / "emoji.gguf")}
    for language, example in re.findall(r"^```(\w+)\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL):
        if language == "python":
            exec(compile(example, "docs/search.md", "exec"), {})
        else:
            multimodal = f'multimodal() {{ "{sys.executable}" -m pyffi.cli "$@"; }}\n'
            done = subprocess.run(
                ["bash", "-ec", multimodal + example], env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
    written = {path.name for path in tmp_path.iterdir()}
    assert {"found.html", "apples.html", "photos.npy", "photos.npy.json", "pngs.parquet", "labels.jsonl"} <= written


def test_suffixes_formats_and_options_are_those_of_the_program() -> None:
    assert f"`{' '.join(BY_LIBRARY)}`" in GUIDE
    assert f"`{' '.join(BY_PILLOW)}`" in GUIDE
    assert re.findall(r"^\| `\.(\w+)`", GUIDE, re.MULTILINE) == list(FORMATS)
    commands = [main.get_command(click.Context(main), verb) for verb in ("embed", "classify", "search")]
    known = {
        option
        for command in commands
        if command is not None
        for parameter in command.params
        for option in parameter.opts + parameter.secondary_opts
    }
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", GUIDE)) <= known
