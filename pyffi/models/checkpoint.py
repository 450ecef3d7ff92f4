"""What every converter reads and every writer takes: a checkpoint, tensor by tensor.

Tensors have one set of names and shapes for each architecture (`whisper.py`, `clip.py`), whatever the source calls
them. They are loaded one at a time, so that converting a model takes memory for a few copies of its largest tensor,
however large the model is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pyffi.errors import ModelError

Array = npt.NDArray[Any]
Shapes = dict[str, tuple[int, ...]]
# In a file integers are u32, floats f32.
MetadataValue = bool | int | float | str | list[int] | list[float] | list[str]


@dataclass(frozen=True)
class Tensor:
    """A tensor that is read when asked for; `dtype` is what `load` returns: float16 or float32 (or int64, which some
    files have beside the weights)."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[], Array]

    def rows(self, start: int, stop: int) -> Tensor:
        """Rows start to stop, as a tensor of its own."""
        return Tensor((stop - start, *self.shape[1:]), self.dtype, lambda: self.load()[start:stop])

    def transposed(self) -> Tensor:
        return Tensor(self.shape[::-1], self.dtype, lambda: self.load().T)

    def reshaped(self, *shape: int) -> Tensor:
        return Tensor(shape, self.dtype, lambda: self.load().reshape(shape))

    @classmethod
    def stored(cls, shape: tuple[int, ...], stored: str, load: Callable[[], Array]) -> Tensor:
        """A tensor that is stored as float32, float16, int64 or bfloat16 (`load` gives its bits as uint16)."""
        if stored == "bfloat16":
            return cls(shape, np.dtype(np.float32), lambda: bfloat16_to_float32(load()))
        return cls(shape, np.dtype(stored), load)


@dataclass(frozen=True)
class Provenance:
    """What a converted file says of itself."""

    name: str
    source: str
    license: str | None = None  # SPDX identifier


@dataclass(frozen=True, kw_only=True)
class Checkpoint(ABC):
    """A model of any architecture."""

    architecture: ClassVar[str]  # as general.architecture has it
    title: ClassVar[str]  # for messages

    tensors: Mapping[str, Tensor]
    provenance: Provenance

    @property
    @abstractmethod
    def shapes(self) -> Shapes:
        """Name and shape of every tensor that the model has, in the order of the file."""

    @abstractmethod
    def metadata(self) -> dict[str, MetadataValue]:
        """The keys of a file that are the architecture's own."""

    def constants(self) -> dict[str, Array]:
        """Tensors that files carry but checkpoints do not."""
        return {}

    def is_matrix(self, name: str) -> bool:
        return is_matrix(name, self.shapes[name])

    def validate_tensors(self) -> None:
        missing = sorted(self.shapes.keys() - self.tensors.keys())
        if missing:
            raise ModelError(f"{len(missing)} tensors are missing, such as {missing[0]}")
        unknown = sorted(self.tensors.keys() - self.shapes.keys())
        if unknown:
            raise ModelError(f"{len(unknown)} tensors do not belong to a {self.title} model, such as {unknown[0]}")
        for name, shape in self.shapes.items():
            if self.tensors[name].shape != shape:
                raise ModelError(f"{name} has shape {list(self.tensors[name].shape)}: {list(shape)} is needed")
            if self.tensors[name].dtype.kind != "f":
                raise ModelError(f"{name} has type {self.tensors[name].dtype}: floating-point numbers are needed")

    def load(self, name: str) -> Array:
        """The values of a tensor, refused if any is NaN or infinite."""
        return finite(name, self.tensors[name].load())


def finite(name: str, values: Array) -> Array:
    """The values, if none is NaN or infinite."""
    bad = ~np.isfinite(values)
    if bad.any():
        where = [int(i) for i in np.argwhere(bad)[0]]
        raise ModelError(f"{name} has the value {values[tuple(where)]} at {where}: weights have to be finite")
    return values


def bfloat16_to_float32(bits: Array) -> Array:
    """bfloat16, given as uint16, is the upper half of a float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def is_matrix(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a tensor is the weight of a matrix product, stored as panels in f16 or f32, not plainly in f32."""
    return name.endswith(".weight") and len(shape) > 1 and not name.endswith(".position_embd.weight")
