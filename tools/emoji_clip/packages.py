"""The published packages the artwork and its names come from: packages.json pins version and SHA-256 of each."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

LOCK = Path(__file__).with_name("packages.json")


class Package(NamedTuple):
    """An entry of packages.json; `role` is "text", "train" or "test"."""

    registry: str
    version: str
    archive: str
    sha256: str
    licence: str
    credit: str
    role: str


def packages() -> dict[str, Package]:
    return {name: Package(**entry) for name, entry in json.loads(LOCK.read_text(encoding="utf-8")).items()}


def fetch(name: str, work: Path) -> Path:
    """The folder with the unpacked files of a package; npm or pip fetch it once."""
    package = packages()[name]
    downloads = work / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    archive = downloads / package.archive
    if not archive.is_file():
        if package.registry == "npm":
            command = ["npm", "pack", "--silent", f"{name}@{package.version}"]
        else:
            command = [sys.executable, "-m", "pip", "download", "--no-deps", f"{name}=={package.version}"]
        subprocess.run(command, cwd=downloads, check=True, stdout=subprocess.DEVNULL)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != package.sha256:
        raise SystemExit(f"{archive} has sha256 {found}, not {package.sha256}: delete it and try again")
    folder = work / "packages" / package.archive
    if not folder.is_dir():
        if package.registry == "npm":
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
        else:
            with zipfile.ZipFile(archive) as wheel:
                wheel.extractall(folder)
    return folder / "package" if package.registry == "npm" else folder
