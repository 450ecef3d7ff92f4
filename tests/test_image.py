"""JPEG and PNG files against Pillow: not one byte differs, and what Pillow refuses is refused."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from png_files import CHANNELS, END, LAYOUTS, SIGNATURE, chunk, header, with_checksums, write_png

from pyffi import FileError, InvalidArgument, UnsupportedError, decode_image

Pixels = npt.NDArray[np.uint8]

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 300)
FIXTURES = Path(__file__).parent / "fixtures" / "pictures"


def by_pillow(data: bytes, exif_orientation: bool = False) -> Pixels | None:
    """None: refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image: Image.Image = Image.open(io.BytesIO(data))
            if exif_orientation:
                image = ImageOps.exif_transpose(image)
            return np.asarray(image.convert("RGB"))
        except Exception:  # whatever its parsers run into
            return None


def by_us(data: bytes, exif_orientation: bool = False) -> Pixels | None:
    try:
        return decode_image(data, exif_orientation=exif_orientation)
    except (InvalidArgument, UnsupportedError):
        return None


def assert_same(data: bytes, exif_orientation: bool = False) -> Pixels | None:
    """Returns the pixels."""
    expected, found = by_pillow(data, exif_orientation), by_us(data, exif_orientation)
    if expected is None or found is None:
        assert (expected is None, found is None) == (True, True)
        return None
    np.testing.assert_array_equal(found, expected)
    return found


def assert_decoded(data: bytes, exif_orientation: bool = False) -> Pixels:
    pixels = assert_same(data, exif_orientation)
    assert pixels is not None, "refused"
    return pixels


def content(rng: np.random.Generator, shape: tuple[int, ...], values: int) -> npt.NDArray[np.uint16]:
    """Noise, or gradients, which filters and transforms treat differently."""
    if rng.random() < 0.5:
        return rng.integers(0, values, shape, np.uint16)
    y, x = np.mgrid[: shape[0], : shape[1]]
    slopes = rng.integers(-40, 40, (2, *shape[2:]))
    return np.array((y[..., None] * slopes[0] + x[..., None] * slopes[1]) % values, np.uint16)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def picture(seed: int, width: int, height: int, mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(seed)
    if mode == "I;16":
        return Image.fromarray(content(rng, (height, width, 1), 1 << int(rng.integers(8, 17)))[:, :, 0])
    if mode in ("1", "P"):
        grey = Image.fromarray(content(rng, (height, width, 1), 256)[:, :, 0].astype(np.uint8))
        return grey.convert("1") if mode == "1" else grey.convert("P", palette=Image.Palette.ADAPTIVE, colors=17)
    channels = len(Image.new(mode, (1, 1)).getbands())
    array = content(rng, (height, width, channels), 256).astype(np.uint8)
    bands = [Image.fromarray(array[:, :, i]) for i in range(channels)]
    return bands[0] if channels == 1 else Image.merge(mode, bands)


# ---- Whole files -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("colour", "depth"), LAYOUTS)
@pytest.mark.parametrize("interlaced", [False, True])
@settings(deadline=None, max_examples=8)
@given(seed=SEEDS, width=st.integers(1, 70), height=st.integers(1, 40), piece=st.sampled_from([1, 7, 100, 1 << 20]))
def test_png_of_every_kind(
    colour: int, depth: int, interlaced: bool, seed: int, width: int, height: int, piece: int
) -> None:
    rng = np.random.default_rng(seed)
    samples = content(rng, (height, width, CHANNELS[colour]), 1 << depth)
    palette = rng.bytes(3 * int(rng.integers(1, 257))) if colour == 3 else None
    filters = rng.permutation(5).tolist()
    transparent = [(b"tRNS", rng.bytes(6))] if colour in (0, 2, 3) and seed % 2 else []
    assert_decoded(
        write_png(
            samples, colour, depth, interlaced=interlaced, filters=filters, palette=palette, before=transparent,
            piece=piece,
        )
    )  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(SEEDS, SIZES, SIZES, st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]), st.integers(0, 9))
