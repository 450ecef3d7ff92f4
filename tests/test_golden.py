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
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from model_files import write_gguf
from native import LIBRARY, build, run

GOLDEN = Path(__file__).parent / "golden"
EMULATOR = ("qemu-aarch64-static", "-cpu", "neoverse-n1", "-L", "/usr/aarch64-linux-gnu")
# tests/golden/*.json, and the model that each is of: a multilingual one, and one with large-v3's vocabulary, its mel
# bins and a decoder shallower than its encoder.
MODELS: dict[str, dict[str, Any]] = {
    "speech": {},
    "speech-128": {"seed": 1, "n_mels": 128, "n_audio_layer": 3, "n_text_layer": 1},
}
# What the processor must have for a kernel set, in the words of /proc/cpuinfo.
CPU_FLAGS = {
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx2", "fma", "f16c"},
    "avx2": {"avx2", "fma", "f16c"},
    "neon": {"asimd"},
    "scalar": set[str](),
}


class Recorded(NamedTuple):
    """A model and the digests that every build must give of it."""

    name: str
    model: Path
    digests: dict[str, str]


def digests(variant: str, model: Path, isa: str, threads: int, program: str = "golden") -> dict[str, str]:
    """Digest of each file that the golden program of a build writes."""
    emulator = EMULATOR if variant.startswith("aarch64") else ()
    with tempfile.TemporaryDirectory() as folder:
        command = [*emulator, build(variant) / "tests" / program, model, str(threads), folder]
        run(*command, env={**os.environ, "MM_ISA": isa})
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(Path(folder).iterdir())}


def kernel_sets(variant: str) -> list[str]:
    """Those that the library runs on this processor, the fastest first."""
    library = ctypes.CDLL(str(build(variant) / LIBRARY))
    library.mm_build_info.restype = ctypes.c_char_p
    names: list[str] = json.loads(library.mm_build_info())["kernels"]["usable"]
    return names


def cpu_flags() -> set[str]:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return set(next(line.partition(":")[2] for line in lines if line.lower().startswith(("flags", "features"))).split())


@pytest.fixture(scope="session", params=list(MODELS))
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    expected = json.loads((GOLDEN / f"{request.param}.json").read_text(encoding="utf-8"))
    path = tmp_path_factory.mktemp("golden") / "model.gguf"
    write_gguf(path, **MODELS[request.param])
    assert hashlib.sha256(path.read_bytes()).hexdigest() == expected.pop("model"), "another model than the recorded one"
    return Recorded(request.param, path, expected)


@pytest.mark.parametrize("variant", ["gcc", "clang"])
def test_every_kernel_set_that_the_processor_can_run_is_used(variant: str, note: Callable[[str], None]) -> None:
    """Or else the tests below would leave sets out unseen."""
    can_run = [name for name, flags in CPU_FLAGS.items() if flags <= cpu_flags()]
    used = kernel_sets(variant)
    missing = ", ".join(name for name in CPU_FLAGS if name not in used)
    note(f"golden digests, {variant}: this processor runs {', '.join(used)}, and not {missing}")
    assert used == can_run


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_every_thread_count_and_kernel_set_gives_the_recorded_bits(recorded: Recorded, threads: int) -> None:
    for isa in kernel_sets("gcc"):
        if isa != "scalar" or threads == 2:  # slow
            assert digests("gcc", recorded.model, isa, threads) == recorded.digests, isa


def test_a_clang_build_gives_the_recorded_bits(recorded: Recorded) -> None:
    for isa in kernel_sets("clang"):
        if isa != "scalar" or recorded.name == "speech":  # slow
            assert digests("clang", recorded.model, isa, 2) == recorded.digests, isa


@pytest.mark.parametrize(("variant", "threads"), [("aarch64", 1), ("aarch64", 3), ("aarch64-clang", 2)])
def test_aarch64_gives_the_recorded_bits(recorded: Recorded, variant: str, threads: int) -> None:
    assert digests(variant, recorded.model, "neon", threads) == recorded.digests


def test_memory_full_of_nan_changes_nothing(recorded: Recorded) -> None:
    """Whatever an allocation may hold of an earlier call's audio, nobody reads it."""
    for isa in set(kernel_sets("gcc")) - {"scalar"}:
        assert digests("gcc", recorded.model, isa, 2, "golden_poisoned") == recorded.digests, isa


def record() -> None:
    for name, shape in MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder, "model.gguf")
            write_gguf(model, **shape)
            found = {"model": hashlib.sha256(model.read_bytes()).hexdigest(), **digests("gcc", model, "scalar", 1)}
        (GOLDEN / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
