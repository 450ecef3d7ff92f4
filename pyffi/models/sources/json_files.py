"""What the JSON files beside the weights have in common."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pyffi.errors import ModelError


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
