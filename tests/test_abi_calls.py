"""The probes of calls see what breaks the calling convention, in the way it is broken, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from abi_checks.calling import Record, leaves, signatures, travel
from abi_checks.checks import NotCheckable, Subject
from abi_checks.interface import read_interface
from abi_checks.platforms import PLATFORMS, Platform, build, run
from abi_checks.sides import library_compiler
from abi_checks.signatures import DOUBLE, FLOAT, I8, I32, I64, PAIR, U8, drawn, fixed, signature, struct
from abi_checks.watched_calls import WATCHING, compile_probe, linked, public_calls_source

HEADER = Path(__file__).parents[1] / "clib" / "include" / "multimodal.h"


def subject_of(platform: Platform, work: Path) -> Subject:
    return Subject(platform, build(platform), HEADER, work)


@pytest.mark.parametrize(("platform", "callees"), [("x86_64", 21), ("aarch64", 32)])
def test_each_callee_that_breaks_a_rule_is_found(platform: str, callees: int, tmp_path: Path) -> None:
    subject = subject_of(PLATFORMS[platform], tmp_path)
    program = compile_probe(subject, "bad", ("bad_callees.c", "bad_callees.S", *WATCHING), *linked(subject))
    lines = run(*program).splitlines()
    assert [line for line in lines if line.startswith("unseen")] == []
    assert lines[-1] == f"tried: {callees}"


def test_arguments_of_32_bits_are_known_by_register() -> None:
    subject = Subject(PLATFORMS["x86_64"], Path(), HEADER, Path())
    source = public_calls_source(subject)
    assert '{"mm_resample", 0x1, 0x0}' in source  # edi; the chunk is on the stack
    assert '{"mm_image_resize", 0xe, 0x0}' in source
    on_arm = public_calls_source(Subject(PLATFORMS["aarch64"], Path(), HEADER, Path()))
    assert '{"mm_resample", 0x2, 0x0}' in on_arm  # w1, after the chunk's address


def test_offsets_and_sizes_are_those_of_c() -> None:
    inner = struct("inner", I8, FLOAT)
    outer = struct("outer", U8, inner, (I64, 2), U8)
    assert (inner.size, outer.size, outer.alignment) == (8, 40, 8)
    assert [(path, offset) for path, offset, _ in leaves(outer)] == [
        (".f0", 0), (".f1.f0", 4), (".f1.f1", 8), (".f2[0]", 16), (".f2[1]", 24), (".f3", 32),
    ]  # fmt: skip


def where(machine: str, *parameters: object) -> list[list[str]]:
    way = travel(signature("f", None, *parameters), machine)  # type: ignore[arg-type]
    return [[place.where for place in passing.places] for passing in way.parameters]


def test_a_struct_that_does_not_fit_leaves_registers_on_x86_64_but_not_on_aarch64() -> None:
    assert where("x86_64", *[I64] * 5, PAIR, I32)[5:] == [["stack"], ["r9"]]
    assert where("aarch64", *[I64] * 7, PAIR, I32)[7:] == [["stack"], ["stack"]]
    floats = struct("floats", FLOAT, FLOAT, FLOAT)
    assert where("aarch64", *[FLOAT] * 6, floats, FLOAT)[6:] == [["stack"], ["stack"]]
    assert where("x86_64", struct("mixed", FLOAT, I32, DOUBLE), DOUBLE) == [["rdi", "xmm0"], ["xmm1"]]


def test_results_above_16_bytes_are_written_where_the_caller_says() -> None:
    large = struct("large", I64, I64, U8)
    for machine, register in (("x86_64", "rdi"), ("aarch64", "x8")):
        result = travel(signature("f", large, I32), machine).result
        assert result and result.is_address and result.places[0].where == register
    assert where("x86_64", I32) == [["rdi"]]


def test_drawn_signatures_depend_on_their_seed_alone_and_are_varied() -> None:
    many = list(drawn(1, 100))
    assert many[10:20] == list(drawn(11, 10))
    assert {len(one.parameters) for one in many} == set(range(1, 16))
    assert any(isinstance(one.result, Record) for one in many) and any(one.result is None for one in many)
    assert len({one.name for one in (*many, *fixed(), *signatures(read_interface()).values())}) > 200


def test_a_library_that_does_not_say_how_it_was_compiled_is_not_checkable(tmp_path: Path) -> None:
    subject = Subject(PLATFORMS["x86_64"], tmp_path, HEADER, tmp_path)
    with pytest.raises(NotCheckable, match="does not say how the library was compiled"):
        library_compiler(subject)
    command = "ccache /usr/bin/c++ -DX -I/src -O3 -fpack-struct -Wall -Werror -o x.o -c /src/api/audio.cpp"
    entries = [{"file": "/work/src/api/audio.cpp", "command": command}]
    (tmp_path / "compile_commands.json").write_text(json.dumps(entries), encoding="utf-8")
    assert library_compiler(subject) == ["/usr/bin/c++", "-O3", "-fpack-struct"]
