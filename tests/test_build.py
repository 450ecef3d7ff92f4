"""What the build produces: libraries that programs link with in every way, and a wheel. (abi_checks/ has the rest.)"""

from __future__ import annotations

import re
import shlex
import sys
import zipfile
from pathlib import Path

import pytest
from native import HEADER, LIBRARY, ROOT, build, compile_and_run, installed, run

HOST = """
#include <multimodal.h>
#include <stdio.h>
int main(void) {
    char *error = NULL;
    mm_vad *vad = NULL;
    mm_whisper *model = NULL;
    float probability = -1.0F;
    static const float silence[512];
    if (mm_abi_version() != MM_ABI_VERSION) return 1;
    if (mm_whisper_open("there is no such file", NULL, &model, &error) != MM_ERROR_IO) return 2;  /* throws inside */
    mm_free(error);
    if (mm_vad_open(NULL, &vad, NULL) != MM_OK) return 3;
    if (mm_vad_process(vad, silence, 512, &probability) != MM_OK) return 4;
    mm_vad_close(vad);
    puts(mm_version_string());
    return 0;
}
"""
VERSION = "0.1.0\n"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    source = tmp_path / "host.c"
    source.write_text(HOST, encoding="utf-8")
    return source


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed("gcc", tmp_path_factory.mktemp("prefix"))


def static_flags(prefix: Path) -> list[str]:
    """What pkg-config says for a static link, with the archive in place of -lmultimodal."""
    flags = pkg_config(prefix, "--cflags", "--libs", "--static")
    return [str(prefix / "lib" / "libmultimodal.a") if flag == "-lmultimodal" else flag for flag in flags]


def pkg_config(prefix: Path, *options: str) -> list[str]:
    return shlex.split(
        run("pkg-config", *options, "multimodal", env={"PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig")})
    )


# ---- The header ------------------------------------------------------------------------------------------------------
def test_the_header_includes_only_stddef_and_stdint() -> None:
    includes = [line for line in HEADER.read_text(encoding="utf-8").splitlines() if line.startswith("#include")]
    assert includes == ["#include <stddef.h>", "#include <stdint.h>"]


def test_the_cpp_header_calls_or_names_every_function() -> None:
    declared = re.findall(r"^MM_API [\w *]*?(\w+)\(", HEADER.read_text(encoding="utf-8"), re.MULTILINE)
    known = re.findall(r"\bmm_\w+", HEADER.with_suffix(".hpp").read_text(encoding="utf-8"))
    assert declared
    assert set(declared) - set(known) == set()


# ---- The libraries ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_a_c_program_links_with_the_shared_library(compiler: str, host: Path, prefix: Path, tmp_path: Path) -> None:
    flags = [*pkg_config(prefix, "--cflags", "--libs"), f"-Wl,-rpath,{prefix / 'lib'}"]
    assert compile_and_run(compiler, host, flags, tmp_path) == VERSION


@pytest.mark.parametrize("variant", ["gcc", "clang"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("kind", ["-pie", "-static"])
def test_a_c_compiler_links_the_archive(variant: str, compiler: str, kind: str, host: Path, tmp_path: Path) -> None:
    """No C++ linker is needed, and exceptions inside find their handlers."""
    flags = static_flags(installed(variant, tmp_path / "prefix"))
    assert compile_and_run(compiler, host, [kind, *flags], tmp_path) == VERSION


def test_the_archive_leaves_a_cpp_host_its_own_runtime(prefix: Path, tmp_path: Path) -> None:
    source = tmp_path / "host.cpp"
    source.write_text(
        """
        #include <multimodal.h>
        #include <iostream>
        #include <map>
        #include <stdexcept>
        #include <string>
        #include <vector>
        int main() {
            std::map<std::string, std::vector<float>> map{{"a", {1.0F}}};
            mm_whisper *model = nullptr;
            const mm_status status = mm_whisper_open("there is no such file", nullptr, &model, nullptr);
            try { map.at("b").at(1) = 2; } catch (const std::out_of_range &) { std::cout << status << std::endl; }
        }
        """,
        encoding="utf-8",
    )
    assert compile_and_run("g++", source, static_flags(prefix), tmp_path) == "-4\n"


def test_the_archive_links_into_a_shared_library_of_a_host(host: Path, prefix: Path, tmp_path: Path) -> None:
    library = tmp_path / "host.so"
    run("gcc", "-shared", "-fPIC", host, "-Wl,-z,defs", "-Wl,-z,text", *static_flags(prefix), "-o", library)
    assert "libstdc++" not in run("readelf", "--dynamic", library)


def test_only_what_is_made_at_load_is_a_local_static_with_a_lock_of_the_compiler() -> None:
    """A child forked while another thread holds such a lock waits for ever: see runtime/immortal.h."""
    lines = run("nm", "--demangle", build("gcc") / LIBRARY).splitlines()
    guarded = {line.partition("guard variable for ")[2] for line in lines if "guard variable for mm::" in line}
    assert guarded == {"mm::process_locks()::locks", "mm::forks_are_handled()::handled"}


def test_no_path_of_the_build_machine_is_in_the_library(tmp_path: Path) -> None:
    run("strip", "--strip-debug", "-o", tmp_path / LIBRARY, build("gcc") / LIBRARY)
    assert str(ROOT).encode() not in (tmp_path / LIBRARY).read_bytes()


# ---- The package -----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source distribution, as an installer that finds no wheel does."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_has_a_stable_abi_tag_and_all_it_needs(wheel: Path) -> None:
    assert wheel.name.startswith("multimodal_ffi-0.1.0-cp310-abi3-linux_")
    names = zipfile.ZipFile(wheel).namelist()
    headers = ["include/multimodal.h", "include/multimodal.hpp"]
    for name in [LIBRARY, "_native.abi3.so", *headers, "pkgconfig/multimodal.pc", "py.typed"]:
        assert f"pyffi/{name}" in names
    licences = {Path(name).name for name in names if "/licenses/" in name}
    assert licences == {"LICENSE", *(path.name for path in (ROOT / "LICENSES").iterdir())}
    assert all(name.startswith(("pyffi/", "multimodal_ffi-0.1.0.dist-info/")) for name in names)


def test_the_installed_wheel_works_in_an_empty_folder(wheel: Path, host: Path, tmp_path: Path) -> None:
    """Module, command, and a C program compiled with the flags the package gives."""
    python = tmp_path / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    run(python, "-m", "pip", "install", "--quiet", wheel)
    empty = tmp_path / "empty"
    empty.mkdir()
    program = "import pyffi, numpy; print(len(pyffi.Vad().probabilities(numpy.zeros(1600, 'f4'))))"
    assert run(python, "-c", program, cwd=empty) == "4\n"
    assert run(python.with_name("multimodal"), "--version", cwd=empty).split()[-1] == VERSION.strip()
    flags = shlex.split(run(python, "-m", "pyffi", "--cflags", "--libs", cwd=empty))
    assert compile_and_run("cc", host, flags, tmp_path) == VERSION
