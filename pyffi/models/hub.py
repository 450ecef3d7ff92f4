"""Fetches a model from a repository of the Hugging Face hub, or of a mirror that HF_ENDPOINT names.

The hub tells commit, sizes and digests first (SHA-256 of large files, git's SHA-1 of small ones). A file is downloaded
beside its final place and takes it once its digest is right; what has arrived of it when a download breaks off is kept,
and the next one goes on from there. huggingface_hub's own `hf_hub_download` starts such a file again.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import BinaryIO, cast

from pyffi.models.cache import file_stem
from pyffi.models.fetching import Fetched, OnProgress, SourceError, UnreachableError
from pyffi.models.files import PARTIAL, disk_full_named, ensure_free, is_disk_full
from pyffi.models.registry import HubSource

METADATA_TIMEOUT = 5.0  # seconds; a closed network should not keep anybody waiting
_BLOCK = 1 << 20
_COMMIT = re.compile("[0-9a-f]{40}")
_TRANSFORMERS = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.json",
    "tokenizer_config.json",
)
# The files of each form of a model, of which the first ones have to be there, in the order in which `convert` looks.
_FORMS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("model.bin",), ("config.json", "vocabulary.*")),
    (("open_clip_model.safetensors", "open_clip_config.json"), ()),
    (("open_clip_pytorch_model.bin", "open_clip_config.json"), ()),
    (("model.safetensors",), _TRANSFORMERS),
    (("model.safetensors.index.json",), ("model-*-of-*.safetensors", *_TRANSFORMERS)),
    (("pytorch_model.bin",), _TRANSFORMERS),
)


@dataclass(frozen=True)
class RemoteFile:
    name: str
    size: int
    digest: str  # SHA-256, or git's SHA-1 of a file that is not in large-file storage

    def matches(self, path: Path) -> bool:
        if path.stat().st_size != self.size:
            return False
        digest = (
            hashlib.sha256()
            if len(self.digest) == 64
            else hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)
        )
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest() == self.digest


def fetch_from_hub(source: HubSource, folder: Path, on_progress: OnProgress) -> Fetched:
    """Downloads what a converter needs of a repository; raises SourceError if that cannot be had."""
    commit, files = _files(source)
    folder = folder / file_stem(source.repository) / commit
    folder.mkdir(parents=True, exist_ok=True)
    missing = [file for file in files if not (folder / file.name).is_file()]
    ensure_free(folder, sum(file.size - _arrived(folder, file) for file in missing))
    for file in missing:
        _download(source, commit, file, folder, on_progress)
    path = folder / source.file if source.file else folder
    return Fetched(path, commit, {file.name: file.digest for file in files})


def _arrived(folder: Path, file: RemoteFile) -> int:
    partial = folder / f"{file.name}{PARTIAL}"
    return partial.stat().st_size if partial.is_file() else 0


@contextmanager
def _hub_errors() -> Iterator[None]:
    """The hub's client raises what the HTTP library it happens to use does, so anything counts as a failed source."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except SourceError:
        raise
    except HfHubHTTPError as error:
        raise SourceError(str(error).strip().splitlines()[0]) from error
    except Exception as error:
        if isinstance(error, OSError) and is_disk_full(error):
            raise
        raise UnreachableError(f"{error or type(error).__name__}".strip().splitlines()[0]) from error


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


def _files(source: HubSource) -> tuple[str, list[RemoteFile]]:
    """The commit that the revision is at, and the files to take."""
    with _hub_errors():
        from huggingface_hub import HfApi

        info = HfApi(endpoint=_endpoint()).model_info(
            source.repository, revision=source.revision, files_metadata=True, timeout=METADATA_TIMEOUT
        )
        listed = {}
        for file in info.siblings or []:
            if "/" in file.rfilename:
                continue
            digest = file.lfs.sha256 if file.lfs else file.blob_id
            if file.size is not None and digest:
                listed[file.rfilename] = RemoteFile(file.rfilename, file.size, digest)
        commit = info.sha
    if not commit or not _COMMIT.fullmatch(commit):
        raise SourceError(f"the hub names the commit {commit!r} for revision {source.revision}")
    return commit, [listed[name] for name in _wanted(list(listed), source.file)]


def _wanted(names: list[str], only: str | None) -> list[str]:
    if only:
        if only not in names:
            raise SourceError(f"it has no {only}")
        return [only]
    for needed, others in _FORMS:
        if all(name in names for name in needed):
            return [name for name in names if any(fnmatch(name, pattern) for pattern in (*needed, *others))]
    forms = ", ".join(needed[0] for needed, _ in _FORMS)
    raise SourceError(f"it holds no model that can be converted: none of {forms}")


class _Counted:
    """A file that reports how many bytes it has."""

    def __init__(self, file: BinaryIO, report: Callable[[int], None]) -> None:
        self._file = file
        self._report = report

    def write(self, data: bytes) -> int:
        written = self._file.write(data)
        self._report(self._file.tell())
        return written

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def truncate(self) -> int:
        return self._file.truncate()


def _download(source: HubSource, commit: str, file: RemoteFile, folder: Path, on_progress: OnProgress) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    partial = folder / f"{file.name}{PARTIAL}"
    if _arrived(folder, file) > file.size:
        partial.unlink()
    with disk_full_named(partial), _hub_errors(), _quiet(), partial.open("ab") as handle:
        counted = _Counted(handle, lambda size: on_progress(file.name, size, file.size))
        http_get(
            hf_hub_url(source.repository, file.name, revision=commit, endpoint=_endpoint()),
            cast(BinaryIO, counted),
            resume_size=handle.tell(),
            headers=build_hf_headers(),
            expected_size=file.size,
        )
    if not file.matches(partial):
        partial.unlink()
        raise SourceError(f"{file.name} arrived with another digest than {file.digest}, which the hub states")
    partial.replace(folder / file.name)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the client's own progress bars."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    group = "huggingface_hub.http_get"
    if are_progress_bars_disabled(group):
        yield
        return
    disable_progress_bars(group)
    try:
        yield
    finally:
        enable_progress_bars(group)
