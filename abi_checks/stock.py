"""The libraries of whisper.cpp as pywhispercpp ships them, from the package index; they are kept in the cache."""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from pathlib import Path

from abi_checks.platforms import run

PROJECT, VERSION = "pywhispercpp", "1.5.1"
SHA256 = "a70839d9a1f569e1e5424f27ed01a32133d658beae4cd1459eb39de1e0483bba"
PLATFORM = "manylinux_2_28_x86_64"


def cache() -> Path:
    """MM_CACHE_DIR, or the system's place for caches."""
    if chosen := os.environ.get("MM_CACHE_DIR"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "multimodal-ffi"


def stock_whisper() -> Path:
    """libwhisper.so, beside all that it needs. pip checks the digest."""
    folder = cache() / f"{PROJECT}-{VERSION}-{SHA256[:12]}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            _download(Path(scratch))
            unpacked = Path(scratch, "unpacked")
            with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as wheel:
                wheel.extractall(unpacked)
            try:
                unpacked.rename(folder)
            except OSError:  # another process was faster
                if not folder.is_dir():
                    raise
    return next((folder / f"{PROJECT}.libs").glob("libwhisper*"))


def _download(folder: Path) -> None:
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{PROJECT}=={VERSION} --hash=sha256:{SHA256}\n", encoding="utf-8")
    run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--platform", PLATFORM,
        "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--require-hashes", "--dest", folder,
        "--requirement", wanted)  # fmt: skip
