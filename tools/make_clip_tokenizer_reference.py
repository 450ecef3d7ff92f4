"""Writes tests/fixtures/clip_tokenizer.json: token ids of difficult strings by package tokenizers, cut to 77.

pip install tokenizers==0.23.3
python tools/make_clip_tokenizer_reference.py
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from clip_tokenizer_reference import WRITTEN, cut, decoded, random_text, reference_tokenizer  # noqa: E402

from pyffi.models.vocabulary import clip_vocabulary  # noqa: E402

FIXTURE = ROOT / "tests" / "fixtures" / "clip_tokenizer.json"


def main() -> None:
    rng = random.Random(0)
    texts = WRITTEN + [random_text(rng) for _ in range(300)]
    tokenizer = reference_tokenizer(*clip_vocabulary())
    ids = [cut(tokenizer.encode(text).ids, 77) for text in texts]
    found = {"texts": texts, "ids": ids, "decoded": [decoded(tokenizer, each) for each in ids]}
    lines = [f"  {json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in found.items()]
    FIXTURE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
