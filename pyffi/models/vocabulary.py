"""The text tokens of Whisper's two vocabularies, as bytes.

Byte-level BPE files write a byte as a printable character, in the mapping that GPT-2's encoder defines: the printable
Latin-1 characters stand for themselves, the other bytes for the code points from U+0100 on, in order.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from pyffi.models.errors import ModelFileError

_PRINTABLE = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
_OTHERS = [byte for byte in range(256) if byte not in set(_PRINTABLE)]
_TO_CHARACTER = {byte: chr(byte) for byte in _PRINTABLE} | {byte: chr(256 + i) for i, byte in enumerate(_OTHERS)}
_TO_BYTE = {character: byte for byte, character in _TO_CHARACTER.items()}

END_OF_TEXT = "<|endoftext|>"


def to_printable(token: bytes) -> str:
    return "".join(_TO_CHARACTER[byte] for byte in token)


def from_printable(token: str) -> bytes:
    try:
        return bytes(_TO_BYTE[character] for character in token)
    except KeyError as error:
        raise ModelFileError(
            f"the token {token!r} has the character {error.args[0]!r}, which stands for no byte"
        ) from None


def text_tokens(tokens: Sequence[str]) -> list[bytes]:
    """The text tokens of a whole vocabulary in id order: what comes before the end-of-text token."""
    try:
        end = tokens.index(END_OF_TEXT)
    except ValueError:
        raise ModelFileError(f"the vocabulary of {len(tokens)} tokens has no {END_OF_TEXT}: not Whisper's") from None
    return [from_printable(token) for token in tokens[:end]]


def from_ids(ids: Iterable[tuple[str, int]]) -> list[str]:
    """Tokens in id order from (token, id) pairs; ids have to be 0, 1, 2, ... without gaps."""
    tokens = sorted(ids, key=lambda pair: pair[1])
    for expected, (token, token_id) in enumerate(tokens):
        if token_id != expected:
            raise ModelFileError(f"the token {token!r} has id {token_id!r}: {expected} is the next that is free")
    return [token for token, _ in tokens]


def read_tiktoken(path: Path) -> list[bytes]:
    """OpenAI's `gpt2.tiktoken` and `multilingual.tiktoken`: a line has a token in base64 and its id."""
    tokens: list[tuple[bytes, int]] = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            encoded, token_id = line.split(b" ")
            tokens.append((base64.b64decode(encoded, validate=True), int(token_id)))
        except (ValueError, binascii.Error):
            # The multilingual file has one empty token, whose base64 is written as "=".
            if line.startswith(b"= "):
                tokens.append((b"", int(line[2:])))
                continue
            raise ModelFileError(f"{path}, line {number}: {line[:40]!r} is not a token in base64 and its id") from None
    tokens.sort(key=lambda pair: pair[1])
    if [token_id for _, token_id in tokens] != list(range(len(tokens))):
        raise ModelFileError(f"{path}: the ids are not 0 to {len(tokens) - 1}")
    return [token for token, _ in tokens]


def read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelFileError(f"{path} is not JSON: {error}") from None
