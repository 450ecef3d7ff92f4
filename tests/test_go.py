"""The Go package: its own tests, formatting and vet."""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path

import pytest
from native import HEADER, ROOT, build, run

from abi_checks.hosts.go import PACKAGE, go
from abi_checks.models import write_inputs
from abi_checks.platforms import PLATFORMS

SOURCES = (PACKAGE, ROOT / "examples" / "go", ROOT / "abi_checks" / "hosts" / "go")


def test_the_package_passes_its_own_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = write_inputs(tmp_path)
    monkeypatch.setenv("MM_TEST_WHISPER", str(inputs.whisper))
    monkeypatch.setenv("MM_TEST_CLIP", str(inputs.clip))
    monkeypatch.setenv("GODEBUG", "cgocheck=1")
    shown = go(PLATFORMS["x86_64"], build("gcc"), HEADER.parent, PACKAGE, "test", "-count=1", "-v", "./...")
    assert shown.count("--- PASS") == 8


def test_vet_finds_nothing() -> None:
    for folder in (PACKAGE, ROOT / "examples" / "go"):
        go(PLATFORMS["x86_64"], build("gcc"), HEADER.parent, folder, "vet", "./...")


def test_sources_are_formatted() -> None:
    command = shutil.which("go") or shutil.which("go", path=sysconfig.get_path("scripts"))
    root = run(command or "go", "env", "GOROOT", env={**os.environ, "GOTOOLCHAIN": "local"}).strip()
    assert run(Path(root) / "bin" / "gofmt", "-l", *SOURCES) == ""
