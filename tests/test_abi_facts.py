"""What docs/abi-facts.md puts right, shown by programs: which register, which bits, which compiler."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from cffi import FFI
from native import LIBRARY, build

from abi_checks.calling import signatures, slot, travel
from abi_checks.checks import Failed, Subject, all_checks
from abi_checks.checks.process_state import load
from abi_checks.interface import read_interface
from abi_checks.platforms import PLATFORMS, Platform, run
from abi_checks.signatures import DOUBLE, DOUBLES, FLOAT, FLOATS, I32, signature, struct

PROBES = Path(__file__).parents[1] / "abi_checks" / "probes"
PAGE = Path(__file__).parents[1] / "docs" / "abi-facts.md"
X86_64, AARCH64 = PLATFORMS["x86_64"], PLATFORMS["aarch64"]
COMPILERS = ("gcc", "clang")

each_platform = pytest.mark.parametrize("platform", [X86_64, AARCH64], ids=lambda platform: str(platform.name))
each_compiler = pytest.mark.parametrize("compiler", COMPILERS)


def output(platform: Platform, compiler: str, folder: Path, *sources: str, options: tuple[str, ...] = ()) -> str:
    """What a program of abi_checks/probes/ prints."""
    program = folder / "program"
    command = (*platform.compiler(compiler, "c"), "-std=gnu99", "-D_GNU_SOURCE", "-O2", *options)
    run(*command, "-I", PROBES, *(PROBES / source for source in sources), "-lm", "-lpthread", "-o", program)
    return run(*platform.launcher, program)


# ---- Registers -------------------------------------------------------------------------------------------------------


@each_compiler
def test_on_x86_64_no_vector_register_survives_a_call_but_on_windows(compiler: str, tmp_path: Path) -> None:
    lost = output(X86_64, compiler, tmp_path, "fact_registers.c", "intercept.c", "intercept.S")
    assert lost == "standard: xmm8 xmm9 xmm15\nwindows:\n"


@each_compiler
def test_on_aarch64_the_lower_halves_of_v8_to_v15_survive_a_call(compiler: str, tmp_path: Path) -> None:
    lost = output(AARCH64, compiler, tmp_path, "fact_registers.c", "intercept.c", "intercept.S")
    assert lost == "standard: v8(upper half) v9(upper half) v15(upper half) v16\n"


def slots(machine: str, *parameters: object) -> list[str]:
    way = travel(signature("f", I32, *parameters), machine)  # type: ignore[arg-type]
    return [slot(passing) for passing in way.parameters]


def test_a_float_after_four_in_a_struct_is_in_xmm2_or_v4() -> None:
    assert slots("x86_64", FLOATS[3], FLOAT) == ["xmm0, xmm1", "xmm2"]
    assert slots("aarch64", FLOATS[3], FLOAT) == ["v0, v1, v2, v3", "v4"]


def test_large_structs_travel_on_the_stack_or_by_address_or_in_vector_registers() -> None:
    chunk = signatures(read_interface())["mm_transcript_push"]
    assert [slot(passing) for passing in travel(chunk, "x86_64").parameters] == ["rdi", "stack, bytes 0 to 24"]
    assert [slot(passing) for passing in travel(chunk, "aarch64").parameters] == ["x0", "address in x1"]
    assert slots("x86_64", DOUBLES[3]) == ["stack, bytes 0 to 32"]
    assert slots("aarch64", DOUBLES[3]) == ["v0, v1, v2, v3"]
    assert slots("aarch64", DOUBLES[4]) == ["address in x0"]
    mixed = struct("mixed", DOUBLE, DOUBLE, I32)
    assert slots("aarch64", mixed) == ["address in x0"]


@each_platform
@each_compiler
def test_only_clang_on_x86_64_trusts_callers_to_extend_narrow_arguments(
    platform: Platform, compiler: str, tmp_path: Path
) -> None:
    command = (*platform.compiler(compiler, "c"), "-O2", "-c", str(PROBES / "fact_narrow.c"))
    caller, callee, program = (tmp_path / name for name in ("caller.o", "callee.o", "program"))
    run(*command, "-DCALLER", "-o", caller)
    run(*command, "-o", callee)
    run(*platform.compiler("gcc", "c"), caller, callee, "-o", program)
    trusted = platform is X86_64 and compiler == "clang"
    assert int(run(*platform.launcher, program)) == (0x7F7F7F05 if trusted else 5)


# ---- Numbers ---------------------------------------------------------------------------------------------------------


@cache
def numbers(platform: Platform, compiler: str, folder: Path) -> dict[str, str]:
    lines = output(
        platform, compiler, folder, "fact_numbers.c", "host_state.c", options=("-ffp-contract=off",)
    ).splitlines()
    return dict(line.split(" ", 1) for line in lines)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], dict[str, str]]:
    folder = tmp_path_factory.mktemp("numbers")
    return numbers(X86_64, "gcc", folder), numbers(AARCH64, "gcc", folder)


Both = tuple[dict[str, str], dict[str, str]]


def test_ieee_operations_are_the_same_on_both_processors_and_for_both_compilers(both: Both, tmp_path: Path) -> None:
    found = [*both, *(numbers(platform, "clang", tmp_path) for platform in (X86_64, AARCH64))]
    assert len({values["ieee"] for values in found}) == 1


def test_sums_in_another_order_differ_on_each_processor_alike(both: Both) -> None:
    x86_64, aarch64 = both
    in_order, in_lanes = x86_64["sums"].split()
    assert in_order != in_lanes
    assert x86_64["sums"] == aarch64["sums"]


def test_libm_differs_between_processors(both: Both) -> None:
    x86_64, aarch64 = both
    groups = [name for name in x86_64 if name.startswith("libm.")]
    assert len(groups) == 5
    assert [name for name in groups if x86_64[name] != aarch64[name]]


def test_conversions_out_of_range_and_new_nans_differ(both: Both) -> None:
    x86_64, aarch64 = both
    expected = {
        "int32_of_3e9": ("-2147483648", "2147483647"),
        "int32_of_nan": ("-2147483648", "0"),
        "uint32_of_minus_1": ("4294967295", "0"),
        "zero_by_zero": ("ffc00000", "7fc00000"),
    }
    assert {name: (x86_64[name], aarch64[name]) for name in expected} == expected


def test_what_rounds_up_to_a_normal_number_is_flushed_on_arm_only(both: Both) -> None:
    x86_64, aarch64 = both
    assert (x86_64["flushed_at_the_boundary"], aarch64["flushed_at_the_boundary"]) == ("00800000", "00000000")


def test_char_wchar_t_and_long_double_differ(both: Both) -> None:
    x86_64, aarch64 = both
    names = ("char_is_signed", "wchar_is_signed", "long_double_bits")
    assert [x86_64[name] for name in names] == ["1", "1", "64"]
    assert [aarch64[name] for name in names] == ["0", "0", "113"]


def test_numbers_may_lie_at_any_address_on_both(both: Both) -> None:
    assert both[0]["unaligned"] == both[1]["unaligned"] == "b0a090807060504"


GNU, ISO, CPP, OFF = ("-std=gnu11",), ("-std=c11",), ("-x", "c++", "-std=c++17"), ("-std=gnu11", "-ffp-contract=off")
BOTH, ONE, NONE = {"in_one_expression", "in_two_statements"}, {"in_one_expression"}, set[str]()


@pytest.mark.parametrize(
    ("compiler", "dialect", "expected"),
    [
        ("gcc", GNU, BOTH), ("gcc", ISO, NONE), ("gcc", CPP, BOTH), ("gcc", OFF, NONE),
        ("clang", GNU, ONE), ("clang", ISO, ONE), ("clang", CPP, ONE), ("clang", OFF, NONE),
    ],
)  # fmt: skip
@each_platform
def test_compilers_fuse_multiplications_and_additions_unasked(
    platform: Platform, compiler: str, dialect: tuple[str, ...], expected: set[str]
) -> None:
    fused = set()
    with_fma = ("-mfma",) if platform is X86_64 else ()
    command = (*platform.compiler(compiler, "c"), *dialect, *with_fma, "-O2", "-S", "-o", "-")
    function = ""
    for line in run(*command, PROBES / "fact_contraction.c").splitlines():
        label = re.match(r"(?:_Z\d+)?(in_[a-z_]+?)(?:fff)?:", line)
        function = label[1] if label else function
        if re.match(r"\s+v?fmadd", line):
            fused.add(function)
    assert fused == expected


def test_the_baseline_of_x86_64_has_nothing_to_fuse_with() -> None:
    command = (*X86_64.compiler("gcc", "c"), *GNU, "-O2", "-S", "-o", "-")
    assert "fmadd" not in run(*command, PROBES / "fact_contraction.c")


# ---- Libraries -------------------------------------------------------------------------------------------------------


@each_platform
def test_fast_math_in_a_library_changes_the_process_that_loads_it(platform: Platform, tmp_path: Path) -> None:
    source = tmp_path / "empty.c"
    source.write_text("int unused;\n", encoding="utf-8")
    start = run(*platform.compiler("gcc", "c"), "-print-file-name=crtfastmath.o").strip()  # newer ones leave it out
    run(*platform.compiler("gcc", "c"), "-shared", "-fPIC", source, start, "-o", tmp_path / LIBRARY)
    subject = Subject(platform, tmp_path, read_header(), tmp_path)
    changed = "MXCSR was 0x1f80 and is 0x9fc0" if platform is X86_64 else "FPCR was 0 and is 0x1000000"
    with pytest.raises(Failed, match=changed):
        load(subject, "state")


def read_header() -> Path:
    return Path(__file__).parents[1] / "clib" / "include" / "multimodal.h"


def test_cffi_without_a_compiler_believes_any_declaration() -> None:
    ffi = FFI()
    ffi.cdef("double mm_abi_version(int, int); typedef struct { float end; } mm_vad_segment;")
    library = ffi.dlopen(str(build("gcc") / LIBRARY))
    assert isinstance(library.mm_abi_version(1, 2), float)  # it is an integer, and takes nothing


# ---- The page --------------------------------------------------------------------------------------------------------


def test_every_proof_that_the_page_names_exists() -> None:
    page = PAGE.read_text(encoding="utf-8")
    named_tests = set(re.findall(r"`(test_\w+)`", page))
    named_checks = {name for name in re.findall(r"`(\w+\.\w+)`", page) if not name.endswith((".md", ".py", ".c", ".h"))}
    sources = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert {name for name in named_tests if f"def {name}(" not in sources} == set()
    assert named_checks - set(all_checks()) == set()
    own = set(re.findall(r"^def (test_\w+)\(", Path(__file__).read_text(encoding="utf-8"), re.MULTILINE))
    assert own - named_tests == {"test_every_proof_that_the_page_names_exists"}
