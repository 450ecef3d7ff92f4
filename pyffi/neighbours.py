"""A graph of neighbouring embeddings (usearch's HNSW), for collections that are too large to compare all."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyffi.buffers import Floats
from pyffi.parallel import cores

Ids: TypeAlias = npt.NDArray[np.int64]

ROWS = 1000  # are added at a time


class Neighbours:
    """The file that holds the graph. It is made of what a database holds, and can be made anew from that. An id is
    never used for another embedding, so the ids tell what is missing."""

    def __init__(self, path: Path, dimension: int) -> None:
        self.path = path
        self._dimension = dimension

    def of(self, ids: Ids) -> Any:
        """The graph, mapped into memory, if it is there and of these ids, which are sorted; else None."""
        graph = self._open(view=True) if find_spec("usearch") else None
        return graph if graph is not None and np.array_equal(np.sort(_keys(graph)), ids) else None

    def keep(
        self,
        ids: Ids,
        embeddings_of: Callable[[Ids], Floats],
        progress: Callable[[int, int], object],
        threads: int | None,
    ) -> None:
        """Brings the file to these ids. What was done is kept if it is interrupted."""
        if not find_spec("usearch"):
            warnings.warn(
                f"{len(ids)} pictures are compared one by one; pip install 'multimodal-ffi[search]' makes it fast",
                stacklevel=4,
            )
            return
        from usearch.index import Index

        from pyffi.models.files import replacing

        graph = self._open(view=False)
        if graph is None:
            graph = Index(ndim=self._dimension, metric="cos", dtype="bf16")  # only proposes: cosines come from float32
        present = _keys(graph)
        missing, gone = np.setdiff1d(ids, present), np.setdiff1d(present, ids)
        if not len(missing) and not len(gone):
            return
        try:
            if len(gone):
                graph.remove(gone.astype(np.uint64))
            for start in range(0, len(missing), ROWS):
                keys = missing[start : start + ROWS]
                graph.add(keys.astype(np.uint64), embeddings_of(keys), threads=threads or cores())
                progress(start + len(keys), len(missing))
        finally:
            with replacing(self.path) as temporary:
                graph.save(os.fspath(temporary))

    def _open(self, *, view: bool) -> Any:
        from usearch.index import Index

        if not self.path.exists():
            return None
        try:
            graph = Index.restore(os.fspath(self.path), view=view)
        except (RuntimeError, ValueError):  # damaged
            return None
        return graph if graph is not None and graph.ndim == self._dimension else None


def _keys(graph: Any) -> Ids:
    return np.asarray(graph.keys[:]).astype(np.int64)
