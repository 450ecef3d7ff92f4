"""The same bits from every kernel set, thread count, compiler and processor: clib/tests/golden.c and recorded digests.

`python tests/test_golden.py` records them anew, from the scalar kernels on one thread, which are the specification. A
commit that changes them says why.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import tempfile
from pathlib import Path

import pytest
from model_files import write_gguf
from native import LIBRARY, build, run

GOLDEN = Path(__file__).parent / "golden" / "speech.json"
EMULATOR = ("qemu-aarch64-static", "-cpu", "neoverse-n1", "-L", "/usr/aarch64-linux-gnu")


def digests(variant: str, model: Path, isa: str, threads: int) -> dict[str, str]:
    """Digest of each file that the golden program of a build writes."""
    emulator = EMULATOR if variant == "aarch64" else ()
    with tempfile.TemporaryDirectory() as folder:
        command = [*emulator, build(variant) / "tests" / "golden", model, str(threads), folder]
        run(*command, env={**os.environ, "MM_ISA": isa})
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(Path(folder).iterdir())}


def kernel_sets(variant: str) -> list[str]:
    """Those that this processor runs, the fastest first."""
    library = ctypes.CDLL(str(build(variant) / LIBRARY))
    library.mm_build_info.restype = ctypes.c_char_p
    names: list[str] = json.loads(library.mm_build_info())["kernels"]["usable"]
    return names


@pytest.fixture(scope="session")
def golden() -> dict[str, str]:
    recorded: dict[str, str] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return recorded


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory, golden: dict[str, str]) -> Path:
    path = tmp_path_factory.mktemp("golden") / "model.gguf"
    write_gguf(path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == golden.pop("model"), "another model than the recorded one"
    return path


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_every_thread_count_and_kernel_set_gives_the_recorded_bits(
    model: Path, golden: dict[str, str], threads: int
) -> None:
    for isa in kernel_sets("gcc"):
        if isa != "scalar" or threads == 2:  # slow
            assert digests("gcc", model, isa, threads) == golden, isa


def test_a_clang_build_gives_the_recorded_bits(model: Path, golden: dict[str, str]) -> None:
    for isa in kernel_sets("clang"):
        assert digests("clang", model, isa, 2) == golden, isa


@pytest.mark.parametrize("threads", [1, 3])
def test_aarch64_gives_the_recorded_bits(model: Path, golden: dict[str, str], threads: int) -> None:
    assert digests("aarch64", model, "neon", threads) == golden


def record() -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "model.gguf")
        write_gguf(model)
        found = {"model": hashlib.sha256(model.read_bytes()).hexdigest(), **digests("gcc", model, "scalar", 1)}
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
