"""The page that shows what a search has found."""

from __future__ import annotations

import base64
import io
import os
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pictures import BROKEN, picture
from PIL import Image

from pyffi import Match, Space
from pyffi.contact_sheet import contact_sheet, write_contact_sheet


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str, name: str) -> list[str]:
        return [attributes[name] or "" for element, attributes in self.elements if element == tag]


SPACE = Space("0123456789abcdef", "tiny <model>", 24)


def test_a_page_shows_pictures_scores_names_query_model_and_space(tmp_path: Path) -> None:
    large = tmp_path / "sub" / "large.jpg"
    large.parent.mkdir()
    picture(0, 1000).save(large)
    clear = tmp_path / "clear.png"
    picture(1, 64).convert("RGBA").save(clear)
    target = tmp_path / "page.html"
    matches = [Match(str(large), 0.31249), Match(str(clear), -0.05)]
    write_contact_sheet(target, matches, title="a red apple", space=SPACE, folder=tmp_path, query_pictures=[str(clear)])
    page = Page(target.read_text(encoding="utf-8"))
    for text in (
        "a red apple",
        "0.312",
        "sub/large.jpg",
        "-0.050",
        "clear.png",
        "tiny <model>",
        SPACE.id,
        "2 pictures",
    ):
        assert text in page.text
    assert page.of("a", "href") == [large.as_uri(), clear.as_uri()]
    sources = page.of("img", "src")
    assert [source.partition(",")[0] for source in sources] == [
        "data:image/png;base64",
        "data:image/jpeg;base64",
        "data:image/png;base64",
    ]
    opened = [Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) for source in sources]
    assert [(image.size, image.mode) for image in opened] == [
        ((64, 64), "RGBA"),
        ((320, 320), "RGB"),
        ((64, 64), "RGBA"),
    ]


def test_thumbnails_are_turned_as_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(0).resize((60, 20)).save(tmp_path / "turned.jpg", exif=exif)
    (source,) = Page(contact_sheet([Match(str(tmp_path / "turned.jpg"), 1)], title="", space=SPACE)).of("img", "src")
    assert Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))).size == (20, 60)


def test_nothing_in_a_page_is_taken_for_html(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\"'><script>alert(1)<&amp;>\xff.png")
    picture(0).save(path)
    space = Space("</p><script>", "<b>", 24)
    title = "</title><script>alert(2)</script>"
    page = Page(contact_sheet([Match(str(path), 0.5)], title=title, space=space, folder=tmp_path))
    tags = {tag for tag, _ in page.elements}
    assert tags == set("html head meta title style body header h1 p ol li a img div span".split())  # noqa: SIM905
    assert "\"'><script>alert(1)<&amp;>\\xff.png" in page.text
    assert title in page.text


def test_without_pillow_or_with_a_damaged_file_a_page_shows_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = tmp_path / "good one.png", tmp_path / "bad.png"
    picture(0).save(good)
    bad.write_bytes(BROKEN)
    assert Page(contact_sheet([Match(str(bad), 1)], title="", space=SPACE)).of("img", "src") == [bad.as_uri()]
    monkeypatch.setattr("pyffi.contact_sheet.find_spec", lambda name: None)
    assert Page(contact_sheet([Match(str(good), 1)], title="", space=SPACE)).of("img", "src") == [good.as_uri()]
