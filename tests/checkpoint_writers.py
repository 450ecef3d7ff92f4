"""Synthetic Whisper models in the formats that converters read, written byte by byte from the formats' descriptions.

    model = synthetic_model()                      # tests/model_files.py
    write_ctranslate2(folder, model, "float16")    # float32, float16, bfloat16, int8, int16
    write_transformers(folder, model, shards=2)
    write_openai(path, model)

Each returns the tensors as the file holds them, in OpenAI's names.
"""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from model_files import SyntheticModel, gpt2_printable

Array = npt.NDArray[Any]
Tensors = dict[str, Array]

CT2_TYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")


def to_bfloat16(values: Array) -> Array:
    """The upper halves of float32 values, as uint16: cut off, which is a rounding too."""
    return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def from_bfloat16(bits: Array) -> Array:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def special_tokens(n_vocab: int) -> list[str]:
    """What follows the text tokens in vocabulary files; names of languages do not matter here."""
    languages = 100 if n_vocab == 51866 else 99
    tokens = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|language{i}|>" for i in range(languages))]
    tokens += [
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
    ]
    return tokens + [f"<|{0.02 * i:.2f}|>" for i in range(1501)]


def weights(model: SyntheticModel) -> Tensors:
    return {name: values for name, values in model.tensors.items() if name != "mel_filters"}


# ---- CTranslate2 -----------------------------------------------------------------------------------------------------


def ct2_string(text: str) -> bytes:
    raw = text.encode() + b"\0"
    return struct.pack("<H", len(raw)) + raw


def ct2_variable(name: str, values: Array, kind: str) -> bytes:
    data = values.tobytes()
    header = ct2_string(name) + struct.pack("<B", values.ndim) + struct.pack(f"<{values.ndim}I", *values.shape)
    return header + struct.pack("<BI", CT2_TYPES.index(kind), len(data)) + data


def ct2_bytes(
    variables: list[bytes],
    aliases: Mapping[str, str],
    *,
    version: int = 6,
    spec: str = "WhisperSpec",
    revision: int = 3,
) -> bytes:
    out = struct.pack("<I", version) + ct2_string(spec) + struct.pack("<II", revision, len(variables))
    out += b"".join(variables) + struct.pack("<I", len(aliases))
    return out + b"".join(ct2_string(alias) + ct2_string(name) for alias, name in aliases.items())


def ct2_layers(model: SyntheticModel) -> Tensors:
    """The weights under CTranslate2's names, linear layers fused."""
    t = model.tensors
    out: Tensors = {}

    def norm(target: str, name: str) -> None:
        out[f"{target}/gamma"], out[f"{target}/beta"] = t[f"{name}.weight"], t[f"{name}.bias"]

    def linear(target: str, *names: str) -> None:
        out[f"{target}/weight"] = np.concatenate([t[f"{name}.weight"] for name in names])
        # Keys have no bias; fused with others they get zeros.
        biases = [t.get(f"{name}.bias", np.zeros(len(t[f"{name}.weight"]), np.float32)) for name in names]
        out[f"{target}/bias"] = np.concatenate(biases)

    for side, layers in (("encoder", model.shape.n_audio_layer), ("decoder", model.shape.n_text_layer)):
        out[f"{side}/position_encodings/encodings"] = t[f"{side}.positional_embedding"]
        norm(f"{side}/layer_norm", "encoder.ln_post" if side == "encoder" else "decoder.ln")
        for i in range(layers):
            target, name = f"{side}/layer_{i}", f"{side}.blocks.{i}"
            norm(f"{target}/self_attention/layer_norm", f"{name}.attn_ln")
            linear(f"{target}/self_attention/linear_0", *(f"{name}.attn.{part}" for part in ("query", "key", "value")))
            linear(f"{target}/self_attention/linear_1", f"{name}.attn.out")
            norm(f"{target}/ffn/layer_norm", f"{name}.mlp_ln")
            linear(f"{target}/ffn/linear_0", f"{name}.mlp.0")
            linear(f"{target}/ffn/linear_1", f"{name}.mlp.2")
            if side == "decoder":
                norm(f"{target}/attention/layer_norm", f"{name}.cross_attn_ln")
                linear(f"{target}/attention/linear_0", f"{name}.cross_attn.query")
                linear(f"{target}/attention/linear_1", f"{name}.cross_attn.key", f"{name}.cross_attn.value")
                linear(f"{target}/attention/linear_2", f"{name}.cross_attn.out")
    for conv in ("conv1", "conv2"):
        linear(f"encoder/{conv}", f"encoder.{conv}")
    out["decoder/embeddings/weight"] = t["decoder.token_embedding.weight"]
    return out


