"""What can go wrong with a model's file, folder or download."""

from __future__ import annotations


class ModelFileError(ValueError):
    """A checkpoint is damaged, incomplete or of a kind that is not supported; the message says what and where."""


class PullError(RuntimeError):
    """A model could not be fetched; the message names each source that was tried, why it failed and what to do."""
