"""Embeddings of the seeded models, of every format they come in, against what PyTorch gives for them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from clip_checkpoints import (
    ClipModel,
    our_names,
    pattern_image,
    seeded,
    weights,
    write_clip_cpp,
    write_openclip,
    write_transformers_clip,
)
from PIL import Image

from pyffi import Clip
from pyffi.models import Provenance, convert
from pyffi.models.checkpoint import Tensor
from pyffi.models.clip import ClipCheckpoint, ClipConfig, ImageTower, TextTower
from pyffi.models.gguf import WeightType, write_gguf

FIXTURES = Path(__file__).parent / "fixtures"
REFERENCE: dict[str, npt.NDArray[Any]] = dict(np.load(FIXTURES / "clip_reference.npz"))
IMAGES: dict[str, tuple[int, int, int]] = {
    name: (width, height, seed)
    for name, (width, height, seed) in json.loads((FIXTURES / "clip_reference.json").read_text())["images"].items()
}
MEAN, STD = np.array([0.48145466, 0.4578275, 0.40821073]), np.array([0.26862954, 0.26130258, 0.27577711])
END = 49407
# The cosine's distance from 1, and the largest error relative to the largest component.
# What is asked of f32 is 1e-5 and 2e-4; the two kinds of GELU are nearer to each other than that.
F32, F16, Q8 = (1e-9, 1e-5), (1e-5, 4e-3), (1e-3, 5e-2)


def errors(found: npt.NDArray[Any], reference: npt.NDArray[Any]) -> tuple[float, float]:
    """The cosine's distance from 1, and the largest difference relative to the largest component."""
    a, b = found.astype(np.float64), reference.astype(np.float64)
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    return float(1 - cosine), float(np.abs(a - b).max() / np.abs(b).max())


def assert_close(
    found: npt.NDArray[Any], reference: npt.NDArray[Any], cosine: float = F32[0], error: float = F32[1]
) -> None:
    assert found.shape == reference.shape
    assert found.dtype == np.float32
    for row, expected in zip(np.atleast_2d(found), np.atleast_2d(reference), strict=True):
        distance, largest = errors(row, expected)
        assert distance <= cosine and largest <= error, (distance, largest)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pictures")
    for name, (width, height, seed) in IMAGES.items():
        Image.fromarray(pattern_image(width, height, seed)).save(folder / f"{name}.png")
    return {name: folder / f"{name}.png" for name in IMAGES}


def reference_pixels(name: str) -> npt.NDArray[np.uint8]:
    """The pixels that the reference saw, before they were normalised."""
    normalised = REFERENCE[f"pixels32/{name}"].transpose(1, 2, 0)
    return np.asarray(np.rint((normalised * STD + MEAN) * 255), dtype=np.uint8)


def texts(model: Clip, whole: bool) -> npt.NDArray[np.float32]:
    """Embeddings of the reference's ids: with all the end tokens that fill them up, or cut behind the first."""
    rows = [row.tolist() for row in REFERENCE["token_ids"]]
    cut = [row if whole else row[: row.index(END) + 1] for row in rows]
    return np.stack([model.encode_tokens(row, normalize=False) for row in cut])


