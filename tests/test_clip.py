"""pyffi.Clip: pictures and texts of every kind, one by one, in batches and as streams; what is refused, and how."""

from __future__ import annotations

import io
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clip_files import SIGLIP, write_clip
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import pyffi
from pyffi import Clip

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@pytest.fixture(scope="module")
def clip_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "tiny.gguf"
    write_clip(path)
    return path


@pytest.fixture(scope="module")
def clip(clip_path: Path) -> Iterator[Clip]:
    with Clip(clip_path) as model:
        yield model


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clip]:
    path = tmp_path_factory.mktemp("clip") / "siglip.gguf"
    write_clip(path, **SIGLIP)
    with Clip(path) as model:
        yield model


def pixels(seed: int, height: int = 40, width: int = 53) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(array: Pixels, kind: str = "png", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind, **options)
    return file.getvalue()


# ---- Pictures --------------------------------------------------------------------------------------------------------


def test_a_picture_may_be_a_path_bytes_a_file_a_pil_image_or_pixels(clip: Clip, tmp_path: Path) -> None:
    array = pixels(1)
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(array))
    expected = clip.encode_image(array)
    assert expected.shape == (clip.info.embedding_dim,) and expected.dtype == np.float32
    assert np.isclose(np.linalg.norm(expected), 1, atol=1e-6)
    alpha = np.dstack([array, np.full(array.shape[:2], 9, np.uint8)])
    for same in (
        path,
        str(path),
        path.read_bytes(),
        bytearray(path.read_bytes()),
        memoryview(path.read_bytes()),
        io.BytesIO(path.read_bytes()),
        Image.open(path),
        alpha,
        np.asfortranarray(array),
        np.pad(array, ((0, 0), (2, 3), (0, 0)))[:, 2:-3],
    ):
        assert np.array_equal(clip.encode_image(same), expected), type(same)


def test_grey_pixels_are_all_channels(clip: Clip) -> None:
    grey = pixels(2)[:, :, 0]
    assert np.array_equal(clip.encode_image(grey), clip.encode_image(np.dstack([grey] * 3)))


def test_a_batch_gives_what_each_picture_gives_alone(clip: Clip) -> None:
    pictures = [pixels(i, 20 + i, 70 - i) for i in range(40)]
    alone = np.stack([clip.encode_image(picture) for picture in pictures])
    assert np.array_equal(clip.encode_image(pictures), alone)
    assert np.array_equal(clip.encode_image(iter(pictures), threads=1), alone)
    assert np.array_equal(clip.encode_image(np.stack([pictures[0]] * 3)), np.stack([alone[0]] * 3))
    assert clip.encode_image([]).shape == (0, clip.info.embedding_dim)


def test_a_stream_goes_on_behind_what_cannot_be_read(clip: Clip, tmp_path: Path) -> None:
    good = tmp_path / "good.png"
    good.write_bytes(encoded(pixels(3)))
    bad = tmp_path / "bad.png"
    bad.write_bytes(good.read_bytes()[:60])
    missing = tmp_path / "missing.jpg"
    results = list(clip.stream_images([good, bad, missing, good] * 15))
    assert [result.source for result in results] == [good, bad, missing, good] * 15
    assert [result.error is None for result in results] == [True, False, False, True] * 15
    embeddings = [result.embedding for result in results if result.embedding is not None]
    assert len(embeddings) == 30 and np.array_equal(np.stack(embeddings), clip.encode_image([good] * 30))
    assert str(bad) in str(results[1].error) and isinstance(results[1].error, pyffi.InvalidArgument)
    assert str(missing) in str(results[2].error) and isinstance(results[2].error, pyffi.FileError)


def test_a_stream_is_lazy_and_may_be_left(clip: Clip) -> None:
    read = []

    def endless() -> Iterator[Pixels]:
        while True:
            read.append(1)
            yield pixels(len(read) % 3)

    stream = clip.stream_images(endless())
    for _ in range(5):
        assert next(stream).error is None
    stream.close()
    assert len(read) < 200


def test_a_stream_loads_its_sources_on_other_threads(clip: Clip) -> None:
    threads = set()

    def load(seed: int) -> Pixels:
        threads.add(threading.current_thread())
        return pixels(seed)

    results = list(clip.stream_images(range(4), load))
    assert [result.source for result in results] == [0, 1, 2, 3]
    assert threading.main_thread() not in threads
    assert results[2].embedding is not None
    assert np.array_equal(results[2].embedding, clip.encode_image(pixels(2)))


