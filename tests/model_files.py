"""Tiny synthetic Whisper models as files, written with numpy alone and independently of the product's own writers.

The models have real vocabulary sizes, mel filters and context lengths but are narrow and shallow, with seeded random
weights that keep activations sane and logits varied: every test that needs a model makes one in a fraction of a second.

    model = write_gguf("tiny.gguf")                             # our container, f16 panels
    model = write_gguf("tiny.gguf", dtype="f32", multilingual=False)
    model = write_ggml("tiny.bin", wtype="q5_0", seed=7)        # whisper.cpp's format
    model.tensors["decoder.token_embedding.weight"]             # f32, exactly the values that the file holds

docs/model-files.md specifies names and layouts; block formats are those of ggml's public `ggml-quants.c`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

GGML_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q5_0": 6, "q5_1": 7, "q8_0": 8}
GGML_FTYPES = {"f32": 0, "f16": 1, "q4_0": 2002, "q8_0": 2007, "q5_0": 2008, "q5_1": 2009}
BLOCK = 32  # elements in a block of the quantised types


@dataclass(frozen=True)
class Shape:
    """OpenAI's ModelDimensions, in the order of the header of a ggml file."""

    n_vocab: int
    n_audio_ctx: int = 1500
    n_audio_state: int = 64
    n_audio_head: int = 2
    n_audio_layer: int = 2
    n_text_ctx: int = 448
    n_text_state: int = 64
    n_text_head: int = 2
    n_text_layer: int = 2
    n_mels: int = 80


@dataclass(frozen=True)
class SyntheticModel:
    shape: Shape
    tensors: dict[str, FloatArray]  # OpenAI's state dict and "mel_filters"
    vocabulary: list[bytes]
    alignment_heads: list[tuple[int, int]]


# ---- The model -------------------------------------------------------------------------------------------------------


def synthetic_model(
    seed: int = 0, *, multilingual: bool = True, n_mels: int = 80, n_vocab: int | None = None, **shape: int
) -> SyntheticModel:
    """A model of OpenAI's architecture. n_vocab follows from `multilingual` and `n_mels` unless given; `shape` takes
    the other fields of Shape."""
    if n_vocab is None:
        n_vocab = 51864 if not multilingual else 51866 if n_mels == 128 else 51865
    dims = Shape(n_vocab=n_vocab, n_mels=n_mels, **shape)
    rng = np.random.default_rng(seed)
    tensors: dict[str, FloatArray] = {}

    def normal(name: str, *size: int, std: float, mean: float = 0.0) -> None:
        tensors[name] = (mean + std * rng.standard_normal(size, dtype=np.float32)).astype(np.float32)

    def linear(name: str, n: int, k: int, gain: float = 1.0, bias: bool = True) -> None:
        normal(f"{name}.weight", n, k, std=gain / k**0.5)
        if bias:
            normal(f"{name}.bias", n, std=0.1)

    def norm(name: str, width: int) -> None:
        normal(f"{name}.weight", width, std=0.1, mean=1.0)
        normal(f"{name}.bias", width, std=0.1)

    def block(name: str, width: int, cross: bool) -> None:
        for attention in ("attn", "cross_attn") if cross else ("attn",):
            norm(f"{name}.{attention}_ln", width)
            linear(f"{name}.{attention}.query", width, width, gain=2.0)
            linear(f"{name}.{attention}.key", width, width, gain=2.0, bias=False)
            linear(f"{name}.{attention}.value", width, width)
            linear(f"{name}.{attention}.out", width, width, gain=2.0 if attention == "cross_attn" else 1.0)
        norm(f"{name}.mlp_ln", width)
        linear(f"{name}.mlp.0", 4 * width, width)
        linear(f"{name}.mlp.2", width, 4 * width, gain=1.5)

    width = dims.n_audio_state
    normal("encoder.conv1.weight", width, dims.n_mels, 3, std=1 / (3 * dims.n_mels) ** 0.5)
    normal("encoder.conv1.bias", width, std=0.1)
    normal("encoder.conv2.weight", width, width, 3, std=1.5 / (3 * width) ** 0.5)
    normal("encoder.conv2.bias", width, std=0.1)
    tensors["encoder.positional_embedding"] = sinusoids(dims.n_audio_ctx, width)
    for layer in range(dims.n_audio_layer):
        block(f"encoder.blocks.{layer}", width, cross=False)
    norm("encoder.ln_post", width)

    width = dims.n_text_state
    normal("decoder.token_embedding.weight", dims.n_vocab, width, std=3.0 / width**0.5)
    normal("decoder.positional_embedding", dims.n_text_ctx, width, std=0.2)
    for layer in range(dims.n_text_layer):
        block(f"decoder.blocks.{layer}", width, cross=True)
    norm("decoder.ln", width)
    # Random signs: or else each token's own embedding would make it its most probable successor.
    tensors["decoder.ln.weight"] *= rng.choice(np.array([-1, 1], dtype=np.float32), width)

    tensors["mel_filters"] = mel_filters(dims.n_mels)
    heads = [(layer, layer % dims.n_text_head) for layer in range(dims.n_text_layer)]
    return SyntheticModel(dims, tensors, synthetic_vocabulary(n_vocab), heads)


