"""Virtual environments for what is measured beside this library."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

OURS = "multimodal-ffi"
REQUIREMENTS = {
    "faster-whisper": ["faster-whisper==1.2.1"],
    "pywhispercpp": ["pywhispercpp==1.5.1"],
    "whisper-cpp-python": ["whisper-cpp-python==0.2.0", "setuptools<81"],  # its dependencies import pkg_resources
    "report": ["jiwer==4.0.0", "matplotlib>=3.9,<4", "whisper-normalizer>=0.1"],
    "onnxruntime": ["onnxruntime==1.32.0", "onnx==1.23.2", "numpy>=2", "pillow==12.2.0"],
    "torch": ["torch==2.13.0", "numpy>=2", "pillow==12.2.0"],
    "faster-clip": ["faster-clip==0.4.0", "numpy>=2"],
}
TIMEOUT = 3600


def pairs(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> dict[str, Path]:
    """NAME=PATH, several times."""
    split = dict(value.partition("=")[::2] for value in values)
    if not all(split.values()):
        raise click.BadParameter("give NAME=PATH")
    return {name: Path(path).absolute() for name, path in split.items()}


class Environments:
    """A virtual environment for each package, made when it is first asked for."""

    def __init__(self, folder: Path, given: Mapping[str, Path]) -> None:
        self._folder = folder
        self._given = dict(given)

    def python(self, package: str) -> Path:
        if package == OURS:
            return Path(sys.executable)
        if package in self._given:
            return self._given[package]
        folder = self._folder / package
        python = folder / "bin" / "python"
        done = folder / "installed"
        wanted = "\n".join(REQUIREMENTS[package])
        if not done.exists() or done.read_text() != wanted:
            print(f"installing {', '.join(REQUIREMENTS[package])}", flush=True)
            venv.create(folder, with_pip=True, clear=True)
            # whisper-cpp-python asks for a CMake older than any that is left.
            environment = {**os.environ, "CMAKE_POLICY_VERSION_MINIMUM": "3.5"}
            command: list[str | Path] = [python, "-m", "pip", "install", "--quiet", *REQUIREMENTS[package]]
            subprocess.run(command, env=environment, check=True, timeout=TIMEOUT)
            done.write_text(wanted)
        return python
