"""What is said of an emoji while training: names, keywords, kinds and colours, in changing words."""

from __future__ import annotations

import colorsys
import random
from collections import Counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .artwork import Pixels
from .catalogue import KINDS, Emoji

TEMPLATES = (
    "{}",
    "{}",
    "a photo of a {}",
    "a photo of a {}",
    "a photo of {}",
    "a picture of a {}",
    "a picture of {}",
    "an emoji of {}",
    "an emoji of a {}",
    "a drawing of a {}",
    "an icon of a {}",
    "a {}",
    "the {}",
    "{} emoji",
)


class Caption(NamedTuple):
    text: str
    terms: tuple[int, ...]  # it is true of every emoji that has all of them


class Captions:
    def __init__(self, emoji: list[Emoji], colours: list[str | None]) -> None:
        self._emoji = emoji
        self._coloured = [
            [f"{colour} {noun}" for noun in nouns(one)] if colour else []
            for one, colour in zip(emoji, colours, strict=True)
        ]
        terms: list[set[str]] = [
            {one.name, *one.keywords, *KINDS[one.kind], *coloured}
            for one, coloured in zip(emoji, self._coloured, strict=True)
        ]
        self._ids = {term: index for index, term in enumerate(sorted(set().union(*terms)))}
        self.has: npt.NDArray[np.bool_] = np.zeros((len(emoji), len(self._ids)), np.bool_)
        for row, said in enumerate(terms):
            self.has[row, [self._ids[term] for term in said]] = True

    def names_apply(self) -> npt.NDArray[np.bool_]:
        """[emoji][emoji]: whether the second one's name is true of the first."""
        return self.has[:, [self._ids[one.name] for one in self._emoji]]

    def corpus(self) -> list[str]:
        """All texts that can be said, for the vocabulary."""
        said = [template.format("") for template in TEMPLATES]
        for one, coloured in zip(self._emoji, self._coloured, strict=True):
            said += [one.name, one.name, *one.keywords, *KINDS[one.kind], *coloured]
        return said

    def naming(self, index: int, rng: random.Random) -> Caption:
        one = self._emoji[index]
        if one.keywords and rng.random() < 0.15:
            keyword = rng.choice(one.keywords)
            return self._caption(f"{one.name}, {keyword}", (one.name, keyword))
        return self._caption(rng.choice(TEMPLATES).format(one.name), (one.name,))

    def describing(self, index: int, rng: random.Random) -> Caption:
        one, coloured = self._emoji[index], self._coloured[index]
        choice = rng.random()
        if coloured and choice < 0.12:
            return self._templated(rng.choice(coloured), rng)
        if not one.keywords or choice < 0.35:
            return self._templated(rng.choice(KINDS[one.kind]), rng)
        if choice < 0.6 and len(one.keywords) > 1:
            said = rng.sample(one.keywords, rng.randint(2, min(4, len(one.keywords))))
            return self._caption(rng.choice((", ", " ")).join(said), tuple(said))
        return self._templated(rng.choice(one.keywords), rng)

    def _templated(self, term: str, rng: random.Random) -> Caption:
        return self._caption(rng.choice(TEMPLATES).format(term), (term,))

    def _caption(self, text: str, terms: tuple[str, ...]) -> Caption:
        return Caption(text, tuple(self._ids[term] for term in terms))

    def matches(self, emoji: list[int], captions: list[Caption]) -> npt.NDArray[np.bool_]:
        """[emoji][captions]: whether the caption is true of the emoji."""
        rows = self.has[emoji]
        return np.stack([rows[:, list(caption.terms)].all(axis=1) for caption in captions], axis=1)


def nouns(emoji: Emoji) -> tuple[str, ...]:
    """What a colour can be said of; skin is no colour to speak of."""
    if emoji.kind.startswith(("face", "person", "hand", "body", "family", "monkey", "time")):
        return ()
    return KINDS[emoji.kind][: 2 if emoji.kind.startswith(("food", "animal")) else 1]


def colours(emoji: list[Emoji], artwork: list[tuple[npt.NDArray[np.int64], Pixels]]) -> list[str | None]:
    """The colour most of an emoji has, where most vendors agree."""
    seen: list[list[str | None]] = [[] for _ in emoji]
    for found, pictures in artwork:
        for index, picture in zip(found, pictures, strict=True):
            seen[index].append(main_colour(picture))
    result: list[str | None] = []
    for answers in seen:
        colour, count = Counter(answers).most_common(1)[0] if answers else (None, 0)
        result.append(colour if count * 2 > len(answers) else None)
    return result


def main_colour(picture: Pixels) -> str | None:
    opaque = picture[::3, ::3].reshape(-1, 4)
    opaque = opaque[opaque[:, 3] > 128]
    names = Counter(colour_name(*(float(value) / 255 for value in pixel[:3])) for pixel in opaque)
    if not names:
        return None
    colour, count = names.most_common(1)[0]
    return colour if count > 0.45 * len(opaque) else None


def colour_name(red: float, green: float, blue: float) -> str:
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    degrees = hue * 360
    if value < 0.2:
        return "black"
    if saturation < 0.18:
        return "white" if value > 0.85 else "grey"
    if 10 <= degrees < 45 and value < 0.7:
        return "brown"
    for limit, name in ((14, "red"), (40, "orange"), (68, "yellow"), (165, "green"), (258, "blue"), (292, "purple")):
        if degrees < limit:
            return name
    return "pink" if degrees < 342 and value > 0.6 else "red"