def sinusoids(length: int, width: int) -> FloatArray:
    """The encoder's positions: sines of `width / 2` wavelengths from 2 pi to 10000 * 2 pi, then their cosines."""
    rates = np.exp(-np.log(10000.0) / (width // 2 - 1) * np.arange(width // 2))
    angles = np.arange(length)[:, None] * rates[None, :]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def mel_filters(n_mels: int) -> FloatArray:
    """Slaney's mel filter bank for 16 kHz and 400 points, each filter of unit area: linear to 1 kHz, then
    logarithmic."""
    step = 200.0 / 3  # hertz a mel below 1 kHz
    knee = 1000.0 / step
    rate = np.log(6.4) / 27
    top = knee + np.log(8000.0 / 1000.0) / rate
    mels = np.linspace(0.0, top, n_mels + 2)
    edges = np.where(mels < knee, mels * step, 1000.0 * np.exp(rate * (mels - knee)))
    bins = np.linspace(0.0, 8000.0, 201)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None], dtype=np.float32)


def gpt2_byte_order() -> list[int]:
    """The 256 bytes in the order of their token ids: first those that GPT-2 prints as themselves."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return printable + [byte for byte in range(256) if byte not in printable]


_GPT2_CHARACTERS = {
    byte: chr(byte) if index < 188 else chr(0x100 + index - 188) for index, byte in enumerate(gpt2_byte_order())
}


def gpt2_printable(token: bytes) -> str:
    """GPT-2's printable form of a token: one character a byte, U+0100 and up for the bytes that do not print."""
    return "".join(_GPT2_CHARACTERS[byte] for byte in token)


@lru_cache
def synthetic_vocabulary(n_vocab: int) -> list[bytes]:
    """Text tokens of the real number: the bytes, then letter groups, each of which is two earlier tokens joined, as
    byte-pair merges need it. Multilingual vocabularies end with an empty token, as the real one does."""
    letters = [bytes([c]) for c in range(ord("a"), ord("z") + 1)]
    pairs = [a + b for a in letters for b in letters]
    words = [b" " + c for c in letters]
    words += pairs
    words += [b" " + pair for pair in pairs]
    words += [b" " + pair + c for pair in pairs for c in letters]
    words += [b" " + a + b for a in pairs[::5] for b in pairs[::2]]
    tokens = [bytes([byte]) for byte in gpt2_byte_order()] + words
    tokens = tokens[:50256]
    assert len(tokens) == len(set(tokens)) == 50256
    return tokens if n_vocab == 51864 else [*tokens, b""]


