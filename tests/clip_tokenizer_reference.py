"""CLIP's tokenizer as package tokenizers has it, and texts to compare with.

The pipeline is the one that transformers' CLIPTokenizer (5.23.0) builds from a vocabulary and merges.
"""
# ruff: noqa: RUF001 (characters that look like others are what is to be told apart)

from __future__ import annotations

import random
import unicodedata
from pydoc_data.topics import topics

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

START, END = "<|startoftext|>", "<|endoftext|>"
PATTERN = r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""

WRITTEN = [
    # Those of transformers' and OpenAI's tokenizers side by side.
    "a photo of a cat", "A Photo of a CAT!", "two dogs playing in the snow", "", "  spaced   out\ttext\n",
    "it's what they've said, I'd say we'll see", "naïve café — déjà vu", "数字と漢字 123",
    "emoji 😀 test 👩\u200d👩\u200d👧", "<|startoftext|> hi", "&amp; html &lt;b&gt;",
    "#hashtag @user http://example.com/a?b=c", "３．１４ ﬁ ligature", "“curly” ‘quotes’", "a\x00b",
    # Cut.
    "x" * 400, " ".join(f"word{i}" for i in range(120)), "1" * 74, "1" * 75, "1" * 76, "<|endoftext|>" * 80,
    "a photo " * 37 + "photograph", "!" * 1000, "supercalifragilisticexpialidocious" * 9,
    # Split.
    " ", "\n", "a  b", "a \n b", "IT'S", "'s", "''s", "'S 'sS x'd'd", "we'll they've you're I'm I'd can't isn’t",
    "1234567890", "3.14159e-10", "½ Ⅷ ٣ ² 一二", "a\u200bb", "no\u00a0break", "\u3000\u3000字",
    "a\x1cb\x1d\x85c\u2028d",
    "snake_case camelCase kebab-case", "http://example.com/?a=1&b=%20#x", "C++ C# a+b=c", "...!?…‽", "(a)[b]{c}<d>",
    "\ufeffBOM", "\U0010ffff\ufffd", "\x00\x01\x1c\x7f", "\t\tx", "tail  ",
    # Normalized.
    "e\u0301 e\u0301\u0302 \u0301", "q\u0307\u0323 d\u0307\u0323 d\u0323\u0307", "\u0344\u0340\u0341\u0343\u0374\u037e",
    "Å Ω K \u2126\u212a\u212b", "가각힣 \u1100\u1161\u11a8 \u1100\u1161\u11a7\u11a8 \uac00\u11a8", "İIıi ΑΣ ΣΑΣ ẞß ǅǈ",
    "\u0958\u0f43\u0f73\u0f71\u0f72 \u09c7\u09be \U0001d15e", "豈 \uf900 \U0002f800", "\U00011935\U00011930",
    "ⅧⒶ Ａ ﬁ ™ ½", "Ŀ ŀ ŉ ǆ", "\u1c89\ua7cb\ua7dc\U00010d50\U00016ea0",
    # Special.
    "<|startoftext|><|endoftext|>", "a<|startoftext|>b", "x  <|endoftext|>  y", "<|STARTOFTEXT|> hi", "<|EndOfText|>!!",
    "!<|ENDOFTEXT|>'s", "<|<|startoftext|>|>", "<|startoftext|>\u0301", "e<|endoftext|>\u0301", "<|startoftext|",
    "</w>", "a</w>b", "<start_of_text>", "<|endoftext|>" + "\u0338",
    # Languages.
    "Größe, Äpfel, Straße; naïve café, façade", "El niño comió piñas en mayo",
    "Съешь ещё этих мягких французских булок",
    "吾輩は猫である。名前はまだ無い。", "나는 학교에 갑니다.", "สวัสดีครับ", "नमस्ते दुनिया", "مرحبا بالعالم", "שלום עולם",
    "Ελληνικά γράμματα", "Tiếng Việt có dấu", "ქართული ᲥᲐᲠᲗᲣᲚᲘ", "Ꭰꭰ ᏸᏰ", "አማርኛ", "தமிழ்", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐐀𐐨",
]  # fmt: skip
MARKS = "".join(filter(unicodedata.combining, map(chr, range(0x30000))))
PARTS = "".join(
    unicodedata.normalize("NFD", chr(c)) for c in range(0x30000) if unicodedata.normalize("NFD", chr(c)) != chr(c)
)
ALPHABETS = [
    "abcdefgh IJK", "the cat dog photo of ", "'s't're've'm'll'd'S' ", "  \t\n\r\x0b\x85\xa0\u2003\u3000\u1680\u2028 ",
    "0123456789²½Ⅷ٣一二", ".,!?-\u2013\u2014()[]{}<>*&^%$#@~`|\\/", "äöüßéèñçøåšžđİIıΣς",
    "中文字幕日本語のテスト한국어",
    "😀👍🏽🇩🇪♪♫「」", "\u200d\u200b\ufeff\u00ad\u2060\x00\x1c\x7f", "مرحبا שלום नमस्ते สวัสดี", MARKS, PARTS,
    "\u1100\u1112\u1161\u1175\u11a7\u11a8\u11c2\uac00\ud7a3",
]  # fmt: skip
PIECES = [START, END, "<|STARTOFTEXT|>", "<|EndOfText|>", "<|", "|>", "</w>", "'ll", "'S", " "]


def reference_tokenizer(tokens: list[str], merges: list[str]) -> Tokenizer:
    """Encodes with start and end token; does not cut."""
    ids = {token: i for i, token in enumerate(tokens)}
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    tokenizer = Tokenizer(models.BPE(ids, pairs, unk_token=END, end_of_word_suffix="</w>", fuse_unk=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in (START, END)])
    tokenizer.post_processor = processors.RobertaProcessing((END, ids[END]), (START, ids[START]), False, False)
    return tokenizer


def cut(ids: list[int], limit: int) -> list[int]:
    return ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]]


def decoded(tokenizer: Tokenizer, ids: list[int]) -> str:
    """As CLIPTokenizer decodes, without special tokens."""
    text: str = tokenizer.decode(ids, skip_special_tokens=True)
    return text.replace("</w>", " ").strip()


def random_text(rng: random.Random) -> str:
    parts = []
    for _ in range(rng.randint(0, 10)):
        kind = rng.random()
        if kind < 0.1:
            parts.append(rng.choice(PIECES))
        elif kind < 0.2:
            c = rng.randrange(0x3000 if kind < 0.15 else 0x110000)
            parts.append(chr(c) if not 0xD800 <= c < 0xE000 else "")
        else:
            parts.append("".join(rng.choices(rng.choice(ALPHABETS), k=rng.randint(1, 6))))
    return "".join(parts)


def real_texts() -> list[str]:
    """English sentences and code from Python's own manual, and names of characters, which are like labels."""
    lines = [line for _, topic in sorted(topics.items()) for line in topic.splitlines() if line.strip()]
    return lines + [unicodedata.name(chr(c)) for c in range(0x110000) if unicodedata.name(chr(c), "CJK")[:3] != "CJK"]
