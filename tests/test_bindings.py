"""The cffi module: cut from the header, complete, and checked against the library that it has found."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ffi_build
from pyffi import _ffi, _native
from pyffi._ffi import ffi, lib

HEADER = ffi_build.HEADER.read_text(encoding="utf-8")
STUB = Path(_ffi.__file__).with_name("_native.pyi")


def exported_symbols() -> set[str]:
    """What the shared library offers to a linker."""
    listing = subprocess.run(
        ["nm", "-D", "--defined-only", Path(_ffi.__file__).with_name(_ffi.LIBRARY)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return {line.split()[2].partition("@")[0] for line in listing.splitlines() if line.split()[1] != "A"}


def test_header_library_module_and_stub_have_the_same_functions() -> None:
    declared = set(re.findall(r"^MM_API [\w *]*?(\w+)\(", HEADER, re.MULTILINE))
    lib_class = next(
        node
        for node in ast.parse(STUB.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name == "Lib"
    )
    stub_functions = {node.name for node in lib_class.body if isinstance(node, ast.FunctionDef)}
    stub_values = {
        node.target.id
        for node in lib_class.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    assert len(declared) > 30
    assert exported_symbols() == declared
    assert stub_functions == declared
    assert stub_functions | stub_values == set(dir(lib))


def test_stub_has_the_parameters_of_the_header() -> None:
    for name, parameters in re.findall(r"^MM_API [\w *]*?(\w+)\(([^;]*?)\);", HEADER, re.MULTILINE):
        names = [] if parameters == "void" else [re.findall(r"\w+", part)[-1] for part in parameters.split(",")]
        stub = re.search(rf"def {name}\(\s*self,?([^)]*)\)", STUB.read_text(encoding="utf-8"))
        assert stub, name
        assert re.findall(r"(\w+):", stub[1]) == names, name


def test_trampolines_are_defined_and_nothing_else_is_called_from_c() -> None:
    declared = re.findall(r"(\w+)\(", ffi_build.TRAMPOLINES)
    assert sorted(declared) == [name for name in dir(lib) if name.startswith("pyffi_")]


def test_every_struct_of_the_header_is_touched_at_import() -> None:
    structs = re.findall(r"^typedef struct (\w+) \{", HEADER, re.MULTILINE)
    assert sorted(structs) == sorted(_ffi.STRUCTS)


def test_audio_chunk_has_the_frozen_layout() -> None:
    offsets = [ffi.offsetof("mm_audio_chunk", name) for name in ("samples", "len", "sample_rate")]
    assert (offsets, ffi.sizeof("mm_audio_chunk")) == ([0, 8, 16], 24)


def test_another_abi_is_refused_with_path_found_and_wanted() -> None:
    with pytest.raises(ImportError, match=rf"{re.escape(str(_ffi.loaded_library()))} has ABI 7.*compiled for ABI 1"):
        _ffi.check_abi(found=7, wanted=1)


def test_the_library_in_use_is_the_one_beside_the_module() -> None:
    assert _ffi.loaded_library() == Path(inspect.getfile(_native)).with_name(_ffi.LIBRARY).resolve()


def test_a_missing_library_says_how_to_get_it(tmp_path: Path) -> None:
    package = tmp_path / "pyffi"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "_ffi.py").write_bytes(Path(_ffi.__file__).read_bytes())
    done = subprocess.run(  # -S: an editable install must not lend its compiled part
        [sys.executable, "-S", "-c", "import pyffi._ffi"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "pip install multimodal-ffi" in done.stderr.splitlines()[-1]


def test_the_module_uses_the_stable_abi_and_finds_the_library_beside_itself() -> None:
    module = Path(inspect.getfile(_native))
    assert module.name == "_native.abi3.so"
    dynamic = subprocess.run(["readelf", "-d", module], capture_output=True, text=True, check=True).stdout
    assert "[libmultimodal.so.1]" in dynamic
    assert "$ORIGIN" in dynamic


# ---- Cutting the declarations out ------------------------------------------------------------------------------------


def header(region: str) -> str:
    return f"#if X\n{ffi_build.BEGIN} ---- */\n{region}\n{ffi_build.END} ---- */\n#endif\n"


def test_the_declarations_are_the_region_without_the_export_macro() -> None:
    cut = ffi_build.cdef(header("#define MM_X 1\nMM_API int mm_f(void);"))
    assert cut == "#define MM_X 1\nint mm_f(void);\n" + ffi_build.TRAMPOLINES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("int mm_f(void);", "the marker .* once, not 0 times"),
        (header("") + header(""), "once, not 2 times"),
        (f"{ffi_build.END}\n{ffi_build.BEGIN}\n", "ends before it begins"),
        (header("#if MM_X\n#endif"), "only #define is allowed .*'#if MM_X'"),
        (header("  # include <x.h>"), "only #define"),
    ],
)
def test_a_header_that_cannot_be_cut_stops_the_build(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ffi_build.cdef(text)
