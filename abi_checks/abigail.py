"""libabigail: the types and functions that a library's debug information has, against those recorded."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from abi_checks.checks import Failed
from abi_checks.platforms import run

# What abidiff returns is a set of bits. (A tool that only asks for 4 or more takes a failure for no change.)
ERROR, USAGE_ERROR, CHANGE, INCOMPATIBLE_CHANGE = 1, 2, 4, 8


def describe(library: Path, headers: Path) -> str:
    """What the library exports and the types it can be handed, as XML. Private types are left out: they may change."""
    options = ["--drop-private-types", "--exported-interfaces-only", "--no-show-locs", "--no-corpus-path"]
    text = run("abidw", "--headers-dir", headers, *options, "--no-comp-dir-path", "--no-elf-needed", library)
    if "<class-decl" not in text:
        raise Failed(f"abidw finds no types in {library}: it was built without debug information (-g)")
    return text


def compare(recorded: Path, library: Path, headers: Path, work: Path) -> str:
    """Fails where anything but an addition has changed."""
    described = work / "described.abi"
    described.write_text(describe(library, headers), encoding="utf-8")
    command = ["abidiff", "--no-show-locs", "--harmless", "--no-added-syms", str(recorded), str(described)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode & (ERROR | USAGE_ERROR):
        raise Failed(f"{' '.join(command)}\nfailed with {done.returncode}:\n{done.stdout}{done.stderr}")
    if done.returncode & (CHANGE | INCOMPATIBLE_CHANGE):
        raise Failed(done.stdout.strip())
    types = len(re.findall(r"<class-decl name='mm_", described.read_text(encoding="utf-8")))
    functions = len(re.findall(r"<elf-symbol name=", described.read_text(encoding="utf-8")))
    return f"{functions} functions, {types} types"
