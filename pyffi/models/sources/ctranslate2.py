"""Whisper models of CTranslate2 (faster-whisper): a folder with model.bin, config.json and vocabulary.json or .txt.

model.bin, binary version 6, as CTranslate2's own converter documents it in `ctranslate2/specs/model_spec.py`:
u32 version, string spec, u32 revision, u32 count and the variables (string name, u8 rank, u32 dimensions, u8 type,
u32 bytes, data), u32 count and the aliases (string name, string variable). A string has a u16 length that counts its
closing zero. Quantised variables have a companion NAME_scale: value = stored / scale, one scale a row (int16: one).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyffi.errors import ModelError
from pyffi.models.binary import BinaryFile
from pyffi.models.checkpoint import Array, Provenance, Tensor
from pyffi.models.sources.json_files import parse_alignment_heads, read_json, read_object
from pyffi.models.vocabulary import text_tokens
from pyffi.models.whisper import Dimensions, WhisperCheckpoint

BINARY_VERSION = 6
SPEC = "WhisperSpec"
REVISION = 3
TYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")
_STORED = {"bfloat16": "uint16"}
LAST_TIMESTAMP = "<|30.00|>"


@dataclass(frozen=True)
class Variable:
    file: BinaryFile
    offset: int
    shape: tuple[int, ...]
    type: str

    def values(self) -> Array:
        stored = np.dtype(_STORED.get(self.type, self.type)).newbyteorder("<")
        return self.file.array(self.offset, stored, self.shape)


class Variables:
    """The variables of a model.bin, by name; an alias gives what it stands for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._variables = dict(_read_variables(path))

    def __contains__(self, name: str) -> bool:
        return name in self._variables

    def variable(self, name: str) -> Variable:
        try:
            return self._variables[name]
        except KeyError:
            raise ModelError(f"{self.path} has no variable {name}") from None

    def scalar(self, name: str) -> int:
        variable = self.variable(name)
        if variable.shape or not variable.type.startswith("int"):
            raise ModelError(f"{self.path}: {name} is {variable.type} {list(variable.shape)}: one integer is needed")
        return int(variable.values())

    def tensor(self, name: str) -> Tensor:
        """A weight, in float32 unless it is stored in float16."""
        variable = self.variable(name)
        if variable.type in ("float32", "float16", "bfloat16"):
            return Tensor.stored(variable.shape, variable.type, variable.values)
        if variable.type in ("int8", "int16"):
            scale = self._scale(name, variable)
            return Tensor.stored(
                variable.shape, "float32", lambda: np.divide(variable.values(), scale, dtype=np.float32)
            )
        raise ModelError(f"{self.path}: {name} has type {variable.type}: not one of weights")

    def _scale(self, name: str, variable: Variable) -> Array:
        scale = self.variable(f"{name}_scale")
        values = scale.values().astype(np.float32)
        if scale.shape not in ((), variable.shape[:1]) or not (np.isfinite(values).all() and (values > 0).all()):
            raise ModelError(f"{self.path}: {name}_scale is not one positive number a row of {name}")
        return values.reshape(values.shape + (1,) * (len(variable.shape) - values.ndim))


def _read_variables(path: Path) -> Iterator[tuple[str, Variable]]:
    file = BinaryFile(path)

    def string(what: str) -> str:
        text = file.take(file.number("H", what), what)
        if not text.endswith(b"\0"):
            raise ModelError(f"{path}: {what} is not a zero-terminated string, at {file.offset}")
        try:
            return text[:-1].decode("utf-8")
        except UnicodeDecodeError as error:
            raise ModelError(f"{path}: {what} is not UTF-8: {error}") from None

    version = file.number("I", "the version")
    if version != BINARY_VERSION:
        raise ModelError(
            f"{path} has binary version {version}: {BINARY_VERSION} is supported (CTranslate2 3 and 4); "
            "convert the model again with a current CTranslate2"
        )
    spec, revision = string("the name of the specification"), file.number("I", "the revision")
    if (spec, revision) != (SPEC, REVISION):
        raise ModelError(f"{path} is a {spec}, revision {revision}: {SPEC}, revision {REVISION}, is supported")

    variables: dict[str, Variable] = {}
    for _ in range(file.number("I", "the number of variables")):
        name = string("a variable's name")
        shape = tuple(file.number("I", f"the shape of {name}") for _ in range(file.number("B", f"the rank of {name}")))
        type_id, size = file.number("B", f"the type of {name}"), file.number("I", f"the size of {name}")
        if type_id >= len(TYPES):
            raise ModelError(f"{path}: {name} has type {type_id}: 0 to {len(TYPES) - 1} are known")
        variable = Variable(file, file.skip(size, name), shape, TYPES[type_id])
        needed = np.dtype(_STORED.get(variable.type, variable.type)).itemsize
        for dimension in shape:
            needed *= dimension
        if size != needed:
            raise ModelError(f"{path}: {name} has {size} bytes: {needed} belong to {list(shape)} {variable.type}")
        if name in variables:
            raise ModelError(f"{path} has the variable {name} twice")
        variables[name] = variable
    yield from variables.items()
    for _ in range(file.number("I", "the number of aliases")):
        alias, name = string("an alias"), string("an alias's variable")
        if name not in variables:
            raise ModelError(f"{path}: {alias} is an alias of {name}, which is not there")
        yield alias, variables[name]


def is_ctranslate2(folder: Path) -> bool:
    return (folder / "model.bin").is_file()


