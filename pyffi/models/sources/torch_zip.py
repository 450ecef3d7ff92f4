"""Tensors of a file that torch.save wrote: a zip archive with a pickle and one uncompressed member for each storage.

A pickle is a program, and unpickling runs it. Here it may do nothing but build dictionaries, lists and records of
tensors: every instruction and every name it refers to is looked up in a list of what torch.save needs for a
checkpoint, and anything else is refused before a single one is run. No name ever leads to code outside of this file.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from pyffi.errors import ModelError
from pyffi.models.checkpoint import Array, Tensor

# fmt: off
_OPCODES = frozenset({
    "PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1",
    "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE",
    "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "APPEND", "APPENDS", "SETITEM", "SETITEMS",
    "BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET",
    "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "BINPERSID",
})
# fmt: on
_STORAGES = {
    "FloatStorage": ("float32", "<f4"),
    "HalfStorage": ("float16", "<f2"),
    "BFloat16Storage": ("bfloat16", "<u2"),
    "LongStorage": ("int64", "<i8"),  # position numbers, which no converter takes
}
_MAX_PICKLE = 64 << 20


class _Sealed:
    """Base of everything a pickle gets hold of: BUILD cannot change it."""

    def __setstate__(self, state: object) -> NoReturn:
        raise pickle.UnpicklingError(f"{type(self).__name__} has no state to set")


@dataclass(frozen=True)
class _StorageType(_Sealed):
    name: str


@dataclass(frozen=True)
class _Storage(_Sealed):
    type: str
    key: str
    count: int


@dataclass(frozen=True)
class _TensorRecord(_Sealed):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _StateDict(dict[Any, Any]):
    """A collections.OrderedDict; torch attaches version numbers to it, which nothing here needs."""

    def __setstate__(self, state: object) -> None:
        pass


@dataclass(frozen=True)
class _Function(_Sealed):
    function: Callable[..., object]

    def __call__(self, *arguments: object) -> object:
        return self.function(*arguments)


def _rebuild_tensor(storage: object, offset: object, shape: object, strides: object, *_: object) -> _TensorRecord:
    integers = (offset, *shape, *strides) if isinstance(shape, tuple) and isinstance(strides, tuple) else (None,)
    if not isinstance(storage, _Storage) or not all(isinstance(value, int) and value >= 0 for value in integers):
        raise pickle.UnpicklingError(f"a tensor of {storage!r} with offset {offset!r}, shape {shape!r}, {strides!r}")
    return _TensorRecord(storage, offset, shape, strides)  # type: ignore[arg-type]


_GLOBALS: dict[tuple[str, str], object] = {
    ("torch._utils", "_rebuild_tensor_v2"): _Function(_rebuild_tensor),
    ("torch._utils", "_rebuild_parameter"): _Function(lambda tensor, *_: tensor),
    ("collections", "OrderedDict"): _Function(lambda: _StateDict()),
    **{("torch", name): _StorageType(name) for name in _STORAGES},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _GLOBALS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, which has no place in a checkpoint") from None

    def persistent_load(self, pid: object) -> _Storage:
        match pid:
            case ("storage", _StorageType(name), str(key), str(), int(count)):
                return _Storage(name, key, count)
        raise pickle.UnpicklingError(f"it refers to {pid!r}, which is not a storage")


def _unpickle(data: bytes) -> object:
    for opcode, argument, position in pickletools.genops(data):
        if opcode.name not in _OPCODES:
            raise pickle.UnpicklingError(f"it has the instruction {opcode.name} at {position}")
        # Slots are numbered from 0 by those who write pickles; the unpickler allocates up to the largest number.
        if opcode.name == "LONG_BINPUT" and isinstance(argument, int) and argument > len(data):
            raise pickle.UnpicklingError(f"it stores to slot {argument} at {position}")
    return _Unpickler(io.BytesIO(data)).load()


class TorchFile:
    """A file of torch.save: `root` is what was saved, with tensors as records that `tensor` turns into tensors."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise ModelError(
                f"{path} is not a file of torch.save ({error}); one of PyTorch before 1.6 has to be saved again"
            ) from None
        if any(info.filename.endswith("/constants.pkl") for info in self._archive.infolist()):
            raise ModelError(
                f"{path} is a TorchScript archive, which is a program: save its weights alone, "
                "torch.save(torch.jit.load(path).state_dict(), target), and convert those"
            )
        pickles = [info for info in self._archive.infolist() if info.filename.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ModelError(f"{path} has {len(pickles)} members named data.pkl: torch.save writes one")
        if pickles[0].file_size > _MAX_PICKLE:
            raise ModelError(f"{path}: data.pkl has {pickles[0].file_size} bytes: at most {_MAX_PICKLE} are read")
        self._folder = pickles[0].filename.removesuffix("data.pkl")
        if self._read(f"{self._folder}byteorder", default=b"little") != b"little":
            raise ModelError(f"{path} was written on a big-endian machine: save it again on another")
        try:
            self.root = _unpickle(self._read(pickles[0].filename))
        except ModelError:
            raise
        except Exception as error:  # a damaged pickle can raise nearly anything
            raise ModelError(f"{path} is not a checkpoint of tensors: {error or type(error).__name__}") from None

    def _read(self, member: str, default: bytes | None = None) -> bytes:
        try:
            return self._archive.read(member)
        except KeyError:
            if default is not None:
                return default
            raise ModelError(f"{self.path} has no member {member}") from None
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
            raise ModelError(f"{self.path}: {member} cannot be read: {error}") from None

    def tensors(self, state_dict: object) -> dict[str, Tensor]:
        """The tensors of a state dict in `root`; weights are loaded when asked for."""
        if not isinstance(state_dict, dict):
            raise ModelError(f"{self.path}: a dictionary of tensors is needed, not {type(state_dict).__name__}")
        return {str(name): self._tensor(str(name), record) for name, record in state_dict.items()}

    def _tensor(self, name: str, record: object) -> Tensor:
        if not isinstance(record, _TensorRecord) or len(record.shape) != len(record.strides):
            raise ModelError(f"{self.path}: {name} is not a tensor")
        stored, code = _STORAGES[record.storage.type]
        dtype = np.dtype(code)
        member = f"{self._folder}data/{record.storage.key}"
        last = record.offset + sum((n - 1) * stride for n, stride in zip(record.shape, record.strides, strict=True))
        if 0 in record.shape or last >= record.storage.count:
            raise ModelError(f"{self.path}: {name}, {record.shape}, reaches past its {record.storage.count} values")
        try:
            info = self._archive.getinfo(member)
        except KeyError:
            raise ModelError(f"{self.path} has no member {member}, the values of {name}") from None
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != record.storage.count * dtype.itemsize:
            raise ModelError(
                f"{self.path}: {member} has {info.file_size} bytes: "
                f"{record.storage.count * dtype.itemsize}, not compressed, belong to {name}"
            )

        def load() -> Array:
            values = np.frombuffer(self._read(member), dtype)[record.offset :]
            strides = [stride * dtype.itemsize for stride in record.strides]
            return np.lib.stride_tricks.as_strided(values, record.shape, strides, writeable=False)

        return Tensor.stored(record.shape, stored, load)
