"""Converts the Silero VAD weights to clib/models/silero_vad.gguf, which the library embeds (docs/model-files.md).

python tools/convert_silero.py silero_vad_16k_op15.onnx clib/models/silero_vad.gguf

The source is silero_vad/data/silero_vad_16k_op15.onnx of the package silero-vad 6.2.3 (MIT, see
clib/models/LICENSE.silero). Its silero_vad.onnx and silero_vad.jit hold the same weights, its
silero_vad_16k.safetensors those of another release. Needs the packages onnx and gguf.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from gguf import GGUFWriter
from onnx import numpy_helper

from pyffi.models.panels import convolution_matrix, pack_matrix

SOURCE_SHA256 = "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49"

Array = npt.NDArray[np.float32]


def read(path: Path) -> dict[str, Array]:
    """The weights of the published network by their names there."""
    graph = onnx.load(str(path)).graph
    return {tensor.name.removeprefix("model."): numpy_helper.to_array(tensor) for tensor in graph.initializer}


def convert(source: dict[str, Array]) -> dict[str, Array]:
    """The tensors of the container, from those of the published file."""
    tensors = {"stft.weight": pack_matrix(source["stft.forward_basis_buffer"][:, 0, :])}
    for i in range(4):
        tensors[f"encoder.{i}.weight"] = pack_matrix(convolution_matrix(source[f"encoder.{i}.reparam_conv.weight"]))
        tensors[f"encoder.{i}.bias"] = source[f"encoder.{i}.reparam_conv.bias"]
    # One product for both inputs of the cell: its input, then its hidden state.
    both = np.concatenate([source["decoder.rnn.weight_ih"], source["decoder.rnn.weight_hh"]], axis=1)
    tensors["lstm.weight"] = pack_matrix(both)
    tensors["lstm.bias"] = source["decoder.rnn.bias_ih"] + source["decoder.rnn.bias_hh"]
    tensors["output.weight"] = pack_matrix(source["decoder.decoder.2.weight"][:, :, 0])
    tensors["output.bias"] = source["decoder.decoder.2.bias"]
    return tensors


def write(tensors: dict[str, Array], path: Path) -> None:
    writer = GGUFWriter(path, "silero-vad")
    writer.add_custom_alignment(64)
    writer.add_name("silero-vad-6.2.3")
    writer.add_string("general.source", f"silero-vad 6.2.3, silero_vad_16k_op15.onnx, sha256 {SOURCE_SHA256}")
    writer.add_license("MIT")
    writer.add_string("multimodal.layout", "panel16")
    for name, values in tensors.items():
        writer.add_tensor(name, np.ascontiguousarray(values, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    digest = hashlib.sha256(arguments.source.read_bytes()).hexdigest()
    if digest != SOURCE_SHA256:
        parser.error(f"{arguments.source} has sha256 {digest}: expected {SOURCE_SHA256}, the file of silero-vad 6.2.3")
    write(convert(read(arguments.source)), arguments.target)


if __name__ == "__main__":
    main()