def test_preprocess_gives_pixels_that_embed_alike(clip: Clip) -> None:
    array = pixels(4, 50, 91)
    square = clip.preprocess(array)
    assert square.shape == (32, 32, 3) and square.dtype == np.uint8
    resized = Image.fromarray(array).resize((58, 32), Image.Resampling.BICUBIC).crop((13, 0, 45, 32))
    assert np.array_equal(square, np.asarray(resized))
    assert np.array_equal(clip.encode_image(square), clip.encode_image(array))


@settings(deadline=None, max_examples=60)
@given(width=st.integers(1, 200), height=st.integers(1, 200), crop=st.sampled_from(["floor", "half_even"]))
def test_the_crop_starts_where_the_recipe_says(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int, crop: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"{crop}.gguf"
    if not path.exists():
        write_clip(path, vision={"crop": crop})
    array = pixels(width, height, width)
    short = min(width, height)
    size = (int(32 * width / short), int(32 * height / short))
    spare = [(side - 32) / 2 for side in size]
    left, top = (round(s) if crop == "half_even" else int(s) for s in spare)  # round() is half to even
    resized = Image.fromarray(array).resize(size, Image.Resampling.BICUBIC)
    with Clip(path) as model:
        assert np.array_equal(model.preprocess(array), np.asarray(resized.crop((left, top, left + 32, top + 32))))


def test_a_squashed_picture_is_resized_whole(siglip: Clip) -> None:
    array = pixels(5, 20, 100)
    assert np.array_equal(siglip.preprocess(array), np.asarray(Image.fromarray(array).resize((32, 32), 3)))


def test_exif_orientation_is_applied_on_request(clip: Clip) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(pixels(6), exif=exif.tobytes())
    upright = np.rot90(pixels(6), -1)
    assert np.array_equal(clip.encode_image(turned), clip.encode_image(pixels(6)))
    assert np.array_equal(clip.encode_image(turned, exif_orientation=True), clip.encode_image(upright))
    opened = Image.open(io.BytesIO(turned))
    assert np.array_equal(clip.encode_image(opened, exif_orientation=True), clip.encode_image(upright))


@pytest.mark.parametrize("kind", ["webp", "gif", "bmp", "tiff"])
def test_other_formats_are_read_by_pillow(clip: Clip, kind: str) -> None:
    options = {"lossless": True} if kind == "webp" else {}
    array = np.repeat(pixels(7)[:, :, :1] // 2, 3, axis=2)  # grey, which GIF's palette holds
    file = encoded(array, kind, **options)
    assert np.array_equal(clip.encode_image(file), clip.encode_image(array))


def test_without_pillow_other_formats_are_named(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    file = encoded(pixels(7), "gif")
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(pyffi.UnsupportedError, match="GIF"):
        clip.encode_image(file)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n", "cut short|truncated|damaged"),
        (b"neither this nor that", "JPEG|PNG"),
        (np.zeros((4, 4, 3), np.float32), r"it must be uint8.*\(image \* 255\)"),
        (np.zeros((3, 40, 40), np.uint8), r"transpose\(1, 2, 0\)"),
        (np.zeros((0, 5, 3), np.uint8), "0"),
        (np.zeros(5, np.uint8), r"shape \(5,\)"),
        (5, "images is int"),
        ([5], "an image is int"),
    ],
)
def test_what_is_no_picture_is_refused(clip: Clip, picture: Any, message: str) -> None:
    with pytest.raises(pyffi.InvalidArgument, match=message):
        clip.encode_image(picture)


def test_a_picture_above_max_pixels_is_refused_before_it_is_decoded(clip: Clip) -> None:
    header = bytearray(encoded(pixels(8)))
    header[16:24] = (30000).to_bytes(4, "big") * 2
    crc = __import__("zlib").crc32(header[12:29])
    header[29:33] = crc.to_bytes(4, "big")
    with pytest.raises(pyffi.InvalidArgument, match="30000"):
        clip.encode_image(bytes(header))
    with pytest.raises(pyffi.InvalidArgument, match="2119"):
        clip.encode_image(encoded(pixels(8)), max_pixels=2119)
    assert clip.encode_image(encoded(pixels(8)), max_pixels=2120).any()
    with pytest.raises(pyffi.InvalidArgument, match="max_pixels is -1"):
        clip.encode_image(pixels(8), max_pixels=-1)


# ---- Texts -----------------------------------------------------------------------------------------------------------


def test_texts_are_embedded_one_by_one_as_in_a_batch(clip: Clip) -> None:
    texts = ["", "the cat", "THE  CAT", "a photo of the dog", "x" * 1000, "caf\u00e9", "nul\0byte"] * 3
    batch = clip.encode_text(texts)
    assert batch.shape == (len(texts), clip.info.embedding_dim)
    for text, embedding in zip(texts, batch, strict=True):
        assert np.array_equal(clip.encode_text(text), embedding)
        assert np.array_equal(clip.encode_tokens(clip.tokenize(text)), embedding)
    assert np.array_equal(batch[1], batch[2])
    assert clip.encode_text([]).shape == (0, clip.info.embedding_dim)
    assert clip.encode_text(iter(["the cat"])).shape == (1, clip.info.embedding_dim)


def test_tokens_have_a_start_and_an_end_and_fit_the_context(clip: Clip) -> None:
    start, end = clip.info.n_vocab - 2, clip.info.n_vocab - 1
    assert clip.tokenize("") == [start, end]
    ids = clip.tokenize("the cat " * 100)
    assert len(ids) == clip.info.context_length and (ids[0], ids[-1]) == (start, end)
    assert clip.detokenize(clip.tokenize("The  CAT, and 2 dogs")) == "the cat , and 2 dogs"


def test_a_text_of_a_megabyte_is_cut(clip: Clip) -> None:
    for text in ("cat " * 250_000, "c" * 1_000_000, "\u00e9" * 500_000):
        assert len(clip.tokenize(text)) == clip.info.context_length


def test_what_is_no_text_is_refused(clip: Clip) -> None:
    with pytest.raises(pyffi.InvalidArgument, match="surrogate pair at character 1"):
        clip.encode_text("a\ud800")
    with pytest.raises(pyffi.InvalidArgument, match="must be a str, not bytes"):
        clip.encode_text([b"a"])  # type: ignore[list-item]
    with pytest.raises(pyffi.InvalidArgument, match="texts is int"):
        clip.encode_text(5)  # type: ignore[arg-type]
    with pytest.raises(pyffi.InvalidArgument, match="n_tokens is 0"):
        clip.encode_tokens([])


# ---- What follows from embeddings ------------------------------------------------------------------------------------


def test_classify_gives_every_label_with_its_chance(clip: Clip) -> None:
    labels = ["cat", "dog", "photo of the dog"]
    result = clip.classify(pixels(9), labels)
    assert sorted(label.label for label in result) == sorted(labels)
    assert np.isclose(sum(label.probability for label in result), 1)
    assert result == sorted(result, key=lambda label: -label.similarity)
    cosines = clip.similarity(pixels(9), [f"a photo of a {label}" for label in labels])
    chances = np.exp(clip.info.logit_scale * cosines) / np.exp(clip.info.logit_scale * cosines).sum()
    for label in result:
        assert np.isclose(label.similarity, cosines[labels.index(label.label)], atol=1e-6)
        assert np.isclose(label.probability, chances[labels.index(label.label)], atol=1e-5)


def test_classify_takes_many_pictures_and_embeddings(clip: Clip) -> None:
    pictures = [pixels(10), pixels(11, 30, 30)]
    embeddings = clip.encode_image(pictures)
    raw = clip.encode_image(pictures, normalize=False)
    for results in (clip.classify(pictures, ["cat", "dog"]), clip.classify(embeddings, ["cat", "dog"]),
                    clip.classify(raw, ["cat", "dog"])):  # fmt: skip
        for picture, result in zip(pictures, results, strict=True):
            alone = clip.classify(picture, ["cat", "dog"])
            assert [label.label for label in result] == [label.label for label in alone]
            assert [label.probability for label in result] == pytest.approx([x.probability for x in alone], abs=1e-5)


def test_a_prompt_ensemble_is_the_mean_of_its_prompts(clip: Clip) -> None:
    templates = ["a photo of the {}", "{}, the {}"]
    mean = (clip.encode_text("a photo of the cat") + clip.encode_text("cat, the cat")) / 2
    ensemble = clip.encode_labels(["cat", "dog"], template=templates)
    assert np.allclose(ensemble[0], mean / np.linalg.norm(mean), atol=1e-6)
    assert clip.classify(pixels(12), ["cat", "dog"], template=templates)


def test_siglip_models_give_each_label_its_own_chance(siglip: Clip) -> None:
    cosines = np.array([[0.9, -0.2]], np.float32)
    expected = 1 / (1 + np.exp(-(siglip.info.logit_scale * cosines + siglip.info.logit_bias)))
    assert np.allclose(siglip.probabilities(cosines), expected)
    with pytest.raises(pyffi.UnsupportedError, match="no tokenizer"):
        siglip.encode_text("a cat")


def test_similarity_has_a_row_a_picture_and_a_column_a_text(clip: Clip) -> None:
    pictures, texts = [pixels(13), pixels(14)], ["the cat", "the dog", "photo"]
    assert clip.similarity(pictures, texts).shape == (2, 3)
    assert clip.similarity(pictures[0], texts).shape == (3,)
    assert np.shape(clip.similarity(pictures[0], texts[0])) == ()
    raw = clip.encode_image(pictures, normalize=False), clip.encode_text(texts, normalize=False)
    assert np.allclose(clip.similarity(*raw), clip.similarity(pictures, texts), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((pixels(1), []), "labels is empty"),
        ((pixels(1), ["cat", 5]), "labels has 5"),
        ((np.zeros((2, 7), np.float32), ["cat"]), r"shape \(2, 7\)"),
    ],
)
def test_what_cannot_be_classified_is_refused(clip: Clip, arguments: Any, message: str) -> None:
    with pytest.raises(pyffi.InvalidArgument, match=message):
        clip.classify(*arguments)


