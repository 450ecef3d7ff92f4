"""The conformance kit reads the header right, and takes nothing that it could not look at for a pass."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from native import HEADER, LIBRARY, build, declared_functions, run

from abi_checks.__main__ import main, planned, run_check
from abi_checks.checks import Check, Failed, NotCheckable, Subject, all_checks
from abi_checks.elf import Elf
from abi_checks.interface import read_interface
from abi_checks.layouts import differences
from abi_checks.once import once
from abi_checks.platforms import PLATFORMS, CommandFailed, Platform
from abi_checks.platforms import run as run_command
from abi_checks.results import Result, is_good, write_json, write_junit

NATIVE = PLATFORMS["x86_64"]


def result(outcome: str, platform: str = "x86_64") -> Result:
    return Result("topic", "property", "A title", platform, "c", outcome, 0.5, "why", "again")  # type: ignore[arg-type]


def made(function: object, where: str = "platform") -> Check:
    return Check("topic", "name", "A title", "quick", where, function)  # type: ignore[arg-type]


# ---- The header ------------------------------------------------------------------------------------------------------


def test_the_interface_has_all_functions_of_the_header() -> None:
    assert sorted(function.name for function in read_interface().functions) == declared_functions()


def test_the_interface_has_fields_with_types_and_array_lengths() -> None:
    structs = {struct.name: struct.fields for struct in read_interface().structs}
    assert [(field.name, field.type, field.count) for field in structs["mm_audio_chunk"]] == [
        ("samples", "const float *", 0),
        ("len", "size_t", 0),
        ("sample_rate", "uint32_t", 0),
    ]
    assert structs["mm_language"][0].count == 12


def test_a_changed_constant_parameter_or_field_is_another_interface(tmp_path: Path) -> None:
    for old, new in (
        ("MM_ERROR_IO = -4", "MM_ERROR_IO = -5"),
        ("const float *samples, size_t len", "float *samples, size_t len"),
        ("uint32_t sample_rate;", "int32_t sample_rate;"),
    ):
        changed = tmp_path / "multimodal.h"
        changed.write_text(HEADER.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        read_interface.cache_clear()
        assert read_interface(changed) != read_interface()


def test_differences_name_what_is_gone_new_changed_or_moved() -> None:
    before = {"a": {"x": 1, "y": 2}, "b": 3}
    assert differences(before, {"a": {"x": 1, "y": 2}, "b": 3}) == []
    assert differences(before, {"a": {"x": 5}, "c": 4}) == [
        "a x: 1 became 5",
        "a y: gone; was 2",
        "b: gone; was 3",
        "c: new; is 4",
    ]
    assert differences(before, {"a": {"y": 2, "x": 1}, "b": 3}) == ["a: the order is y, x, was x, y"]


# ---- The library -----------------------------------------------------------------------------------------------------


def test_exports_are_what_nm_says() -> None:
    library = build("gcc") / LIBRARY
    listed = run("nm", "--dynamic", "--defined-only", "--format=posix", library).splitlines()
    names = {line.split()[0].partition("@")[0] for line in listed}
    assert {symbol.name for symbol in Elf(library).dynamic_symbols if symbol.is_defined} == names


def test_a_stripped_library_has_no_layouts(tmp_path: Path) -> None:
    run("strip", "--strip-debug", "-o", tmp_path / LIBRARY, build("gcc") / LIBRARY)
    assert Elf(tmp_path / LIBRARY).struct_layouts({"mm_audio_chunk"}) == {}
    assert Elf(build("gcc") / LIBRARY).struct_layouts({"mm_audio_chunk"}) == {
        "mm_audio_chunk": {"": (0, 24), "samples": (0, 8), "len": (8, 8), "sample_rate": (16, 4)}
    }


# ---- What counts as proved -------------------------------------------------------------------------------------------


def test_only_passes_are_good_and_nothing_at_all_is_not() -> None:
    assert is_good([result("pass")], allow_not_checkable=False)
    for outcomes in ([], ["fail"], ["pass", "fail"], ["not checkable"], ["pass", "not checkable"]):
        assert not is_good([result(outcome) for outcome in outcomes], allow_not_checkable=False)
    assert is_good([result("pass"), result("not checkable")], allow_not_checkable=True)


def test_failures_errors_and_what_cannot_be_checked_are_told_apart() -> None:
    def fails(subject: Subject) -> None:
        raise Failed("2 became 3")

    def breaks(subject: Subject) -> None:
        raise ZeroDivisionError("by zero")

    def cannot(subject: Subject) -> None:
        raise NotCheckable("no such tool")

    found = [run_check(made(function), NATIVE) for function in (fails, breaks, cannot)]
    assert [(result.outcome, result.detail) for result in found] == [
        ("fail", "2 became 3"),
        ("fail", "ZeroDivisionError: by zero"),
        ("not checkable", "no such tool"),
    ]
    assert found[0].reproduce == "python -m abi_checks --only topic.name --platform x86_64"


def test_a_missing_emulator_or_compiler_is_not_a_pass() -> None:
    for platform in (
        Platform("absent", "aarch64", "aarch64", "aarch64-linux-gnu", "qemu-absent", "any"),
        Platform("absent", "absent", "absent", "absent-linux-gnu"),
    ):
        found = run_check(made(lambda subject: None), platform)
        assert found.outcome == "not checkable"
        assert "absent" in found.detail


def test_an_unknown_check_is_refused() -> None:
    done = CliRunner().invoke(main, ["--only", "layout.forgotten"])
    assert done.exit_code == 2
    assert "there is no check layout.forgotten" in done.output


def test_each_check_runs_where_it_differs() -> None:
    def names(where: str, platforms: Sequence[Platform]) -> list[str]:
        return [platform.name for _, platform in planned([made(None, where)], platforms)]

    platforms = list(PLATFORMS.values())
    assert names("platform", platforms) == [name for name, platform in PLATFORMS.items() if platform.tier == "quick"]
    assert names("build", platforms)[:3] == ["x86_64", "x86_64-clang", "aarch64"]
    assert names("machine", platforms)[:2] == ["x86_64", "aarch64"]
    assert names("once", platforms) == ["x86_64"]
    assert names("machine", [PLATFORMS["aarch64-cortex-a53"]]) == ["aarch64-cortex-a53"]


def test_every_check_says_what_it_proves() -> None:
    titles = [check.title + check.host for check in all_checks().values()]
    assert len(set(titles)) == len(titles)
    assert not [title for title in titles if title.endswith(".") or len(title) > 110]


def test_threads_that_ask_for_the_same_wait_for_one_that_computes_it() -> None:
    calls: list[int] = []

    @once
    def slow(number: int) -> int:
        calls.append(number)
        time.sleep(0.05)
        if len(calls) == 1:
            raise ZeroDivisionError
        return number * 2

    with pytest.raises(ZeroDivisionError):
        slow(3)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(slow, [3] * 8)) == [6] * 8
    assert calls == [3, 3]


def test_a_failing_command_shows_all_it_said() -> None:
    with pytest.raises(CommandFailed, match=r"(?s)sh -c .*returned 3\nout\nerr"):
        run_command("sh", "-c", "echo out; echo err >&2; exit 3")
    with pytest.raises(CommandFailed, match=r"sleep 5\nran for more than 0 s"):
        run_command("sleep", "5", timeout=0.1)


# ---- Reports ---------------------------------------------------------------------------------------------------------


def test_reports_hold_every_result(tmp_path: Path) -> None:
    results = [result("pass"), result("fail"), result("not checkable", "aarch64")]
    write_json(results, tmp_path / "report.json")
    write_junit(results, tmp_path / "report.xml")
    assert [entry["outcome"] for entry in json.loads((tmp_path / "report.json").read_text("utf-8"))] == [
        "pass",
        "fail",
        "not checkable",
    ]
    suites = ElementTree.parse(tmp_path / "report.xml").getroot().findall("testsuite")
    assert [
        (suite.get("name"), suite.get("tests"), suite.get("failures"), suite.get("errors")) for suite in suites
    ] == [
        ("x86_64", "2", "1", "0"),
        ("aarch64", "1", "0", "1"),
    ]
