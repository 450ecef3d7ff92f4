"""Builds programs that call all public functions and watch registers, stack and process state: see probes/watch.h."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from abi_checks.calling import Passing, Signature, signatures, travel
from abi_checks.checks import Failed, Subject, expect_none
from abi_checks.interface import read_interface
from abi_checks.models import write_inputs
from abi_checks.once import once
from abi_checks.platforms import WORK, Platform, run

PROBES = Path(__file__).parent / "probes"
WATCHING = ("watch.c", "host_state.c", "tour.c", "intercept.c", "intercept.S")


def _zeros(signature: Signature) -> str:
    """A call of the function with all bytes of all arguments zero."""
    lines = [f"    {{ /* {signature} */"]
    for name, type_ in signature.parameters:
        lines += [f"        {type_.c} {name};", f"        memset(&{name}, 0, sizeof({name}));"]
    arguments = ", ".join(name for name, _ in signature.parameters)
    return "\n".join([*lines, f"        WAY_CALL({signature.name})({arguments});", "    }"])


def _narrow(signature: Signature, machine: str) -> tuple[int, int]:
    """Which integer registers, and which stack slots, hold 32 bits of an argument only."""
    registers = slots = 0
    taken = 0  # integer registers are taken in order
    passings: list[Passing] = list(travel(signature, machine).parameters)
    for passing in passings:
        for place in passing.places:
            narrow = not passing.is_address and place.size == 4
            if place.where == "stack":
                slots |= narrow << place.at // 8
            elif place.where[0] in "rx" and not place.where.startswith("xmm"):
                registers |= narrow << taken
                taken += 1
    return registers, slots


def public_calls_source(subject: Subject) -> str:
    interface = read_interface(subject.header)
    functions = {function.name for function in interface.functions}
    public = [signature for name, signature in signatures(interface).items() if name in functions]
    rows = "".join(
        f'    {{"{signature.name}", {registers:#x}, {slots:#x}}},\n'
        for signature in public
        for registers, slots in [_narrow(signature, subject.platform.machine)]
    )
    return (
        '#include <string.h>\n\n#include "tour.h"\n#include "watch.h"\n\n'
        f"const struct narrow narrow_arguments[] = {{\n{rows}    {{NULL, 0, 0}}}};\n\n"
        "void call_with_zeros(const struct way* way) {\n" + "\n".join(map(_zeros, public)) + "\n}\n"
    )


def compile_probe(subject: Subject, name: str, sources: Sequence[str | Path], *options: str | Path) -> tuple[str, ...]:
    """The command that runs a program of these sources (of probes/, unless the path is absolute)."""
    program = subject.work / name
    run(
        subject.platform.tool("gcc"), "-std=c99", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror",
        "-I", subject.header.parent, "-I", PROBES, *(PROBES / source for source in sources), *options, "-lpthread",
        "-ldl", "-lm", "-o", program,
    )  # fmt: skip
    return (*subject.platform.launcher, str(program))


def linked(subject: Subject) -> tuple[str, ...]:
    """Options that link the library, and have it found at run time."""
    return (str(subject.library), f"-Wl,-rpath,{subject.folder}")


def watch_calls(subject: Subject, mode: str) -> dict[str, list[str]]:
    """What probes/watch_calls.c found broken, by what was watched. Built and run once for each library."""
    state = subject.library.stat()
    return _watch_calls(subject.platform, subject.folder, subject.header, (state.st_mtime_ns, state.st_size), mode)


@once
def _watch_calls(
    platform: Platform, folder: Path, header: Path, version: tuple[int, int], mode: str
) -> dict[str, list[str]]:
    with TemporaryDirectory() as work:
        subject = Subject(platform, folder, header, Path(work))
        generated = subject.work / "public_calls.c"
        generated.write_text(public_calls_source(subject), "utf-8")
        program = compile_probe(subject, "watch_calls", ("watch_calls.c", *WATCHING, generated), *linked(subject))
        output = run(*program, mode, *map(str, write_inputs(WORK / "inputs").arguments), accept=range(-64, 256))
    lines = output.splitlines()
    found: dict[str, list[str]] = {}
    for line in lines:
        kind, colon, text = line.partition(": ")
        found.setdefault(kind if colon else "", []).append(text or line)
    if lines[-1:] != ["done"]:
        raise Failed("\n".join([*lines[-8:], "and the program did not come to its end"]))
    expect_none(found.get("tour", []))
    if mode == "calls":
        missing = {function.name for function in read_interface(header).functions} - set(found["called"][0].split())
        if missing:
            raise Failed(f"probes/tour.c does not call {', '.join(sorted(missing))}")
    return found


def expect_kept(found: dict[str, list[str]], *kinds: str) -> None:
    """That nothing of these kinds was broken."""
    expect_none(dict.fromkeys(line for kind in kinds for line in found.get(kind, [])))