def ct2_store(name: str, values: Array, kind: str) -> list[bytes]:
    """A weight in a type: quantised if it is a matrix and the type an integer, as CTranslate2's converter does it."""
    if kind == "bfloat16":
        return [ct2_variable(name, to_bfloat16(values), kind)]
    quantised = kind in ("int8", "int16") and name.endswith("/weight")
    if not quantised:
        stored = "float16" if kind == "float16" else "float32"
        return [ct2_variable(name, values.astype(stored), stored)]
    if kind == "int8":
        scale = (127 / np.abs(values.reshape(len(values), -1)).max(axis=1)).astype(np.float32)
        stretched = values * scale.reshape(-1, *[1] * (values.ndim - 1))
    else:
        scale = np.float32(1024 / np.abs(values).max())
        stretched = values * scale
    return [
        ct2_variable(name, np.rint(stretched).astype(kind), kind),
        ct2_variable(f"{name}_scale", np.asarray(scale, np.float32), "float32"),
    ]


def write_ctranslate2(
    folder: Path,
    model: SyntheticModel,
    kind: str = "float16",
    *,
    vocabulary: str = "json",
    change: Callable[[Tensors], object] = lambda _: None,
    padding_rows: int = 0,
    aliases: Mapping[str, str] | None = None,
) -> None:
    """`change` may edit the variables before they are written."""
    folder.mkdir(parents=True, exist_ok=True)
    layers = ct2_layers(model)
    change(layers)
    if padding_rows:
        rows = np.zeros((padding_rows, model.shape.n_text_state), np.float32)
        layers["decoder/embeddings/weight"] = np.concatenate([layers["decoder/embeddings/weight"], rows])
    heads = (("encoder", model.shape.n_audio_head), ("decoder", model.shape.n_text_head))
    variables = [ct2_variable(f"{side}/num_heads", np.asarray(count, np.int16), "int16") for side, count in heads]
    for name, values in layers.items():
        variables += ct2_store(name, values, kind)
    if aliases is None:
        aliases = {"decoder/projection/weight": "decoder/embeddings/weight"}
    (folder / "model.bin").write_bytes(ct2_bytes(variables, aliases))
    tokens = [gpt2_printable(token) for token in model.vocabulary] + special_tokens(model.shape.n_vocab)
    assert len(tokens) == model.shape.n_vocab
    tokens += [f"<|pad{i}|>" for i in range(padding_rows)]
    if vocabulary == "json":
        (folder / "vocabulary.json").write_text(json.dumps(tokens))
    else:
        (folder / "vocabulary.txt").write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps({"alignment_heads": model.alignment_heads}))


# ---- transformers ----------------------------------------------------------------------------------------------------


def transformers_names(model: SyntheticModel) -> Tensors:
    """The weights under the names that transformers gives them."""
    parts = {
        "attn": "self_attn", "attn_ln": "self_attn_layer_norm", "cross_attn": "encoder_attn",
        "cross_attn_ln": "encoder_attn_layer_norm", "mlp_ln": "final_layer_norm", "blocks": "layers", "query": "q_proj",
        "key": "k_proj", "value": "v_proj", "out": "out_proj", "ln_post": "layer_norm", "ln": "layer_norm",
        "token_embedding": "embed_tokens", "positional_embedding": "embed_positions.weight",
    }  # fmt: skip
    out: Tensors = {}
    for name, values in weights(model).items():
        path = name.replace("mlp.0", "fc1").replace("mlp.2", "fc2").split(".")
        out["model." + ".".join(parts.get(part, part) for part in path)] = values
    return out


