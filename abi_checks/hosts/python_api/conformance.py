"""The conformance cases through pyffi: its classes where a case is what they are for, its `lib` where it is misuse.

Usage: conformance.py INTERFACE WHISPER CLIP PICTURE
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import pyffi
from abi_checks.hosts.lines import NOTHING, audio, buffer, digest, double_bits, float_bits, hexadecimal, numbers, show
from pyffi._ffi import ffi, lib
from pyffi.audio import c_chunk
from pyffi.callbacks import Callbacks, Run
from pyffi.errors import text
from pyffi.options import OptionsBuilder


def array_buffer(array: Any, length: int | None = None) -> str:
    return buffer(array.size if length is None else length, array.tobytes(), array.ctypes.data)


def refusal(status: int, error: Any) -> str:
    message = text(error[0]) if error[0] else ""
    lib.mm_free(error[0])
    return f"{status} {message}"


def raised(call: Callable[[], object]) -> str:
    try:
        return f"returned {call()}"
    except pyffi.MultimodalError as error:
        return f"{error.status} {error}"


def filled(struct_name: str) -> Any:
    return ffi.new(f"{struct_name} *", {"struct_size": ffi.sizeof(struct_name)})


def declarations(interface: dict[str, Any]) -> None:
    for name in interface["constants"]:
        show(f"constant.{name}", lambda name=name: str(getattr(lib, name)))  # type: ignore[misc]
    for declared in interface["structs"]:
        show(f"layout.{declared['name']}", lambda name=declared["name"]: layout(name))  # type: ignore[misc]


def layout(name: str) -> str:
    seen = ffi.typeof(name)
    fields = " ".join(f"{field}@{place.offset}:{ffi.sizeof(place.type)}" for field, place in seen.fields)
    return f"size={ffi.sizeof(name)} align={ffi.alignof(name)} {fields}"


def version() -> None:
    show("abi_version", lambda: str(pyffi.abi_version))
    show("version", lambda: pyffi.__version__)
    for status in (*range(0, -10, -1), -1000):
        show(f"status_string.{status}", lambda status=status: text(lib.mm_status_string(status)))  # type: ignore[misc]


def files(whisper: str) -> None:
    def missing() -> str:
        out, error = ffi.new("mm_whisper **", ffi.cast("mm_whisper *", 0xA5A5)), ffi.new("char **")
        status = lib.mm_whisper_open(b"there is no such file", ffi.NULL, out, error)
        return refusal(status, error) + (" out=0" if not out[0] else "")

    def verify() -> str:
        out = ffi.new("char **")
        status = lib.mm_model_verify(whisper.encode(), ffi.NULL, out, ffi.NULL)
        described = ffi.string(out[0])
        lib.mm_free(out[0])
        return f"{status} {hexadecimal(digest(described))}"

    show("missing_file", missing)
    show("model_verify", verify)


def audio_cases() -> None:
    samples = np.frombuffer(audio(32000), np.float32)
    broken = samples[:4410].copy()
    broken[5] = np.nan
    show("resample", lambda: array_buffer(pyffi.AudioChunk(samples[:4410], 44100).resample(16000).samples))
    show("nan_sample", lambda: raised(lambda: pyffi.AudioChunk(broken, 44100).resample(16000)))
    with pyffi.Vad() as vad:
        windows = samples[:1024].reshape(2, 512)
        show("vad_process", lambda: " ".join(float_bits(vad.process(window)) for window in windows))
        show("vad_probabilities", lambda: array_buffer(vad.probabilities(samples)))

        def segments() -> str:
            found = vad.segments(samples, pyffi.VadOptions(threshold=0.01))
            times = [double_bits(time) for segment in found for time in (segment.start, segment.end)]
            return " ".join([str(len(found)), *times])

        show("vad_segments", segments)
    show("options_too_small", lambda: str(lib.mm_vad_options_init(ffi.new("mm_vad_options *"), 2)))


class Heard(Callbacks):
    """What the callbacks of one call are told, through the functions that C calls, and whether it is themselves."""

    given: Heard | None = None  # the one whose handle C has

    def __init__(self, stop_at: int = 0) -> None:
        super().__init__(self._token, self._progress)
        self.calls, self.progressed, self.foreign = 0, 0, 0
        self.tokens, self.times = NOTHING, (0.0, 0.0)
        self.stop_at = stop_at
        self.stepped: Any = None
        self.busy = 0

    def options(self) -> OptionsBuilder:
        """With these callbacks; the handle is kept alive with them."""
        builder = OptionsBuilder()
        builder.text("language", "en")
        builder.temperatures(0.0)
        for name, value in (("beam_size", 1), ("max_new_tokens", 8), ("threads", 2)):
            builder.count(name, value)
        self.handle = self.install(builder.c)
        Heard.given = self
        return builder

    def _token(self, token: pyffi.Token) -> bool:
        self.foreign += self is not Heard.given
        self.calls += 1
        self.tokens = digest(struct.pack("<if", token.id, token.probability), self.tokens)
        if self.stepped is not None:
            self.busy = lib.mm_transcript_info_get(self.stepped, filled("mm_transcript_info"))
        return self.calls == self.stop_at

    def _progress(self, done: float, total: float | None) -> None:
        self.foreign += self is not Heard.given
        self.progressed += 1
        self.times = done, -1.0 if total is None else total


def segments_of(transcript: Any) -> Iterator[tuple[bytes, list[int]]]:
    """Text and token ids of each segment."""
    info, segment, token = filled("mm_transcript_info"), filled("mm_segment"), filled("mm_token")
    lib.mm_transcript_info_get(transcript, info)
    for i in range(info.n_segments):
        lib.mm_transcript_segment(transcript, i, segment)
        ids = []
        for j in range(segment.n_tokens):
            lib.mm_transcript_token(transcript, i, j, token)
            ids.append(token.id)
        yield ffi.unpack(segment.text, segment.text_len), ids


def texts_of(transcript: Any) -> str:
    return hexadecimal(digest(b"".join(words for words, _ in segments_of(transcript))))


def tensors(model: pyffi.Whisper, second: pyffi.AudioChunk) -> None:
    mel = model.log_mel(second)
    encoded = model.encode(mel[:40], audio_ctx=20, threads=2)
    show("log_mel", lambda: array_buffer(mel, len(mel)))
    show("encode", lambda: array_buffer(encoded))
    show("logits", lambda: array_buffer(model.logits(encoded, [50258, 50259, 50359, 50363], threads=2)))

    def detect() -> str:
        languages = model.detect_language(second, threads=2)
        return f"{len(languages)} {languages[0].language} {float_bits(languages[0].probability)}"

    show("detect_language", detect)


def transcription(model: pyffi.Whisper, second: pyffi.AudioChunk) -> None:
    handle, heard, out = model._handle, Heard(), ffi.new("mm_transcript **")

    def transcribe(heard: Heard, change: Callable[[Any], None] = lambda options: None) -> int:
        options = heard.options()
        change(options.c)
        return int(lib.mm_whisper_transcribe(handle, c_chunk(second), options.c, out, ffi.NULL))

    def transcript() -> str:
        info = filled("mm_transcript_info")
        lib.mm_transcript_info_get(out[0], info)
        ids = [number for _, numbers in segments_of(out[0]) for number in numbers]
        packed = struct.pack(f"<{len(ids)}i", *ids)
        return (
            f"{info.n_segments} {text(info.language)} {double_bits(info.duration)} {texts_of(out[0])} "
            f"{hexadecimal(digest(packed))}"
        )

    def stops() -> str:
        stopped = Heard(stop_at=3)
        return f"{transcribe(stopped)} {stopped.calls}"

    @ffi.callback("mm_abort_callback")
    def abort(user_data: Any) -> int:
        return 1

    show("transcribe", lambda: f"{transcribe(heard)} {heard.calls} {hexadecimal(heard.tokens)}")
    show("transcript", transcript)
    lib.mm_transcript_close(out[0])
    show("progress", lambda: " ".join([str(heard.progressed), *map(double_bits, heard.times)]))
    show("callback_stops", stops)
    show("should_abort", lambda: str(transcribe(Heard(), lambda options: setattr(options, "should_abort", abort))))
    show("user_data", lambda: str(int(heard.calls > 0 and not heard.foreign)))


def stream(model: pyffi.Whisper, second: pyffi.AudioChunk) -> None:
    heard, out, state = Heard(), ffi.new("mm_transcript **"), ffi.new("int32_t *")
    options = heard.options()
    lib.mm_transcript_open(model._handle, options.c, out, ffi.NULL)
    transcript = heard.stepped = out[0]
    pieces = np.split(second.samples, [5000, 10000])
    while state[0] != lib.MM_STEP_DONE and lib.mm_transcript_step(transcript, state) == lib.MM_OK:
        if state[0] != lib.MM_STEP_NEEDS_AUDIO:
            continue
        if pieces:
            lib.mm_transcript_push(transcript, c_chunk(pyffi.AudioChunk(pieces.pop(0))))
        else:
            lib.mm_transcript_finish(transcript)
    show("busy", lambda: str(heard.busy))
    show("stream", lambda: texts_of(transcript))

    def last_error() -> str:
        status = lib.mm_transcript_push(transcript, c_chunk(pyffi.AudioChunk(second.samples[:100])))
        return f"{status} {text(lib.mm_transcript_last_error(transcript))}"

    show("last_error", last_error)
    lib.mm_transcript_close(transcript)


def speech(path: str) -> None:
    second = pyffi.AudioChunk(np.frombuffer(audio(16000), np.float32))
    model = pyffi.Whisper(path)
    info = model.info
    show(
        "whisper_info",
        lambda: (
            f"{info.n_mels} {info.n_audio_ctx} {info.n_text_ctx} {info.n_vocab} {int(info.is_multilingual)} "
            f"{int(info.is_mapped)} {info.weight_type} {info.weight_bytes}"
        ),
    )

    def too_small() -> str:
        before = struct.pack("<I", 8).ljust(ffi.sizeof("mm_whisper_info"), b"\xa5")
        memory = bytearray(before)
        status = lib.mm_whisper_info_get(model._handle, ffi.from_buffer("mm_whisper_info *", memory))
        return f"{status}{' kept' if memory == before else ''}"

    show("struct_size", too_small)
    ids = model.tokenize(" hello world")
    show("tokenize", lambda: numbers(ids))
    show("detokenize", lambda: model.detokenize(ids))
    tensors(model, second)
    transcription(model, second)
    stream(model, second)
    closed = ffi.cast("mm_whisper *", int(ffi.cast("uintptr_t", model._handle)))
    model.close()
    lib.mm_whisper_close(closed)
    show("closed_handle", lambda: str(lib.mm_whisper_info_get(closed, filled("mm_whisper_info"))))
    show("null_handle", lambda: str(lib.mm_whisper_info_get(ffi.NULL, filled("mm_whisper_info"))))


def pictures(model: pyffi.Clip, picture: bytes) -> None:
    pixels = pyffi.decode_image(picture)
    height, width, _ = pixels.shape
    show("image_decode", lambda: f"{width} {height} {array_buffer(pixels)}")
    show("image_resize", lambda: array_buffer(pyffi.resize_image(pixels, (20, 30))))
    info = model.info
    show(
        "clip_info",
        lambda: (
            f"{info.embedding_dim} {info.image_size} {info.context_length} {info.n_vocab} {int(info.has_tokenizer)} "
            f"{info.weight_type} {float_bits(info.logit_scale)}"
        ),
    )
    show("clip_space_id", model.space_id)

    def twice() -> str:  # pyffi preprocesses on its own threads; this is the call that takes files
        data = ffi.from_buffer("char[]", picture)
        files = ffi.new("mm_bytes[]", 2 * [(data, len(picture))])
        out, length, run = ffi.new("float **"), ffi.new("size_t *"), Run(2)
        lib.mm_clip_encode_image(model._handle, files, 2, ffi.NULL, run.c, out, length, ffi.NULL)
        floats = bytes(ffi.buffer(out[0], 4 * length[0]))
        address = int(ffi.cast("uintptr_t", out[0]))
        lib.mm_free(out[0])
        return buffer(length[0], floats, address)

    show("clip_encode_image", twice)
    memory = np.zeros((height, 3 * width + 13), np.uint8)
    apart = np.lib.stride_tricks.as_strided(memory, pixels.shape, (memory.strides[0], 3, 1))
    apart[...] = pixels
    show("clip_encode_pixels", lambda: array_buffer(model.encode_image(apart, threads=2)))


def texts(model: pyffi.Clip, picture: bytes) -> None:
    three = ["a cat", "", "naïve café 猫"]
    show("clip_encode_text", lambda: array_buffer(model.encode_text(three, normalize=False, threads=2)))
    ids = model.tokenize("a cat and the dog")
    show("clip_tokenize", lambda: numbers(ids))
    show("clip_encode_tokens", lambda: array_buffer(model.encode_tokens(ids, threads=2)))
    show("clip_detokenize", lambda: model.detokenize(ids))
    show("clip_preprocess", lambda: array_buffer(model.preprocess(picture)))

    def invalid() -> str:  # which no str can be
        given = ffi.new("char[]", b"a\xff")
        out, length, error, run = ffi.new("float **"), ffi.new("size_t *"), ffi.new("char **"), Run(2)
        text = ffi.new("mm_bytes *", (given, 2))
        return refusal(lib.mm_clip_encode_text(model._handle, text, 1, ffi.NULL, run.c, out, length, error), error)

    show("invalid_utf8", invalid)


def free_null() -> str:
    for free in (lib.mm_free, lib.mm_whisper_close, lib.mm_transcript_close, lib.mm_vad_close, lib.mm_clip_close):
        free(ffi.NULL)
    return "done"


def main(interface: str, whisper: str, clip: str, picture_path: str) -> None:
    declarations(json.loads(Path(interface).read_text(encoding="utf-8")))
    version()
    files(whisper)
    audio_cases()
    speech(whisper)
    with pyffi.Clip(clip) as model:
        picture = Path(picture_path).read_bytes()
        pictures(model, picture)
        texts(model, picture)
    show("free_null", free_null)


if __name__ == "__main__":
    main(*sys.argv[1:])
