"""What the package says about itself, and what it tells other hosts' compilers."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

import pyffi
from pyffi import __main__, info
from pyffi._ffi import ffi, lib

PROGRAM = r"""
#include <stdio.h>
#include "multimodal.h"
int main(void) { return printf("%s\n", mm_version_string()) < 0; }
"""


def test_build_info_tells_the_build_and_the_machine() -> None:
    build = pyffi.build_info()
    assert build["version"] == pyffi.__version__
    assert build["abi"] == pyffi.abi_version == 1
    assert build["kernels"]["used"] in build["kernels"]["usable"]
    assert build["threads"] >= 1
    build["version"] = "changed"
    assert pyffi.build_info()["version"] == pyffi.__version__


def test_the_release_is_that_of_the_header() -> None:
    parts = (lib.MM_VERSION_MAJOR, lib.MM_VERSION_MINOR, lib.MM_VERSION_PATCH)
    assert pyffi.__version__ == ".".join(map(str, parts))


def test_a_c_program_builds_and_runs_with_the_flags(tmp_path: Path) -> None:
    (tmp_path / "program.c").write_text(PROGRAM)
    flags = subprocess.run(
        [sys.executable, "-m", "pyffi", "--cflags", "--libs"], capture_output=True, text=True, check=True
    ).stdout.split()
    program = tmp_path / "program"
    subprocess.run(["cc", tmp_path / "program.c", "-o", program, *flags], check=True)
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout == f"{pyffi.__version__}\n"


def test_include_dir_and_library_exist(capsys: pytest.CaptureFixture[str]) -> None:
    __main__.main(["--include-dir", "--library", "--version"])
    include, library, version = capsys.readouterr().out.split()
    assert (Path(include) / "multimodal.h").is_file()
    assert Path(library).name == "libmultimodal.so.1"
    assert version == pyffi.__version__


def test_missing_parts_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "PACKAGE", tmp_path / "pyffi")
    with pytest.raises(pyffi.FileError, match=r"multimodal\.h is not in .*reinstall"):
        info.include_dir()
    with pytest.raises(pyffi.FileError, match=r"libmultimodal\.so\.1 is missing: reinstall"):
        info.library_path()


def test_asking_for_nothing_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        __main__.main([])
    assert caught.value.code == 2
    assert "--cflags --libs" in capsys.readouterr().err


def test_log_lines_go_to_pythons_logger(caplog: pytest.LogCaptureFixture) -> None:
    """The library's lines depend on what happens; the trampoline is called as C would call it."""
    callback = ffi.cast("mm_log_callback", lib.pyffi_on_log)
    with caplog.at_level(logging.DEBUG, logger="pyffi"):
        for level in (lib.MM_LOG_DEBUG, lib.MM_LOG_INFO, lib.MM_LOG_WARNING):
            callback(level, ffi.new("char[]", "größer %s".encode()), ffi.NULL)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (level, "größer %s") for level in (logging.DEBUG, logging.INFO, logging.WARNING)
    ]


def test_logs_can_be_turned_on_and_off() -> None:
    pyffi.forward_logs()
    pyffi.forward_logs(False)
    script = "import pyffi; pyffi.forward_logs()"  # also when the interpreter ends
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stderr == b""


def test_everything_public_has_a_docstring() -> None:
    for name in pyffi.__all__:
        value = getattr(pyffi, name)
        if callable(value):
            assert value.__doc__, name
            for attribute, member in vars(value).items() if isinstance(value, type) else ():
                if callable(member) and not attribute.startswith("_"):
                    assert member.__doc__ or attribute in {"from_c", "of"}, f"{name}.{attribute}"
