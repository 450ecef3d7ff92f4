"""Writes inputs for fuzz_model to start from: python clib/fuzz/make_seeds.py FOLDER

Small whole files of both formats; fuzz_model.cpp says how its ggml inputs differ from files."""

import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
import numpy as np
from model_files import (
    ARRAY,
    BOOL,
    F32,
    GGML_FTYPES,
    GGML_TYPES,
    I32,
    STRING,
    U32,
    GgufTensor,
    gguf_bytes,
    quantize,
)

WIDTH = 32


def gguf_seed(dtype: str, layout: bool) -> bytes:
    metadata = [
        ("general.architecture", STRING, "whisper"),
        ("general.alignment", U32, 64),
        *([("multimodal.layout", STRING, "panel16")] if layout else []),
        *((f"whisper.{key}", U32, value) for key, value in hyperparameters().items()),
        ("whisper.alignment_heads", (ARRAY, I32), [0, 1]),
        ("tokenizer.ggml.tokens", (ARRAY, STRING), ["a", "\u0120b", "\u0100"]),
        ("a", F32, 0.5),
        ("b", BOOL, True),
    ]
    values = np.ones((WIDTH, WIDTH), dtype=np.float32)
    data = quantize(values, dtype)[0]
    dims = (16, WIDTH, WIDTH // 16) if layout else (WIDTH, WIDTH)
    tensors = [
        GgufTensor("a", dims, GGML_TYPES[dtype], data),
        GgufTensor("b", (WIDTH,), GGML_TYPES["f32"], quantize(values[0], "f32")[0]),
    ]
    return gguf_bytes(metadata, tensors)


def ggml_seed(wtype: str) -> bytes:
    out = b"lmgg" + struct.pack("<11i", *hyperparameters().values(), GGML_FTYPES[wtype])
    out += struct.pack("<3i", 80, 201, 50257)
    values = np.ones((WIDTH, WIDTH), dtype=np.float32)
    for name, kind, array in [("a", wtype, values), ("b", "f32", values[0])]:
        out += struct.pack("<3i", array.ndim, len(name), GGML_TYPES[kind])
        out += struct.pack(f"<{array.ndim}i", *array.shape[::-1]) + name.encode() + quantize(array, kind)[0]
    return out


def hyperparameters() -> dict[str, int]:
    names = ["n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer"]
    names += ["n_text_ctx", "n_text_state", "n_text_head", "n_text_layer"]
    values = dict(zip(names, [1500, WIDTH, 2, 1, 448, WIDTH, 2, 1], strict=True))
    return {"n_vocab": 51865, **values, "n_mels": 80}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for dtype in ("f32", "f16"):
        (folder / f"panels-{dtype}.gguf").write_bytes(gguf_seed(dtype, layout=True))
    for wtype in GGML_TYPES:
        (folder / f"rows-{wtype}.gguf").write_bytes(gguf_seed(wtype, layout=False))
        (folder / f"{wtype}.bin").write_bytes(ggml_seed(wtype))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
