"""Files of torch.save are read without running anything that is in them."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from checkpoint_writers import (
    P_ORDERED_DICT,
    p_dict,
    p_global,
    p_int,
    p_tensor,
    p_text,
    p_tuple,
    pickle_bytes,
    state_dict,
    write_torch_zip,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from pyffi.errors import ModelError
from pyffi.models.sources.torch_zip import TorchFile

VALUES = np.arange(12, dtype=np.float32)


def saved(tmp_path: Path, value: bytes) -> Path:
    """A file whose pickle is `value`, with one storage of twelve float32."""
    path = tmp_path / "model.pt"
    write_torch_zip(path, pickle_bytes(value), [VALUES])
    return path


def read_all(path: Path) -> dict[str, np.ndarray]:
    file = TorchFile(path)
    return {name: tensor.load() for name, tensor in file.tensors(file.root).items()}


def test_views_transposes_and_shared_storages_are_read(tmp_path: Path) -> None:
    transposed = p_tensor("0", VALUES, shape=(3, 4)).replace(p_tuple(p_int(4), p_int(1)), p_tuple(p_int(1), p_int(3)))
    parameter = (
        p_global("torch._utils", "_rebuild_parameter") + p_tuple(p_tensor("0", VALUES), b"\x88", P_ORDERED_DICT) + b"R"
    )
    tensors = {"view": p_tensor("0", VALUES, offset=4, shape=(2, 3)), "transposed": transposed, "parameter": parameter}
    found = read_all(saved(tmp_path, p_dict(tensors)))
    np.testing.assert_array_equal(found["view"], VALUES[4:10].reshape(2, 3))
    np.testing.assert_array_equal(found["transposed"], VALUES.reshape(4, 3).T)
    np.testing.assert_array_equal(found["parameter"], VALUES)


def test_memoised_pickles_of_newer_protocols_are_read(tmp_path: Path) -> None:
    short = b"\x8c\x05torch\x94\x8c\x0cFloatStorage\x94\x93\x94"  # SHORT_BINUNICODE, MEMOIZE, STACK_GLOBAL
    tensor = p_tensor("0", VALUES).replace(p_global("torch", "FloatStorage"), short)
    path = tmp_path / "model.pt"
    write_torch_zip(path, b"\x80\x04" + p_dict({"a": tensor}) + b".", [VALUES])
    np.testing.assert_array_equal(read_all(path)["a"], VALUES)


class _Exploit:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.marker),)


def call(module: str, name: str, *arguments: bytes) -> bytes:
    return p_global(module, name) + p_tuple(*arguments) + b"R"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "ran"
    path = tmp_path / "model.pt"
    write_torch_zip(path, pickle.dumps({"weight": _Exploit(marker)}, protocol), [VALUES])
    with pytest.raises(ModelError, match="is not a checkpoint of tensors"):
        TorchFile(path)
    assert not marker.exists()
    pickle.loads(pickle.dumps(_Exploit(marker), protocol))
    assert marker.is_dir()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (call("os", "system", p_text("true")), "refers to os.system"),
        (call("posix", "system", p_text("true")), "refers to posix.system"),
        (call("builtins", "eval", p_text("1")), "refers to builtins.eval"),
        (call("builtins", "getattr", P_ORDERED_DICT, p_text("__class__")), "refers to builtins.getattr"),
        (call("torch", "load", p_text("x")), "refers to torch.load"),
        (
            call("torch._utils", "_rebuild_tensor_v2.__globals__"),
            "refers to torch._utils._rebuild_tensor_v2.__globals__",
        ),
        (call("collections", "OrderedDict.__init__"), "refers to collections.OrderedDict.__init__"),
        (b"(i" + b"os\nsystem\n", "instruction INST"),
        (b"(" + p_global("os", "system") + p_text("true") + b"o", "instruction OBJ"),
        (P_ORDERED_DICT + b")\x81", "instruction NEWOBJ"),
        (b"\x82\x01", "instruction EXT1"),
        (b"S'text'\n", "instruction STRING"),
        (b"B\xff\xff\xff\x7f", "is not a checkpoint"),
        (b"\x96" + struct.pack("<Q", 1 << 40), "is not a checkpoint"),
        (b"}r\xff\xff\xff\x7f", "stores to slot 2147483647"),
        (
            p_tuple(p_text("storage"), p_text("FloatStorage"), p_text("0"), p_text("cpu"), p_int(3)) + b"Q",
            "not a storage",
        ),
        (p_tuple(p_text("module")) + b"Q", "not a storage"),
        (call("torch", "FloatStorage"), "not callable"),
        (call("torch._utils", "_rebuild_tensor_v2", p_int(1), p_int(2), p_int(3), p_int(4)), "a tensor of 1"),
        (call("collections", "OrderedDict", p_text("x")), "is not a checkpoint"),
        # State for what is not a plain dictionary: a function, a type, a tensor.
        (p_global("torch._utils", "_rebuild_tensor_v2") + p_dict({"function": p_int(1)}) + b"b", "has no state to set"),
        (p_global("torch", "FloatStorage") + p_dict({"name": p_int(1)}) + b"b", "has no state to set"),
        (p_tensor("0", VALUES) + p_dict({"offset": p_int(1)}) + b"b", "has no state to set"),
        (b"0", "instruction POP"),
        (b"a", "is not a checkpoint"),
    ],
)
def test_every_way_to_reach_code_or_exhaust_memory_is_refused(tmp_path: Path, value: bytes, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        TorchFile(saved(tmp_path, value))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (p_tensor("0", VALUES, shape=(13,)), "reaches past its 12 values"),
        (p_tensor("0", VALUES, offset=1), "reaches past its 12 values"),
        (p_tensor("0", VALUES, count=13, shape=(13,)), "has 48 bytes: 52"),
        (p_tensor("0", VALUES, shape=(0,)), "reaches past"),
        (p_tensor("0", VALUES.astype(np.float16)), "has 48 bytes: 24"),
        (p_tensor("../version", VALUES), "no member archive/data/../version"),
        (p_tensor("0", VALUES).replace(p_tuple(p_int(1)), p_tuple(p_int(-1))), "is not a checkpoint"),
        (p_int(3), "x is not a tensor"),
    ],
)
def test_a_tensor_cannot_reach_outside_of_its_storage(tmp_path: Path, value: bytes, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        read_all(saved(tmp_path, p_dict({"x": value})))


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    good = saved(tmp_path, state_dict([("x", "0", VALUES)]))
    np.testing.assert_array_equal(read_all(good)["x"], VALUES)
    content = good.read_bytes()

    flipped = bytearray(content)
    flipped[content.index(VALUES.tobytes())] ^= 1
    cases = [(b"", "is not a file of torch.save"), (b"\x80\x02}.", "not a file of"), (content[:-30], "not a file of")]
    for data, reason in [*cases, (bytes(flipped), "archive/data/0 cannot be read: Bad CRC-32")]:
        (tmp_path / "bad.pt").write_bytes(data)
        with pytest.raises(ModelError, match=reason):
            read_all(tmp_path / "bad.pt")

    write_torch_zip(
        tmp_path / "bad.pt", pickle_bytes(p_dict({"x": p_tensor("0", VALUES)})), [VALUES], zipfile.ZIP_DEFLATED
    )
    with pytest.raises(ModelError, match="not compressed"):
        read_all(tmp_path / "bad.pt")
    with zipfile.ZipFile(tmp_path / "bad.pt", "w") as archive:
        archive.writestr("readme", "no pickle here")
    with pytest.raises(ModelError, match="has 0 members"):
        TorchFile(tmp_path / "bad.pt")


@settings(deadline=None)
@given(data=st.data())
def test_any_pickle_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    pickled = bytearray(pickle_bytes(state_dict([("x", "0", VALUES)])))
    for _ in range(data.draw(st.integers(1, 5))):
        pickled[data.draw(st.integers(0, len(pickled) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("mutated") / "model.pt"
    buffer = io.BytesIO(bytes(pickled))
    write_torch_zip(path, buffer.getvalue(), [VALUES])
    try:
        read_all(path)
    except ModelError as error:
        assert str(path) in str(error)
