"""Python through cffi's API mode: the package pyffi as it is, with its compiled module made for the platform."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from cffi import recompiler

import ffi_build
from abi_checks.checks import Subject
from abi_checks.interface import read_interface
from abi_checks.platforms import ROOT, run
from abi_checks.sysroot import include_folders, python

INCLUDE = '#include "multimodal.h"'


def command(subject: Subject) -> list[str]:
    """Compiles the module against a library; returns the command of conformance.py, but for its arguments."""
    names = subject.work / "interface.json"
    names.write_text(json.dumps(asdict(read_interface(subject.header))), encoding="utf-8")
    program = Path(__file__).with_name("conformance.py")
    return [*python(subject.platform, package(subject), ROOT), str(program), str(names)]


def package(subject: Subject) -> Path:
    """A folder with the package pyffi, whose compiled part uses the library."""
    target = subject.work / "package" / "pyffi"
    target.mkdir(parents=True)
    for path in (ROOT / "pyffi").iterdir():
        if path.suffix not in (".so", ".1") and path.name != "__pycache__":
            (target / path.name).symlink_to(path)
    source = subject.work / "_native.c"
    # As its emit_c_code does, without saying so.
    recompiler.make_c_source(ffi_build.make_ffibuilder(subject.header), "pyffi._native", INCLUDE, str(source))
    includes = [f"-I{folder}" for folder in (*include_folders(subject.platform), subject.header.parent)]
    link = (f"-L{subject.folder}", f"-l:{ffi_build.LIBRARY}", f"-Wl,-rpath,{subject.folder}")
    compiler = (*subject.platform.compiler("gcc", "c"), "-shared", "-fPIC", "-Werror=incompatible-pointer-types")
    run(*compiler, *includes, source, *link, "-o", target / "_native.abi3.so")
    return target.parent