def read_ctranslate2(folder: Path, provenance: Provenance) -> WhisperCheckpoint:
    """Reads a CTranslate2 folder; weights are loaded when asked for."""
    variables = Variables(folder / "model.bin")
    tokens = _read_vocabulary(folder)
    tensors = dict(_tensors(variables))
    embedding = tensors["decoder.token_embedding.weight"]
    if LAST_TIMESTAMP in tokens:
        # Rows past the last timestamp only pad the matrix.
        n_vocab = min(tokens.index(LAST_TIMESTAMP) + 1, embedding.shape[0])
        embedding = tensors["decoder.token_embedding.weight"] = embedding.rows(0, n_vocab)
    conv1 = variables.variable("encoder/conv1/weight").shape
    audio, text = (variables.variable(f"{side}/position_encodings/encodings").shape for side in ("encoder", "decoder"))
    if len(conv1) != 3 or len(audio) != 2 or len(text) != 2:
        raise ModelError(f"{variables.path}: conv1 {list(conv1)} or positions {list(audio)}, {list(text)} misshapen")
    return WhisperCheckpoint(
        dimensions=Dimensions(
            n_mels=conv1[1],
            n_audio_ctx=audio[0],
            n_audio_state=audio[1],
            n_audio_head=variables.scalar("encoder/num_heads"),
            n_audio_layer=_count_layers(variables, "encoder"),
            n_vocab=embedding.shape[0],
            n_text_ctx=text[0],
            n_text_state=text[1],
            n_text_head=variables.scalar("decoder/num_heads"),
            n_text_layer=_count_layers(variables, "decoder"),
        ),
        tensors=tensors,
        vocabulary=text_tokens(tokens),
        alignment_heads=_alignment_heads(folder),
        provenance=provenance,
    )


def _count_layers(variables: Variables, side: str) -> int:
    count = 0
    while f"{side}/layer_{count}/ffn/linear_0/weight" in variables:
        count += 1
    return count


def _tensors(variables: Variables) -> Iterator[tuple[str, Tensor]]:
    def norm(target: str, origin: str) -> Iterator[tuple[str, Tensor]]:
        yield f"{target}.weight", variables.tensor(f"{origin}/gamma")
        yield f"{target}.bias", variables.tensor(f"{origin}/beta")

    def linear(targets: list[str], origin: str) -> Iterator[tuple[str, Tensor]]:
        """A linear layer, or several of equal width that are stored as one."""
        for kind in ("weight", "bias"):
            fused = variables.tensor(f"{origin}/{kind}")
            if not fused.shape or fused.shape[0] % len(targets):
                raise ModelError(
                    f"{variables.path}: {origin}/{kind} has shape {list(fused.shape)}: not divisible by {len(targets)}"
                )
            rows = fused.shape[0] // len(targets)
            for i, target in enumerate(targets):
                part = fused.rows(i * rows, (i + 1) * rows)
                if kind == "bias" and target.endswith(".key"):
                    if part.load().any():
                        raise ModelError(f"{variables.path}: {origin} has a bias for keys: Whisper has none")
                else:
                    yield f"{target}.{kind}", part

    def attention(target: str, origin: str, fused: list[list[str]]) -> Iterator[tuple[str, Tensor]]:
        yield from norm(f"{target}_ln", f"{origin}/layer_norm")
        for i, parts in enumerate(fused):
            yield from linear([f"{target}.{part}" for part in parts], f"{origin}/linear_{i}")

    for side in ("encoder", "decoder"):
        yield f"{side}.positional_embedding", variables.tensor(f"{side}/position_encodings/encodings")
        for i in range(_count_layers(variables, side)):
            target, origin = f"{side}.blocks.{i}", f"{side}/layer_{i}"
            yield from attention(f"{target}.attn", f"{origin}/self_attention", [["query", "key", "value"], ["out"]])
            if side == "decoder":
                yield from attention(
                    f"{target}.cross_attn", f"{origin}/attention", [["query"], ["key", "value"], ["out"]]
                )
            yield from norm(f"{target}.mlp_ln", f"{origin}/ffn/layer_norm")
            yield from linear([f"{target}.mlp.0"], f"{origin}/ffn/linear_0")
            yield from linear([f"{target}.mlp.2"], f"{origin}/ffn/linear_1")
    for conv in ("conv1", "conv2"):
        yield from linear([f"encoder.{conv}"], f"encoder/{conv}")
    yield from norm("encoder.ln_post", "encoder/layer_norm")
    yield from norm("decoder.ln", "decoder/layer_norm")

    embedding = variables.variable("decoder/embeddings/weight")
    projection = variables.variable("decoder/projection/weight")
    if projection != embedding and not (
        projection.shape == embedding.shape and np.array_equal(projection.values(), embedding.values())
    ):
        raise ModelError(f"{variables.path}: the output projection is not the token embedding: Whisper shares them")
    yield "decoder.token_embedding.weight", variables.tensor("decoder/embeddings/weight")


def _read_vocabulary(folder: Path) -> list[str]:
    as_json, as_text = folder / "vocabulary.json", folder / "vocabulary.txt"
    if as_json.is_file():
        tokens = read_json(as_json)
        if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
            raise ModelError(f"{as_json} is not a list of tokens")
        return tokens
    if as_text.is_file():
        try:
            return as_text.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        except UnicodeDecodeError as error:
            raise ModelError(f"{as_text} is not UTF-8: {error}") from None
    raise ModelError(f"{folder} has neither vocabulary.json nor vocabulary.txt")


def _alignment_heads(folder: Path) -> list[tuple[int, int]]:
    config = folder / "config.json"
    return parse_alignment_heads(read_object(config), config) if config.is_file() else []