def safetensors_bytes(tensors: Mapping[str, tuple[str, Array]]) -> bytes:
    """A .safetensors file of (type, bits)."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, (kind, values) in tensors.items():
        end = offset + values.nbytes
        header[name] = {"dtype": kind, "shape": list(values.shape), "data_offsets": [offset, end]}
        offset = end
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    return struct.pack("<Q", len(encoded)) + encoded + b"".join(values.tobytes() for _, values in tensors.values())


def write_weights(folder: Path, base: str, tensors: Tensors, kind: str, shards: int = 1, pickled: bool = False) -> None:
    """`base`.safetensors, or shards and their index, or a file of torch.save."""
    convert = {"F32": lambda v: v, "F16": lambda v: v.astype(np.float16), "BF16": to_bfloat16}[kind]
    stored = {name: (kind, np.ascontiguousarray(convert(values))) for name, values in tensors.items()}
    if pickled:
        bits = [values for _, values in stored.values()]
        listed = [(name, f"{i}", values) for i, (name, values) in enumerate(zip(stored, bits, strict=True))]
        write_torch_zip(folder / f"{base}.bin", pickle_bytes(state_dict(listed)), bits)
    elif shards == 1:
        (folder / f"{base}.safetensors").write_bytes(safetensors_bytes(stored))
    else:
        files = {name: f"{base}-{i % shards + 1:05}-of-{shards:05}.safetensors" for i, name in enumerate(stored)}
        for file in set(files.values()):
            own = {name: tensor for name, tensor in stored.items() if files[name] == file}
            (folder / file).write_bytes(safetensors_bytes(own))
        (folder / f"{base}.safetensors.index.json").write_text(json.dumps({"weight_map": files}))


def write_transformers(
    folder: Path,
    model: SyntheticModel,
    kind: str = "F16",
    *,
    shards: int = 1,
    tokenizer: str = "vocab.json",
    pickled: bool = False,
    change: Callable[[Tensors], object] = lambda _: None,
    config: Mapping[str, object] | None = None,
) -> None:
    """`change` may edit the tensors before they are written; `config` replaces fields of config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = transformers_names(model)
    change(tensors)
    write_weights(folder, "pytorch_model" if pickled else "model", tensors, kind, shards, pickled)
    s = model.shape
    fields = {
        "model_type": "whisper", "num_mel_bins": s.n_mels, "max_source_positions": s.n_audio_ctx,
        "d_model": s.n_audio_state, "encoder_attention_heads": s.n_audio_head, "encoder_layers": s.n_audio_layer,
        "vocab_size": s.n_vocab, "max_target_positions": s.n_text_ctx, "decoder_attention_heads": s.n_text_head,
        "decoder_layers": s.n_text_layer, "activation_function": "gelu", "scale_embedding": False,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(fields | dict(config or {})))
    (folder / "generation_config.json").write_text(json.dumps({"alignment_heads": model.alignment_heads}))
    ids = {gpt2_printable(token): i for i, token in enumerate(model.vocabulary)} | {
        "<|endoftext|>": len(model.vocabulary)
    }
    if tokenizer == "vocab.json":
        (folder / "vocab.json").write_text(json.dumps(ids))
    elif tokenizer == "tokenizer.json":
        (folder / "tokenizer.json").write_text(json.dumps({"model": {"type": "BPE", "vocab": ids}}))


# ---- torch.save ------------------------------------------------------------------------------------------------------


def p_global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def p_text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def p_int(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def p_tuple(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def p_dict(items: Mapping[str, bytes], empty: bytes = b"}") -> bytes:
    return empty + b"(" + b"".join(p_text(key) + value for key, value in items.items()) + b"u"


P_ORDERED_DICT = p_global("collections", "OrderedDict") + b")R"
P_STORAGES = {"<f4": "FloatStorage", "<f2": "HalfStorage", "<u2": "BFloat16Storage"}


def p_tensor(key: str, bits: Array, *, offset: int = 0, shape: tuple[int, ...] | None = None, count: int = -1) -> bytes:
    """A tensor as torch.save writes it: a call of _rebuild_tensor_v2 with a reference to its storage."""
    shape = bits.shape if shape is None else shape
    strides = [int(np.prod(shape[i + 1 :])) for i in range(len(shape))]
    storage = p_global("torch", P_STORAGES[bits.dtype.newbyteorder("<").str])
    count = bits.size if count < 0 else count
    reference = p_tuple(p_text("storage"), storage, p_text(key), p_text("cpu"), p_int(count)) + b"Q"
    arguments = p_tuple(
        reference, p_int(offset), p_tuple(*map(p_int, shape)), p_tuple(*map(p_int, strides)), b"\x89", P_ORDERED_DICT
    )
    return p_global("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def state_dict(tensors: list[tuple[str, str, Array]]) -> bytes:
    """An OrderedDict of (name, key of the storage, bits), with the version numbers torch attaches to it."""
    filled = p_dict({name: p_tensor(key, bits) for name, key, bits in tensors}, empty=P_ORDERED_DICT)
    return filled + p_dict({"_metadata": P_ORDERED_DICT}) + b"b"


def pickle_bytes(value: bytes) -> bytes:
    return b"\x80\x02" + value + b"."


def write_torch_zip(path: Path, pickled: bytes, storages: list[Array], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", "little")
        for key, bits in enumerate(storages):
            archive.writestr(f"archive/data/{key}", bits.tobytes())
        archive.writestr("archive/version", "3\n")


def write_openai(path: Path, model: SyntheticModel, kind: str = "float16") -> None:
    tensors = {name: values.astype(kind) for name, values in weights(model).items()}
    data = p_dict(
        {
            "dims": p_dict({name: p_int(value) for name, value in vars(model.shape).items()}),
            "model_state_dict": state_dict([(name, f"{i}", bits) for i, (name, bits) in enumerate(tensors.items())]),
        }
    )
    write_torch_zip(path, pickle_bytes(data), list(tensors.values()))
