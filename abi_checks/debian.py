"""Foreign Debian packages, pinned in debian_lock.json, unpacked into the user's cache; nothing is installed.

    python -m abi_checks.debian aarch64-python    prints the folder with the files of a set of packages
    python -m abi_checks.debian --pin [SET...]    writes the pins of the sets that the lock names (all) anew

apt's downloader fetches them, with the proxies that this machine's apt is configured for; that configuration is only
read. The pins are of the last release of Debian 12, whose files stay; should one have gone, snapshot.debian.org has it.
As clib/third_party/fetch.py: packages are looked for in MM_THIRD_PARTY_DIR where that is set, each must have the lock's
SHA-256, and MM_CACHE_DIR says where unpacked files are kept.

To add a set, write its `architectures`, `packages` (NAME or NAME:ARCHITECTURE) and `dependencies` (whether to add what
they depend on) into the lock, and run --pin.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

LOCK = Path(__file__).with_name("debian_lock.json")
MIRROR = "http://deb.debian.org/debian"
SNAPSHOT = "https://snapshot.debian.org/archive/debian"
SUITE = "bookworm"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DOWNLOADER = Path("/usr/lib/apt/apt-helper")
TIMEOUT = 600.0


class FetchError(Exception):
    """What is wrong, and what to do about it."""


class Pin(NamedTuple):
    path: str  # in the archive
    version: str
    sha256: str
    size: int

    @property
    def file(self) -> str:
        return self.path.rpartition("/")[2]


def fetch(name: str) -> Path:
    """The folder with the unpacked files of a set: what / is to them."""
    lock = json.loads(LOCK.read_text(encoding="utf-8"))
    if name not in lock["sets"]:
        raise FetchError(f"{name} is not in {LOCK}; it has {', '.join(lock['sets'])}")
    pins = [Pin(**entry) for entry in lock["sets"][name]["pins"]]
    if not pins:
        raise FetchError(f"{LOCK} has no pins for {name}: run python -m abi_checks.debian --pin {name}")
    digest = hashlib.sha256("".join(pin.sha256 for pin in pins).encode()).hexdigest()

    def make(scratch: Path) -> Path:
        root = scratch / "root"
        root.mkdir()
        for pin in pins:
            package = scratch / pin.file
            _obtain(pin, lock["snapshot"], package)
            _run("dpkg-deb", "--extract", package, root)
            package.unlink()
        return root

    return in_cache(f"debian-{name}-{digest[:12]}", make)


def in_cache(name: str, make: Callable[[Path], Path]) -> Path:
    """A folder of the user's cache. Where it is missing, `make` gets an empty folder and returns the one that is to be
    moved into place in one step: what is there is complete, whoever was interrupted or faster."""
    chosen = os.environ.get("MM_CACHE_DIR")
    base = chosen or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "multimodal-ffi")
    folder = Path(base, "abi_checks", name)
    if not folder.is_dir():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as scratch:
                made = make(Path(scratch))
                made.chmod(0o755)
                try:
                    made.rename(folder)
                except OSError:
                    if not folder.is_dir():
                        raise
        except OSError as error:
            raise FetchError(
                f"cannot write to {folder.parent}: {error}. Set MM_CACHE_DIR to a writable folder."
            ) from error
    return folder


def _obtain(pin: Pin, snapshot: str, target: Path) -> None:
    remedy = (
        f"To do without the network, put {pin.file} (sha256 {pin.sha256}) into a folder and set "
        "MM_THIRD_PARTY_DIR to it."
    )
    if local := os.environ.get("MM_THIRD_PARTY_DIR"):
        source = Path(local, pin.file)
        if not source.is_file():
            raise FetchError(f"{source} does not exist, and MM_THIRD_PARTY_DIR is set. {remedy}")
        shutil.copyfile(source, target)
        found = hashlib.sha256(target.read_bytes()).hexdigest()
        if found != pin.sha256:
            raise FetchError(f"{source} has sha256 {found}: it is damaged or another version. {remedy}")
        return
    tried = []
    for archive in (MIRROR, f"{SNAPSHOT}/{snapshot}"):
        address = f"{archive}/{urllib.parse.quote(pin.path)}"
        try:
            # It compares the digest. As root it would download as another user, who cannot write to this folder.
            _run(DOWNLOADER, "-o", "APT::Sandbox::User=root", "download-file", address, target, f"SHA256:{pin.sha256}")
            return
        except FetchError as error:
            target.unlink(missing_ok=True)
            reasons = [line[3:] for line in str(error).splitlines() if line.startswith("E: ")] or [str(error)]
            tried.append(f"{address}: {reasons[0]}")
    raise FetchError("cannot download {}:\n  {}\n{}".format(pin.file, "\n  ".join(tried), remedy))


def _run(*command: str | Path) -> str:
    shown = " ".join(map(str, command))
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    except FileNotFoundError:
        raise FetchError(f"{command[0]} is not there: foreign packages need a Debian or Ubuntu machine") from None
    except subprocess.TimeoutExpired:
        raise FetchError(f"{shown} ran for more than {TIMEOUT:.0f} s") from None
    if done.returncode:
        raise FetchError(f"{shown} returned {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


# ---- Pinning ---------------------------------------------------------------------------------------------------------


def pin(names: list[str]) -> None:
    """Resolves the sets with an apt that knows nothing of this machine's packages, and writes the lock."""
    lock = json.loads(LOCK.read_text(encoding="utf-8"))
    lock["snapshot"] = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    with tempfile.TemporaryDirectory() as scratch:
        for name in names or lock["sets"]:
            pins = _resolve(lock["sets"][name], Path(scratch, name))
            lock["sets"][name]["pins"] = [entry._asdict() for entry in pins]
    LOCK.write_text(json.dumps(lock, indent=2) + "\n", encoding="utf-8")


def _resolve(wanted: dict[str, Any], root: Path) -> list[Pin]:
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (root / folder).mkdir(parents=True)
    (root / "status").touch()
    (root / "sources.list").write_text(f"deb [signed-by={KEYRING}] {MIRROR} {SUITE} main\n", encoding="utf-8")
    settings = {
        "APT::Architecture": wanted["architectures"][0],
        "Dir::State": root / "state",
        "Dir::State::status": root / "status",
        "Dir::Cache": root / "cache",
        "Dir::Etc::SourceList": root / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "1",
    }
    options = [f"-o{key}={value}" for key, value in settings.items()]
    options += [f"-oAPT::Architectures::={architecture}" for architecture in wanted["architectures"]]
    _run("apt-get", *options, "update")
    action = ["--no-install-recommends", "install"] if wanted["dependencies"] else ["download"]
    listed = _run("apt-get", *options, "--yes", "--print-uris", *action, *wanted["packages"])
    pins = []
    for package, version, architecture in re.findall(r"^'\S+' ([^_\s]+)_([^_\s]+)_(\w+)\.deb ", listed, re.MULTILINE):
        version = urllib.parse.unquote(version)
        shown = _run("apt-cache", *options, "show", f"{package}:{architecture}={version}")
        fields = dict(re.findall(r"^(Filename|SHA256|Size): (\S+)$", shown, re.MULTILINE))
        pins.append(Pin(fields["Filename"], version, fields["SHA256"], int(fields["Size"])))
    return sorted(pins)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="SET")
    parser.add_argument("--pin", action="store_true", help="write the pins of these sets anew")
    arguments = parser.parse_args()
    try:
        if arguments.pin:
            pin(arguments.names)
        elif not arguments.names:
            parser.error("which set of packages?")
        for name in [] if arguments.pin else arguments.names:
            print(fetch(name))
    except FetchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