def converted(source: Path, weight_type: WeightType = "f32") -> Path:
    return convert(source, source.with_name(f"{source.name}.{weight_type}.gguf"), weight_type=weight_type)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both small models as transformers checkpoints."""
    folder = tmp_path_factory.mktemp("transformers")
    return {name: write_transformers_clip(folder / name, seeded(name)) for name in ("tiny-quickgelu", "tiny-gelu")}


@pytest.fixture(scope="module")
def models(sources: dict[str, Path]) -> Iterator[dict[str, Clip]]:
    opened = {name: Clip(converted(source)) for name, source in sources.items()}
    yield opened
    for model in opened.values():
        model.close()


# torchvision's resize, which the reference used, differs from Pillow's in some pixels of "portrait" by up to two
# levels, and in none of the other pictures.
@pytest.mark.parametrize("picture", [name for name in IMAGES if name != "portrait"])
@pytest.mark.parametrize("name", ["tiny-quickgelu", "tiny-gelu"])
def test_pictures_are_embedded_as_pytorch_does(
    models: dict[str, Clip], pictures: dict[str, Path], name: str, picture: str
) -> None:
    expected = REFERENCE[f"{name}/image/{picture}/embedding"]
    assert_close(models[name].encode_image(pictures[picture], normalize=False), expected)
    if name == "tiny-quickgelu":
        np.testing.assert_array_equal(models[name].preprocess(pictures[picture]), reference_pixels(picture))


@pytest.mark.parametrize("picture", IMAGES)
def test_pixels_are_embedded_as_pytorch_does(models: dict[str, Clip], picture: str) -> None:
    found = models["tiny-quickgelu"].encode_image(reference_pixels(picture), normalize=False)
    assert_close(found, REFERENCE[f"tiny-quickgelu/image/{picture}/embedding"])


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("name", ["tiny-quickgelu", "tiny-gelu"])
def test_texts_are_embedded_as_pytorch_does(models: dict[str, Clip], name: str, whole: bool) -> None:
    assert_close(texts(models[name], whole), REFERENCE[f"{name}/text/embedding"])


def test_normalised_embeddings_point_the_same_way(models: dict[str, Clip]) -> None:
    model = models["tiny-gelu"]
    tokens = [int(token) for token in REFERENCE["token_ids"][2]]
    found = model.encode_tokens(tokens)
    assert abs(np.linalg.norm(found.astype(np.float64)) - 1) < 1e-6
    expected = REFERENCE["tiny-gelu/text/embedding"][2]
    assert_close(found, expected / np.linalg.norm(expected))


@pytest.mark.parametrize("name", ["tiny-quickgelu", "tiny-gelu"])
def test_every_form_of_a_model_gives_the_same_bits(
    models: dict[str, Clip], pictures: dict[str, Path], tmp_path: Path, name: str
) -> None:
    square = models[name].preprocess(pictures["wide"])

    def bits(model: Clip) -> bytes:
        embeddings = (model.encode_image(square), texts(model, whole=False), model.encode_text("A naïve café, 3 cats"))
        return b"".join(rows.tobytes() for rows in embeddings)

    write_openclip(tmp_path / "openclip", seeded(name))
    write_clip_cpp(tmp_path / "clip-cpp.gguf", seeded(name))
    expected = bits(models[name])
    for path in (converted(tmp_path / "openclip"), converted(tmp_path / "clip-cpp.gguf"), tmp_path / "clip-cpp.gguf"):
        with Clip(path) as model:
            assert bits(model) == expected, path.name


# ---- Other types of weights ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tiny-quickgelu", "tiny-gelu"])
def test_half_precision_costs_little(sources: dict[str, Path], pictures: dict[str, Path], name: str) -> None:
    with Clip(converted(sources[name], "f16")) as model:
        for picture in ("landscape", "large"):
            found = model.encode_image(pictures[picture], normalize=False)
            assert_close(found, REFERENCE[f"{name}/image/{picture}/embedding"], *F16)
        assert_close(texts(model, whole=False), REFERENCE[f"{name}/text/embedding"], *F16)


def test_eight_bits_cost_some(pictures: dict[str, Path], tmp_path: Path) -> None:
    """As clip.cpp's file is, and converted."""
    write_clip_cpp(tmp_path / "q8.gguf", seeded("tiny-quickgelu"), "q8_0")
    for path in (tmp_path / "q8.gguf", converted(tmp_path / "q8.gguf")):
        with Clip(path) as model:
            for picture in ("landscape", "large"):
                found = model.encode_image(pictures[picture], normalize=False)
                assert_close(found, REFERENCE[f"tiny-quickgelu/image/{picture}/embedding"], *Q8)
            assert_close(texts(model, whole=False), REFERENCE["tiny-quickgelu/text/embedding"], *Q8)


# ---- A real size -----------------------------------------------------------------------------------------------------


def test_vit_b_32_is_embedded_as_pytorch_does(pictures: dict[str, Path], tmp_path: Path) -> None:
    """Of 600 MB, made tensor by tensor as they are written."""
    model = seeded("vit-b-32")
    checkpoint = lazy_checkpoint(model)
    write_gguf(checkpoint, tmp_path / "vit-b-32.gguf", "f32")
    try:
        with Clip(tmp_path / "vit-b-32.gguf") as clip:
            found = clip.encode_image(pictures["landscape"], normalize=False)
            assert_close(found, REFERENCE["vit-b-32/image/landscape/embedding"])
            square = clip.preprocess(pictures["landscape"])
            digest = hashlib.sha256(square.tobytes()).digest()
            assert digest == REFERENCE["pixels224/landscape/sha_u8"].tobytes()
            assert_close(texts(clip, whole=False), REFERENCE["vit-b-32/text/embedding"])
    finally:
        (tmp_path / "vit-b-32.gguf").unlink()


def lazy_checkpoint(model: ClipModel) -> ClipCheckpoint:
    """The model, with weights that are made when they are asked for."""

    def lazy(name: str, shape: tuple[int, ...]) -> Tensor:
        return Tensor(shape, np.dtype(np.float32), lambda: weights({name: shape})[name])

    named: Any = {name: lazy(name, shape) for name, shape in model.shapes()}
    tensors: Any = our_names(named)
    width, layers, heads, wide, size, patch = model.vision
    text_width, text_layers, text_heads, text_wide = model.text
    return ClipCheckpoint(
        config=ClipConfig(
            projection_dim=model.projection_dim,
            activation=model.activation,
            image=ImageTower(
                width=width, feed_forward=wide, layers=layers, heads=heads, epsilon=model.epsilon,
                image_size=size, patch_size=patch, mean=tuple(MEAN), std=tuple(STD),
            ),
            text=TextTower(
                width=text_width, feed_forward=text_wide, layers=text_layers, heads=text_heads, epsilon=model.epsilon,
                context_length=model.context_length, vocab_size=len(model.tokens),
            ),
        ),
        tensors=tensors,
        tokens=model.tokens,
        merges=model.merges,
        provenance=Provenance("vit-b-32", "a test"),
    )  # fmt: skip