@pytest.mark.parametrize("template", ["no place", [], ["{}", 5]])
def test_a_template_needs_a_place_for_the_label(clip: Clip, template: Any) -> None:
    with pytest.raises(pyffi.InvalidArgument, match="template is"):
        clip.classify(pixels(1), ["cat"], template=template)


# ---- Models ----------------------------------------------------------------------------------------------------------


def test_the_space_is_that_of_the_file_the_recipe_and_the_normalisation(clip: Clip, tmp_path: Path) -> None:
    spaces = {clip.space_id(), clip.space_id(normalize=False)}
    changes: list[dict[str, Any]] = [{"seed": 1}, {"vision": {"crop": "half_even"}}, {"activation": "gelu"}]
    for i, changed in enumerate(changes):
        write_clip(tmp_path / f"{i}.gguf", **changed)
        spaces.add(Clip(tmp_path / f"{i}.gguf").space_id())
    assert len(spaces) == 5
    write_clip(tmp_path / "same.gguf")
    assert Clip(tmp_path / "same.gguf").space_id() == clip.space_id()


def test_a_model_with_one_tower_says_what_it_lacks(tmp_path: Path) -> None:
    write_clip(tmp_path / "image.gguf", towers="vision")
    write_clip(tmp_path / "text.gguf", towers="text")
    images, texts = Clip(tmp_path / "image.gguf"), Clip(tmp_path / "text.gguf")
    assert images.encode_image(pixels(1)).any() and texts.encode_text("cat").any()
    assert images.info.context_length == 0 and texts.info.image_size == 0
    with pytest.raises(pyffi.UnsupportedError, match="no text tower"):
        images.encode_text("cat")
    with pytest.raises(pyffi.UnsupportedError, match="no image tower"):
        texts.encode_image(pixels(1))


def test_a_model_is_shared_by_threads(clip: Clip) -> None:
    pictures = [pixels(i) for i in range(8)]
    expected = clip.encode_image(pictures)
    results: list[Any] = [None] * 6
    workers = [
        threading.Thread(target=lambda i=i: results.__setitem__(i, clip.encode_image(pictures))) for i in range(6)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(np.array_equal(result, expected) for result in results)


def test_pickling_opens_the_file_again(clip: Clip) -> None:
    copy = pickle.loads(pickle.dumps(clip))
    assert np.array_equal(copy.encode_text("cat"), clip.encode_text("cat"))
    assert str(clip.path) in repr(copy)


def test_a_closed_model_says_so(clip_path: Path) -> None:
    model = Clip(clip_path)
    model.close()
    for use in (lambda: model.encode_text("cat"), lambda: model.encode_image(pixels(1)), model.space_id):
        with pytest.raises(pyffi.ClosedError):
            use()


def test_the_digest_is_checked_when_asked_for(clip_path: Path) -> None:
    with pytest.raises(pyffi.ModelError, match=r"SHA-256|sha256"):
        Clip(clip_path, sha256="0" * 64)
