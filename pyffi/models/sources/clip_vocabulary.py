"""CLIP's tokens and merges, from the files that lie beside a transformers model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyffi.errors import ModelError
from pyffi.models.sources.json_files import Fields, read_object
from pyffi.models.vocabulary import END_OF_TEXT, START_OF_TEXT, clip_vocabulary, from_printable

Vocabulary = tuple[list[str], list[str]]  # tokens in id order, merges "a b" by rank

WORD_END = "</w>"


def read_vocabulary(folder: Path, vocab_size: int) -> Vocabulary:
    """Of tokenizer.json, else of vocab.json and merges.txt, else OpenAI's own if the size is its."""
    whole, ids, merges = (folder / name for name in ("tokenizer.json", "vocab.json", "merges.txt"))
    if whole.is_file():
        vocabulary = _read_tokenizer(whole)
    elif ids.is_file() and merges.is_file():
        lines = _lines(merges)
        start = 1 if lines and lines[0].startswith("#version") else 0
        vocabulary = _in_order(read_object(ids), ids), lines[start:]
    else:
        vocabulary = clip_vocabulary()
        if len(vocabulary[0]) != vocab_size:
            raise ModelError(
                f"{folder} has neither tokenizer.json nor vocab.json and merges.txt: OpenAI's own vocabulary has "
                f"{len(vocabulary[0])} tokens, but vocab_size is {vocab_size}"
            )
    check_vocabulary(vocabulary, folder)
    return vocabulary


def check_vocabulary(vocabulary: Vocabulary, source: Path) -> None:
    tokens, merges = vocabulary
    known = set(tokens)
    for token in (START_OF_TEXT, END_OF_TEXT):
        if token not in known:
            raise ModelError(f"{source}: the vocabulary of {len(tokens)} tokens has no {token}: not CLIP's")
    for token in tokens:
        from_printable(token)
    for merge in merges:
        left, _, right = merge.partition(" ")
        if left not in known or right not in known or left + right not in known:
            raise ModelError(f"{source}: the merge {merge!r} is not of two tokens that make a third")


def _read_tokenizer(path: Path) -> Vocabulary:
    fields = Fields.read(path)
    model = fields.section("model")
    model.require("type", "BPE", default="BPE")
    model.require("end_of_word_suffix", WORD_END)
    ids = dict(model.section("vocab").values)
    for added in fields.items("added_tokens"):
        match added:
            case {"content": str(content), "id": int(token_id)}:
                ids.setdefault(content, token_id)
    merges: list[str] = []
    for merge in model.items("merges"):
        match merge:
            case str():
                merges.append(merge)
            case [str(left), str(right)]:
                merges.append(f"{left} {right}")
            case _:
                raise ModelError(f"{path}: the merge {merge!r} is not a pair of tokens")
    if not merges:
        raise ModelError(f"{path} has no merges")
    return _in_order(ids, path), merges


def _in_order(ids: dict[str, Any], path: Path) -> list[str]:
    tokens = {token_id: token for token, token_id in ids.items() if isinstance(token_id, int)}
    for token_id in range(len(ids)):
        if token_id not in tokens:
            raise ModelError(f"{path}: the vocabulary of {len(ids)} tokens has none with the id {token_id}")
    return [tokens[token_id] for token_id in range(len(ids))]


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is not UTF-8: {error}") from None
    return [line for line in text.split("\n") if line]


def pad_token_id(folder: Path, default: int) -> int:
    """What the tokenizer fills texts up with, which is not always what config.json says."""
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return default
    fields = Fields.read(path)
    pad = fields.get("pad_token")
    content = pad.get("content") if isinstance(pad, dict) else pad
    for token_id, token in fields.section("added_tokens_decoder", {}).values.items():
        if isinstance(token, dict) and token.get("content") == content and token_id.isdecimal():
            return int(token_id)
    return default


def published_merges(tokens: list[str]) -> list[str]:
    """The merges of a vocabulary that is OpenAI's own; of another none, which the engine then recovers."""
    own, merges = clip_vocabulary()
    return merges if tokens == own else []
