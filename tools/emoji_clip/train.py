"""Trains by the clock: the learning rate falls to nothing as the time that was given ends."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from . import artwork, captions, catalogue
from .augment import augment
from .model import (
    GRID,
    PROJECTION,
    Parameters,
    encode_image,
    encode_text,
    logit_scale,
    new_parameters,
    normalise_pixels,
)
from .muon import Muon
from .vocabulary import Tokenizer, learn

BATCH = 128
ADAMW_RATE, MUON_RATE = 1e-3, 3e-3
WEIGHT_DECAY = 0.1
EMA = 0.995
WARM_UP_STEPS = 100
NAMES_FROM = 300  # steps: before, embeddings move too fast to be kept
FEW_PATCHES, FEW_PATCHES_UNTIL = 32, 0.8  # of 64, for this part of the time: faster, and harder to learn by heart
NEIGHBOURS, NEIGHBOURS_FROM = 64, 0.4  # of a batch are neighbours in Unicode's order, later on: harder


class Data(NamedTuple):
    captions: captions.Captions
    pictures: Any  # of all vendors, [n][4][96][96] uint8
    of_emoji: list[list[int]]  # which pictures an emoji has
    indices: list[int]  # the emoji that are trained on
    mirror: Any


def load(work: Path) -> Data:
    emoji = catalogue.load(work)
    found = [artwork.load(vendor, emoji, work) for vendor in artwork.TRAINING]
    of_emoji: list[list[int]] = [[] for _ in emoji]
    start = 0
    for which, _ in found:
        for offset, index in enumerate(which):
            of_emoji[index].append(start + offset)
        start += len(which)
    pictures = np.concatenate([pictures for _, pictures in found]).transpose(0, 3, 1, 2)
    trained = [index for index, one in enumerate(emoji) if not one.held_out]
    mirror = torch.tensor([catalogue.may_be_mirrored(one) for one in emoji])
    said = captions.Captions(emoji, captions.colours(emoji, found))
    return Data(said, torch.from_numpy(np.ascontiguousarray(pictures)), of_emoji, trained, mirror)


class Names:
    """The newest embedding of every emoji's name: wrong answers besides those of a batch, at no cost."""

    def __init__(self, data: Data) -> None:
        self._vectors = torch.zeros(len(data.of_emoji), PROJECTION)
        self._known = torch.zeros(len(data.of_emoji), dtype=torch.bool)
        self._apply = torch.from_numpy(data.captions.names_apply())

    def wrong(self, images: Any, emoji: list[int], scale: Any) -> Any:
        """Logits of the names that are neither in the batch nor true of a picture."""
        left_out = self._apply[emoji] | ~self._known
        left_out[:, emoji] = True
        return (scale * images @ self._vectors.clone().T).masked_fill(left_out, -math.inf)

    def learn(self, emoji: list[int], texts: Any) -> None:
        self._vectors[emoji] = texts.detach()
        self._known[emoji] = True


def contrast(images: Any, texts: Any, scale: Any, matches: Any, more_wrong: Any) -> Any:
    """CLIP's loss, but a text that is true of another picture of the batch is no wrong answer for it."""
    logits = (scale * images @ texts.T).masked_fill(matches & ~torch.eye(len(images), dtype=torch.bool), -math.inf)
    target = torch.arange(len(images))
    to_text = functional.cross_entropy(torch.cat([logits, more_wrong], dim=1), target)
    return (to_text + functional.cross_entropy(logits.T, target)) / 2


def train(work: Path, minutes: float, seed: int, start: Path | None = None) -> None:
    """start: a checkpoint to go on from, with the whole schedule once more"""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    data = load(work)
    vocabulary = work / "vocabulary.json"
    if start is None:
        learn(data.captions.corpus(), vocabulary)
    tokenizer = Tokenizer(vocabulary, dropout=0.1)
    initial = new_parameters(seed) if start is None else torch.load(start)
    parameters = {name: value.requires_grad_() for name, value in initial.items()}
    average = {name: value.detach().clone() for name, value in parameters.items()}
    in_blocks = [value for name, value in parameters.items() if ".blk." in name and value.ndim > 1]
    others = [value for name, value in parameters.items() if not (".blk." in name and value.ndim > 1)]
    muon = Muon(in_blocks, WEIGHT_DECAY)
    adamw = torch.optim.AdamW(others, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.0)
    names = Names(data)
    begin, step, reported = time.monotonic(), 0, 0.0
    queue: list[int] = []
    while (elapsed := (time.monotonic() - begin) / (60 * minutes)) < 1:
        rate = min(1, (step + 1) / WARM_UP_STEPS) * (1 + math.cos(math.pi * elapsed)) / 2
        adamw.param_groups[0]["lr"] = rate * ADAMW_RATE
        if len(queue) < BATCH:
            queue = rng.sample(data.indices, len(data.indices))
        neighbours: list[int] = []
        if elapsed >= NEIGHBOURS_FROM:
            first = rng.randrange(len(data.indices) - NEIGHBOURS)
            neighbours = data.indices[first : first + NEIGHBOURS]
        emoji = list(dict.fromkeys([*neighbours, *queue]))[:BATCH]  # none twice
        queue = queue[BATCH - len(neighbours) :]
        patches = FEW_PATCHES if elapsed < FEW_PATCHES_UNTIL else GRID * GRID
        loss = batch_loss(parameters, data, emoji, tokenizer, patches, names, step >= NAMES_FROM, rng)
        for value in parameters.values():
            value.grad = None
        loss.backward()
        muon.step(rate * MUON_RATE)
        adamw.step()
        step += 1
        decay = min(EMA, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in parameters.items():
                average[name].lerp_(value, 1 - decay)
        reported = loss.item() if step == 1 else 0.98 * reported + 0.02 * loss.item()
        if step % 50 == 0:
            scale = logit_scale(parameters).item()
            print(f"step {step}  {elapsed:.1%}  loss {reported:.3f}  scale {scale:.1f}  rate {rate:.3f}", flush=True)
        if step % 250 == 0:
            torch.save(average, work / f"step-{step:06}.pt")
    torch.save(average, work / "final.pt")
    print(f"done: {step} steps", flush=True)


def batch_loss(
    p: Parameters,
    data: Data,
    emoji: list[int],
    tokenizer: Tokenizer,
    patches: int,
    names: Names,
    use_names: bool,
    rng: random.Random,
) -> Any:
    said = [
        [data.captions.naming(index, rng) for index in emoji],
        [data.captions.describing(index, rng) for index in emoji],
    ]
    pictures = data.pictures[[rng.choice(data.of_emoji[index]) for index in emoji]]
    pixels = normalise_pixels(augment(pictures, data.mirror[emoji]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        images = encode_image(p, pixels, patches)
        tokens = tokenizer.encode([caption.text for batch in said for caption in batch])
        texts = encode_text(p, tokens)
    images = functional.normalize(images.float(), dim=-1)
    texts = functional.normalize(texts.float(), dim=-1)
    scale = logit_scale(p)
    naming, describing = texts.split(len(emoji))
    matches = [torch.from_numpy(data.captions.matches(emoji, batch)) for batch in said]
    more_wrong = names.wrong(images, emoji, scale) if use_names else images[:, :0]
    names.learn(emoji, naming)
    named = contrast(images, naming, scale, matches[0], more_wrong)
    described = contrast(images, describing, scale, matches[1], images[:, :0])
    return (named + described) / 2
