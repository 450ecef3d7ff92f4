"""Cases that hypothesis draws: audio, pictures and texts, plain and adversarial. All is made from integers, here."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from PIL import Image

from abi_checks.replay import Case

RATES = (8000, 11025, 16000, 22050, 44100, 48000, 192000)
# Samples at 16 kHz, about which something begins or ends: hops, windows, the models' context.
HOPS = (0, 1, 2, 159, 160, 161, 399, 400, 401)
WINDOWS = (0, 1, 511, 512, 513, 1024, 3000, 6000, 9000)
SECONDS = (1, 401, 8000, 15999, 16000, 16001, 24000, 33000)
AMPLITUDES = (1.0, 0.5, 1e-3, 1e-10, 2.0**-126, 2.0**-140, 2.0**-149, 1e6)
SPECIAL = (0.0, -0.0, 2.0**-149, -(2.0**-149), 2.0**-126, -(2.0**-127), 1.0, -1.0, 1e6, -1e6, 1 - 2.0**-24)
REFUSED = (float("nan"), float("inf"), -float("inf"), 1e6 * (1 + 2.0**-20))
TOKENS = (50258, 50259, 50359, 50363)  # with which a multilingual transcript starts
WHISPERS, CLIPS = 3, 2  # models of models.write_varied
CLIP_TOKENS = 530

_models = st.integers(0, WHISPERS - 1)
_clips = st.integers(0, CLIPS - 1)
_threads = st.sampled_from((1, 2, 3))
_rates = st.sampled_from(RATES) | st.integers(8000, 192000)
_seeds = st.integers(0, 2**31 - 1)


def _signal(shape: str, n: int, seed: int) -> npt.NDArray[np.float32]:
    random = np.random.default_rng(seed)
    time = np.arange(n)
    if shape == "noise":
        return (random.integers(-(2**23), 2**23, n) / 2**23).astype(np.float32)
    if shape == "chirp":  # triangles that rise in pitch: numpy's sines are the machine's
        phase = (time * (1 + time // 400) * (1 + seed % 31) % 1024) / 512
        return (np.abs(phase - 1) * 2 - 1).astype(np.float32)
    if shape == "impulses":
        return np.where(time % (7 + seed % 997) == 0, 1, 0).astype(np.float32)
    return np.where(time * 2 < n, 0.25, -1).astype(np.float32)  # a step


@st.composite
def samples(draw: st.DrawFn, lengths: Sequence[int], rate: int, *, refused: bool = True) -> tuple[bytes, str]:
    """Audio about as long as so many samples at 16 kHz, and how it was made."""
    n = draw(st.sampled_from(lengths)) * rate // 16000 + draw(st.sampled_from((0, 0, 1, 7, 100)))
    shape = draw(st.sampled_from(("noise", "chirp", "impulses", "step")))
    amplitude, seed = draw(st.sampled_from(AMPLITUDES)), draw(_seeds)
    audio = _signal(shape, n, seed) * np.float32(amplitude)
    recipe = f"{n} samples of {shape} {seed} times {amplitude:.6g}"
    if n:
        values = st.sampled_from(SPECIAL)
        if refused and draw(st.integers(0, 19)) == 19:
            values = st.sampled_from(REFUSED)
        for place, value in draw(st.lists(st.tuples(st.integers(0, n - 1), values), max_size=4)):
            audio[place] = value
            recipe += f", [{place}] = {value!r}"
    return audio.astype("<f4").tobytes(), f"{recipe} at {rate} Hz"


@st.composite
def resamplings(draw: st.DrawFn) -> Case:
    rate, target = draw(_rates), draw(_rates)
    data, recipe = draw(samples(HOPS + WINDOWS[:-2], rate))
    threads = draw(_threads)
    return Case("resample", (0, threads, rate, target), data, f"{recipe} to {target} Hz, {threads} threads")


@st.composite
def voice_activities(draw: st.DrawFn) -> Case:
    rate = draw(_rates)
    data, recipe = draw(samples(WINDOWS, rate))
    return Case("voice activity", (0, draw(_threads), rate), data, recipe)


@st.composite
def speeches(draw: st.DrawFn) -> Case:
    rate, model, audio_ctx = draw(_rates), draw(_models), draw(st.sampled_from((1, 2, 7, 16, 33, 50)))
    data, recipe = draw(samples(HOPS + SECONDS[:-2], rate))
    tokens = draw(st.lists(st.sampled_from(TOKENS) | st.integers(0, 51864), min_size=1, max_size=3))
    recipe += f", model {model}, audio_ctx {audio_ctx}, tokens {tokens}"
    return Case("speech", (model, draw(_threads), rate, audio_ctx, *tokens), data, recipe)


@st.composite
def transcriptions(draw: st.DrawFn) -> Case:
    model, rate = draw(_models), draw(st.sampled_from((16000, 44100)))
    temperature, beam = draw(st.sampled_from((0, 200, 1000))), draw(st.sampled_from((1, 3)))
    words, vad, seed = draw(st.booleans()), draw(st.integers(0, 4)) == 4, draw(st.integers(0, 100))
    data, recipe = draw(samples(SECONDS, rate, refused=False))
    pieces = draw(st.lists(st.sampled_from((1, 159, 160, 5000, 16000, 16001)), max_size=4))
    recipe += (
        f", model {model}, temperature {temperature / 1000}, beam {beam}, words {words}, voice activity {vad}, "
        f"seed {seed}, in pieces of {pieces}"
    )
    integers = (model, draw(_threads), rate, temperature, beam, int(words), int(vad), seed, *pieces)
    return Case("transcription", integers, data, recipe)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    if draw(st.integers(0, 9)) == 9:
        return draw(st.binary(max_size=8))
    alphabet = st.sampled_from("catdogthe ,.!0123456789'é猫\U0001f600\u0301\u200d\t\n\0") | st.characters(codec="utf-8")
    return draw(st.text(alphabet, max_size=30)).encode()


@st.composite
def tokenizations(draw: st.DrawFn) -> Case:
    data, model = draw(texts()), draw(_models)
    return Case("Whisper's tokens", (model, draw(_threads)), data, f"{data!r}, model {model}")


@st.composite
def embeddings_of_texts(draw: st.DrawFn) -> Case:
    data = draw(texts())
    return Case("text", (0, draw(_threads)), data, repr(data))  # the other model has no tokenizer


@st.composite
def embeddings_of_tokens(draw: st.DrawFn) -> Case:
    model, tokens = draw(_clips), draw(st.lists(st.integers(0, CLIP_TOKENS - 1), min_size=1, max_size=20))
    ends = [CLIP_TOKENS - 1] if draw(st.integers(0, 4)) < 4 else [CLIP_TOKENS]  # which is one too many
    return Case("CLIP's tokens", (model, draw(_threads), *tokens, *ends), b"", f"{tokens + ends}, model {model}")


def _pixels(width: int, height: int, kind: str, seed: int) -> npt.NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    if kind == "noise":
        return random.integers(0, 256, (height, width, 3), np.uint8)
    if kind == "gradient":
        y, x = np.mgrid[:height, :width]
        return np.stack([x * 255 // width, y * 255 // height, (x * y + seed) % 256], axis=-1).astype(np.uint8)
    return np.full((height, width, 3), random.integers(0, 256, 3), np.uint8)


@st.composite
def pictures(draw: st.DrawFn, largest: int) -> tuple[npt.NDArray[np.uint8], str]:
    width, height = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    kind, seed = draw(st.sampled_from(("noise", "gradient", "plain"))), draw(_seeds)
    return _pixels(width, height, kind, seed), f"{width} x {height} pixels of {kind} {seed}"


@st.composite
def resizings(draw: st.DrawFn) -> Case:
    pixels, recipe = draw(pictures(60))
    height, width, _ = pixels.shape
    size, filter = (draw(st.integers(1, 80)), draw(st.integers(1, 80))), draw(st.integers(0, 1))
    recipe += f" to {size[0]} x {size[1]}, filter {filter}"
    return Case("resize", (0, draw(_threads), width, height, *size, filter), pixels.tobytes(), recipe)


@st.composite
def embeddings_of_pixels(draw: st.DrawFn) -> Case:
    pixels, recipe = draw(pictures(70))
    height, width, _ = pixels.shape
    model = draw(_clips)
    return Case("pixels", (model, draw(_threads), width, height), pixels.tobytes(), f"{recipe}, model {model}")


@st.composite
def picture_files(draw: st.DrawFn) -> Case:
    pixels, recipe = draw(pictures(50))
    model, out = draw(_clips), io.BytesIO()
    mode = draw(st.sampled_from(("RGB", "L", "RGBA", "P", "CMYK")))
    if mode in ("RGBA", "P") or (draw(st.booleans()) and mode != "CMYK"):
        Image.fromarray(pixels).convert(mode).save(out, "PNG")
        recipe += f" as {mode} PNG"
    else:
        quality, progressive = draw(st.integers(1, 100)), draw(st.booleans())
        subsampling = draw(st.integers(0, 2))
        image = Image.fromarray(pixels).convert(mode)
        image.save(out, "JPEG", quality=quality, subsampling=subsampling, progressive=progressive)
        recipe += f" as {mode} JPEG, quality {quality}, subsampling {subsampling}, progressive {progressive}"
    data = out.getvalue()
    if draw(st.integers(0, 9)) == 9:
        data = data[: draw(st.integers(0, len(data)))]
        recipe += f", cut to {len(data)} bytes"
    return Case("picture file", (model, draw(_threads)), data, f"{recipe}, model {model}")


STRATEGIES: Sequence[st.SearchStrategy[Case]] = (
    resamplings(), voice_activities(), speeches(), transcriptions(), tokenizations(), embeddings_of_texts(),
    embeddings_of_tokens(), resizings(), embeddings_of_pixels(), picture_files(),
)  # fmt: skip
