"""Writes tests/fixtures/tokenizer.json: token ids of difficult strings by tiktoken, for Whisper's two vocabularies.

    pip install tiktoken==0.14.0
    python tools/make_tokenizer_reference.py

The ranks are those of the vocabularies in pyffi/models/vocabularies, the split pattern is openai/whisper's.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import tiktoken

from pyffi.models.vocabulary import published_vocabulary

FIXTURE = Path(__file__).parents[1] / "tests" / "fixtures" / "tokenizer.json"
PATTERN = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""

WRITTEN = [
    "", " ", "  ", "\n", " \n", "\n ", "a  b", "a \n b", "\t\tx", "tail  ", "it's", "IT'S",
    "we'll they've you're I'm I'd can't", "'' 'll ''ll l'l 'x", "  'd", "x" * 200, " " * 60 + "x", "\u3000\u3000字",
    "no\u00a0break", "1234567890", "3.14159e-10", "½ Ⅷ ٣ ² 一二", "a\u200bb", "e\u0301 e\u0301\u0302",
    "👍🏽 👨\u200d👩\u200d👧 🇩🇪", "♪♪ (music) [noise] -- \u2014", "\x00\x01\x1c\x7f",
    "And so, my fellow Americans, ask not what your country can do for you",
    " Ask not what your country can do for you!", "Größe, Äpfel, Straße; naïve café, façade",
    "El niño comió piñas en mayo", "Съешь ещё этих мягких французских булок", "字幕由志愿者提供",
    "吾輩は猫である。名前はまだ無い。", "나는 학교에 갑니다.", "สวัสดีครับ", "नमस्ते दुनिया", "مرحبا بالعالم",
    "שלום עולם", "Ελληνικά γράμματα", "Tiếng Việt có dấu", "ßſﬁŉǅ ªº", "\U000105c0\U000105e7 \U0001e4d0",
    "\ufeffBOM", "\U0010ffff",
]  # fmt: skip
ALPHABETS = [
    "abcdefgh IJK", "'s't're've'm'll'd'S' ", "  \t\n\r\x0b\x85\xa0\u2003\u3000\u1680\u2028 ", "0123456789²½Ⅷ٣一二",
    ".,!?-\u2013\u2014()[]{}<>*&^%$#@~`|\\/", "äöüßéèñçøåšžđ", "中文字幕由志愿者提供日本語のテスト한국어자막",
    "😀👍🏽🇩🇪♪♫「」", "\u0301\u200d\u200b\ufeff\u00ad\u2060", "مرحبا שלום नमस्ते สวัสดี",
]  # fmt: skip


def strings() -> list[str]:
    rng = random.Random(0)
    mixed = ["".join(rng.choice(rng.choice(ALPHABETS)) for _ in range(rng.randint(2, 25))) for _ in range(60)]
    pure = ["".join(rng.choice(alphabet) for _ in range(30)) for alphabet in ALPHABETS for _ in range(4)]
    return WRITTEN + mixed + pure


def main() -> None:
    texts = strings()
    found: dict[str, object] = {"texts": texts}
    for name, multilingual in (("english", False), ("multilingual", True)):
        ranks = {token: rank for rank, token in enumerate(published_vocabulary(multilingual))}
        encoding = tiktoken.Encoding(name, pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
        found[name] = [encoding.encode(text) for text in texts]
    lines = [f"  {json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in found.items()]
    FIXTURE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
