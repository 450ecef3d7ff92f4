"""The same bits from every kernel set, thread count, compiler and processor: clib/tests/golden*.c and recorded digests.

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
from clip_files import SIGLIP, write_clip
from model_files import write_gguf
from native import LIBRARY, build, run

GOLDEN = Path(__file__).parent / "golden"
EMULATOR = ("qemu-aarch64-static", "-cpu", "neoverse-n1", "-L", "/usr/aarch64-linux-gnu")


class Suite(NamedTuple):
    """A program of clib/tests, the model it runs, and what else it is given. tests/golden/NAME.json has its digests."""

    program: str
    write: Callable[..., Any]
    options: dict[str, Any]
    arguments: tuple[Path, ...] = ()


PICTURES = tuple(sorted((Path(__file__).parent / "fixtures" / "pictures").iterdir()))
SUITES = {
    "speech": Suite("golden", write_gguf, {}),  # multilingual
    # large-v3's vocabulary and mel bins, and a decoder shallower than its encoder
    "speech-128": Suite("golden", write_gguf, {"seed": 1, "n_mels": 128, "n_audio_layer": 3, "n_text_layer": 1}),
    "clip": Suite("golden_clip", write_clip, {}, PICTURES),
    "clip-siglip": Suite("golden_clip", write_clip, {"dtype": "f32", **SIGLIP}, PICTURES),
    "clip-mean": Suite(
        "golden_clip",
        write_clip,
        {"activation": "gelu", "vision": {"pooling": "mean", "crop": "half_even", "interpolation": "bilinear"}},
        PICTURES,
    ),
}
# What the processor must have for a kernel set, in the words of /proc/cpuinfo.
CPU_FLAGS = {
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx2", "fma", "f16c"},
    "avx2": {"avx2", "fma", "f16c"},
    "neon": {"asimd"},
    "scalar": set[str](),
}


class Recorded(NamedTuple):
    """A suite, its model, and the digests that every build must give of it."""

    name: str
    suite: Suite
    model: Path
    digests: dict[str, str]


def digests(variant: str, suite: Suite, model: Path, isa: str, threads: int, kind: str = "") -> dict[str, str]:
    """Digest of each file that the suite's program of a build writes."""
    emulator = EMULATOR if variant.startswith("aarch64") else ()
    with tempfile.TemporaryDirectory() as folder:
        program = build(variant) / "tests" / f"{suite.program}{kind}"
        command = [*emulator, program, model, str(threads), folder, *suite.arguments]
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


@pytest.fixture(scope="session", params=list(SUITES))
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    expected = json.loads((GOLDEN / f"{request.param}.json").read_text(encoding="utf-8"))
    suite, path = SUITES[request.param], tmp_path_factory.mktemp("golden") / "model.gguf"
    suite.write(path, **suite.options)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == expected.pop("model"), "another model than the recorded one"
    return Recorded(request.param, suite, path, expected)


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
            assert digests("gcc", recorded.suite, recorded.model, isa, threads) == recorded.digests, isa


def test_a_clang_build_gives_the_recorded_bits(recorded: Recorded) -> None:
    for isa in kernel_sets("clang"):
        if isa != "scalar" or recorded.name != "speech-128":  # slow
            assert digests("clang", recorded.suite, recorded.model, isa, 2) == recorded.digests, isa


@pytest.mark.parametrize(("variant", "threads"), [("aarch64", 1), ("aarch64", 3), ("aarch64-clang", 2)])
def test_aarch64_gives_the_recorded_bits(recorded: Recorded, variant: str, threads: int) -> None:
    assert digests(variant, recorded.suite, recorded.model, "neon", threads) == recorded.digests


def test_memory_full_of_nan_changes_nothing(recorded: Recorded) -> None:
    """Whatever an allocation may hold of an earlier call's audio, nobody reads it."""
    for isa in set(kernel_sets("gcc")) - {"scalar"}:
        assert digests("gcc", recorded.suite, recorded.model, isa, 2, "_poisoned") == recorded.digests, isa


def record() -> None:
    for name, suite in SUITES.items():
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder, "model.gguf")
            suite.write(model, **suite.options)
            digest = hashlib.sha256(model.read_bytes()).hexdigest()
            found = {"model": digest, **digests("gcc", suite, model, "scalar", 1)}
        (GOLDEN / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
