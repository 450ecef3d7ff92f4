"""How well pictures and names find each other: on a vendor and on emoji that were never trained on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn import functional

from . import artwork, catalogue
from .model import IMAGE_SIZE, Parameters, encode_image, encode_text, normalise_pixels
from .vocabulary import Tokenizer

TEMPLATE = "a photo of a {}"
Vectors = npt.NDArray[np.float32]


def rounded(checkpoint: Path) -> Parameters:
    """The weights as the model file has them: matrices in f16."""
    stored: Parameters = torch.load(checkpoint, weights_only=True)
    return {name: value.half().float() if is_matrix(name) else value for name, value in stored.items()}


def is_matrix(name: str) -> bool:
    return name.endswith(".weight") and "ln" not in name.split(".")[-2] and "position" not in name


def on_white(picture: artwork.Pixels) -> Image.Image:
    drawn = Image.fromarray(picture)
    return Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB")


def without_alpha(picture: artwork.Pixels) -> Image.Image:
    return Image.fromarray(picture).convert("RGB")


def preprocess(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """The recipe of the model file: shortest side to 64, bicubic, and the middle of it."""
    width, height = picture.size
    short = min(width, height)
    size = (IMAGE_SIZE * width // short, IMAGE_SIZE * height // short)
    resized = picture.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    left, top = (size[0] - IMAGE_SIZE) // 2, (size[1] - IMAGE_SIZE) // 2
    return np.asarray(resized.crop((left, top, left + IMAGE_SIZE, top + IMAGE_SIZE)))


def embed_images(p: Parameters, pictures: Iterable[Image.Image]) -> Vectors:
    pixels = torch.from_numpy(np.stack([preprocess(picture) for picture in pictures])).permute(0, 3, 1, 2)
    with torch.no_grad():
        batches = [encode_image(p, normalise_pixels(batch.float() / 255)) for batch in pixels.split(128)]
    return _unit(torch.cat(batches))


def embed_texts(p: Parameters, tokenizer: Tokenizer, texts: list[str]) -> Vectors:
    sequences = tokenizer.encode(texts)
    with torch.no_grad():
        batches = [encode_text(p, sequences[at : at + 128]) for at in range(0, len(sequences), 128)]
    return _unit(torch.cat(batches))


def _unit(vectors: Any) -> Vectors:
    result: Vectors = functional.normalize(vectors, dim=-1).numpy()
    return result


def ranks(queries: Vectors, candidates: Vectors, right: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many candidates are nearer to each query than the right one."""
    similarity = queries @ candidates.T
    own = similarity[np.arange(len(queries)), right]
    counted: npt.NDArray[np.int64] = (similarity > own[:, None]).sum(axis=1)
    return counted


def recall(ranked: npt.NDArray[np.int64]) -> str:
    return f"{(ranked < 1).mean():.1%} | {(ranked < 5).mean():.1%}"


def evaluate(work: Path, checkpoint: Path) -> None:
    """Prints tables for docs/emoji-model.md."""
    p, tokenizer = rounded(checkpoint), Tokenizer(work / "vocabulary.json")
    emoji = catalogue.load(work)
    names = embed_texts(p, tokenizer, [TEMPLATE.format(one.name) for one in emoji])
    held_out = np.array([one.held_out for one in emoji])
    print("| artwork | pictures | image to text @1 | @5 | text to image @1 | @5 |\n|---|---|---|---|---|---|")
    unseen: dict[str, tuple[npt.NDArray[np.int64], Vectors]] = {}
    for vendor in (artwork.TEST, *artwork.TRAINING):
        found, pictures = artwork.load(vendor, emoji, work)
        ways = [("on white", on_white), ("alpha dropped", without_alpha)] if vendor == artwork.TEST else []
        for label, flatten in ways or [("on white", on_white)]:
            images = embed_images(p, map(flatten, pictures))
            forth, back = ranks(images, names, found), ranks(names[found], images, np.arange(len(found)))
            known = ~held_out[found]
            figures = f"{recall(forth[known])} | {recall(back[known])}"
            print(f"| {vendor}, {label} | {known.sum()} | {figures} |", flush=True)
            if label == "on white":
                unseen[vendor] = (found, images)
    _held_out(p, tokenizer, emoji, names, unseen)


def _held_out(
    p: Parameters,
    tokenizer: Tokenizer,
    emoji: list[catalogue.Emoji],
    names: Vectors,
    unseen: dict[str, tuple[npt.NDArray[np.int64], Vectors]],
) -> None:
    kinds = sorted({phrase for one in emoji for phrase in catalogue.KINDS[one.kind]})
    phrases = embed_texts(p, tokenizer, [TEMPLATE.format(kind) for kind in kinds])
    found, images = unseen[artwork.TEST]
    at = {emoji[index].name: row for row, index in enumerate(found)}
    print("\n| held out | rank of its name | rank of its picture | kind | nearest names | ranks of other vendors' |")
    print("|---|---|---|---|---|---|")
    for index, one in enumerate(emoji):
        if not one.held_out:
            continue
        image = images[at[one.name]][None]
        name_rank = ranks(image, names, np.array([index]))[0] + 1
        picture_rank = ranks(names[index][None], images, np.array([at[one.name]]))[0] + 1
        kind = kinds[int((phrases @ image[0]).argmax())]
        nearest = ", ".join(emoji[row].name for row in np.argsort(-(names @ image[0]))[:4])
        others = []
        for vendor in artwork.TRAINING:
            where = np.flatnonzero(unseen[vendor][0] == index)
            if len(where):
                others.append(str(ranks(unseen[vendor][1][where], images, np.array([at[one.name]]))[0] + 1))
        print(f"| {one.name} | {name_rank} | {picture_rank} | {kind} | {nearest} | {' '.join(others)} |")
