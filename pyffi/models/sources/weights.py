"""The weights of a folder: one .safetensors file, or shards that an index lists, or a file of torch.save."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pyffi.errors import ModelError
from pyffi.models.checkpoint import Tensor
from pyffi.models.sources.json_files import read_object
from pyffi.models.sources.safetensors import read_safetensors
from pyffi.models.sources.torch_zip import TorchFile

# Files of one kind of folder, of which the first that is there counts.
TRANSFORMERS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
OPENCLIP = ("open_clip_model.safetensors", "open_clip_model.safetensors.index.json", "open_clip_pytorch_model.bin")


def has_weights(folder: Path, names: tuple[str, str, str]) -> bool:
    return any((folder / name).is_file() for name in names)


def folder_weights(folder: Path, names: tuple[str, str, str] = TRANSFORMERS) -> Iterator[tuple[str, Tensor]]:
    single, index, pickled = (folder / name for name in names)
    if single.is_file():
        yield from read_safetensors(single)
    elif index.is_file():
        yield from _shards(index)
    elif pickled.is_file():
        file = TorchFile(pickled)
        yield from file.tensors(file.root).items()
    else:
        raise ModelError(f"{folder} has none of {', '.join(names)}")


def _shards(index: Path) -> Iterator[tuple[str, Tensor]]:
    files = read_object(index).get("weight_map")
    if not isinstance(files, dict) or not all(isinstance(name, str) for name in files.values()):
        raise ModelError(f"{index}: weight_map does not map tensors to files")
    for name in sorted(set(files.values())):
        if Path(name).name != name:
            raise ModelError(f"{index} lists {name!r}: a file in the same folder is needed")
        if not (index.parent / name).is_file():
            raise ModelError(f"{index} lists {name}, which is missing")
        yield from ((tensor, value) for tensor, value in read_safetensors(index.parent / name) if tensor in files)


# Parts of names in a source, and what they are in a checkpoint.
Names = tuple[tuple[str, str], ...]


def renamed(weights: Iterable[tuple[str, Tensor]], names: Names, source: Path) -> dict[str, Tensor]:
    """The weights under other names: each pattern is replaced, in this order."""
    patterns = [(re.compile(pattern), replacement) for pattern, replacement in names]
    tensors: dict[str, Tensor] = {}
    for original, tensor in weights:
        name = original
        for pattern, replacement in patterns:
            name = pattern.sub(replacement, name)
        if name in tensors:
            raise ModelError(f"{source} has {original} twice")
        tensors[name] = tensor
    return tensors
