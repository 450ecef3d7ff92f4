"""Models: known by name, fetched, checked, converted from other formats, kept in a cache."""

from pyffi.models.checkpoint import Provenance
from pyffi.models.convert import convert, open_checkpoint
from pyffi.models.fetching import PullError
from pyffi.models.pull import cached_path, pull, pull_ctranslate2, resolve
from pyffi.models.registry import Kind, KnownModel, UnknownModel, find_model, known_models

__all__ = [
    "Kind",
    "KnownModel",
    "Provenance",
    "PullError",
    "UnknownModel",
    "cached_path",
    "convert",
    "find_model",
    "known_models",
    "open_checkpoint",
    "pull",
    "pull_ctranslate2",
    "resolve",
]