# ---- Block formats ---------------------------------------------------------------------------------------------------


def quantize(x: FloatArray, wtype: str) -> tuple[bytes, FloatArray]:
    """The bytes of a tensor in a ggml type, and the f32 values that they stand for."""
    if wtype == "f32":
        return x.astype("<f4").tobytes(), x
    if wtype == "f16":
        half = x.astype("<f2")
        return half.tobytes(), half.astype(np.float32)
    blocks = x.reshape(-1, BLOCK)
    extreme = blocks[np.arange(len(blocks)), np.abs(blocks).argmax(axis=1)]  # of largest magnitude, with its sign
    minimum = np.zeros(len(blocks), dtype="<f2")
    if wtype == "q8_0":
        scale, low, high, zero = np.abs(extreme) / 127, -128, 127, 0
    elif wtype in ("q4_0", "q5_0"):
        zero = 8 if wtype == "q4_0" else 16
        scale, low, high = extreme / -zero, 0, 2 * zero - 1
    elif wtype == "q5_1":
        minimum = blocks.min(axis=1).astype("<f2")
        scale, low, high, zero = (blocks.max(axis=1) - blocks.min(axis=1)) / 31, 0, 31, 0
    else:
        raise ValueError(f"unknown weight type {wtype!r}")
    d = scale.astype("<f2")
    step = d.astype(np.float32)[:, None]
    offset = minimum.astype(np.float32)[:, None]
    q = np.rint((blocks - offset) / np.where(step == 0, 1, step)) + zero
    q = np.clip(q, low, high).astype(np.int32)
    values = ((q - zero).astype(np.float32) * step + offset).astype(np.float32).reshape(x.shape)

    parts = [d[:, None].view(np.uint8).reshape(-1, 2)]
    if wtype == "q5_1":
        parts.append(minimum[:, None].view(np.uint8).reshape(-1, 2))
    if wtype == "q8_0":
        parts.append(q.astype(np.int8).view(np.uint8))
    else:
        if wtype in ("q5_0", "q5_1"):  # the fifth bits of all 32 elements
            high_bits = ((q >> 4) & 1).astype(np.uint32) << np.arange(BLOCK, dtype=np.uint32)
            parts.append(high_bits.sum(axis=1, dtype=np.uint32).astype("<u4")[:, None].view(np.uint8).reshape(-1, 4))
        parts.append(((q[:, :16] & 15) | (q[:, 16:] & 15) << 4).astype(np.uint8))
    return np.concatenate(parts, axis=1).tobytes(), values


def is_matrix(name: str) -> bool:
    """Whether a tensor is stored as panels in our container, and in the model's weight type."""
    return name.endswith(".weight") and "_ln." not in name and ".ln" not in name


