"""Every family of published models, in its own shape but narrow: opening, numbers, languages, tasks and word times.

What sets a family apart is the size of its vocabulary, which places the special tokens, its mel bins, and how many
layers encoder and decoder have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from model_files import SyntheticModel, store_ggml, store_gguf, synthetic_model
from whisper_reference import Reference, relative_error, softmax

from pyffi import InvalidArgument, Segment, UnsupportedError, Whisper

Samples = npt.NDArray[np.float32]
Tone = Callable[..., Samples]
Options = dict[str, Any]


class Specials(NamedTuple):
    """The numbers of special tokens, as openai/whisper's tokenizer has them."""

    eot: int
    sot: int
    translate: int
    transcribe: int
    sot_lm: int
    sot_prev: int
    no_speech: int
    no_timestamps: int
    timestamp_begin: int


ENGLISH = Specials(50256, 50257, 50357, 50358, 50359, 50360, 50361, 50362, 50363)
MULTILINGUAL = Specials(50257, 50258, 50358, 50359, 50360, 50361, 50362, 50363, 50364)
LARGE_V3 = Specials(50257, 50258, 50359, 50360, 50361, 50362, 50363, 50364, 50365)


@dataclass(frozen=True)
class Family:
    n_vocab: int
    n_mels: int
    n_languages: int
    specials: Specials
    layers: tuple[int, int]  # of encoder and decoder
    ggml: str = ""  # the weight type of a file of whisper.cpp, which names no alignment heads; else it is one of ours
    width: int = 32
    heads: tuple[int, int] = (2, 2)


FAMILIES = {
    "tiny.en": Family(51864, 80, 0, ENGLISH, (4, 4)),
    "base": Family(51865, 80, 99, MULTILINGUAL, (6, 6), ggml="f16"),
    "large-v3": Family(51866, 128, 100, LARGE_V3, (32, 32), width=48, heads=(3, 1)),
    "large-v3-turbo": Family(51866, 128, 100, LARGE_V3, (32, 4), ggml="q5_0"),
    "distil-large-v2": Family(51865, 80, 99, MULTILINGUAL, (32, 2), ggml="q8_0"),
    "distil-large-v3": Family(51866, 128, 100, LARGE_V3, (32, 2)),
    "distil-medium.en": Family(51864, 80, 0, ENGLISH, (24, 2), ggml="f16"),
}
POSITIONS = 77  # of the encoder, for windows of 1.54 s; odd
# Codes of the first, the last and, where there is one, the hundredth language, and their places.
LANGUAGES = {"en": 0, "su": 98, "yue": 99}


class Made(NamedTuple):
    family: Family
    written: SyntheticModel
    whisper: Whisper


