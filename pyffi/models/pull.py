"""Models by name: fetched once, checked, converted and kept in the cache.

path = resolve("tiny.en")              # pulled if it is not in the cache yet
path = resolve("my-whisper-folder/")   # converted into the cache once
path = resolve("ggml-base.bin")        # used as it is
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from pyffi.errors import ModelError
from pyffi.models import cache
from pyffi.models.checkpoint import Provenance
from pyffi.models.convert import checkpoint_path, convert
from pyffi.models.fetching import Fetched, OnProgress, PullError, SourceError, UnreachableError
from pyffi.models.files import replacing
from pyffi.models.gguf import WeightType
from pyffi.models.hub import fetch_from_hub
from pyffi.models.package_index import fetch_from_index
from pyffi.models.registry import MODEL_SUFFIXES, HubSource, IndexSource, Kind, KnownModel, find_model, is_known
from pyffi.models.sources.ctranslate2 import is_ctranslate2
from pyffi.models.sources.ggml import is_ggml
from pyffi.models.sources.gguf import is_gguf

_PACKAGE = Path(__file__).parent
# What the names in files begin with, by kind of model.
_TITLES = {"speech": "whisper-", "clip": "clip-", None: ""}

OnMessage = Callable[[str], None]


def _ignore_progress(what: str, done: int, total: int) -> None:
    pass


def _ignore_message(message: str) -> None:
    pass


def cached_path(name: str, weight_type: WeightType = "f16") -> Path:
    """Where a known model is, or would be: in the cache, or in this package."""
    model = find_model(name)
    if model.packaged:
        return _PACKAGE / model.packaged
    if model.quantization:
        return cache.model_path(model.name, ".bin")
    return cache.model_path(model.name, ".gguf" if weight_type == "f16" else f"-{weight_type}.gguf")


def find_local(name_or_path: str | os.PathLike[str]) -> Path:
    """The model file that a name or path stands for, if it is here; nothing is fetched or converted."""
    path = Path(name_or_path)
    if path.is_file():
        return path
    name = os.fspath(name_or_path)
    if _is_path(path):
        raise FileNotFoundError(
            f"{path} is not a file; `multimodal models list` shows the names that can be used instead"
        )
    target = cached_path(name)
    if not target.is_file():
        if find_model(name).packaged:
            raise FileNotFoundError(f"{target}, which is a part of this package, is missing: install it again")
        raise FileNotFoundError(f"{name} is not in the cache: `multimodal models pull {name}` fetches it")
    return target


def _is_path(path: Path) -> bool:
    """Whether no name can be meant. A folder that has a known model's name by chance does not hide the model."""
    return path.suffix in MODEL_SUFFIXES or path.is_absolute() or (path.is_dir() and not is_known(os.fspath(path)))


def pull(
    name: str,
    *,
    weight_type: WeightType = "f16",
    force: bool = False,
    on_progress: OnProgress = _ignore_progress,
    on_message: OnMessage = _ignore_message,
) -> Path:
    """Returns the path of a known model, fetching and converting it first if it is not in the cache.

    `force` fetches it even so. Raises PullError if no source can give it, OSError if the disk is full.
    """
    model = find_model(name)
    target = cached_path(name, weight_type)
    if model.packaged:
        return find_local(name)
    if target.is_file() and not force:
        return target
    with cache.locked(model.name, target, lambda: on_message(f"waiting for another process that pulls {model.name}")):
        if target.is_file() and not force:
            return target

        def place(source: HubSource | IndexSource, fetched: Fetched) -> None:
            _place(model, source, fetched, target, weight_type)

        _fetch(model, model.sources, place, on_progress, on_message)
    return target


def pull_ctranslate2(
    name: str, *, on_progress: OnProgress = _ignore_progress, on_message: OnMessage = _ignore_message
) -> Path:
    """Returns the folder of a known model as CTranslate2 (faster-whisper) opens it, fetching it first if need be.

    For comparisons on the same weights; kept in the cache beside the converted model. Raises PullError.
    """
    model = find_model(name)
    model.require("speech")
    target = cache.cache_folder() / "checkpoints" / cache.file_stem(model.name)
    with cache.locked(model.name, target, lambda: on_message(f"waiting for another process that pulls {model.name}")):
        if target.is_dir():
            return target

        def place(source: HubSource | IndexSource, fetched: Fetched) -> None:
            if not is_ctranslate2(fetched.path):
                raise SourceError("is not in CTranslate2's format")
            target.parent.mkdir(parents=True, exist_ok=True)
            fetched.path.rename(target)

        folders = [source for source in model.sources if isinstance(source, IndexSource) or source.file is None]
        if not folders:
            raise PullError(f"{model.name} is published as a ggml file only, which CTranslate2 does not open")
        _fetch(model, folders, place, on_progress, on_message)
    return target


