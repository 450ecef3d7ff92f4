"""The emoji: which there are, what they are called, and what else may be said of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from .packages import fetch

# Never trained on, from any vendor, nor any of their texts; words that only they have are in no other emoji's text.
HELD_OUT = ("hamburger", "watermelon", "rainbow", "doughnut", "crab", "turtle", "cat face")
HELD_OUT_WORDS = ("hamburger", "burger", "watermelon", "doughnut", "donut", "crab", "turtle", "tortoise", "terrapin")

# What the kinds of Unicode's emoji list are in plain words; the first is the noun a colour can stand before.
KINDS: dict[str, tuple[str, ...]] = {
    "face-smiling": ("face", "smiley", "happy face", "smile", "emotion"),
    "face-affection": ("face", "smiley", "love", "affection", "emotion"),
    "face-tongue": ("face", "smiley", "silly face", "emotion"),
    "face-hand": ("face", "smiley", "face with a hand"),
    "face-neutral-skeptical": ("face", "smiley", "neutral face", "emotion"),
    "face-sleepy": ("face", "smiley", "tired face", "sleep"),
    "face-unwell": ("face", "smiley", "sick face", "illness"),
    "face-hat": ("face", "smiley", "face with a hat"),
    "face-glasses": ("face", "smiley", "face with glasses"),
    "face-concerned": ("face", "smiley", "sad face", "worried face", "emotion"),
    "face-negative": ("face", "smiley", "angry face", "emotion"),
    "face-costume": ("face", "costume", "mask", "creature"),
    "cat-face": ("cat", "animal", "cat face", "pet"),
    "monkey-face": ("monkey", "animal"),
    "heart": ("heart", "love", "symbol of love"),
    "emotion": ("symbol", "emotion", "comic symbol"),
    "hand-fingers-open": ("hand", "gesture", "body part"),
    "hand-fingers-partial": ("hand", "gesture", "body part"),
    "hand-single-finger": ("hand", "gesture", "pointing finger", "body part"),
    "hand-fingers-closed": ("hand", "fist", "gesture", "body part"),
    "hands": ("hands", "gesture", "two hands", "body part"),
    "hand-prop": ("hand", "something done by hand"),
    "body-parts": ("body part", "part of the body", "anatomy"),
    "person": ("person", "somebody", "human"),
    "person-gesture": ("person", "gesture", "somebody gesturing", "human"),
    "person-role": ("person", "worker", "profession", "job", "human"),
    "person-fantasy": ("creature", "fantasy", "character from a tale", "person"),
    "person-activity": ("person", "activity", "somebody doing something", "human"),
    "person-sport": ("person", "sport", "athlete", "human"),
    "person-resting": ("person", "rest", "somebody resting", "human"),
    "family": ("family", "people", "couple", "humans"),
    "person-symbol": ("symbol", "people"),
    "animal-mammal": ("animal", "mammal", "beast", "living thing"),
    "animal-bird": ("bird", "animal", "something with wings", "living thing"),
    "animal-amphibian": ("amphibian", "animal", "living thing"),
    "animal-reptile": ("reptile", "animal", "living thing"),
    "animal-marine": ("sea animal", "animal", "something that lives in the sea", "sea creature", "living thing"),
    "animal-bug": ("insect", "bug", "animal", "small animal", "living thing"),
    "plant-flower": ("flower", "plant", "blossom", "something that grows"),
    "plant-other": ("plant", "nature", "something that grows"),
    "food-fruit": ("fruit", "food", "something to eat", "healthy food", "something sweet to eat"),
    "food-vegetable": ("vegetable", "food", "something to eat", "healthy food"),
    "food-prepared": ("meal", "food", "something to eat", "dish", "fast food"),
    "food-asian": ("asian food", "food", "something to eat", "dish", "meal"),
    "food-marine": ("seafood", "food", "something to eat", "sea animal", "animal"),
    "food-sweet": ("sweet", "dessert", "food", "something to eat", "something sweet to eat"),
    "drink": ("drink", "beverage", "something to drink"),
    "dishware": ("dishes", "cutlery", "kitchen"),
    "place-map": ("map", "place", "geography"),
    "place-geographic": ("landscape", "place", "nature", "geography"),
    "place-building": ("building", "house", "architecture", "place"),
    "place-religious": ("religious building", "building", "place", "religion"),
    "place-other": ("place", "scene", "view"),
    "transport-ground": ("vehicle", "traffic", "land vehicle", "transport", "something to ride in"),
    "transport-water": ("ship", "boat", "vehicle", "transport", "something that floats"),
    "transport-air": ("aircraft", "vehicle", "transport", "something that flies"),
    "hotel": ("travel", "hotel"),
    "time": ("clock", "time"),
    "sky-weather": ("weather", "sky", "something in the sky", "nature"),
    "event": ("celebration", "party", "event", "holiday"),
    "award-medal": ("medal", "award", "prize"),
    "sport": ("sport", "sports equipment", "ball game", "something to play with"),
    "game": ("game", "toy", "something to play with"),
    "arts-crafts": ("art", "craft"),
    "clothing": ("clothes", "clothing", "something to wear", "fashion"),
    "sound": ("sound", "noise", "loudness"),
    "music": ("music", "sound"),
    "musical-instrument": ("musical instrument", "instrument", "music", "something that makes music"),
    "phone": ("telephone", "electronics", "communication", "device"),
    "computer": ("computer", "electronics", "device"),
    "light-video": ("lamp", "light", "film", "device"),
    "book-paper": ("book", "paper", "something to read"),
    "money": ("money", "finance"),
    "mail": ("mail", "post", "letter"),
    "writing": ("pen", "writing", "something to write with"),
    "office": ("office", "stationery", "paper"),
    "lock": ("lock", "key", "security"),
    "tool": ("tool", "equipment"),
    "science": ("science", "laboratory"),
    "medical": ("medicine", "medical", "health"),
    "household": ("household", "household thing", "furniture", "home"),
    "other-object": ("object", "thing"),
    "transport-sign": ("sign", "traffic sign", "symbol"),
    "warning": ("sign", "warning", "symbol", "forbidden"),
    "arrow": ("arrow", "direction", "symbol"),
    "religion": ("religious symbol", "religion", "symbol"),
    "zodiac": ("zodiac sign", "zodiac", "astrology", "symbol"),
    "av-symbol": ("button", "player button", "symbol"),
    "gender": ("symbol", "gender"),
    "math": ("symbol", "mathematics", "math"),
    "punctuation": ("punctuation mark", "punctuation", "symbol"),
    "currency": ("currency", "money", "symbol"),
    "other-symbol": ("symbol", "sign"),
    "keycap": ("key", "number", "symbol"),
    "alphanum": ("button", "letters", "symbol", "writing"),
    "geometric": ("shape", "geometry", "symbol"),
    "flag": ("flag", "banner"),
}
OMITTED = ("country-flag", "subdivision-flag", "skin-tone", "hair-style")  # flags would swamp the rest


class Emoji(NamedTuple):
    code: str  # code points in lower-case hex, joined by "-", without variation selectors
    name: str
    keywords: tuple[str, ...]
    kind: str

    @property
    def held_out(self) -> bool:
        return self.name in HELD_OUT


def plain(code: str) -> str:
    """One spelling for the file and icon names of all vendors."""
    return "-".join(part.lower().lstrip("0") for part in code.split("-") if part.lower() != "fe0f")


def code_of(text: str) -> str:
    return plain("-".join(f"{ord(char):x}" for char in text))


def load(work: Path) -> list[Emoji]:
    """All emoji but flags of countries, skin tones and components, in Unicode's order."""
    annotations: dict[str, dict[str, list[str]]] = {}
    for package, folder, key in (
        ("cldr-annotations-full", "annotations", "annotations"),
        ("cldr-annotations-derived-full", "annotationsDerived", "annotationsDerived"),
    ):
        file = fetch(package, work) / folder / "en" / "annotations.json"
        entries = json.loads(file.read_text(encoding="utf-8"))[key]["annotations"]
        for text, entry in entries.items():
            annotations.setdefault(code_of(text), entry)
    emojibase = fetch("emojibase-data", work)
    kinds = json.loads((emojibase / "meta" / "groups.json").read_text(encoding="utf-8"))["subgroups"]
    emoji = []
    for entry in json.loads((emojibase / "en" / "data.json").read_text(encoding="utf-8")):
        if "subgroup" not in entry or kinds[str(entry["subgroup"])] in OMITTED:
            continue
        code = plain(entry["hexcode"])
        annotation = annotations.get(code)
        if annotation is None:
            continue
        name = annotation["tts"][0].lower()
        keywords = [word.lower() for word in annotation.get("default", []) if word.lower() != name]
        if name not in HELD_OUT:
            keywords = [word for word in keywords if not set(word.split()) & set(HELD_OUT_WORDS)]
        emoji.append(Emoji(code, name, tuple(keywords), kinds[str(entry["subgroup"])]))
    return emoji


def may_be_mirrored(emoji: Emoji) -> bool:
    symbols = ("sign", "symbol", "button", "arrow", "clock", "shape", "zodiac", "punctuation", "currency", "key")
    kind = KINDS[emoji.kind][0]
    said = {"left", "right", "leftwards", "rightwards", "o\u2019clock"} & set(emoji.name.replace("-", " ").split())
    return not said and not any(word in kind for word in symbols) and "thirty" not in emoji.name
