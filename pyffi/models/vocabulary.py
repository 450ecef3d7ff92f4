"""The text tokens of Whisper's two vocabularies, as bytes, and those of CLIP's, with the merges that make them.

Byte-level BPE files write a byte as a printable character, in the mapping that GPT-2's encoder defines: the printable
Latin-1 characters stand for themselves, the other bytes for the code points from U+0100 on, in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources

from pyffi.errors import ModelError

_PRINTABLE = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
_OTHERS = [byte for byte in range(256) if byte not in set(_PRINTABLE)]
_TO_PRINTABLE = {byte: 256 + i for i, byte in enumerate(_OTHERS)}
# Characters that stand for no byte become one that Latin-1 cannot encode.
_FROM_PRINTABLE = dict.fromkeys(_OTHERS, 0xFFFD) | {character: byte for byte, character in _TO_PRINTABLE.items()}

END_OF_TEXT = "<|endoftext|>"
START_OF_TEXT = "<|startoftext|>"  # CLIP's


def to_printable(token: bytes) -> str:
    return token.decode("latin-1").translate(_TO_PRINTABLE)


def from_printable(token: str) -> bytes:
    try:
        return token.translate(_FROM_PRINTABLE).encode("latin-1")
    except UnicodeEncodeError as error:
        raise ModelError(f"the token {token!r} has the character {token[error.start]!r}, which no byte has") from None


def text_tokens(tokens: Sequence[str]) -> list[bytes]:
    """The text tokens of a whole vocabulary in id order: what comes before the end-of-text token."""
    try:
        end = tokens.index(END_OF_TEXT)
    except ValueError:
        raise ModelError(f"the vocabulary of {len(tokens)} tokens has no {END_OF_TEXT}: not Whisper's") from None
    return [from_printable(token) for token in tokens[:end]]


def from_ids(ids: Mapping[str, object], count: int) -> list[bytes]:
    """The tokens with the ids 0 to count - 1 of a vocabulary that maps tokens to ids."""
    tokens = {token_id: token for token, token_id in ids.items() if isinstance(token_id, int) and token_id < count}
    for token_id in range(count):
        if token_id not in tokens:
            raise ModelError(f"the vocabulary of {len(ids)} tokens has none with the id {token_id}")
    return [from_printable(tokens[token_id]) for token_id in range(count)]


def published_vocabulary(multilingual: bool) -> list[bytes]:
    """Whisper's own vocabulary, which checkpoints that come without one use. A file has a token a line, printable."""
    return [from_printable(token) for token in _lines("multilingual.txt" if multilingual else "english.txt")]


def clip_vocabulary() -> tuple[list[str], list[str]]:
    """OpenAI's vocabulary of CLIP: the tokens in id order, printable, and the merges "a b" by rank.

    A token for each byte, one for each byte that ends a word, one for each merge, and the two that frame a text.
    """
    merges = _lines("clip_merges.txt")
    characters = [chr(_TO_PRINTABLE.get(byte, byte)) for byte in [*_PRINTABLE, *_OTHERS]]
    joined = [merge.replace(" ", "", 1) for merge in merges]
    ends = [f"{character}</w>" for character in characters]
    return [*characters, *ends, *joined, START_OF_TEXT, END_OF_TEXT], merges


def _lines(name: str) -> list[str]:
    text = (resources.files("pyffi.models") / "vocabularies" / name).read_text(encoding="utf-8")
    return text.removesuffix("\n").split("\n")
