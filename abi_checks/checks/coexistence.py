"""Other libraries in the process, whatever they define, change no result; nor does ours change theirs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from abi_checks.checks import Failed, NotCheckable, Subject, check, expect_none
from abi_checks.interface import read_interface
from abi_checks.models import PICTURE, write_ggml, write_inputs
from abi_checks.platforms import CommandFailed, run
from abi_checks.probes import build_probe
from abi_checks.probes.hostile import as_library, hostile_objects
from abi_checks.stock import stock_whisper
from abi_checks.tables import write_tables

JPEG = PICTURE.with_name("baseline.jpg")
LINKED = ["linked", "results:0"]


class Neighbourhood:
    """The program, built in different ways and run with different neighbours."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        write_tables(read_interface(subject.header), subject.work)
        inputs = write_inputs(subject.work)
        self.files = (inputs.whisper, inputs.clip, JPEG, inputs.picture, write_ggml(subject.work))

    def build(self, name: str, *options: str | Path, shared: bool = True) -> Path:
        return build_probe(self.subject, "neighbours", *options, shared=shared).rename(self.subject.work / name)

    def run(self, program: Path, steps: Sequence[str], preload: Path | None = None) -> list[str]:
        platform = self.subject.platform
        launcher = [*platform.launcher]
        if preload:
            launcher = [*launcher, "-E", f"LD_PRELOAD={preload}"] if launcher else ["env", f"LD_PRELOAD={preload}"]
        return run(*launcher, program, *self.files, *steps).splitlines()

    def ours(self, library: Path | None = None) -> str:
        return f"ours:{library or self.subject.library}"


def differences(where: str, found: Sequence[str], expected: Sequence[str]) -> Iterator[str]:
    """The first line that is another."""
    if list(found) != list(expected):
        pairs = [(f, e) for f, e in zip(found, expected, strict=False) if f != e] or [("(other lines)", "")]
        yield f"{where}: {pairs[0][0]}, not {pairs[0][1]}"


@check()
def hostile_names_change_nothing(subject: Subject) -> str:
    """A library with all of our internal names, linked, loaded or preloaded before or after ours, changes no result"""
    at = Neighbourhood(subject)
    alone = at.build("alone", "-DLINKS_OURS")
    loads = at.build("loads", shared=False)
    expected = at.run(alone, LINKED)

    def trials() -> Iterator[tuple[str, Path, list[str], Path | None]]:
        for deed, made in hostile_objects(subject, with_api=False).items():
            enemy = as_library(subject.platform, made)
            linked = ["-DLINKS_OURS", "-Wl,--no-as-needed", f"-Wl,-rpath,{subject.work}"]
            before = at.build(f"before-{deed}", *linked, enemy)
            after = at.build(f"after-{deed}", *linked, subject.library, f"-Wl,-rpath,{subject.folder}", enemy,
                             shared=False)  # fmt: skip
            yield f"one that {deed}, preloaded", alone, LINKED, enemy
            yield f"one that {deed}, linked before", before, LINKED, None
            yield f"one that {deed}, linked after", after, LINKED, None
        for deed, made in hostile_objects(subject, with_api=True).items():
            enemy = as_library(subject.platform, made)
            load, ours = f"global:{enemy}", at.ours()
            yield f"one that {deed}, loaded before", loads, [load, ours, "results:0"], None
            yield f"one that {deed}, loaded after", loads, [ours, load, "results:0"], None
            yield f"one that {deed}, not visible", loads, [f"local:{enemy}", ours, "results:0"], None
            yield f"one that {deed}, preloaded", loads, [ours, "results:0"], enemy
            both = [f"global:{subject.library}", load, ours, "results:0"]
            yield f"one that {deed}, both visible", loads, both, None

    def faults(where: str, program: Path, steps: Sequence[str], preload: Path | None) -> Iterator[str]:
        try:
            yield from differences(where, at.run(program, steps, preload), expected)
        except CommandFailed as error:
            yield f"{where}: the process {str(error).splitlines()[1]}"

    arrangements = list(trials())
    expect_none(fault for arrangement in arrangements for fault in faults(*arrangement))
    return f"{len(expected)} results, {len(arrangements)} arrangements"


@check()
def archive_ignores_hostile_names(subject: Subject) -> str:
    """A program that defines all of our internal names itself links the archive, and gets the same results"""
    at = Neighbourhood(subject)
    expected = at.run(at.build("alone", "-DLINKS_OURS"), LINKED)
    for deed, made in hostile_objects(subject, with_api=False).items():
        program = at.build(f"static-{deed}", "-DLINKS_OURS", made, subject.archive, shared=False)
        expect_none(differences(f"a program that {deed}", at.run(program, LINKED), expected))
    return f"{len(expected)} results"


@check(where="once")
def stock_whisper_and_ours_both_work(subject: Subject) -> str:
    """whisper.cpp's libwhisper and libggml, loaded before or after ours, and ours: each computes what it does alone"""
    if subject.platform.emulator:
        raise NotCheckable("the libraries of whisper.cpp are this machine's: add --platform x86_64")
    at = Neighbourhood(subject)
    loads = at.build("loads", shared=False)
    linked = at.build("alone", "-DLINKS_OURS")
    stock = f"stock:{stock_whisper()}"
    ours = [at.ours(), "results:0"]
    whispers, expected = at.run(loads, [stock]), at.run(loads, ours)
    if not any(line.startswith("stock ") for line in whispers):
        raise Failed(f"whisper.cpp computes nothing: {whispers}")
    orders = {
        "whisper.cpp first": (loads, [stock, *ours], whispers + expected),
        "ours first": (loads, [*ours, stock], expected + whispers),
        "in turn": (loads, [at.ours(), stock, "results:0", stock, "results:0"],
                    whispers + expected + whispers + expected),
        "ours visible": (loads, [f"global:{subject.library}", stock, *ours], whispers + expected),
        "ours linked": (linked, ["linked", stock, "results:0"], whispers + expected),
    }  # fmt: skip
    expect_none(
        fault
        for name, (program, steps, wanted) in orders.items()
        for fault in differences(name, at.run(program, steps), wanted)
    )
    return f"{len(orders)} orders"


@check()
def two_versions_in_one_process(subject: Subject) -> str:
    """Two copies of our library, one of them with another version, work side by side, visible or not"""
    at = Neighbourhood(subject)
    loads = at.build("loads", shared=False)
    copy, other = subject.work / "libcopy.so", subject.work / "libother.so"
    shutil.copyfile(subject.library, copy)
    version = b"%s\0" % at.run(loads, [at.ours(), "results:0"])[-1].split(",")[0].encode()
    image = subject.library.read_bytes()
    other.write_bytes(image.replace(version, version.translate(bytes.maketrans(b"0123456789", b"9876543210"))))
    shown = {path: at.run(loads, [at.ours(path), "results:0"]) for path in (subject.library, copy, other)}
    if shown[subject.library] != shown[copy] or shown[other][-1] == shown[copy][-1]:
        raise Failed("the copies are not what they were made to be")

    def faults() -> Iterator[str]:
        for second in (copy, other):
            for visible in ([], [subject.library], [second], [subject.library, second], [second, subject.library]):
                steps = [f"global:{path}" for path in visible] + [at.ours(), at.ours(second)]
                steps += ["results:0", "results:1", "results:0"]
                wanted = shown[subject.library] + shown[second] + shown[subject.library]
                where = f"{second.name}, visible: {', '.join(path.name for path in visible) or 'none'}"
                yield from differences(where, at.run(loads, steps), wanted)

    expect_none(faults())
    return f"{len(shown[copy])} results"
