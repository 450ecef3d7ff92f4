"""`python -m pyffi --cflags --libs`: what another host needs to compile and link with the library in this package."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from pyffi import info

ANSWERS: dict[str, tuple[Callable[[], str | Path], str]] = {
    "cflags": (info.cflags, "flags for the compiler"),
    "libs": (info.libs, "flags for the linker"),
    "include-dir": (info.include_dir, "the directory of multimodal.h"),
    "library": (info.library_path, "the shared library"),
    "version": (lambda: info.__version__, "the release"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m pyffi", description=__doc__)
    for name, (_, meaning) in ANSWERS.items():
        parser.add_argument(f"--{name}", dest="wanted", action="append_const", const=name, help=f"print {meaning}")
    wanted: list[str] | None = parser.parse_args(arguments).wanted
    if not wanted:
        parser.error("say what to print, for example --cflags --libs")
    print(*(ANSWERS[name][0]() for name in wanted))


if __name__ == "__main__":
    main()