def _fetch(
    model: KnownModel,
    sources: Sequence[HubSource | IndexSource],
    place: Callable[[HubSource | IndexSource, Fetched], None],
    on_progress: OnProgress,
    on_message: OnMessage,
) -> None:
    """Has what the first source gives that can give it put into the cache by `place`."""
    downloads = cache.download_folder(model.name)
    failures: list[str] = []
    hub_answers = True
    for source in sources:
        if isinstance(source, HubSource) and not hub_answers:
            continue
        try:
            if isinstance(source, HubSource):
                fetched = fetch_from_hub(source, downloads, on_progress)
            else:
                fetched = fetch_from_index(source, downloads, on_progress)
            on_message(f"{source}: complete, digests checked")
            place(source, fetched)
        except UnreachableError as error:
            hub_answers = False
            failures.append(f"{source} cannot be reached: {error}")
        except (SourceError, ModelError) as error:
            failures.append(f"{source}: {error}")
        else:
            shutil.rmtree(downloads, ignore_errors=True)
            return
        on_message(failures[-1])
    raise PullError(
        f"{model.name} could not be fetched.\n"
        + "".join(f"  {failure}\n" for failure in failures)
        + "Pull again to go on where it stopped, set HF_ENDPOINT to a mirror of the hub, or convert a model you have: "
        "multimodal models convert PATH"
    )


def _place(
    model: KnownModel, source: HubSource | IndexSource, fetched: Fetched, target: Path, weight_type: WeightType
) -> None:
    """Puts what was fetched into the cache, converted unless it is a quantised file, which would only grow."""
    if model.quantization:
        with replacing(target) as temporary:
            shutil.copyfile(fetched.path, temporary)
    else:
        origin = f"{source.repository}@{fetched.revision}" if isinstance(source, HubSource) else fetched.revision
        convert(
            fetched.path,
            target,
            weight_type=weight_type,
            provenance=Provenance(_title(model), origin, model.license),
        )
    record = cache.Record(
        name=model.name,
        source=str(source),
        revision=fetched.revision,
        sha256=cache.sha256_file(target),
        size=target.stat().st_size,
        downloads=fetched.digests,
    )
    cache.write_record(target, record)


def _title(model: KnownModel) -> str:
    prefix = _TITLES[model.kind]
    return model.name if model.name.startswith(prefix) else prefix + model.name


def resolve(
    name_or_path: str | os.PathLike[str],
    *,
    kind: Kind | None = None,
    on_progress: OnProgress = _ignore_progress,
    on_message: OnMessage = _ignore_message,
) -> Path:
    """The model file that a name or a path stands for.

    A .gguf or whisper.cpp's .bin is used as it is; any other checkpoint is converted into the cache once; the name of
    a known model, or owner/repository of one on the hub, is pulled if it is not in the cache. A known model of another
    kind than this is refused.
    """
    path = Path(name_or_path)
    checkpoint = checkpoint_path(path)
    if path.is_file() and (checkpoint is None or is_gguf(path) or is_ggml(path)):
        return path  # opening it says what is wrong with it, if anything is
    if checkpoint:
        return _convert_once(checkpoint, on_message)
    name = os.fspath(name_or_path)
    if _is_path(path):
        problem = "holds no model" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"{path} {problem}; `multimodal models list` shows the names that can be used instead")
    find_model(name).require(kind)
    return pull(name, on_progress=on_progress, on_message=on_message)


def _convert_once(checkpoint: Path, on_message: OnMessage) -> Path:
    """The converted form of a local checkpoint, under a name that changes when the checkpoint does."""
    checkpoint = checkpoint.resolve()
    files = sorted(path for path in checkpoint.iterdir() if path.is_file()) if checkpoint.is_dir() else [checkpoint]
    state = hashlib.sha256()
    for path in files:
        status = path.stat()
        state.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
    base = checkpoint.name if checkpoint.is_dir() else checkpoint.stem
    name = f"{base}-{state.hexdigest()[:16]}"
    target = cache.cache_folder() / "converted" / f"{name}.gguf"
    if not target.is_file():
        with cache.locked(name, target, lambda: on_message(f"waiting for another process that converts {checkpoint}")):
            if not target.is_file():
                on_message(f"converting {checkpoint} to {target}")
                convert(checkpoint, target)
    return target
