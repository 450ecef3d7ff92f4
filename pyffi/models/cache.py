"""Where converted models, unfinished downloads and locks are kept.

models/NAME.gguf          a model that is complete and verified
models/NAME.gguf.json     where it came from: commit, digests of what was downloaded, its own digest
downloads/NAME/           what has arrived of a model that is being pulled; a later pull goes on from there
locks/NAME.lock           held while a model is pulled or converted
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import filelock
import platformdirs

from pyffi.models.files import PARTIAL, replacing

ENVIRONMENT = "MULTIMODAL_CACHE"


@dataclass(frozen=True)
class Record:
    """How a model of the cache came to be."""

    name: str
    source: str
    revision: str  # commit or version of the source
    sha256: str  # of the model file
    size: int
    downloads: dict[str, str] = field(default_factory=dict)  # file: digest, as checked against the source's


def cache_folder() -> Path:
    """The folder of the environment variable MULTIMODAL_CACHE, or the system's for caches."""
    override = os.environ.get(ENVIRONMENT)
    return Path(override).expanduser() if override else Path(platformdirs.user_cache_dir("multimodal", appauthor=False))


def file_stem(name: str) -> str:
    """A model's name as the name of a file."""
    return name.replace("/", "--")


def model_path(name: str, suffix: str = ".gguf") -> Path:
    return cache_folder() / "models" / f"{file_stem(name)}{suffix}"


def download_folder(name: str) -> Path:
    return cache_folder() / "downloads" / file_stem(name)


def write_record(model: Path, record: Record) -> None:
    with replacing(_record_path(model)) as temporary:
        temporary.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")


def read_record(model: Path) -> Record | None:
    """The record of a model of the cache; None if there is none that can be read."""
    try:
        return Record(**json.loads(_record_path(model).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _record_path(model: Path) -> Path:
    return model.with_name(f"{model.name}.json")


@contextlib.contextmanager
def locked(name: str, target: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds the lock of a model while `target` is made, waiting for another process that has it.

    What a killed process left of the target is cleared up.
    """
    path = cache_folder() / "locks" / f"{file_stem(name)}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        on_wait()
        lock.acquire()
    try:
        for stale in target.parent.glob(f".{glob.escape(target.name)}.*{PARTIAL}"):
            stale.unlink(missing_ok=True)
        yield
    finally:
        lock.release()


def sha256_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
