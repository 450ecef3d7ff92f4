"""What a transcript is made of: plain values, with faster-whisper's field names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from pyffi._ffi import ffi
from pyffi.errors import text


def _utf8(pointer: Any, length: int) -> str:
    return str(ffi.unpack(pointer, length).decode())


@dataclass(frozen=True, slots=True)
class Token:
    """One decoded token.

    `text` has the code points that this token completes, so concatenated texts are always valid; it is empty for
    special tokens. Times are None without word times. Of several attempts at one window (temperature fallback) the
    highest one is what ends up in the transcript.
    """

    id: int
    text: str
    start: float | None
    end: float | None
    probability: float
    window: int
    attempt: int

    @classmethod
    def from_c(cls, token: Any) -> Token:
        timed = not math.isnan(token.start)
        return cls(
            id=token.id,
            text=_utf8(token.text, token.text_len),
            start=token.start if timed else None,
            end=token.end if timed else None,
            probability=token.probability,
            window=token.window,
            attempt=token.attempt,
        )


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its leading space and its punctuation."""

    start: float
    end: float
    word: str
    probability: float

    @classmethod
    def from_c(cls, word: Any) -> Word:
        return cls(word.start, word.end, _utf8(word.text, word.text_len), word.probability)


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the transcript. `words` is None unless word times were asked for."""

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    words: list[Word] | None
    temperature: float
    token_details: list[Token]

    @classmethod
    def from_c(cls, segment: Any, tokens: list[Token], words: list[Word] | None) -> Segment:
        return cls(
            id=segment.id,
            seek=segment.seek,
            start=segment.start,
            end=segment.end,
            text=_utf8(segment.text, segment.text_len),
            tokens=[token.id for token in tokens],
            avg_logprob=segment.avg_logprob,
            compression_ratio=segment.compression_ratio,
            no_speech_prob=segment.no_speech_prob,
            words=words,
            temperature=segment.temperature,
            token_details=tokens,
        )


@dataclass(frozen=True, slots=True)
class TranscriptionInfo:
    """What is known of the audio as a whole. `duration_after_vad` is what was kept for decoding, so far."""

    language: str
    language_probability: float
    duration: float
    duration_after_vad: float


class LanguageProbability(NamedTuple):
    language: str
    probability: float


class LabelProbability(NamedTuple):
    """A label with its chance among the labels, and the cosine of its embedding with the picture's."""

    label: str
    probability: float
    similarity: float


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a model is: OpenAI's ModelDimensions and how the weights are held."""

    n_mels: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int
    n_vocab: int
    is_multilingual: bool
    n_languages: int
    n_alignment_heads: int
    is_mapped: bool
    weight_type: str
    weight_bytes: int

    @classmethod
    def from_c(cls, info: Any) -> ModelInfo:
        values = {name: getattr(info, name) for name in cls.__dataclass_fields__}
        values |= {name: bool(values[name]) for name in ("is_multilingual", "is_mapped")}
        return cls(**{**values, "weight_type": text(info.weight_type)})


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """What a CLIP model is and how its weights are held. What a tower has is 0 where there is no such tower."""

    embedding_dim: int
    image_size: int
    patch_size: int
    image_width: int
    image_heads: int
    image_layers: int
    context_length: int
    n_vocab: int
    text_width: int
    text_heads: int
    text_layers: int
    has_tokenizer: bool
    uses_sigmoid: bool
    logit_scale: float
    logit_bias: float
    is_mapped: bool
    weight_type: str
    weight_bytes: int

    @classmethod
    def from_c(cls, info: Any) -> ClipInfo:
        values = {name: getattr(info, name) for name in cls.__dataclass_fields__}
        values |= {name: bool(values[name]) for name in ("has_tokenizer", "uses_sigmoid", "is_mapped")}
        return cls(**{**values, "weight_type": text(info.weight_type)})
