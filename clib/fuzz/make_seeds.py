"""Writes inputs for a fuzzer to start from: python clib/fuzz/make_seeds.py PROGRAM FOLDER

PROGRAM is fuzz_model, fuzz_audio, fuzz_image or fuzz_tokenizer. Each input is complete: the model files load and run,
the audio passes every check, the pictures can be decoded, the texts are UTF-8. Their formats are those of fuzz_*.cpp.
"""

import re
import shutil
import struct
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
# ruff: noqa: E402
import numpy as np
from clip_files import SIGLIP, write_clip
from gguf import GGUFReader
from model_files import (
    BOOL,
    F32,
    GGML_TYPES,
    STRING,
    SyntheticModel,
    gpt2_byte_order,
    store_ggml,
    store_gguf,
    synthetic_model,
)
from png_files import CHANNELS, LAYOUTS, write_png

SMALL = {"n_audio_ctx": 8, "n_audio_head": 1, "n_audio_layer": 1, "n_text_ctx": 16, "n_text_head": 1, "n_text_layer": 1}
KEPT = 64  # values or bytes at the start of what is long that are not made zero
# 32 zeros in q4_0 and q5_0, whose bytes are not zero; with a scale of 0 all others would do.
ZERO_BLOCKS = [b"\x00\x80" + b"\x88" * 16, b"\x00\x80" + b"\xff" * 4 + bytes(16)]


def compressed(data: bytes) -> bytes:
    """With runs of zeros as fuzz_model.cpp expands them."""
    for block in ZERO_BLOCKS:
        data = data.replace(block, bytes(len(block)))
    return re.sub(rb"\0{32,}", lambda zeros: b"<zeros>" + struct.pack("<I", len(zeros[0])), data)


def thin_model(width: int, n_mels: int = 80, multilingual: bool = True) -> SyntheticModel:
    """A whole model of which only the first values of each tensor and the tokens of one byte are not zero or empty."""
    widths = {"n_audio_state": width, "n_text_state": width}
    model = synthetic_model(n_mels=n_mels, multilingual=multilingual, **widths, **SMALL)
    for values in model.tensors.values():
        values.reshape(-1)[KEPT:] = 0
    single = [bytes([byte]) for byte in gpt2_byte_order()]
    return replace(model, vocabulary=single + [b""] * (len(model.vocabulary) - len(single)))


def thin_silero() -> bytes:
    """The detector that the library carries; of its 1.2 MB, too, only the start of each tensor."""
    path = ROOT / "clib" / "models" / "silero_vad.gguf"
    data = bytearray(path.read_bytes())
    for tensor in GGUFReader(path).tensors:
        end = int(tensor.data_offset) + int(tensor.n_bytes)
        kept = min(int(tensor.data_offset) + KEPT, end)
        data[kept:end] = bytes(end - kept)
    return bytes(data)


def model_seeds(folder: Path) -> None:
    keys = [("a", F32, 0.5), ("b", BOOL, True), ("c", STRING, "text")]
    for dtype in ("f32", "f16"):
        store_gguf(folder / f"panels-{dtype}.gguf", thin_model(16), dtype, keys)
    store_gguf(folder / "large.gguf", thin_model(16, n_mels=128), "f16")
    store_gguf(folder / "english.gguf", thin_model(16, multilingual=False), "f16")
    for wtype in GGML_TYPES:  # whose blocks are 32 wide
        store_ggml(folder / f"{wtype}.bin", thin_model(32), wtype)
    (folder / "silero.gguf").write_bytes(thin_silero())
    tower = {"embedding_length": 16, "feed_forward_length": 16, "block_count": 1, "head_count": 1}
    small: dict[str, Any] = {"projection_dim": 16, "merges": ["t h", "th e</w>", "c a"]}
    write_clip(folder / "clip.gguf", vision={**tower, "image_size": 16}, text={**tower, "context_length": 8}, **small)
    write_clip(
        folder / "siglip.gguf",
        dtype="f32",
        **{**SIGLIP, **small, "vision": {**SIGLIP["vision"], **tower, "image_size": 16},
           "text": {**SIGLIP["text"], **tower, "context_length": 8}},
    )  # fmt: skip
    for path in folder.iterdir():
        path.write_bytes(compressed(path.read_bytes()))


def audio_seeds(folder: Path) -> None:
    time = np.arange(1200) / 16000
    sounds = {
        "chord": 0.3 * np.sin(2 * np.pi * 220 * time) + 0.2 * np.sin(2 * np.pi * 1331 * time),
        "noise": 0.5 * np.random.default_rng(1).uniform(-1, 1, 1200) * np.abs(np.sin(2 * np.pi * 30 * time)),
        "silence": np.zeros(1200),
        "clicks": np.where(np.arange(1200) % 500 == 0, 1.0, 0.0),
    }
    rates = [(8000, 16000), (44100, 16000), (48000, 16000), (192000, 8000), (16000, 16000), (22050, 48000)]
    options = {"default": (0.0, 0.0, 0, 0, 0, 0.0), "eager": (0.02, 0.01, -1, -1, -1, 0.1)}
    for name, sound in sounds.items():
        for i, (start, end) in enumerate(rates):
            which, wide = list(options)[i % 2], i == 4
            header = struct.pack("<IIHBBIffiiif", start, end, 100 + i, wide, 0, 28, *options[which])
            values = sound.astype("<f4") if wide else (sound * 32767).astype("<i2")
            (folder / f"{name}-{start}-{end}-{which}").write_bytes(header + values.tobytes())


def image_seeds(folder: Path) -> None:
    for path in (ROOT / "tests" / "fixtures" / "pictures").iterdir():
        shutil.copy(path, folder)
    rng = np.random.default_rng(1)
    texts = {
        b"tEXt": b"key\0text", b"zTXt": b"key\0\0" + zlib.compress(b"text"), b"iCCP": b"key\0\0" + zlib.compress(b""),
        b"iTXt": b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b'tiff:Orientation="6"'),
        b"eXIf": b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\5\0\0", b"pHYs": bytes(9),
    }  # fmt: skip
    for i, (colour, depth) in enumerate(LAYOUTS):
        samples = rng.integers(0, 1 << depth, (7, 9, CHANNELS[colour]), np.uint16)
        palette = rng.bytes(3 << depth) if colour == 3 else None
        chunks = list(texts.items())[i % 5 :][:2]
        for interlaced in (False, True):
            data = write_png(samples, colour, depth, interlaced=interlaced, palette=palette, before=chunks, piece=50)
            (folder / f"{colour}-{depth}-{interlaced:d}.png").write_bytes(data)


def tokenizer_seeds(folder: Path) -> None:
    texts = {
        "ascii": "The photo's 12 things, they'll IT'D!!!! \t\n",
        "special": "a<|startoftext|><|ENDOFTEXT|>!!<|endoftext|>",
        "letters": "NAI\u0308VE Cafe\u0301 \u0130\u03a3 \u1e9e \u212b \u4e2d\u6587 \u1100\u1161\u11a8\uac00\u11a8",
        "marks": "q\u0307\u0323\u0315\u05ae \u0344\u0f71\u0f72\u0f74 \U0001d15e \u0958",
        "numbers": "\xb2\xbd\u2167\u0663",
        "spaces": "\x00\x1c\x85\xa0\u1680\u2028\u3000",
        "long": "a" * 300,
    }
    for name, text in texts.items():
        (folder / name).write_bytes(bytes([75]) + text.encode())


def main(target: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    targets = {"model": model_seeds, "audio": audio_seeds, "image": image_seeds, "tokenizer": tokenizer_seeds}
    targets[target.removeprefix("fuzz_")](folder)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
