"""The border between Python values and C memory: no copy where none is needed, advice where one is."""

from __future__ import annotations

import array
import os
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pyffi import InvalidArgument, buffers
from pyffi._ffi import ffi, lib
from pyffi.buffers import Floats

SAMPLES = np.linspace(-1, 1, 100, dtype=np.float32)


def address(values: Any) -> int:
    return int(ffi.cast("uintptr_t", buffers.pointer(buffers.as_samples(values))))


def read_only() -> Floats:
    view: Floats = SAMPLES.view()
    view.flags.writeable = False
    return view


class ArrayLike:
    """What torch and others offer."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Floats:
        return SAMPLES


@pytest.mark.parametrize(
    "values",
    [SAMPLES, read_only(), SAMPLES[10:20], SAMPLES.data, SAMPLES.data.toreadonly(),
     array.array("f", [0.5, -0.5]), np.empty(0, np.float32)],
    ids=["numpy", "read-only", "slice", "memoryview", "read-only memoryview", "array.array", "empty"],
)  # fmt: skip
def test_contiguous_float32_is_not_copied(values: Any) -> None:
    expected = np.frombuffer(values, np.float32).ctypes.data if len(values) else address(values)
    assert address(values) == expected


def test_array_likes_are_viewed() -> None:
    assert address(ArrayLike()) == SAMPLES.ctypes.data


def test_plain_lists_are_converted() -> None:
    assert buffers.as_samples([0.5, -0.25]).tolist() == [0.5, -0.25]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(4, np.int16), "array of int16; it must be float32: pass audio.astype(numpy.float32) / 32768"),
        (np.zeros(4, np.int32), "pass audio.astype(numpy.float32) / 2147483648"),
        (np.zeros(4, np.uint8), "array of uint8.*pass audio.tobytes() if these are the bytes of an audio file"),
        (np.zeros(4), "array of float64.*pass audio.astype(numpy.float32)"),
        (np.zeros(4, np.float16), "array of float16.*pass audio.astype(numpy.float32)"),
        (np.zeros(4, ">f4"), "array of >f4.*pass audio.astype(numpy.float32)"),
        (np.zeros(4, complex), "array of complex128; it must be float32"),
        (np.array(["a"]), "it must be float32"),
        (np.zeros((100, 2), np.float32), "shape (100, 2); it must be one channel: pass audio.mean(axis=1)"),
        (np.zeros((2, 100), np.float32), "one channel: pass audio.mean(axis=0), or one of its 2 channels"),
        (np.zeros((1, 100), np.float32), "pass audio.ravel()"),
        (np.zeros((2, 2, 2), np.float32), "3 dimensions; it must have one"),
        (np.float32(1), "0 dimensions"),
        (np.zeros(10, np.float32)[::2], "not contiguous in memory: pass numpy.ascontiguousarray(audio)"),
        (np.zeros(10, np.float32)[::-1], "not contiguous"),
        (np.ma.masked_array([1, 2], dtype=np.float32), "masked array; pass audio.filled(0)"),
        (b"RIFF", "audio is bytes.*numpy.frombuffer(audio, numpy.float32)"),
        (memoryview(b"RIFF"), "audio is memoryview"),
        ([1, 2, 3], "array of int64; it must be float32"),
        ([[1.0], [1.0, 2.0]], "list, which numpy cannot view"),
        (object(), "it must be float32"),
        (None, "it must be float32"),
        (SAMPLES.data[::2], "not contiguous"),
        (array.array("d", [1.0]), "array of float64"),
    ],
)
def test_everything_else_is_refused_with_advice(values: Any, message: str) -> None:
    pattern = ".*".join(re.escape(part) for part in message.split(".*"))
    with pytest.raises(InvalidArgument, match=pattern):
        buffers.as_samples(values)


@given(
    arrays.arrays(
        dtype=st.one_of(arrays.floating_dtypes(), arrays.integer_dtypes(), arrays.boolean_dtypes()),
        shape=arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
def test_an_array_is_taken_as_it_is_or_refused(values: npt.NDArray[Any]) -> None:
    try:
        taken = buffers.as_samples(values)
    except InvalidArgument:
        assert values.dtype != np.float32 or values.ndim != 1
    else:
        assert taken is values


def test_a_matrix_must_have_the_columns_of_the_model() -> None:
    mel = np.zeros((5, 80), np.float32)
    assert buffers.as_matrix(mel, "mel", 80) is mel
    with pytest.raises(InvalidArgument, match=r"mel has shape \(80, 5\); it must be \(rows, 80\): pass mel.T"):
        buffers.as_matrix(np.zeros((80, 5), np.float32), "mel", 80)
    with pytest.raises(InvalidArgument, match="not contiguous"):
        buffers.as_matrix(np.zeros((80, 5), np.float32).T, "mel", 80)
    with pytest.raises(InvalidArgument, match="float64"):
        buffers.as_matrix(np.zeros((5, 80)), "mel", 80)


@pytest.mark.parametrize("value", [np.int64(7), 7])
def test_integers_of_numpy_are_integers(value: Any) -> None:
    assert buffers.as_integer(value, "n", 0, 10) == 7


@pytest.mark.parametrize("value", [True, 7.0, "7", None, np.bool_(True)])
def test_what_is_no_integer_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="n must be an integer, not "):
        buffers.as_integer(value, "n", 0, 10)


@pytest.mark.parametrize("value", [-1, 11, 2**70])
def test_integers_out_of_range_are_refused_with_the_range(value: int) -> None:
    with pytest.raises(InvalidArgument, match=f"n must be 0 to 10, not {value}"):
        buffers.as_integer(value, "n", 0, 10)


@pytest.mark.parametrize("value", ["1", None, b"1", [1.0], True])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="x must be a number, not "):
        buffers.as_float(value, "x")


def test_text_must_be_text() -> None:
    assert buffers.as_utf8("größer", "prompt") == "größer".encode()
    with pytest.raises(InvalidArgument, match="prompt must be a str, not bytes"):
        buffers.as_utf8(b"x", "prompt")
    with pytest.raises(InvalidArgument, match="half a surrogate pair at character 2"):
        buffers.as_utf8("ab\ud800", "prompt")
    with pytest.raises(InvalidArgument, match="NUL character after 2 bytes"):
        buffers.as_c_string("ab\0", "prompt")


def test_paths_are_the_bytes_of_the_file_system() -> None:
    assert buffers.as_path(os.fsdecode(b"a\xff")) == b"a\xff"
    for value, message in ((3, "path must be a path, not int"), ("a\0b", "NUL character")):
        with pytest.raises(InvalidArgument, match=message):
            buffers.as_path(value)  # type: ignore[arg-type]


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=20))
def test_token_ids_go_through(tokens: list[int]) -> None:
    assert list(buffers.as_token_ids(tokens)) == tokens
    assert list(buffers.as_token_ids(np.array(tokens, np.int64))) == tokens


@pytest.mark.parametrize("tokens", [[1.5], [2**31], ["1"], 7, None, [None]])
def test_what_are_no_token_ids_is_refused(tokens: Any) -> None:
    with pytest.raises(InvalidArgument, match="tokens must be integers of 32 bits"):
        buffers.as_token_ids(tokens)


def test_memory_of_the_library_lives_as_long_as_its_array(monkeypatch: pytest.MonkeyPatch) -> None:
    freed = []
    data = ffi.new("float[]", [1, 2, 3, 4, 5, 6])
    real_gc = ffi.gc

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(ffi, name)

        def gc(self, pointer: Any, destructor: Any, size: int) -> Any:
            assert destructor == lib.mm_free
            assert size == 24
            return real_gc(pointer, lambda _: freed.append(True), size)

    monkeypatch.setattr(buffers, "ffi", Counting())
    values = buffers.owned_array(ffi.cast("float *", data), 3, 2)
    tail = values[2:]
    del values
    assert tail.tolist() == [[5, 6]]
    assert not freed
    del tail
    assert freed
