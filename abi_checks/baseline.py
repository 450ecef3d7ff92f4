"""What is recorded of this ABI version: `python -m abi_checks record` writes it, checks compare with it.

The header's declarations are recorded once, layouts and the oldest C library for each machine. A difference is a break
of the ABI, unless something was only added; either way it is recorded by hand and the commit says why.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from abi_checks.interface import Function, Interface, Variable

FOLDER = Path(__file__).parent / "baseline"


def declarations(interface: Interface) -> dict[str, Any]:
    """All that the header declares, as JSON has it."""
    return {
        "constants": interface.constants,
        "handles": dict.fromkeys(interface.handles, "opaque"),
        "structs": {struct.name: dict(map(_variable, struct.fields)) for struct in interface.structs},
        "callbacks": {function.name: _signature(function) for function in interface.callbacks},
        "functions": {function.name: _signature(function) for function in interface.functions},
    }


def _variable(variable: Variable) -> tuple[str, str]:
    return variable.name, variable.type + (f"[{variable.count}]" if variable.count else "")


def _signature(function: Function) -> dict[str, Any]:
    return {"result": function.result, "parameters": dict(map(_variable, function.parameters))}


def conformance(machine: str) -> list[str]:
    """The lines that conformance programs print: the same for all machines, but for the few that one has of its own."""
    own = FOLDER / f"conformance-{machine}.jsonl"
    lines = own.read_text(encoding="utf-8").splitlines() if own.exists() else []
    replaced = {case_of(line): line for line in lines}
    common = (FOLDER / "conformance.jsonl").read_text(encoding="utf-8").splitlines()
    return [replaced.get(case_of(line), line) for line in common]


def case_of(line: str) -> str:
    return str(json.loads(line)["case"])


def read(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def write(name: str, value: Any) -> None:
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
