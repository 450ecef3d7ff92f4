"""Proves the kit itself: libraries that break one property each, which the check of that property must find.

A mutant is the library with a few lines or linker options changed; only the files named are compiled again. Each names
the checks that are meant for it, and all of these must fail. Controls change what is no part of the ABI: every check
must pass. A check that no mutant is meant for is a failure of the kit.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from abi_checks.platforms import ROOT, Platform, build, run

CLIB = ROOT / "clib"
HEADER = "include/multimodal.h"


class MutantError(Exception):
    """A mutant cannot be made: what it changes is not there any more."""


@dataclass(frozen=True)
class Mutant:
    name: str
    found_by: tuple[str, ...]  # empty: a control, which every check must pass
    edits: tuple[tuple[str, str, str], ...] = ()  # file below clib/, text that it has once, what takes its place
    compile: tuple[str, ...] = ()  # files below clib/src/
    flags: tuple[str, ...] = ()  # added when they are compiled
    link: tuple[tuple[str, str], ...] = ()  # options of the link, and what takes their place; "" adds
    passes: tuple[str, ...] = ()  # checks that must not find it
    archive: tuple[str, ...] = ()  # options of objcopy for the static archive


def make(mutant: Mutant, platform: Platform, folder: Path) -> Path:
    """Builds the mutant; returns its header. The folder then holds its libraries, as a build folder does."""
    original = build(platform)
    tree = folder / "clib"
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("include", "src", "exports", "models"):
        shutil.copytree(CLIB / part, tree / part)
    for file, text, replacement in mutant.edits:
        path = tree / file
        source = path.read_text(encoding="utf-8")
        if source.count(text) != 1:
            raise MutantError(f"{mutant.name}: {file} has {text!r} {source.count(text)} times, not once")
        path.write_text(source.replace(text, replacement), encoding="utf-8")

    rebuild(original, tree, folder, mutant.compile, mutant.flags, mutant.link)
    commands = _commands(original)
    for item in commands:
        item["command"] = shlex.join([*shlex.split(item["command"]), *mutant.flags])
    (folder / "compile_commands.json").write_text(json.dumps(commands), encoding="utf-8")
    run(platform.tool("objcopy"), *mutant.archive, original / "libmultimodal.a", folder / "libmultimodal.a")
    return tree / HEADER


def rebuild(
    original: Path,
    tree: Path,
    folder: Path,
    sources: Iterable[str],
    flags: Iterable[str] = (),
    link: Iterable[tuple[str, str]] = (),
) -> None:
    """Links the library of a build folder into another one, with some sources compiled from another tree."""
    objects = {source: folder / f"{Path(source).stem}.o" for source in sources}
    commands = _commands(original)
    for source, target in objects.items():
        command = next(item["command"] for item in commands if item["file"] == str(CLIB / "src" / source))
        words = [word.replace(str(CLIB), str(tree)) for word in shlex.split(command) if word != "-Werror"]
        words[words.index("-o") + 1] = str(target)
        run(*words, "-w", *flags, cwd=original)

    words = shlex.split((original / "CMakeFiles" / "multimodal.dir" / "link.txt").read_text(encoding="utf-8"))
    for source, target in objects.items():
        words[words.index(f"CMakeFiles/mm_objects.dir/src/{source}.o")] = str(target)
    words[words.index("-o") + 1] = str(folder / "libmultimodal.so.1")
    words = [word.replace(str(CLIB), str(tree)) for word in words]
    for old, new in link:
        if old and old not in words:
            raise MutantError(f"the library is not linked with {old}")
        words = [new if word == old else word for word in words] if old else [*words, new]
    run(*filter(None, words), cwd=original)


def _commands(original: Path) -> list[dict[str, str]]:
    commands: list[dict[str, str]] = json.loads((original / "compile_commands.json").read_text(encoding="utf-8"))
    return commands
