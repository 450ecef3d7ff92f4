"""Model files: what good ones report, and that no bad one does more than raise an error that says why."""

from __future__ import annotations

import hashlib
import os
import re
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_files import (
    ARRAY,
    BOOL,
    F64,
    GGML_TYPES,
    I32,
    STRING,
    U8,
    U16,
    U32,
    U64,
    GgufTensor,
    GgufValue,
    SyntheticModel,
    gguf_bytes,
    gguf_metadata,
    gguf_string,
    is_matrix,
    panels,
    quantize,
    synthetic_model,
    write_ggml,
    write_gguf,
)

from pyffi import MultimodalError, Vad, Whisper
from pyffi.errors import FileError, InvalidArgument, ModelError, UnsupportedError
from pyffi.models.verify import verify_model

SMALL: dict[str, Any] = {
    "n_audio_ctx": 8, "n_audio_state": 16, "n_audio_head": 1, "n_audio_layer": 1,
    "n_text_ctx": 16, "n_text_state": 16, "n_text_head": 1, "n_text_layer": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def small() -> SyntheticModel:
    return synthetic_model(**SMALL)


@pytest.fixture(scope="module")
def gguf(small: SyntheticModel) -> bytes:
    return gguf_bytes(gguf_metadata(small), small_tensors(small))


@pytest.fixture(scope="module")
def ggml(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("ggml") / "small.bin"
    write_ggml(path, wtype="f16", **SMALL)
    return path.read_bytes()


def small_tensors(model: SyntheticModel) -> list[GgufTensor]:
    tensors = []
    for name, values in model.tensors.items():
        laid_out, kind = (panels(values), "f16") if is_matrix(name) else (values, "f32")
        tensors.append(GgufTensor(name, laid_out.shape[::-1], GGML_TYPES[kind], quantize(laid_out, kind)[0]))
    return tensors


def refuse(path: Path, data: bytes, match: str = ".", error: type[MultimodalError] = ModelError) -> None:
    """Neither opening nor verifying takes the file; both name it."""
    path.write_bytes(data)
    for attempt in (Whisper, verify_model):
        with pytest.raises(error, match=match) as raised:
            attempt(path)
        assert path.name in str(raised.value)


class Spoiled:
    """A file in which one run of bytes at a time is changed. It is opened and, should it open, runs: whatever comes of
    it, the process lives."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path = path
        self.data = data
        path.write_bytes(data)

    def use_with(self, offset: int, changed: bytes) -> None:
        self._write(offset, changed)
        try:
            with Whisper(self.path) as model:
                encoded = model.encode(np.zeros((16, 80), dtype=np.float32))
                assert model.logits(encoded, [50258, 7]).shape[0] == 2
        except MultimodalError as error:
            assert len(str(error)) > 10
        finally:
            self._write(offset, self.data[offset : offset + len(changed)])

    def flip_bit(self, offset: int, bit: int) -> None:
        self.use_with(offset, bytes([self.data[offset] ^ 1 << bit]))

    def _write(self, offset: int, data: bytes) -> None:
        with self.path.open("r+b") as file:
            file.seek(offset)
            file.write(data)


# ---- Good files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f16", "f32"])
def test_verify_reports_a_gguf(tmp_path: Path, dtype: str) -> None:
    model = write_gguf(tmp_path / "a.gguf", dtype=dtype, **SMALL)
    check_report(tmp_path / "a.gguf", model, {"format": "gguf", "weight_type": dtype, "mapped": True})


@pytest.mark.parametrize("wtype", GGML_TYPES)
def test_verify_reports_a_ggml_file(tmp_path: Path, wtype: str) -> None:
    model = write_ggml(tmp_path / "a.bin", wtype=wtype, multilingual=False)
    check_report(tmp_path / "a.bin", model, {"format": "ggml", "weight_type": wtype, "mapped": False})


def check_report(path: Path, model: SyntheticModel, expected: dict[str, Any]) -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    report = verify_model(path, digest)
    assert report["hyperparameters"] == vars(model.shape)
    assert report["sha256"] == digest
    assert report["file_bytes"] == path.stat().st_size
    assert report["kind"] == "speech"
    assert report["architecture"] == "whisper"
    assert report["multilingual"] == (model.shape.n_vocab > 51864)
    assert {key: report[key] for key in expected} == expected


def test_both_formats_of_the_same_weights_give_the_same_bits(tmp_path: Path) -> None:
    write_gguf(tmp_path / "a.gguf", dtype="f16")
    write_ggml(tmp_path / "a.bin", wtype="f16")
    mel = np.random.default_rng(1).standard_normal((40, 80), dtype=np.float32)
    results = []
    for name in ("a.gguf", "a.bin"):
        with Whisper(tmp_path / name) as model:
            encoded = model.encode(mel, audio_ctx=20)
            results.append((encoded, model.logits(encoded, [50258, 50259, 50359, 1, 2, 3])))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_the_digest_is_checked_when_opening(tmp_path: Path, gguf: bytes) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf)
    digest = hashlib.sha256(gguf).hexdigest()
    Whisper(path, sha256=digest.upper()).close()
    wrong = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    with pytest.raises(ModelError, match=digest):
        Whisper(path, sha256=wrong)
    with pytest.raises(InvalidArgument, match="64 hex"):
        Whisper(path, sha256=digest[:-1])


# ---- Headers of GGUF -------------------------------------------------------------------------------------------------


def gguf_fields(data: bytes, arrays: int = 3) -> Iterator[tuple[int, int]]:
    """Offset and size of every field of the header, of long arrays only those of the first elements."""
    position = 0

    def take(size: int) -> int:
        nonlocal position
        position += size
        return position - size

    def text() -> Iterator[tuple[int, int]]:
        length = take(8)
        (size,) = struct.unpack_from("<Q", data, length)
        yield length, 8
        yield take(size), size

    sizes = {U8: 1, BOOL: 1, U16: 2, U32: 4, I32: 4, U64: 8, F64: 8}
    yield take(4), 4
    yield take(4), 4
    counts = [take(8), take(8)]
    yield from ((offset, 8) for offset in counts)
    n_tensors, n_keys = (struct.unpack_from("<Q", data, offset)[0] for offset in counts)
    for _ in range(n_keys):
        yield from text()
        kind = struct.unpack_from("<I", data, position)[0]
        yield take(4), 4
        count = 1
        if kind == ARRAY:
            kind, count = struct.unpack_from("<IQ", data, position)
            yield take(4), 4
            yield take(8), 8
        for index in range(count):
            fields = list(text()) if kind == STRING else [(take(sizes[kind]), sizes[kind])]
            if index < arrays:
                yield from fields
    for _ in range(n_tensors):
        yield from text()
        n_dims = struct.unpack_from("<I", data, position)[0]
        yield take(4), 4
        for size in [8] * n_dims + [4, 8]:
            yield take(size), size


HOSTILE = [0, 1, 5, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1]


def test_a_gguf_cut_at_any_boundary_is_refused(tmp_path: Path, gguf: bytes) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(gguf)
    cuts = {offset + part for offset, size in gguf_fields(gguf) for part in (0, size - 1) if offset + part > 0}
    for size in sorted({*cuts, len(gguf) - 64, len(gguf) * 3 // 4, len(gguf) // 2}, reverse=True):
        os.truncate(path, size)
        with pytest.raises((ModelError, UnsupportedError)):
            verify_model(path)


def test_a_gguf_with_any_field_changed_does_no_harm(tmp_path: Path, gguf: bytes) -> None:
    file = Spoiled(tmp_path / "changed.gguf", gguf)
    for number, (offset, size) in enumerate(gguf_fields(gguf, arrays=1)):
        values = HOSTILE if number < 30 else HOSTILE[number % 4 :: 4]
        for value in values if size <= 8 else []:
            file.use_with(offset, (value % 256**size).to_bytes(size, "little"))


def test_flipped_bits_of_a_gguf_do_no_harm(tmp_path: Path, gguf: bytes) -> None:
    file, rng = Spoiled(tmp_path / "flipped.gguf", gguf), np.random.default_rng(0)
    fields = [offset for offset, size in gguf_fields(gguf, arrays=1) if size > 0]
    for offset in [*rng.choice(fields, 150), *rng.integers(0, len(gguf), 50)]:
        file.flip_bit(int(offset), int(rng.integers(8)))


# ---- What a Whisper model must have ----------------------------------------------------------------------------------


def changed(metadata: list[GgufValue], key: str, value: GgufValue | None) -> list[GgufValue]:
    return [new for old in metadata if (new := value if old[0] == key else old) is not None]


@pytest.mark.parametrize("key", [*SMALL, "n_mels", "n_vocab"])
def test_each_hyperparameter_must_be_there_and_right(tmp_path: Path, small: SyntheticModel, key: str) -> None:
    metadata, tensors, name = gguf_metadata(small), small_tensors(small), f"whisper.{key}"
    path = tmp_path / "a.gguf"
    refuse(path, gguf_bytes(changed(metadata, name, None), tensors), match=f"{name} is missing")
    refuse(path, gguf_bytes(changed(metadata, name, (name, STRING, "16")), tensors), match=f"{name} is not an integer")
    right = getattr(small.shape, key)
    # One token more would fit into the padding of the last panel, and is a vocabulary that exists.
    for value in {*HOSTILE, right + (key != "n_vocab"), right - 1, right * 2, 16 * right} - {right}:
        refuse(path, gguf_bytes(changed(metadata, name, (name, U64, value)), tensors))


def test_each_tensor_must_be_there(tmp_path: Path, small: SyntheticModel, gguf: bytes) -> None:
    for name in small.tensors:
        described = gguf.replace(gguf_string(name), gguf_string(f"x{name[1:]}"), 1)
        refuse(tmp_path / "a.gguf", described, match=f"the tensor {re.escape(name)} is missing")


def test_each_tensor_must_have_its_shape(tmp_path: Path, small: SyntheticModel) -> None:
    metadata, tensors = gguf_metadata(small), small_tensors(small)
    for index, tensor in enumerate(tensors):
        longer = replace(tensor, dims=(*tensor.dims[:-1], tensor.dims[-1] + 1), data=tensor.data + tensor.data)
        quantized = replace(tensor, type=GGML_TYPES["q8_0"], dims=(32,), data=bytes(34))
        wrong = [*tensors[:index], longer if index % 4 else quantized, *tensors[index + 1 :]]
        needed = f"the tensor {re.escape(tensor.name)} (is|has) .* need"
        refuse(tmp_path / "a.gguf", gguf_bytes(metadata, wrong), match=needed)


def test_an_exabyte_tensor_is_refused(tmp_path: Path, small: SyntheticModel) -> None:
    tensors = small_tensors(small)
    for dims in [(2**60,), (2**30, 2**30), (2**31 - 1,) * 4, (2**16,) * 4, (2**63, 2), (1, 2**64 - 1)]:
        spoiled = [replace(tensors[0], dims=dims), *tensors[1:]]
        refuse(tmp_path / "a.gguf", gguf_bytes(gguf_metadata(small), spoiled), match="dimension|does not fit")


def test_twice_the_same_tensor_or_key_is_refused(tmp_path: Path, small: SyntheticModel) -> None:
    metadata, tensors = gguf_metadata(small), small_tensors(small)
    refuse(tmp_path / "a.gguf", gguf_bytes(metadata, [*tensors, tensors[3]]), match="there twice")
    refuse(tmp_path / "a.gguf", gguf_bytes([*metadata, metadata[3]], tensors), match="there twice")


def test_misaligned_tensors_are_refused(tmp_path: Path, small: SyntheticModel) -> None:
    odd = [replace(tensor, data=tensor.data + bytes(8)) for tensor in small_tensors(small)]
    refuse(tmp_path / "a.gguf", gguf_bytes(gguf_metadata(small), odd, alignment=8), match="not a multiple")


@pytest.mark.parametrize("heads", [[], [0], [0, 1], [1, 0], [-1, 0], [0, -1], [0, 0] * 2, [2**31 - 1, 0]])
def test_alignment_heads_must_exist(tmp_path: Path, small: SyntheticModel, heads: list[int]) -> None:
    metadata = changed(
        gguf_metadata(small), "whisper.alignment_heads", ("whisper.alignment_heads", (ARRAY, I32), heads)
    )
    refuse(tmp_path / "a.gguf", gguf_bytes(metadata, small_tensors(small)), match="alignment_heads")


def test_the_vocabulary_must_have_the_right_size(tmp_path: Path, small: SyntheticModel) -> None:
    for tokens in (["a"], ["a"] * 50256, ["a"] * 60000):
        metadata = changed(
            gguf_metadata(small), "tokenizer.ggml.tokens", ("tokenizer.ggml.tokens", (ARRAY, STRING), tokens)
        )
        refuse(tmp_path / "a.gguf", gguf_bytes(metadata, small_tensors(small)))


def test_nan_weights_are_refused(tmp_path: Path, small: SyntheticModel, ggml: bytes) -> None:
    """Of weights that are used in place only verifying sees them, which reads them all."""
    for name in ("encoder.blocks.0.mlp.0.weight", "decoder.ln.bias"):
        weights = small.tensors[name].copy()
        weights.flat[5] = np.nan if name.endswith("weight") else np.inf
        spoiled = replace(small, tensors={**small.tensors, name: weights})
        path = tmp_path / "nan.gguf"
        path.write_bytes(gguf_bytes(gguf_metadata(small), small_tensors(spoiled)))
        with pytest.raises(ModelError, match=f"{name} holds NaN or infinity"):
            verify_model(path)
    refuse(tmp_path / "nan.bin", ggml[:-2] + b"\x80\x7f", match="NaN or infinity")  # the last norm's last bias


# ---- Headers of whisper.cpp's files ----------------------------------------------------------------------------------


def ggml_tensor_offsets(data: bytes) -> list[int]:
    """Where each tensor's description begins."""
    position = 48
    n_mels, n_frequencies = struct.unpack_from("<2i", data, position)
    position += 8 + 4 * n_mels * n_frequencies
    (n_tokens,) = struct.unpack_from("<i", data, position)
    position += 4
    for _ in range(n_tokens):
        position += 4 + struct.unpack_from("<i", data, position)[0]
    offsets = []
    while position < len(data):
        offsets.append(position)
        n_dims, name_length, kind = struct.unpack_from("<3i", data, position)
        dims = struct.unpack_from(f"<{n_dims}i", data, position + 12)
        position += 12 + 4 * n_dims + name_length + int(np.prod(dims)) * {0: 4, 1: 2}[kind]
    return offsets


def test_a_ggml_file_cut_anywhere_is_refused(tmp_path: Path, ggml: bytes) -> None:
    header = [*range(1, 60), 48 + 8 + 80 * 201 * 4 + 2, 100_000, 300_000]
    descriptions = [offset + step for offset in ggml_tensor_offsets(ggml) for step in (0, 2, 4, 8, 12, 16, 20, 30)]
    path = tmp_path / "cut.bin"
    path.write_bytes(ggml)
    for size in sorted({*header, *descriptions, len(ggml) - 1}, reverse=True):
        os.truncate(path, size)
        with pytest.raises((ModelError, UnsupportedError)):
            Whisper(path)


def test_each_field_of_a_ggml_header_is_bounded(tmp_path: Path, ggml: bytes) -> None:
    """Magic, hyperparameters, and the sizes of filters and vocabulary: no value but the right one opens."""
    path, weight_type, n_tokens = tmp_path / "changed.bin", 44, 48 + 8 + 80 * 201 * 4
    for offset in [*range(0, 56, 4), n_tokens]:
        (right,) = struct.unpack_from("<i", ggml, offset)
        values = {-(2**31), -1, 0, 5, 99, 50258, right - 1, right + 1, 2**20, 2**31 - 1} - {right}
        if offset == weight_type:  # only tells what most tensors are: each names its own
            values = {-1, -8, 3, 4, 5, 10, 99, 2003, 2**31 - 1}
        for value in values:
            data = bytearray(ggml)
            struct.pack_into("<i", data, offset, value)
            path.write_bytes(data)
            with pytest.raises((ModelError, UnsupportedError)):
                Whisper(path)


def test_a_ggml_file_with_any_field_of_a_tensor_changed_does_no_harm(tmp_path: Path, ggml: bytes) -> None:
    file = Spoiled(tmp_path / "changed.bin", ggml)
    for offset in ggml_tensor_offsets(ggml)[::5]:
        for field in range(5):
            for value in HOSTILE[field % 2 :: 2]:
                file.use_with(offset + 4 * field, struct.pack("<I", value % 2**32))


def test_flipped_bits_of_a_ggml_file_do_no_harm(tmp_path: Path, ggml: bytes) -> None:
    file, rng = Spoiled(tmp_path / "flipped.bin", ggml), np.random.default_rng(0)
    descriptions = rng.choice(ggml_tensor_offsets(ggml), 60) + rng.integers(0, 40, 60)
    for offset in [*range(4, 60), *descriptions, *rng.integers(0, len(ggml), 40)]:
        file.flip_bit(int(offset), int(rng.integers(8)))


# ---- Not a model at all ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"G", "neither"),
        (b"GGUF", "cut short"),
        (b"lmgg", "cut short"),
        (b"\0" * 100, "neither"),
        (b"PK\x03\x04" + bytes(60), "PyTorch"),
        (b"\x06\0\0\0\x0b\0WhisperSpec", "CTranslate2"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    ],
)
def test_files_of_other_kinds_are_told_apart(tmp_path: Path, data: bytes, match: str) -> None:
    refuse(tmp_path / "other.bin", data, match=match)


def test_paths_that_are_not_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.bin").touch()
    os.mkfifo(tmp_path / "pipe.bin")
    for path, match in [
        (tmp_path, "is a directory"),
        (tmp_path / "none.bin", "No such file"),
        (tmp_path / "empty.bin", "is empty"),
        (tmp_path / "pipe.bin", "not a regular file"),
        (tmp_path / ("x" * 300), "too long"),
        (tmp_path / "empty.bin" / "below", "Not a directory"),
    ]:
        for attempt in (verify_model, Vad):
            with pytest.raises(FileError, match=match):
                attempt(path)


def test_an_unreadable_file_is_refused(gguf: bytes) -> None:
    """Root reads everything: a child that is nobody tries, in a folder that is open to it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        good, secret = Path(folder, "good.gguf"), Path(folder, "secret.gguf")
        for path, mode in ((good, 0o644), (secret, 0)):
            path.write_bytes(gguf)
            path.chmod(mode)
        child = os.fork()
        if child == 0:
            os._exit(opens_only_the_first(good, secret))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def opens_only_the_first(good: Path, secret: Path) -> int:
    """The exit code of the child."""
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        Whisper(good).close()
        Whisper(secret)
    except FileError as error:
        return 0 if "Permission denied" in str(error) and "secret.gguf" in str(error) else 2
    except BaseException:  # this must not become a second run of the tests
        return 3
    return 1


def test_a_path_that_is_not_utf8_opens(tmp_path: Path, gguf: bytes) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \xff.gguf"))
    path.write_bytes(gguf)
    Whisper(path).close()
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"caf\\xe9 \\xff\.gguf"):
        Whisper(path)


def test_a_model_of_another_architecture_is_refused(tmp_path: Path, small: SyntheticModel, gguf: bytes) -> None:
    path = tmp_path / "clip.gguf"
    other = changed(gguf_metadata(small), "general.architecture", ("general.architecture", STRING, "clip\n"))
    path.write_bytes(gguf_bytes(other, small_tensors(small)))
    with pytest.raises(ModelError, match=r'"clip\\x0a"'):
        Whisper(path)
    with pytest.raises(UnsupportedError, match="whisper, clip, silero-vad"):
        verify_model(path)
    path.write_bytes(gguf)
    with pytest.raises(ModelError, match='"whisper"'):
        Vad(path)


def test_refused_files_leave_nothing_open_or_mapped(tmp_path: Path, ggml: bytes, gguf: bytes) -> None:
    for index, data in enumerate([ggml[:-5], gguf[:-100], b"GGUF", b"lmgg", b"other"] * 3):
        path = tmp_path / f"refused-{index}"
        path.write_bytes(data)
        for attempt in (Whisper, verify_model, Vad):
            with pytest.raises(MultimodalError):
                attempt(path)
    assert not [fd for fd in Path("/proc/self/fd").iterdir() if "refused-" in os.path.realpath(fd)]
    assert "refused-" not in Path("/proc/self/maps").read_text()