def test_png_as_pillow_writes_it(seed: int, width: int, height: int, mode: str, level: int) -> None:
    transparency = {"transparency": 3} if mode == "P" and seed % 2 else {}
    assert_decoded(saved(picture(seed, width, height, mode), "PNG", compress_level=level, **transparency))


@settings(deadline=None, max_examples=100)
@given(
    seed=SEEDS,
    width=st.integers(1, 130),  # larger ones of much noise are more than Pillow makes room for
    height=st.integers(1, 130),
    mode=st.sampled_from(["RGB", "L", "CMYK"]),
    quality=st.integers(1, 100),
    subsampling=st.integers(0, 2),
    options=st.fixed_dictionaries({}, optional={"restart_marker_blocks": st.integers(1, 9), "keep_rgb": st.just(True)}),
    kind=st.sampled_from([{}, {"progressive": True}, {"optimize": True}]),
)
def test_jpeg_as_pillow_writes_it(
    seed: int,
    width: int,
    height: int,
    mode: str,
    quality: int,
    subsampling: int,
    options: dict[str, Any],
    kind: dict[str, bool],
) -> None:
    if mode != "L":
        options["subsampling"] = 0 if "keep_rgb" in options else subsampling
    if mode != "RGB":
        options.pop("keep_rgb", None)
    image = picture(seed, width, height, mode)
    assert_decoded(saved(image, "JPEG", quality=quality, **options, **kind))


def scans(data: bytes) -> list[int]:
    """Where the scans of a JPEG file start."""
    return [i for i in range(len(data) - 1) if data[i : i + 2] == b"\xff\xda"]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_progressive_jpeg_of_which_only_the_first_scans_are_there(mode: str) -> None:
    """What is missing is smoothed over."""
    whole = saved(picture(5, 90, 70, mode), "JPEG", quality=90, progressive=True)
    ends = scans(whole)[1:]
    assert len(ends) >= 4
    for end in ends:
        assert_decoded(whole[:end] + b"\xff\xd9")


def test_cmyk_jpeg_whose_colours_were_transformed() -> None:
    """YCCK, by Adobe's marker: Pillow writes it as CMYK only, so the marker is changed."""
    data = saved(picture(6, 40, 30, "CMYK"), "JPEG", quality=95)
    at = data.index(b"Adobe") + 11
    assert data[at] == 0
    assert not np.array_equal(assert_decoded(data), assert_decoded(data[:at] + b"\2" + data[at + 1 :]))


@pytest.mark.parametrize("path", sorted(FIXTURES.iterdir()), ids=lambda path: str(path.name))
def test_the_pictures_of_the_golden_digests(path: Path) -> None:
    assert_decoded(path.read_bytes())
    np.testing.assert_array_equal(decode_image(path), decode_image(path.read_bytes()))


def test_a_large_picture_of_each_format() -> None:
    for kind in ("JPEG", "PNG"):
        assert_decoded(saved(picture(7, 2500, 1100), kind))


# ---- Damaged files ---------------------------------------------------------------------------------------------------
def whole_files() -> list[bytes]:
    rng = np.random.default_rng(1)
    files = [saved(picture(i, 33, 21, mode), "JPEG", quality=60) for i, mode in enumerate(["RGB", "L", "CMYK"])]
    files += [
        saved(picture(i, 40, 25), "JPEG", quality=50, progressive=True, restart_marker_blocks=2) for i in range(2)
    ]
    files += [saved(picture(9, 20, 20), "JPEG", exif=Image.Exif().tobytes(), icc_profile=bytes(40), comment=b"text")]
    texts = [
        (b"tEXt", b"key\0text"), (b"zTXt", b"key\0\0" + zlib.compress(b"text")), (b"pHYs", bytes(9)),
        (b"iTXt", b"key\0\1\0en\0\0" + zlib.compress(b"text")), (b"gAMA", bytes(4)), (b"cHRM", bytes(32)),
        (b"sRGB", b"\0"), (b"iCCP", b"name\0\0" + zlib.compress(b"profile")), (b"prIv", b"private"),
    ]  # fmt: skip
    for i, (colour, depth) in enumerate(LAYOUTS):
        samples = content(rng, (11, 13, CHANNELS[colour]), 1 << depth)
        palette = rng.bytes(3 << depth) if colour == 3 else None
        chunks = texts[i % 9 :][:3]
        files.append(write_png(samples, colour, depth, interlaced=i % 2 == 0, palette=palette, before=chunks, piece=90))
        files.append(write_png(samples, colour, depth, palette=palette, after=chunks, piece=200))
    files.append(saved(picture(2, 20, 20), "PNG", save_all=True, append_images=[picture(3, 20, 20)]))
    return files


