"""Python on each platform: this machine's own, and for AArch64 Debian's CPython 3.11 with wheels, which QEMU runs.

    python -m abi_checks.sysroot          prints the command that runs Python on AArch64
    python -m abi_checks.sysroot --pin    writes sysroot_requirements.txt anew

Debian's packages are those of debian_lock.json. The wheels come from where pip is configured to look, or from
MM_THIRD_PARTY_DIR where that is set; all are kept, unpacked, in the user's cache.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

from abi_checks.debian import FetchError, fetch, in_cache
from abi_checks.once import once
from abi_checks.platforms import PLATFORMS, Platform

REQUIREMENTS = Path(__file__).with_name("sysroot_requirements.txt")
# soundfile, filelock: what pyffi imports.
WHEELS = ("cffi", "numpy", "hypothesis", "pytest", "soundfile", "filelock")
PYTHON = "python3.11"
MACHINE = ("--python-version=3.11", "--implementation=cp", "--abi=cp311", "--abi=abi3", "--abi=none",
           "--platform=manylinux_2_28_aarch64", "--platform=manylinux_2_17_aarch64",
           "--platform=manylinux2014_aarch64")  # fmt: skip
TIMEOUT = 600.0


def python(platform: Platform, *path: Path) -> list[str]:
    """The command that runs Python on a platform, with these folders on its path."""
    if platform.machine == "aarch64":
        root = fetch("aarch64-python")
        executable, path = str(root / "usr" / "bin" / PYTHON), (*path, _site_packages())
        launcher = [platform.emulator, "-cpu", platform.cpu, "-L", str(root)]
    else:
        executable, launcher = sys.executable, list(platform.launcher)
    settings = {
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONDONTWRITEBYTECODE": "1",  # nothing is written beside sources and into the cache
        "PYTHONNOUSERSITE": "1",
        "PYTHONUTF8": "1",
    }
    if platform.cpu == "Nehalem":
        settings["OPENBLAS_CORETYPE"] = "Prescott"  # numpy's has AVX in what it takes for Nehalem
    return ["env", *(f"{name}={value}" for name, value in settings.items()), *launcher, executable]


def include_folders(platform: Platform) -> list[Path]:
    """Where the compiler finds Python.h for a platform."""
    if platform.machine == "aarch64":
        include = fetch("aarch64-python-headers") / "usr" / "include"
        return [include / PYTHON, include]
    return [Path(sysconfig.get_path("include"))]


@once
def _site_packages() -> Path:
    def make(scratch: Path) -> Path:
        wheels, site = scratch / "wheels", scratch / "site-packages"
        local = os.environ.get("MM_THIRD_PARTY_DIR")
        places = ["--no-index", f"--find-links={local}"] if local else []
        _download(wheels, "--no-deps", "--require-hashes", *places, f"--requirement={REQUIREMENTS}")
        for wheel in wheels.iterdir():
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(site)
        return site

    return in_cache(f"aarch64-wheels-{hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]}", make)


def _download(folder: Path, *wanted: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--only-binary=:all:", *MACHINE]
    done = subprocess.run(
        [*command, f"--dest={folder}", *wanted], capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    if done.returncode:
        raise FetchError(
            f"pip cannot download the wheels of {REQUIREMENTS} for AArch64. Set PIP_INDEX_URL to a package index that "
            f"has them, or put them into a folder and set MM_THIRD_PARTY_DIR to it.\n{done.stdout}{done.stderr}"
        )


def pin() -> None:
    """Writes the newest versions of the wheels, and of what they need, into the requirements."""
    lines = ["# Wheels for CPython 3.11 on AArch64: written by `python -m abi_checks.sysroot --pin`."]
    with tempfile.TemporaryDirectory() as scratch:
        _download(Path(scratch), *WHEELS)
        for wheel in sorted(Path(scratch).iterdir()):
            name, version = wheel.name.split("-")[:2]
            lines.append(f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}")
    REQUIREMENTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pin", action="store_true", help="write sysroot_requirements.txt anew")
    try:
        if parser.parse_args().pin:
            pin()
        else:
            print(shlex.join(python(PLATFORMS["aarch64"])))
    except FetchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