def panels(matrix: FloatArray) -> FloatArray:
    """[n][k], or a convolution's [n][channels][taps], as [ceil(n / 16)][k][16]."""
    if matrix.ndim == 3:
        matrix = matrix.transpose(0, 2, 1).reshape(len(matrix), -1)
    n, k = matrix.shape
    padded = np.zeros(((n + 15) // 16 * 16, k), dtype=matrix.dtype)
    padded[:n] = matrix
    return np.ascontiguousarray(padded.reshape(-1, 16, k).transpose(0, 2, 1))


# ---- GGUF ------------------------------------------------------------------------------------------------------------

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
_SCALARS = {
    U8: "<B", I8: "<b", U16: "<H", I16: "<h", U32: "<I", I32: "<i", F32: "<f", BOOL: "<?", U64: "<Q", I64: "<q",
    F64: "<d",
}  # fmt: skip


@dataclass(frozen=True)
class GgufTensor:
    name: str
    dims: tuple[int, ...]  # fastest first
    type: int
    data: bytes


# key, type, value; for arrays the type is (ARRAY, type of the elements)
GgufValue = tuple[str, int | tuple[int, int], Any]


def gguf_string(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def gguf_header(
    metadata: Iterable[GgufValue], tensors: Sequence[GgufTensor], alignment: int, sizes: Sequence[int]
) -> bytes:
    """A GGUF version 3 file up to its tensors' data, which have so many bytes each."""
    metadata = list(metadata)
    out = bytearray(struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata)))
    for key, kind, value in metadata:
        out += gguf_string(key)
        if isinstance(kind, tuple):
            element = kind[1]
            out += struct.pack("<IIQ", ARRAY, element, len(value))
            items = value
        else:
            element = kind
            out += struct.pack("<I", kind)
            items = [value]
        for item in items:
            out += gguf_string(item) if element == STRING else struct.pack(_SCALARS[element], item)
    offset = 0
    for tensor, size in zip(tensors, sizes, strict=True):
        out += gguf_string(tensor.name) + struct.pack("<I", len(tensor.dims))
        out += struct.pack(f"<{len(tensor.dims)}Q", *tensor.dims) + struct.pack("<IQ", tensor.type, offset)
        offset += -(-size // alignment) * alignment
    return bytes(out) + bytes(-len(out) % alignment)


def gguf_bytes(metadata: Iterable[GgufValue], tensors: Sequence[GgufTensor], alignment: int = 64) -> bytes:
    """A whole GGUF version 3 file."""
    out = bytearray(gguf_header(metadata, tensors, alignment, [len(tensor.data) for tensor in tensors]))
    for tensor in tensors:
        out += tensor.data
        out += bytes(-len(out) % alignment)
    return bytes(out)


def write_gguf(
    path: str | PathLike[str], seed: int = 0, dtype: str = "f16", multilingual: bool = True, n_mels: int = 80,
    vocabulary: list[bytes] | None = None, **shape: int,
) -> SyntheticModel:  # fmt: skip
    """Writes a synthetic model in our container, weights `f16` or `f32`, and returns it with the values as stored."""
    model = synthetic_model(seed, multilingual=multilingual, n_mels=n_mels, **shape)
    return store_gguf(path, replace(model, vocabulary=vocabulary or model.vocabulary), dtype)


def store_gguf(
    path: str | PathLike[str], model: SyntheticModel, dtype: str, metadata: Iterable[GgufValue] = ()
) -> SyntheticModel:
    """Writes any synthetic model, with `metadata` beside its own."""
    tensors, stored = [], {}
    for name, values in model.tensors.items():
        if is_matrix(name):
            stored[name] = quantize(values, dtype)[1]
            laid_out = panels(values)
            data = quantize(laid_out, dtype)[0]
            tensors.append(GgufTensor(name, laid_out.shape[::-1], GGML_TYPES[dtype], data))
        else:
            stored[name] = values
            tensors.append(GgufTensor(name, values.shape[::-1], GGML_TYPES["f32"], quantize(values, "f32")[0]))
    model = replace(model, tensors=stored)
    Path(path).write_bytes(gguf_bytes([*gguf_metadata(model), *metadata], tensors))
    return model


def gguf_metadata(model: SyntheticModel) -> list[GgufValue]:
    metadata: list[GgufValue] = [
        ("general.architecture", STRING, "whisper"),
        ("general.name", STRING, "whisper-synthetic"),
        ("general.source", STRING, "tests/model_files.py"),
        ("general.license", STRING, "MIT"),
        ("general.alignment", U32, 64),
        ("multimodal.layout", STRING, "panel16"),
    ]
    metadata += [(f"whisper.{key}", U32, value) for key, value in vars(model.shape).items()]
    metadata.append(("whisper.alignment_heads", (ARRAY, I32), [x for head in model.alignment_heads for x in head]))
    metadata.append(("tokenizer.ggml.model", STRING, "gpt2"))
    metadata.append(("tokenizer.ggml.tokens", (ARRAY, STRING), [gpt2_printable(t) for t in model.vocabulary]))
    return metadata


def write_wide_gguf(path: str | PathLike[str], width: int, n_audio_layer: int, n_text_layer: int) -> None:
    """Writes a model of any width in a moment: its weights are all zero, f16, and a hole in the file."""
    narrow = synthetic_model(n_audio_layer=n_audio_layer, n_text_layer=n_text_layer)
    wide = {64: width, 256: 4 * width}
    tensors: list[GgufTensor] = []
    sizes: list[int] = []
    for name, values in narrow.tensors.items():
        dims, kind = tuple(wide.get(int(n), int(n)) for n in values.shape), "f32"
        if is_matrix(name):
            dims, kind = (-(-dims[0] // 16), int(np.prod(dims[1:])), 16), "f16"
        tensors.append(GgufTensor(name, dims[::-1], GGML_TYPES[kind], b""))
        sizes.append(-(-int(np.prod(dims)) * (2 if kind == "f16" else 4) // 64) * 64)
    heads = width // 64
    shape = replace(narrow.shape, n_audio_state=width, n_audio_head=heads, n_text_state=width, n_text_head=heads)
    with open(path, "wb") as file:
        file.write(gguf_header(gguf_metadata(replace(narrow, shape=shape)), tensors, 64, sizes))
        file.truncate(file.tell() + sum(sizes))


# ---- whisper.cpp's ggml files ----------------------------------------------------------------------------------------


def write_ggml(
    path: str | PathLike[str], seed: int = 0, wtype: str = "q5_0", multilingual: bool = True, n_mels: int = 80,
    **shape: int,
) -> SyntheticModel:  # fmt: skip
    """Writes a synthetic model as whisper.cpp's converter and quantiser do: weights in `wtype` (f32, f16, q8_0, q5_0,
    q5_1, q4_0), convolutions in f32 or f16, the rest in f32. Returns it with the values as stored."""
    return store_ggml(path, synthetic_model(seed, multilingual=multilingual, n_mels=n_mels, **shape), wtype)


def store_ggml(path: str | PathLike[str], model: SyntheticModel, wtype: str) -> SyntheticModel:
    """Writes any synthetic model."""
    vocabulary = model.vocabulary
    out = bytearray(struct.pack("<I", 0x67676D6C))
    out += struct.pack("<11i", *vars(model.shape).values(), GGML_FTYPES[wtype])
    filters = model.tensors["mel_filters"]
    out += struct.pack("<2i", *filters.shape) + filters.astype("<f4").tobytes()
    out += struct.pack("<i", len(vocabulary))
    for token in vocabulary:
        out += struct.pack("<I", len(token)) + token
    stored = {"mel_filters": filters}
    for name, values in model.tensors.items():
        if name == "mel_filters":
            continue
        kind = "f32"
        if is_matrix(name):
            kind = "f16" if values.ndim == 3 and wtype != "f32" else wtype
        data, stored[name] = quantize(values, kind)
        dims = values.shape[::-1]
        if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
            dims = (1, *dims)
        out += struct.pack("<3i", len(dims), len(name), GGML_TYPES[kind])
        out += struct.pack(f"<{len(dims)}i", *dims) + name.encode() + data
    Path(path).write_bytes(out)
    return replace(model, tensors=stored)


# ---- For the C tests -------------------------------------------------------------------------------------------------


def small_model() -> SyntheticModel:
    """A model that opens and runs in an instant. Most of its tokens are empty, and not among the probable ones."""
    model = synthetic_model(n_audio_ctx=50, n_audio_state=32, n_audio_layer=1, n_text_ctx=32, n_text_state=32,
                            n_text_layer=1)  # fmt: skip
    full = 1024
    model.tensors["decoder.token_embedding.weight"][full : len(model.vocabulary)] = 0
    return replace(model, vocabulary=model.vocabulary[:full] + [b""] * (len(model.vocabulary) - full))
