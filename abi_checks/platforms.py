"""The processors and compilers that the library is proved on, and how a program is run on each."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from abi_checks.once import once

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "abi"


@dataclass(frozen=True)
class Platform:
    """A processor: one that is emulated, or this machine's own."""

    name: str
    machine: str  # as `uname -m` says it
    variant: str  # of clib/tests/run.sh
    triplet: str  # prefix of the GNU tools
    emulator: str = ""  # empty: programs run as they are
    cpu: str = ""  # of the emulator
    tier: Literal["quick", "full"] = "quick"  # the least that it belongs to

    @property
    def launcher(self) -> tuple[str, ...]:
        if not self.emulator:
            return ()
        sysroot = () if self.machine == "x86_64" else ("-L", f"/usr/{self.triplet}")
        return (self.emulator, "-cpu", self.cpu, *sysroot)

    @property
    def work(self) -> Path:
        """A folder for what is made for this processor."""
        folder = WORK / self.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def tool(self, name: str) -> str:
        """gcc, g++, nm, readelf and so on, for this processor."""
        return name if self.machine == "x86_64" else f"{self.triplet}-{name}"

    def compiler(self, name: str, language: str) -> tuple[str, ...]:
        """The command of a compiler, gcc or clang, for C or C++."""
        if name == "gcc":
            return (self.tool("g++" if language == "c++" else "gcc"),)
        target = () if self.machine == "x86_64" else (f"--target={self.triplet}",)
        return ("clang++" if language == "c++" else "clang", *target)

    @property
    def missing(self) -> str:
        """What this machine lacks to run it; empty if nothing."""
        wanted = [self.tool("gcc"), *([self.emulator] if self.emulator else [])]
        return ", ".join(name for name in wanted if not shutil.which(name))


def _aarch64(name: str, cpu: str) -> Platform:
    return Platform(name, "aarch64", "aarch64", "aarch64-linux-gnu", "qemu-aarch64-static", cpu)


def _portable(name: str, machine: str, triplet: str, emulated: str, cpu: str) -> Platform:
    return Platform(name, machine, name, triplet, f"qemu-{emulated}-static", cpu, "full")


# The first of each machine is the one that everything runs on; the others have its programs run on another processor.
PLATFORMS = {
    platform.name: platform
    for platform in (
        Platform("x86_64", "x86_64", "gcc", "x86_64-linux-gnu"),
        Platform("x86_64-clang", "x86_64", "clang", "x86_64-linux-gnu"),
        # Without AVX: proves by running that nothing needs more than the baseline.
        Platform("x86_64-nehalem", "x86_64", "gcc", "x86_64-linux-gnu", "qemu-x86_64-static", "Nehalem"),
        _aarch64("aarch64", "neoverse-n1"),
        _aarch64("aarch64-cortex-a53", "cortex-a53"),  # ARMv8.0
        _aarch64("aarch64-max", "max,sve=off"),  # with int8 and bfloat16 matrix products
        # Without vector code of ours: 32-bit pointers and no fused multiply-add; a weak memory order; big-endian.
        _portable("armhf", "armv7l", "arm-linux-gnueabihf", "arm", "cortex-a8"),
        _portable("riscv64", "riscv64", "riscv64-linux-gnu", "riscv64", "rv64"),
        _portable("s390x", "s390x", "s390x-linux-gnu", "s390x", "qemu"),
    )
}


def build(platform: Platform) -> Path:
    """The build folder, with libmultimodal.so.1 and libmultimodal.a."""
    return build_variant(platform.variant)


@once
def build_variant(variant: str) -> Path:
    """The same of any variant that clib/tests/run.sh knows."""
    return Path(run(ROOT / "clib" / "tests" / "run.sh", "build", variant).strip())


class CommandFailed(Exception):
    """A command that had to succeed did not; the message has all it said."""


def run(
    *command: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 900,
    accept: Sequence[int] = (0,),
) -> str:
    """What a command prints on standard output."""
    shown = " ".join(map(str, command))
    try:
        done = subprocess.run(command, capture_output=True, cwd=cwd, env=env, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"{shown}\nran for more than {timeout:.0f} s") from None
    output, errors = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    if done.returncode not in accept:
        raise CommandFailed(f"{shown}\nreturned {done.returncode}\n{output}{errors}")
    return output
