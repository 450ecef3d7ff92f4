"""CLIP's tokenizer over a vocabulary of our own: byte-level BPE with </w>, made from the captions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, trainers

PATTERN = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
START, END = "<|startoftext|>", "<|endoftext|>"
N_VOCAB = 4000
CONTEXT = 32


def byte_symbols() -> list[str]:
    """GPT-2's printable form of the 256 bytes, in the order of CLIP's vocabulary."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [chr(byte) for byte in printable] + [chr(256 + n) for n in range(256 - len(printable))]


def _around(model: Any) -> Any:
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(tokenizers.Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(PATTERN), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer


def learn(corpus: list[str], path: Path) -> None:
    """Writes {"tokens": [...], "merges": [...]}."""
    tokenizer = _around(models.BPE(end_of_word_suffix="</w>"))
    symbols = byte_symbols()
    symbols += [symbol + "</w>" for symbol in symbols]
    trainer = trainers.BpeTrainer(
        vocab_size=2 * N_VOCAB, initial_alphabet=symbols[:256], end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    tokens, merges = list(symbols), []
    for left, right in json.loads(tokenizer.to_str())["model"]["merges"]:
        if left + right not in tokens and len(tokens) < N_VOCAB - 2:
            tokens.append(left + right)
            merges.append(f"{left} {right}")
    path.write_text(json.dumps({"tokens": [*tokens, START, END], "merges": merges}), encoding="utf-8")


class Tokenizer:
    """`dropout` leaves out merges by chance, so that the pieces of words are learnt too."""

    def __init__(self, path: Path, dropout: float | None = None) -> None:
        stored = json.loads(path.read_text(encoding="utf-8"))
        self.tokens: list[str] = stored["tokens"]
        self.merges: list[str] = stored["merges"]
        ids = {token: index for index, token in enumerate(self.tokens)}
        pairs = [(left, right) for left, right in (merge.split(" ") for merge in self.merges)]
        self._tokenizer = _around(models.BPE(ids, pairs, end_of_word_suffix="</w>", dropout=dropout))
        self.start, self.end = ids[START], ids[END]

    def encode(self, texts: list[str]) -> list[list[int]]:
        encoded = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        return [[self.start, *one.ids[: CONTEXT - 2], self.end] for one in encoded]
