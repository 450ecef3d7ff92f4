"""What the JSON files beside the weights have in common."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pyffi.errors import ModelError

T = TypeVar("T")


def read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{path} is not JSON: {error}") from None


def read_object(path: Path) -> dict[str, Any]:
    values = read_json(path)
    if not isinstance(values, dict):
        raise ModelError(f"{path} is not a JSON object")
    return values


def parse_alignment_heads(config: dict[str, Any], path: Path) -> list[tuple[int, int]]:
    """The pairs (decoder layer, head) under `alignment_heads`; none if there are none."""
    heads = config.get("alignment_heads")
    try:
        return [(int(layer), int(head)) for layer, head in heads or []]
    except (TypeError, ValueError):
        raise ModelError(f"{path}: alignment_heads is {heads!r}: pairs of layer and head are needed") from None


class Fields:
    """A JSON object, or a GGUF file's keys, whose fields are asked for by name and type; null is as good as absent."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self.values = dict(values)
        self._where = where  # in front of messages

    @classmethod
    def read(cls, path: Path) -> Fields:
        return cls(read_object(path), str(path))

    def over(self, defaults: Mapping[str, Any]) -> Fields:
        """The fields, and defaults for those that are not there."""
        own = {name: value for name, value in self.values.items() if value is not None}
        return Fields({**defaults, **own}, self._where)

    def get(self, name: str, default: object = None) -> Any:
        value = self.values.get(name)
        return default if value is None else value

    def error(self, name: str, needed: str) -> ModelError:
        return ModelError(f"{self._where}: {name} is {self.get(name)!r}: {needed}")

    def section(self, name: str, default: Mapping[str, Any] | None = None) -> Fields:
        value = self.get(name, default)
        if not isinstance(value, Mapping):
            raise self.error(name, "an object is needed")
        return Fields(value, f"{self._where}: {name}")

    def integer(self, name: str, default: int | None = None) -> int:
        value = self.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(name, "an integer is needed")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        value = self.get(name, default)
        if not _is_number(value):
            raise self.error(name, "a number is needed")
        return float(value)

    def numbers(self, name: str, count: int, default: tuple[float, ...] | None = None) -> tuple[float, ...]:
        values = self.get(name, default)
        if not isinstance(values, list | tuple) or len(values) != count or not all(map(_is_number, values)):
            raise self.error(name, f"{count} numbers are needed")
        return tuple(float(value) for value in values)

    def items(self, name: str) -> list[Any]:
        """A list, empty if the field is not there."""
        values = self.get(name, [])
        if not isinstance(values, list):
            raise ModelError(f"{self._where}: {name} is not a list")
        return values

    def strings(self, name: str) -> list[str]:
        """The same of strings."""
        values = self.items(name)
        if not all(isinstance(value, str) for value in values):
            raise ModelError(f"{self._where}: {name} is not a list of strings")
        return values

    def flag(self, name: str, default: bool) -> bool:
        value = self.get(name, default)
        if not isinstance(value, bool):
            raise self.error(name, "true or false is needed")
        return value

    def choice(self, name: str, choices: Mapping[Any, T], default: object) -> T:
        """What a value stands for."""
        value = self.get(name, default)
        if not isinstance(value, str | int) or value not in choices:
            raise ModelError(f"{self._where}: {name} is {value!r}: {_listed(choices)} supported")
        return choices[value]

    def require(self, name: str, *allowed: object, default: object = None) -> None:
        """Refuses any other value."""
        value = self.get(name, default)
        if value not in allowed:
            raise ModelError(f"{self._where}: {name} is {value!r}: {_listed(allowed)} supported")


def _is_number(value: object) -> bool:
    """Whether a value is a number that a float holds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _listed(values: Collection[object]) -> str:
    return f"{', '.join(map(repr, values))} {'is' if len(values) == 1 else 'are'}"
