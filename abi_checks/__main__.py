"""Proves the ABI on each processor and from each host language: a table of properties, and reports."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
from rich.console import Console

import ffi_build
from abi_checks import abigail, baseline
from abi_checks.checks import Check, NotCheckable, Subject, Tier, Where, all_checks, evolution, hosts
from abi_checks.elf import Elf
from abi_checks.interface import read_interface
from abi_checks.layouts import compiled_layouts
from abi_checks.platforms import PLATFORMS, CommandFailed, Platform, build
from abi_checks.report import write_report
from abi_checks.results import Outcome, Result, is_good, print_table, write_json, write_junit
from abi_checks.self_test import self_test as prove

COMMAND = "python -m abi_checks"


def subject_of(platform: Platform, check: Check) -> Subject:
    """The library as it is built for a platform, and an empty folder."""
    work = platform.work / "checks" / check.id
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    return Subject(platform, build(platform), ffi_build.HEADER, work)


def run_check(check: Check, platform: Platform) -> Result:
    started = time.monotonic()
    outcome: Outcome
    try:
        if platform.missing:
            raise NotCheckable(f"missing here: {platform.missing}. `make test-packages` installs what Debian has.")
        outcome, detail = "pass", check.run(subject_of(platform, check)) or ""
    except NotCheckable as reason:
        outcome, detail = "not checkable", str(reason)
    except Exception as error:  # whatever goes wrong, the property is not proved, and the others are still looked at
        kind = "" if type(error).__module__.startswith("abi_checks") else f"{type(error).__name__}: "
        outcome, detail = "fail", f"{kind}{error}"
    return Result(
        check.topic,
        check.name,
        check.title,
        platform.name,
        check.host,
        outcome,
        time.monotonic() - started,
        detail,
        f"{COMMAND} --only {check.id} --platform {platform.name}",
    )


def run_checks(plan: Sequence[tuple[Check, Platform]]) -> list[Result]:
    """As many at once as there are cores: they wait for compilers and emulators."""
    for platform in {platform.variant: platform for _, platform in plan}.values():
        if not platform.missing:
            with contextlib.suppress(CommandFailed):  # each check says so
                build(platform)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(lambda pair: run_check(*pair), plan))


def planned(checks: Sequence[Check], platforms: Sequence[Platform]) -> Iterator[tuple[Check, Platform]]:
    """Which check runs where."""
    distinct: dict[Where, Callable[[Platform], str]] = {
        "platform": lambda platform: platform.name,
        "build": lambda platform: platform.variant,
        "machine": lambda platform: platform.machine,
        "once": lambda platform: "",
    }
    for check in checks:
        suited = [platform for platform in platforms if platform.tier == "quick" or check.is_portable]
        first = {distinct[check.where](platform): platform for platform in reversed(suited)}
        yield from ((check, platform) for platform in suited if platform in first.values())


@click.group(help=__doc__, invoke_without_command=True)
@click.option("--tier", type=click.Choice(["quick", "full"]), default="full", show_default=True, help="How much.")
@click.option("--platform", "names", multiple=True, type=click.Choice(list(PLATFORMS)), help="Only there (repeatable).")
@click.option("--only", "wanted", multiple=True, metavar="CHECK", help="A topic, or topic.property (repeatable).")
@click.option("--self-test", is_flag=True, help="Run the checks on mutants, each of which must be found.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the results there, too.")
@click.option("--junit", "junit_path", type=click.Path(path_type=Path), help="The same as JUnit's XML.")
@click.option("--html", "html_path", type=click.Path(path_type=Path), help="A report to look at, in one file.")
@click.pass_context
def main(
    ctx: click.Context,
    tier: Tier,
    names: Sequence[str],
    wanted: Sequence[str],
    self_test: bool,
    json_path: Path | None,
    junit_path: Path | None,
    html_path: Path | None,
) -> None:
    if ctx.invoked_subcommand is not None:
        return
    console = Console(width=None if sys.stdout.isatty() else 150)  # of a log
    checks = [
        check
        for check in all_checks().values()
        if (tier == "full" or check.tier == "quick") and (not wanted or {check.topic, check.id} & set(wanted))
    ]
    unknown = set(wanted) - {name for check in all_checks().values() for name in (check.topic, check.id)}
    if unknown:
        raise click.BadParameter(f"there is no check {', '.join(sorted(unknown))}", param_hint="--only")
    platforms = [PLATFORMS[name] for name in names]
    platforms = platforms or [platform for platform in PLATFORMS.values() if tier in ("full", platform.tier)]
    if self_test:
        results = prove(list(all_checks().values()), jobs=len(os.sched_getaffinity(0)))
    else:
        results = run_checks(list(planned(checks, platforms)))
    print_table(results, console)
    if json_path:
        write_json(results, json_path)
    if junit_path:
        write_junit(results, junit_path)
    if html_path:
        write_report(results, html_path)
    sys.exit(0 if is_good(results, allow_not_checkable=False) else 1)


def record_differences(machine: str, common: Sequence[str]) -> None:
    """Of what a conformance program prints on a machine, the lines that it alone has; no result may be among them."""
    platform = next(platform for platform in PLATFORMS.values() if platform.machine == machine)
    found = hosts.output("c", Subject(platform, build(platform), ffi_build.HEADER, platform.work)).splitlines()
    own = [line for line in found if line not in common]
    wrong = [line for line in own if not baseline.case_of(line).startswith(hosts.MAY_DIFFER)]
    if wrong or len(found) != len(common):
        raise click.ClickException(f"{machine} has results of its own, which are not recorded:\n" + "\n".join(wrong))
    path = baseline.FOLDER / f"conformance-{machine}.jsonl"
    path.unlink(missing_ok=True)
    if own:
        path.write_text("\n".join(own) + "\n", encoding="utf-8")


@main.command()
def record() -> None:
    """Record what the header declares and how it is laid out: the baseline of this ABI version.

    Only after a change that is meant, and the commit says why.
    """
    interface = read_interface()
    baseline.write("declarations", baseline.declarations(interface))
    oldest = {}
    for platform in PLATFORMS.values():
        if platform.machine not in oldest:
            layouts = compiled_layouts(platform, "gcc", "c99", ffi_build.HEADER, platform.work)
            baseline.write(f"layouts-{platform.machine}", layouts)
            library = build(platform) / "libmultimodal.so.1"
            described = abigail.describe(library, ffi_build.HEADER.parent)
            (baseline.FOLDER / f"multimodal-1-{platform.machine}.abi").write_text(described, encoding="utf-8")
            oldest[platform.machine] = {"glibc": Elf(library).newest_glibc}
    baseline.write("platforms", oldest)
    native = PLATFORMS["x86_64"]
    subject = Subject(native, build(native), ffi_build.HEADER, native.work)
    results = hosts.output("c", subject)
    (baseline.FOLDER / "conformance.jsonl").write_text(results, encoding="utf-8")
    for machine in oldest:
        record_differences(machine, results.splitlines())
    first = baseline.FOLDER / "multimodal-1.h"
    if not first.exists():  # what old clients know is written once for an ABI version
        shutil.copyfile(ffi_build.HEADER, first)
        (baseline.FOLDER / "old_client.txt").write_text(evolution.old_client(subject), encoding="utf-8")


if __name__ == "__main__":
    main()
