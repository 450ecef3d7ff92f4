"""The library and its C tests, built by clib/tests/run.sh as `make test` does, and what binutils say about them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEADER = ROOT / "clib" / "include" / "multimodal.h"
LIBRARY = "libmultimodal.so.1"


def run(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """What a command prints; an assertion with all it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


@cache
def build(variant: str) -> Path:
    """The build folder of a variant: gcc, clang or aarch64."""
    return Path(run(ROOT / "clib" / "tests" / "run.sh", "build", variant).strip())


@cache
def installed(variant: str, prefix: Path) -> Path:
    run("cmake", "--install", build(variant), "--prefix", prefix)
    return prefix


def copy_sources(target: Path) -> None:
    """For tests that build but must not disturb the tree."""
    unread = (".*", "build", "dist", "tests", "benchmarks", "docs", "__pycache__", "*.so", "*.so.1", "*.egg-info")
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*unread))


def declared_functions() -> list[str]:
    """Every function of the header."""
    declarations = re.sub(r"/\*.*?\*/", "", HEADER.read_text(encoding="utf-8"), flags=re.DOTALL)
    return sorted(re.findall(r"^MM_API\b[^;(]*?(\w+)\(", declarations, re.MULTILINE))


def global_symbols(file: Path, *options: str) -> list[str]:
    """Names of the global symbols that a file defines."""
    lines = run("nm", "--format=posix", "--defined-only", "--extern-only", *options, file).splitlines()
    return sorted(line.split()[0].partition("@")[0] for line in lines if len(line.split()) > 1)


def compile_and_run(compiler: str, source: Path, flags: Sequence[str | Path], tmp_path: Path) -> str:
    program = tmp_path / "program"
    run(compiler, source, *flags, "-o", program)
    return run(program)