FILES = whole_files()


def test_the_files_that_get_damaged_are_whole() -> None:
    for data in FILES:
        assert_decoded(data)


def is_large(data: bytes) -> bool:
    """Damaged sizes are often huge, and take seconds."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.width * image.height > 1_000_000
    except Exception:
        return False


@settings(deadline=None, max_examples=250)
@given(st.sampled_from(FILES), st.floats(0, 1))
def test_cut_short(data: bytes, part: float) -> None:
    assert_same(data[: int(part * len(data))])


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=3),
    st.sampled_from([1.0, 0.2]),
    st.booleans(),
)
def test_wrong_bytes(data: bytes, changes: list[tuple[float, int]], part: float, repair: bool) -> None:
    """At the start, where headers are, and anywhere; in PNG also with the checksums put right."""
    damaged = bytearray(data)
    for place, value in changes:
        damaged[int(place * part * len(data))] = value
    result = with_checksums(bytes(damaged)) if repair and data.startswith(SIGNATURE) else bytes(damaged)
    assume(not is_large(result))
    assert_same(result)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(FILES), st.floats(0, 1), st.binary(max_size=12), st.integers(0, 20))
def test_bytes_too_many_or_too_few(data: bytes, place: float, inserted: bytes, removed: int) -> None:
    at = int(place * len(data))
    result = data[:at] + inserted + data[at + removed :]
    assume(not is_large(result))
    assert_same(result)


def grey(**options: Any) -> bytes:
    samples = content(np.random.default_rng(3), (9, 9, 1), 256)
    return write_png(samples, 0, 8, **options)


@pytest.mark.parametrize(
    "data",
    {
        "no end": grey()[: -len(END)],
        "bytes after the end": grey() + b"more",
        "no checksum of the pixels": grey()[: -len(END) - 4] + b"\0\0\0\0" + END,
        "pixels after the end": grey() + chunk(b"IDAT", b"more"),
        "more pixels than fit": grey(after=[(b"IDAT", b"more")]),
        "text after the pixels": grey(after=[(b"tEXt", b"key\0text")]),
        "empty chunks of pixels": grey().replace(b"IDAT", b"IDAT", 1)[:33] + chunk(b"IDAT", b"") + grey()[33:],
        "unknown critical chunk": grey(before=[(b"ABCD", b"body")]),
        "no name of a chunk": grey(before=[(b"A-CD", b"body")]),
        "a text of more than 1 MiB": grey(before=[(b"zTXt", b"key\0\0" + zlib.compress(bytes((1 << 20) + 1)))]),
        "a text of 1 MiB": grey(before=[(b"zTXt", b"key\0\0" + zlib.compress(bytes(1 << 20)))]),
        "a text that is broken": grey(before=[(b"zTXt", b"key\0\0no zlib stream")]),
        "a palette of 257 colours": write_png(np.zeros((3, 3, 1), np.uint16), 3, 8, palette=bytes(771)),
        "a palette of no colours": write_png(np.ones((3, 3, 1), np.uint16), 3, 8, palette=b""),
        "no palette": write_png(np.ones((3, 3, 1), np.uint16), 3, 8),
        "no palette, but one transparent colour": write_png(
            np.ones((3, 3, 1), np.uint16), 3, 8, before=[(b"tRNS", b"\xff\0")]
        ),
        "a short transparency": write_png(np.ones((3, 3, 3), np.uint16), 2, 8, before=[(b"tRNS", b"\0\0\0")]),
        "a cut stream that ends with a row": SIGNATURE + header(3, 3, 0, 8)
        + chunk(b"IDAT", zlib.compress(b"\0abc\0def")) + END,
        "a cut stream of a palette": SIGNATURE + header(3, 3, 3, 8) + chunk(b"PLTE", b"abcdef")
        + chunk(b"IDAT", zlib.compress(b"\0\1\1\1")) + END,
        "an unknown filter": SIGNATURE + header(3, 1, 0, 8) + chunk(b"IDAT", zlib.compress(b"\5abc")) + END,
        "two headers": SIGNATURE + header(1, 1, 2, 8) + grey()[8:],
        "no header": SIGNATURE + grey()[33:],
        "width 0": SIGNATURE + header(0, 3, 0, 8) + grey()[33:],
        "3 bits": SIGNATURE + header(3, 3, 0, 3) + grey()[33:],
        "signature only": SIGNATURE,
    }.items(),
    ids=lambda item: item[0],
)  # fmt: skip
def test_png_that_is_odd(data: tuple[str, bytes]) -> None:
    for exif_orientation in (False, True):
        assert_same(data[1], exif_orientation)


def animation(left: int, top: int, interlaced: bool, default: bool) -> bytes:
    """Of two pictures, the first smaller than all; `default`: behind one that is no part of it."""
    frame = struct.pack(">IIIIIHHBB", 0, 5, 4, left, top, 1, 1, 0, 0)
    control = [(b"acTL", struct.pack(">II", 2, 0)), *([] if default else [(b"fcTL", frame)])]
    size = (9, 8) if default else (4, 5)
    samples = content(np.random.default_rng(4), (*size, 3), 256)
    data = write_png(samples, 2, 8, before=control, after=[(b"fcTL", frame)] if default else [], interlaced=interlaced)
    return SIGNATURE + header(8, 9, 2, 8, interlaced=interlaced) + data[33:]


@pytest.mark.parametrize(
    ("left", "top", "interlaced", "default"),
    [(0, 0, False, False), (3, 4, False, False), (3, 4, True, False), (4, 4, False, False), (0, 0, False, True)],
)
def test_the_first_picture_of_an_animation(left: int, top: int, interlaced: bool, default: bool) -> None:
    assert_same(animation(left, top, interlaced, default))


def test_refusing_leaves_no_memory_behind(assert_no_leak: Callable[[Callable[[], object], int], None]) -> None:
    for data in (saved(picture(1, 300, 300), "JPEG", progressive=True), saved(picture(1, 300, 300), "PNG")):
        assert_no_leak(lambda data=data: by_us(data[: len(data) // 2]), 1 << 20)  # type: ignore[misc]


# ---- Orientation -----------------------------------------------------------------------------------------------------
def exif_data(orientation: int, order: str = "<", kind: int = 3) -> bytes:
    """A TIFF file with two entries: a text that lies behind them, and the orientation as SHORT or LONG."""
    value = struct.pack(order + ("HH" if kind == 3 else "I"), *([orientation, 0] if kind == 3 else [orientation]))
    start = b"II*\0" if order == "<" else b"MM\0*"
    entries = struct.pack(order + "HHHII", 2, 0x10F, 2, 6, 38) + struct.pack(order + "HHI", 0x112, kind, 1) + value
    return start + struct.pack(order + "I", 8) + entries + struct.pack(order + "I", 0) + b"maker\0"


XMP = '<x><rdf:Description tiff:Orientation="{}"/></x>'


def oriented(orientation: int) -> dict[str, bytes]:
    exif, xmp = exif_data(orientation), XMP.format(orientation).encode()
    image = picture(8, 12, 7)
    samples = np.asarray(image).astype(np.uint16)
    in_hex = b"\nexif\n      56\n" + (b"Exif\0\0" + exif).hex().encode()
    return {
        "JPEG": saved(image, "JPEG", exif=b"Exif\0\0" + exif),
        "JPEG, big-endian": saved(image, "JPEG", exif=b"Exif\0\0" + exif_data(orientation, ">", 4)),
        "JPEG, XMP": saved(image, "JPEG", xmp=xmp),
        "JPEG, EXIF before XMP": saved(image, "JPEG", exif=b"Exif\0\0" + exif, xmp=XMP.format(2).encode()),
        "PNG": write_png(samples, 2, 8, before=[(b"eXIf", exif)]),
        "PNG, behind the pixels": write_png(samples, 2, 8, after=[(b"eXIf", exif)]),
        "PNG, XMP": write_png(samples, 2, 8, before=[(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)]),
        "PNG, compressed XMP": write_png(
            samples, 2, 8, after=[(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp))]
        ),
        "PNG, EXIF as text": write_png(
            samples, 2, 8, before=[(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(in_hex))]
        ),
        "PNG, palette": saved(image.quantize(9), "PNG", exif=b"Exif\0\0" + exif),
    }


@pytest.mark.parametrize("orientation", range(10))
def test_orientation(orientation: int) -> None:
    """By option; 0 and 9 are none."""
    for name, data in oriented(orientation).items():
        upright = assert_decoded(data, exif_orientation=True)
        as_stored = assert_decoded(data)
        assert as_stored.shape == (7, 12, 3)
        assert np.array_equal(upright, as_stored) == (orientation in (0, 1, 9)), name
        assert (upright.shape == (12, 7, 3)) == (5 <= orientation <= 8), name


def test_a_large_picture_is_turned() -> None:
    for orientation in (2, 5, 8):
        data = saved(picture(8, 333, 250), "JPEG", exif=b"Exif\0\0" + exif_data(orientation))
        assert_decoded(data, exif_orientation=True)


@pytest.mark.parametrize("cut", range(0, 50, 3))
def test_exif_data_that_is_cut_short_counts_as_far_as_it_goes(cut: int) -> None:
    """But where nothing can be read, the picture stays as it is; Pillow refuses it, or not, by what else it holds."""
    exif = exif_data(6)[:cut]
    data = write_png(np.zeros((2, 3, 3), np.uint16), 2, 8, before=[(b"eXIf", exif)])
    expected = by_pillow(data, exif_orientation=True)
    found = decode_image(data, exif_orientation=True)
    assert found.shape == ((2, 3, 3) if expected is None else expected.shape)


# ---- What is refused with advice -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"<html>", "not a JPEG or PNG file: its 6 bytes begin with 3c 68 74 6d 6c 3e"),
        (b"\xff\xd8", "not a JPEG or PNG file: its 2 bytes begin with ff d8"),
        (SIGNATURE + header(30000, 30000, 2, 8) + chunk(b"IDAT", b""), "30000 x 30000 pixels, more than the limit of"),
        (SIGNATURE + header(0, 9, 2, 8) + chunk(b"IDAT", b""), "width or height is 0"),
        (grey()[:60], "cut short: it ends after 60 bytes"),
        (grey(before=[(b"tEXt", b"key\0text")]).replace(b"text", b"txet"), "checksum of a chunk is wrong"),
    ],
    ids=["empty", "HTML", "two bytes", "huge", "no width", "cut short", "checksum"],
)  # fmt: skip
def test_what_is_no_picture_is_refused_with_the_reason(data: bytes, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        decode_image(data)


@pytest.mark.parametrize("kind", ["GIF", "WebP", "BMP", "TIFF", "ICO"])
def test_other_formats_are_named(kind: str) -> None:
    with pytest.raises(UnsupportedError, match=f"this is a {kind} file; JPEG and PNG files are read"):
        decode_image(saved(picture(1, 16, 16), kind.upper()))


def test_the_largest_picture_is_an_option() -> None:
    for kind in ("JPEG", "PNG"):
        data = saved(picture(1, 20, 10), kind)
        assert decode_image(data, max_pixels=200).shape == (10, 20, 3)
        with pytest.raises(InvalidArgument, match=r"20 x 10 pixels, more than the limit of 199.*raise max_pixels"):
            decode_image(data, max_pixels=199)


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="max_pixels must be 1 to"):
        decode_image(grey(), max_pixels=0)
    with pytest.raises(FileError, match=r"none\.png: No such file"):
        decode_image(tmp_path / "none.png")
    with pytest.raises(InvalidArgument, match="must be a path, not int"):
        decode_image(7)  # type: ignore[arg-type]


def test_bytes_of_any_kind_are_taken() -> None:
    data = grey()
    for view in (bytearray(data), memoryview(data)):
        np.testing.assert_array_equal(decode_image(view), decode_image(data))
