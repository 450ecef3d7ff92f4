"""Runs one engine over pictures and texts: `python -m benchmarks.clip_worker REQUEST.json`, in its own environment.

The request has package, model, inputs (a folder, see clip_inputs.py) and threads. Opens the model, then answers each
line of standard input, a task and how many times to run it, with a line: the seconds of each time or, where that is 0
times, what the task gives. So all engines are open at once and take turns. Beside the engine only numpy is needed, and
Pillow by those that leave pictures to others.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = Any
Tasks: TypeAlias = Mapping[str, Callable[[], Array]]

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def peak_memory() -> int:
    """Bytes resident at most. (What getrusage says begins with the memory of the process that started this one.)"""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
    assert found, "the kernel does not say how much memory was used"
    return int(found[1]) * 1024


def read_safetensors(path: Path) -> dict[str, Array]:
    """The tensors of a file that has float32 only."""
    data = np.fromfile(path, np.uint8)
    length = int(data[:8].view("<u8")[0])
    header = json.loads(data[8 : 8 + length].tobytes())
    body = data[8 + length :].view("<f4")
    return {
        name: body[slice(*(offset // 4 for offset in tensor["data_offsets"]))].reshape(tensor["shape"])
        for name, tensor in header.items()
        if name != "__metadata__"
    }


# ---- Preparing pictures with Pillow and numpy, as transformers does --------------------------------------------------


def normalise(pixels: Array) -> Array:
    """RGB8 (n, size, size, 3) to float32 (n, 3, size, size)."""
    scale = np.float32(1) / (255 * np.array(STD, np.float32))
    shift = np.array(MEAN, np.float32) / np.array(STD, np.float32)
    return np.ascontiguousarray((pixels * scale - shift).transpose(0, 3, 1, 2))


def prepare(data: bytes, size: int = 224) -> Array:
    """The middle of a picture whose short side is resized, float32 (1, 3, size, size)."""
    from PIL import Image

    picture = Image.open(io.BytesIO(data)).convert("RGB")
    short = min(picture.size)
    width, height = (size * side // short for side in picture.size)
    picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - size) // 2, (height - size) // 2
    return normalise(np.asarray(picture.crop((left, top, left + size, top + size)))[None])


# ---- Engines: each opens a model and says how to run the tasks it can ------------------------------------------------


class Inputs:
    """What clip_inputs.py has written."""

    def __init__(self, folder: Path) -> None:
        self.pixels = np.load(folder / "pixels.npy")
        self.normalised = normalise(self.pixels)  # not an engine's work
        self.photos = [path.read_bytes() for path in sorted(folder.glob("photo-*.jpg"))]
        self.large = (folder / "large.jpg").read_bytes()
        texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
        self.texts = {name: text["texts"] for name, text in texts.items()}
        self.ids = {name: np.array(text["ids"], np.int64) for name, text in texts.items()}


def multimodal_ffi(request: dict[str, Any], inputs: Inputs) -> Tasks:
    from pyffi import Clip

    model, threads = Clip(request["model"]), request["threads"]

    def images(pictures: Any) -> Array:
        return model.encode_image(pictures, normalize=False, threads=threads)

    def texts(values: Any) -> Array:
        return model.encode_text(values, normalize=False, threads=threads)

    return {
        "image": lambda: images(inputs.pixels[:1]),
        "images": lambda: images(inputs.pixels),
        "text": lambda: texts(inputs.texts["text"]),
        "texts": lambda: texts(inputs.texts["texts"]),
        "long text": lambda: texts(inputs.texts["long text"]),
        "photo": lambda: images(inputs.photos[:1]),
        "photos": lambda: images(inputs.photos),
        "large photo": lambda: images([inputs.large]),
        "prepare photo": lambda: model.preprocess(inputs.photos[0]),
        "prepare large photo": lambda: model.preprocess(inputs.large),
    }


def with_pillow(inputs: Inputs, image: Callable[[Array], Array], text: Callable[[Array], Array]) -> Tasks:
    """Tasks of an engine that has the towers alone."""
    return {
        "image": lambda: image(inputs.normalised[:1]),
        "images": lambda: image(inputs.normalised),
        "text": lambda: text(inputs.ids["text"]),
        "texts": lambda: text(inputs.ids["texts"]),
        "long text": lambda: text(inputs.ids["long text"]),
        "photo": lambda: image(prepare(inputs.photos[0])),
        "photos": lambda: image(np.concatenate([prepare(photo) for photo in inputs.photos])),
        "large photo": lambda: image(prepare(inputs.large)),
        "prepare photo": lambda: prepare(inputs.photos[0]),
        "prepare large photo": lambda: prepare(inputs.large),
    }


def onnxruntime(request: dict[str, Any], inputs: Inputs) -> Tasks:
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = request["threads"]
    image, text = (
        InferenceSession(request["model"].replace("*", tower), options, providers=["CPUExecutionProvider"])
        for tower in ("image", "text")
    )
    return with_pillow(
        inputs,
        lambda pixels: image.run(None, {"pixels": pixels})[0],
        lambda ids: text.run(None, {"ids": ids})[0],
    )


def pytorch(request: dict[str, Any], inputs: Inputs) -> Tasks:
    import torch
    from torch.nn import functional

    torch.set_num_threads(request["threads"])
    checkpoint = Path(request["model"])
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    weights = {name: torch.from_numpy(w) for name, w in read_safetensors(checkpoint / "model.safetensors").items()}
    vision, language = config["vision_config"], config["text_config"]

    def linear(x: Any, name: str) -> Any:
        return functional.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    def norm(x: Any, name: str, epsilon: float) -> Any:
        return functional.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], epsilon)

    def encoder(x: Any, tower: str, sizes: dict[str, Any], causal: bool) -> Any:
        heads, epsilon = sizes["num_attention_heads"], sizes["layer_norm_eps"]
        for i in range(sizes["num_hidden_layers"]):
            name = f"{tower}.encoder.layers.{i}"
            y = norm(x, f"{name}.layer_norm1", epsilon)
            query, key, value = (
                linear(y, f"{name}.self_attn.{part}_proj").unflatten(-1, (heads, -1)).transpose(1, 2) for part in "qkv"
            )
            y = functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
            x = x + linear(y.transpose(1, 2).flatten(2), f"{name}.self_attn.out_proj")
            y = linear(norm(x, f"{name}.layer_norm2", epsilon), f"{name}.mlp.fc1")
            x = x + linear(y * torch.sigmoid(1.702 * y), f"{name}.mlp.fc2")
        return x

    def image(pixels: Array) -> Array:
        with torch.inference_mode():
            name = "vision_model.embeddings"
            patches = functional.conv2d(
                torch.from_numpy(pixels), weights[f"{name}.patch_embedding.weight"], stride=vision["patch_size"]
            )
            token = weights[f"{name}.class_embedding"].expand(len(pixels), 1, -1)
            x = torch.cat([token, patches.flatten(2).transpose(1, 2)], 1) + weights[f"{name}.position_embedding.weight"]
            x = norm(x, "vision_model.pre_layrnorm", vision["layer_norm_eps"])
            x = encoder(x, "vision_model", vision, causal=False)[:, 0]
            return linear(norm(x, "vision_model.post_layernorm", vision["layer_norm_eps"]), "visual_projection").numpy()

    def text(ids: Array) -> Array:
        with torch.inference_mode():
            name = "text_model.embeddings"
            tokens = torch.from_numpy(ids)
            positions = weights[f"{name}.position_embedding.weight"][: ids.shape[1]]
            x = functional.embedding(tokens, weights[f"{name}.token_embedding.weight"]) + positions
            x = encoder(x, "text_model", language, causal=True)[torch.arange(len(ids)), tokens.argmax(1)]
            return linear(norm(x, "text_model.final_layer_norm", language["layer_norm_eps"]), "text_projection").numpy()

    return with_pillow(inputs, image, text)


def faster_clip(request: dict[str, Any], inputs: Inputs) -> Tasks:
    """Pictures only, from bytes: its texts are another model's. Weights come from its cache of the hub."""
    from faster_clip import ClipModel

    model = ClipModel()
    return {
        "photo": lambda: model.encode_image(inputs.photos[:1]),
        "photos": lambda: model.encode_image(inputs.photos),
        "large photo": lambda: model.encode_image([inputs.large]),
    }


ENGINES = {"multimodal-ffi": multimodal_ffi, "onnxruntime": onnxruntime, "torch": pytorch, "faster-clip": faster_clip}
MODULES = {"multimodal-ffi": "pyffi", "onnxruntime": "onnxruntime", "torch": "torch", "faster-clip": "faster_clip"}


def main() -> None:
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    # What an engine prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(**values: Any) -> None:
        print(json.dumps(values), file=answers, flush=True)

    package = request["package"]
    importlib.import_module(MODULES[package])  # takes its time once for a process
    inputs = Inputs(Path(request["inputs"]))
    started = time.perf_counter()
    tasks = ENGINES[package](request, inputs)
    opened = time.perf_counter()
    tasks["photo"]()
    answer(
        version=metadata.version(package),
        open=opened - started,
        first=time.perf_counter() - started,
        tasks=list(tasks),
    )
    for line in sys.stdin:
        task, times = json.loads(line)
        run, seconds = tasks[task], []
        result = run()  # what others have displaced from caches comes back
        for _ in range(times):
            started = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - started)
        values = [] if times else np.asarray(result).reshape(len(result), -1).tolist()
        answer(seconds=seconds, values=values, peak_memory=peak_memory())


if __name__ == "__main__":
    main()