@pytest.fixture(scope="module", params=FAMILIES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    family = FAMILIES[request.param]
    path = tmp_path_factory.mktemp("models") / ("model.bin" if family.ggml else "model.gguf")
    model = synthetic_model(
        seed=3, multilingual=family.n_languages > 0, n_mels=family.n_mels, n_audio_ctx=POSITIONS,
        n_audio_state=family.width, n_audio_head=family.heads[0], n_audio_layer=family.layers[0],
        n_text_state=family.width, n_text_head=family.heads[1], n_text_layer=family.layers[1],
    )  # fmt: skip
    written = store_ggml(path, model, family.ggml) if family.ggml else store_gguf(path, model, "f16")
    with Whisper(path) as whisper:
        yield Made(family, written, whisper)


def test_the_shape_is_told(made: Made) -> None:
    family, info = made.family, made.whisper.info
    assert info.n_vocab == family.n_vocab
    assert info.n_mels == family.n_mels
    assert (info.n_languages, info.is_multilingual) == (family.n_languages, family.n_languages > 0)
    assert (info.n_audio_layer, info.n_text_layer) == family.layers
    assert (info.n_audio_head, info.n_text_head) == family.heads
    assert (info.n_audio_state, info.n_text_state) == (family.width, family.width)
    assert (info.n_audio_ctx, info.n_text_ctx) == (POSITIONS, 448)
    in_file = len(made.written.alignment_heads)
    # Where the file names none: all heads of the second half of the decoder's layers.
    assert info.n_alignment_heads == (family.layers[1] // 2 * family.heads[1] if family.ggml else in_file)


def test_encoder_and_logits_match_the_reference(made: Made) -> None:
    family, written, whisper = made
    reference = Reference(written)
    mel = np.random.default_rng(3).uniform(-1, 1.5, (2 * POSITIONS - 31, family.n_mels)).astype(np.float32)
    encoded = whisper.encode(mel)
    assert encoded.shape == (POSITIONS, family.width)
    assert relative_error(encoded, reference.encode(mel.astype(np.float64), POSITIONS)) < 1e-5
    tokens = [*family.specials, 300, 17, 4000, 0, family.n_vocab - 1]
    logits = whisper.logits(encoded, tokens)
    assert logits.shape == (len(tokens), family.n_vocab)
    assert relative_error(logits, reference.logits(encoded.astype(np.float64), tokens)) < 1e-5


def prompts(family: Family) -> Iterator[tuple[str, str, list[int]]]:
    """Languages and tasks, and the tokens that a window starts with for them."""
    special = family.specials
    if not family.n_languages:
        yield "en", "transcribe", [special.sot]
        return
    for language, place in LANGUAGES.items():
        if place < family.n_languages:
            yield language, "transcribe", [special.sot, special.sot + 1 + place, special.transcribe]
            yield language, "translate", [special.sot, special.sot + 1 + place, special.translate]


def first_token(whisper: Whisper, samples: Samples, **options: Any) -> tuple[int, float]:
    """The first token that is chosen, and its probability."""
    found: list[tuple[int, float]] = []
    transcript = whisper.transcribe(
        samples, beam_size=1, temperature=0, suppress_tokens=(), suppress_blank=False, max_new_tokens=1,
        on_token=lambda token: found.append((token.id, token.probability)), **options,
    )  # fmt: skip
    list(transcript)  # decodes it
    return found[0]


@pytest.mark.parametrize("without_timestamps", [False, True])
def test_the_first_token_follows_from_the_prompt_of_the_family(
    made: Made, tone: Tone, without_timestamps: bool
) -> None:
    """Language, task and timestamps are asked for by the right tokens: what transcription chooses is what the logits
    say after these."""
    family, _, whisper = made
    special = family.specials
    encoded = whisper.encode(whisper.log_mel(tone(1)))
    seen = []
    for language, task, prompt in prompts(family):
        if without_timestamps:
            allowed = np.arange(family.n_vocab)
            never = [special.sot, special.translate, special.transcribe, special.sot_lm, special.sot_prev,
                     special.no_speech]  # fmt: skip
            allowed = np.delete(allowed, never)
            logits = whisper.logits(encoded, [*prompt, special.no_timestamps])[-1]
        else:
            allowed = np.arange(special.timestamp_begin, special.timestamp_begin + 51)  # up to a second
            logits = whisper.logits(encoded, prompt)[-1]
        probabilities = softmax(logits[allowed].astype(np.float64))
        token, probability = first_token(
            whisper, tone(1), language=language, task=task, without_timestamps=without_timestamps
        )
        assert token == allowed[probabilities.argmax()]
        assert probability == pytest.approx(probabilities.max(), rel=1e-5)
        seen.append(probability)
    assert np.diff(np.log(sorted(seen))).min(initial=1) > 1e-4  # so that none is taken for another


def test_languages_are_those_of_the_family(made: Made, tone: Tone, quick: Options) -> None:
    family, _, whisper = made
    samples = tone(1)
    if not family.n_languages:
        with pytest.raises(UnsupportedError, match="English-only"):
            whisper.detect_language(samples)
        return
    languages = whisper.detect_language(samples)
    detected = dict(languages)
    assert len(detected) == family.n_languages
    encoded = whisper.encode(whisper.log_mel(samples))
    logits = whisper.logits(encoded, [family.specials.sot])[0, family.specials.sot + 1 :][: family.n_languages]
    expected = softmax(logits.astype(np.float64))
    for code, place in LANGUAGES.items():
        if place < family.n_languages:
            assert detected[code] == pytest.approx(expected[place], rel=1e-5)
    assert whisper.transcribe(samples, **quick | {"language": None}).info.language == languages[0].language


def test_what_the_family_cannot_do_is_refused(made: Made, tone: Tone, quick: Options) -> None:
    family, _, whisper = made

    def transcribe(**options: str) -> list[Segment]:
        return whisper.transcribe(tone(1), **quick | options).segments

    assert transcribe(language="en")
    if not family.n_languages:
        for language in ("de", "yue"):
            with pytest.raises(UnsupportedError, match=f'"{language}".*English only; open a multilingual model'):
                transcribe(language=language)
        with pytest.raises(UnsupportedError, match="English only and cannot translate"):
            transcribe(task="translate")
        assert whisper.transcribe(tone(1), **quick).info.language == "en"
    elif family.n_languages == 99:
        with pytest.raises(InvalidArgument, match='"yue" is not one of the model\'s 99'):
            transcribe(language="yue")
    else:
        assert whisper.transcribe(tone(1), **quick | {"language": "Cantonese"}).info.language == "yue"


def test_words_come_in_order_and_inside_the_audio(made: Made, tone: Tone, quick: Options) -> None:
    family, _, whisper = made
    for language in {"en", {0: "en", 99: "su", 100: "yue"}[family.n_languages]}:
        options = quick | {"language": language, "max_new_tokens": 12}
        segments = whisper.transcribe(tone(4), word_timestamps=True, **options).segments
        words = [word for segment in segments for word in segment.words or ()]
        assert len(words) > 3
        times = [time for word in words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert times[0] >= 0
        assert times[-1] <= 4
        for segment in segments:
            assert "".join(word.word for word in segment.words or ()).strip() == segment.text.strip()
            special = [token for token in segment.tokens if token >= family.specials.eot]
            assert all(token >= family.specials.timestamp_begin for token in special)
