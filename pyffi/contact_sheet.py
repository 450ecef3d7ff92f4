"""Found pictures on one page of HTML, to look at."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterable, Sequence
from html import escape
from importlib.util import find_spec
from pathlib import Path

from pyffi.embeddings import Space
from pyffi.search import Match

THUMBNAIL = 320  # pixels, of the longer side

_STYLE = """
:root { color-scheme: light dark; --back: #f6f6f4; --card: #fff; --text: #1c1c1a; --faint: #6a6a66; --line: #dcdcd8; }
@media (prefers-color-scheme: dark) {
  :root { --back: #191919; --card: #242424; --text: #ececea; --faint: #9c9c98; --line: #3a3a38; }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 24px; background: var(--back); color: var(--text); font: 15px/1.4 system-ui, sans-serif; }
header { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: center; margin-bottom: 20px; }
header img { max-height: 96px; max-width: 160px; border-radius: 6px; }
h1 { font-size: 24px; margin: 0; overflow-wrap: anywhere; }
header p { flex-basis: 100%; margin: 0; color: var(--faint); overflow-wrap: anywhere; }
ol { list-style: none; margin: 0; padding: 0; display: grid; gap: 16px;
     grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); }
li { background: var(--card); border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
li a { color: inherit; text-decoration: none; display: block; }
li img { display: block; width: 100%; height: 200px; object-fit: contain; background: var(--back); }
.caption { padding: 8px 12px; display: flex; gap: 12px; align-items: baseline; border-top: 1px solid var(--line); }
.score { font-variant-numeric: tabular-nums; font-weight: 600; }
.name { color: var(--faint); overflow-wrap: anywhere; min-width: 0; }
"""


def contact_sheet(
    matches: Iterable[Match],
    *,
    title: str,
    space: Space,
    folder: str | os.PathLike[str] = "",
    query_pictures: Sequence[str] = (),
) -> str:
    """A page with the pictures, their similarity and their names. With Pillow thumbnails are in the page itself, which
    can then be sent or moved; without, the page shows the files."""
    found = list(matches)
    queries = "".join(f'<img src="{_source(path)}" alt="{_text(path)}">\n' for path in query_pictures)
    count = f"{len(found)} picture{'' if len(found) == 1 else 's'}"
    where = f" in {_text(os.path.abspath(folder))}" if folder else ""
    items = "".join(_item(match, folder) for match in found)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header>\n{queries}<h1>{_text(title)}</h1>\n"
        f"<p>{count}{where}; model {_text(space.model)}, space {_text(space.id)}</p>\n</header>\n"
        f"<ol>\n{items}</ol>\n</body>\n</html>\n"
    )


def write_contact_sheet(
    target: str | os.PathLike[str],
    matches: Iterable[Match],
    *,
    title: str,
    space: Space,
    folder: str | os.PathLike[str] = "",
    query_pictures: Sequence[str] = (),
) -> None:
    from pyffi.models.files import replacing

    page = contact_sheet(matches, title=title, space=space, folder=folder, query_pictures=query_pictures)
    with replacing(Path(target)) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _item(match: Match, folder: str | os.PathLike[str]) -> str:
    name = os.path.relpath(match.path, folder) if folder else os.path.basename(match.path)
    return (
        f'<li><a href="{_link(match.path)}" title="{_text(match.path)}">\n'
        f'<img src="{_source(match.path)}" alt="{_text(name)}" loading="lazy">\n'
        f'<div class="caption"><span class="score">{match.similarity:.3f}</span>'
        f'<span class="name">{_text(name)}</span></div>\n</a></li>\n'
    )


def _text(value: str | os.PathLike[str]) -> str:
    """Text of any kind in HTML; bytes in names of files that are not UTF-8 are shown as \\xff."""
    return escape(os.fsencode(value).decode("utf-8", "backslashreplace"))


def _link(path: str) -> str:
    return escape(Path(path).absolute().as_uri())


def _source(path: str) -> str:
    """A thumbnail as a data URI; where none can be made, the file itself."""
    thumbnail = _thumbnail(path) if find_spec("PIL") else None
    return _link(path) if thumbnail is None else thumbnail


def _thumbnail(path: str) -> str | None:
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            image.draft("RGB", (2 * THUMBNAIL, 2 * THUMBNAIL))  # decodes large JPEGs at a fraction of their size
            picture = ImageOps.exif_transpose(image)
            has_alpha = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
            picture = picture.convert("RGBA" if has_alpha else "RGB")
            picture.thumbnail((THUMBNAIL, THUMBNAIL))
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return None
    encoded = io.BytesIO()
    kind = "png" if has_alpha else "jpeg"
    picture.save(encoded, kind, **({} if has_alpha else {"quality": 85}))
    return f"data:image/{kind};base64,{base64.b64encode(encoded.getvalue()).decode()}"
