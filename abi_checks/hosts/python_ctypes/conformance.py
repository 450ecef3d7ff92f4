"""The conformance cases through ctypes.

Usage: conformance.py INTERFACE LIBRARY WHISPER CLIP PICTURE
"""

from __future__ import annotations

import ctypes
import json
import math
import struct
import sys
from array import array
from collections.abc import Callable, Iterator
from ctypes import byref, c_char_p, c_float, c_int32, c_size_t, c_uint8, c_void_p, sizeof
from pathlib import Path
from typing import Any

from abi_checks.hosts.lines import NOTHING, audio, buffer, digest, double_bits, float_bits, hexadecimal, numbers, show
from abi_checks.hosts.python_ctypes.binding import Binding


def address(pointer: Any) -> int:
    return ctypes.cast(pointer, c_void_p).value or 0


class Cases:
    def __init__(self, interface: dict[str, Any], library: str) -> None:
        self.interface = interface
        self.mm = Binding(interface, library)
        self.run = self.filled("mm_run_options", threads=2)

    # ---- Values in and out -------------------------------------------------------------------------------------------

    def filled(self, name: str, **fields: Any) -> Any:
        """A struct that knows its size."""
        kind = getattr(self.mm, name)
        return kind(struct_size=sizeof(kind), **fields)

    def chunk(self, samples: array[float], rate: int = 16000) -> Any:
        kept = (c_float * len(samples)).from_buffer(samples)
        return self.mm.mm_audio_chunk(ctypes.cast(kept, ctypes.POINTER(c_float)), len(samples), rate)

    def buffer(self, out: Any, length: int, size: int) -> str:
        """What was handed out, which is freed."""
        line = buffer(length, ctypes.string_at(out, size), address(out))
        self.mm.mm_free(out)
        return line

    def taken(self, out: Any) -> str:
        """Text that was handed out."""
        text = ctypes.string_at(out.value) if out.value else b""
        self.mm.mm_free(out)
        return text.decode()

    def floats(self, call: Callable[..., int], *arguments: Any) -> str:
        """The buffer of a function that ends with `run, out, out_len, error_out`."""
        out, length, error = ctypes.POINTER(c_float)(), c_size_t(), c_void_p()
        status = call(*arguments, self.run, byref(out), byref(length), byref(error))
        if status:
            return f"{status} {self.taken(error)}"
        return self.buffer(out, length.value, 4 * length.value)

    def ids(self, call: Callable[..., int], model: Any, text: bytes) -> list[int]:
        out, length = ctypes.POINTER(c_int32)(), c_size_t()
        call(model, text, len(text), byref(out), byref(length), None)
        found = out[: length.value]
        self.mm.mm_free(out)
        return found

    def text_of(self, call: Callable[..., int], model: Any, ids: list[int]) -> str:
        out, length = c_void_p(), c_size_t()
        call(model, (c_int32 * len(ids))(*ids), len(ids), byref(out), byref(length), None)
        return self.taken(out)

    # ---- Cases -------------------------------------------------------------------------------------------------------

    def declarations(self) -> None:
        for name in self.interface["constants"]:
            show(f"constant.{name}", lambda name=name: str(getattr(self.mm, name)))  # type: ignore[misc]
        for declared in self.interface["structs"]:
            show(f"layout.{declared['name']}", lambda name=declared["name"]: self.layout(name))  # type: ignore[misc]

    def layout(self, name: str) -> str:
        kind = getattr(self.mm, name)
        places = [(field[0], getattr(kind, field[0])) for field in kind._fields_]
        fields = " ".join(f"{field}@{place.offset}:{place.size}" for field, place in places)
        return f"size={sizeof(kind)} align={ctypes.alignment(kind)} {fields}"

    def version(self) -> None:
        show("abi_version", lambda: str(self.mm.mm_abi_version()))
        show("version", lambda: str(self.mm.mm_version_string().decode()))
        for status in (*range(0, -10, -1), -1000):
            show(f"status_string.{status}", lambda n=status: self.mm.mm_status_string(n).decode())  # type: ignore[misc]

    def files(self, whisper: str) -> None:
        def missing() -> str:
            out, error = c_void_p(0xA5A5), c_void_p()
            status = self.mm.mm_whisper_open(b"there is no such file", None, byref(out), byref(error))
            return f"{status} {self.taken(error)}{'' if out.value else ' out=0'}"

        def verify() -> str:
            out = c_void_p()
            status = self.mm.mm_model_verify(whisper.encode(), None, byref(out), None)
            return f"{status} {hexadecimal(digest(self.taken(out).encode()))}"

        show("missing_file", missing)
        show("model_verify", verify)

    def audio_cases(self) -> None:
        samples, broken = audio(32000), audio(4410)
        broken[5] = math.nan
        vad, probability = c_void_p(), c_float()
        short, whole = self.chunk(samples[:4410], 44100), self.chunk(samples)
        show("resample", lambda: self.floats(self.mm.mm_resample, short, 16000))
        show("nan_sample", lambda: self.floats(self.mm.mm_resample, self.chunk(broken, 44100), 16000))
        self.mm.mm_vad_open(None, byref(vad), None)

        def process() -> str:
            heard = []
            for start in (0, 512):
                window = (c_float * 512).from_buffer(samples, 4 * start)
                self.mm.mm_vad_process(vad, window, 512, byref(probability))
                heard.append(float_bits(probability.value))
            return " ".join(heard)

        def segments() -> str:
            options = self.filled("mm_vad_options", threshold=0.01)
            out, length = ctypes.POINTER(self.mm.mm_vad_segment)(), c_size_t()
            self.mm.mm_vad_segments(vad, whole, options, self.run, byref(out), byref(length), None)
            times = [double_bits(time) for i in range(length.value) for time in (out[i].start, out[i].end)]
            self.mm.mm_free(out)
            return " ".join([str(length.value), *times])

        show("vad_process", process)
        show("vad_probabilities", lambda: self.floats(self.mm.mm_vad_probabilities, vad, whole))
        show("vad_segments", segments)
        self.mm.mm_vad_close(vad)
        show("options_too_small", lambda: str(self.mm.mm_vad_options_init(self.mm.mm_vad_options(), 2)))

    def speech(self, path: str) -> None:
        model, info = c_void_p(), self.filled("mm_whisper_info")
        samples = audio(16000)
        second = self.chunk(samples)
        self.mm.mm_whisper_open(path.encode(), None, byref(model), None)
        self.mm.mm_whisper_info_get(model, info)
        names = ["n_mels", "n_audio_ctx", "n_text_ctx", "n_vocab", "is_multilingual", "is_mapped"]
        show(
            "whisper_info",
            lambda: " ".join(
                [*(str(getattr(info, name)) for name in names), info.weight_type.decode(), str(info.weight_bytes)]
            ),
        )

        def too_small() -> str:
            before = struct.pack("<I", 8).ljust(sizeof(self.mm.mm_whisper_info), b"\xa5")
            small = self.mm.mm_whisper_info.from_buffer_copy(before)
            return f"{self.mm.mm_whisper_info_get(model, small)}{' kept' if bytes(small) == before else ''}"

        show("struct_size", too_small)
        ids = self.ids(self.mm.mm_whisper_tokenize, model, b" hello world")
        show("tokenize", lambda: numbers(ids))
        show("detokenize", lambda: self.text_of(self.mm.mm_whisper_detokenize, model, ids))
        self.tensors(model, second)
        self.transcription(model, second)
        self.stream(model, samples)
        self.mm.mm_whisper_close(model)
        self.mm.mm_whisper_close(model)
        show("closed_handle", lambda: str(self.mm.mm_whisper_info_get(model, info)))
        show("null_handle", lambda: str(self.mm.mm_whisper_info_get(None, info)))

    def tensors(self, model: Any, second: Any) -> None:
        mel, frames = ctypes.POINTER(c_float)(), c_size_t()
        encoded, length = ctypes.POINTER(c_float)(), c_size_t()
        tokens = (c_int32 * 4)(50258, 50259, 50359, 50363)
        self.mm.mm_whisper_log_mel(model, second, self.run, byref(mel), byref(frames), None)
        self.mm.mm_whisper_encode(model, mel, 40, 20, self.run, byref(encoded), byref(length), None)
        logits = self.floats(self.mm.mm_whisper_logits, model, encoded, 20, tokens, 4)
        show("log_mel", lambda: self.buffer(mel, frames.value, 4 * 80 * frames.value))
        show("encode", lambda: self.buffer(encoded, length.value, 4 * length.value))
        show("logits", lambda: logits)

        def detect() -> str:
            out, n = ctypes.POINTER(self.mm.mm_language)(), c_size_t()
            self.mm.mm_whisper_detect_language(model, second, self.run, byref(out), byref(n), None)
            found = f"{n.value} {out[0].code.decode()} {float_bits(out[0].probability)}"
            self.mm.mm_free(out)
            return found

        show("detect_language", detect)

    def transcription(self, model: Any, second: Any) -> None:
        heard, transcript, info = Heard(self.mm), c_void_p(), self.filled("mm_transcript_info")

        def transcribe(heard: Heard, **more: Any) -> int:
            options = heard.options(**more)
            return int(self.mm.mm_whisper_transcribe(model, second, options, byref(transcript), None))

        def read() -> str:
            self.mm.mm_transcript_info_get(transcript, info)
            ids = [number for _, numbers in self.segments(transcript) for number in numbers]
            return (
                f"{info.n_segments} {info.language.decode()} {double_bits(info.duration)} {self.texts(transcript)} "
                f"{hexadecimal(digest(struct.pack(f'<{len(ids)}i', *ids)))}"
            )

        def stops() -> str:
            stopped = Heard(self.mm, stop_at=3)
            return f"{transcribe(stopped)} {stopped.calls}"

        abort = self.mm.mm_abort_callback(lambda user_data: 1)
        show("transcribe", lambda: f"{transcribe(heard)} {heard.calls} {hexadecimal(heard.tokens)}")
        show("transcript", read)
        self.mm.mm_transcript_close(transcript)
        show("progress", lambda: " ".join([str(heard.progressed), *map(double_bits, heard.times)]))
        show("callback_stops", stops)
        show("should_abort", lambda: str(transcribe(Heard(self.mm), should_abort=abort)))
        show("user_data", lambda: str(int(heard.calls > 0 and not heard.foreign)))

    def stream(self, model: Any, samples: array[float]) -> None:
        heard, transcript, state = Heard(self.mm), c_void_p(), c_int32()
        options = heard.options()
        self.mm.mm_transcript_open(model, options, byref(transcript), None)
        heard.inside = lambda: int(self.mm.mm_transcript_info_get(transcript, self.filled("mm_transcript_info")))
        pieces = [samples[:5000], samples[5000:10000], samples[10000:]]
        while state.value != self.mm.MM_STEP_DONE and self.mm.mm_transcript_step(transcript, byref(state)) == 0:
            if state.value != self.mm.MM_STEP_NEEDS_AUDIO:
                continue
            if pieces:
                self.mm.mm_transcript_push(transcript, self.chunk(pieces.pop(0)))
            else:
                self.mm.mm_transcript_finish(transcript)
        show("busy", lambda: str(heard.busy))
        show("stream", lambda: self.texts(transcript))

        def last_error() -> str:
            status = self.mm.mm_transcript_push(transcript, self.chunk(samples[:100]))
            return f"{status} {self.mm.mm_transcript_last_error(transcript).decode()}"

        show("last_error", last_error)
        self.mm.mm_transcript_close(transcript)

    def segments(self, transcript: Any) -> Iterator[tuple[bytes, list[int]]]:
        """Text and token ids of each segment."""
        info, segment = self.filled("mm_transcript_info"), self.filled("mm_segment")
        token = self.filled("mm_token")
        self.mm.mm_transcript_info_get(transcript, info)
        for i in range(info.n_segments):
            self.mm.mm_transcript_segment(transcript, i, segment)
            ids = []
            for j in range(segment.n_tokens):
                self.mm.mm_transcript_token(transcript, i, j, token)
                ids.append(token.id)
            yield segment.text[: segment.text_len], ids

    def texts(self, transcript: Any) -> str:
        return hexadecimal(digest(b"".join(words for words, _ in self.segments(transcript))))

    def pictures(self, model: Any, picture: bytes) -> None:
        rgb, width, height = ctypes.POINTER(c_uint8)(), c_int32(), c_int32()
        small, info, space = ctypes.POINTER(c_uint8)(), self.filled("mm_clip_info"), c_void_p()
        self.mm.mm_image_decode(picture, len(picture), None, self.run, byref(rgb), byref(width), byref(height), None)
        row, rows = 3 * width.value, height.value
        whole = self.mm.mm_pixels(rgb, width.value, rows, 0)
        self.mm.mm_image_resize(whole, 20, 30, self.mm.MM_FILTER_BICUBIC, self.run, byref(small), None)
        memory = b"".join(bytes(rgb[y * row : (y + 1) * row]) + bytes(13) for y in range(rows))
        kept = (c_uint8 * len(memory)).from_buffer_copy(memory)
        apart = self.mm.mm_pixels(ctypes.cast(kept, ctypes.POINTER(c_uint8)), width.value, rows, row + 13)
        show("image_decode", lambda: f"{width.value} {rows} {self.buffer(rgb, row * rows, row * rows)}")
        show("image_resize", lambda: self.buffer(small, 1800, 1800))

        self.mm.mm_clip_info_get(model, info)
        names = ["embedding_dim", "image_size", "context_length", "n_vocab", "has_tokenizer"]
        described = [
            *(str(getattr(info, name)) for name in names),
            info.weight_type.decode(),
            float_bits(info.logit_scale),
        ]
        show("clip_info", lambda: " ".join(described))
        self.mm.mm_clip_space_id(model, None, byref(space), None)
        show("clip_space_id", lambda: self.taken(space))
        twice = self.items(picture, picture)
        show("clip_encode_image", lambda: self.floats(self.mm.mm_clip_encode_image, model, twice, 2, None))
        show("clip_encode_pixels", lambda: self.floats(self.mm.mm_clip_encode_pixels, model, apart, 1, None))

    def items(self, *data: bytes) -> Any:
        kind = self.mm.mm_bytes
        return (kind * len(data))(*(kind(ctypes.cast(c_char_p(item), c_void_p), len(item)) for item in data))

    def texts_cases(self, model: Any, picture: bytes) -> None:
        raw = self.filled("mm_clip_options", normalize=self.mm.MM_SWITCH_OFF)
        three = self.items(b"a cat", b"", "naïve café 猫".encode())
        show("clip_encode_text", lambda: self.floats(self.mm.mm_clip_encode_text, model, three, 3, raw))
        ids = self.ids(self.mm.mm_clip_tokenize, model, b"a cat and the dog")
        tokens = (c_int32 * len(ids))(*ids)
        show("clip_tokenize", lambda: numbers(ids))
        show("clip_encode_tokens", lambda: self.floats(self.mm.mm_clip_encode_tokens, model, tokens, len(ids), None))
        show("clip_detokenize", lambda: self.text_of(self.mm.mm_clip_detokenize, model, ids))

        def preprocess() -> str:
            out, length = ctypes.POINTER(c_uint8)(), c_size_t()
            file = self.items(picture)
            self.mm.mm_clip_preprocess_image(model, file, None, self.run, byref(out), byref(length), None)
            return self.buffer(out, length.value, length.value)

        show("clip_preprocess", preprocess)
        invalid = self.items(b"a\xff")
        show("invalid_utf8", lambda: self.floats(self.mm.mm_clip_encode_text, model, invalid, 1, None))

    def free_null(self) -> str:
        for name in ("mm_free", "mm_whisper_close", "mm_transcript_close", "mm_vad_close", "mm_clip_close"):
            getattr(self.mm, name)(None)
        return "done"


class Heard:
    """What the callbacks of one call are told, and whether it is what was given."""

    def __init__(self, mm: Binding, stop_at: int = 0) -> None:
        self.mm = mm
        self.calls, self.progressed, self.foreign, self.busy = 0, 0, 0, 0
        self.tokens, self.times = NOTHING, (0.0, 0.0)
        self.stop_at = stop_at
        self.inside: Callable[[], int] | None = None
        self.given = ctypes.create_string_buffer(1)

    def options(self, **more: Any) -> Any:
        kind = self.mm.mm_transcribe_options
        self.temperatures = (c_float * 1)(0)
        self.kept = self.mm.mm_token_callback(self.token), self.mm.mm_progress_callback(self.progress)
        options = kind()
        self.mm.mm_transcribe_options_init(options, sizeof(kind))
        fields = {
            "language": b"en",
            "temperatures": ctypes.cast(self.temperatures, ctypes.POINTER(c_float)),
            "n_temperatures": 1,
            "beam_size": 1,
            "max_new_tokens": 8,
            "threads": 2,
            "on_token": self.kept[0],
            "on_progress": self.kept[1],
            "user_data": address(self.given),
        }
        for name, value in {**fields, **more}.items():
            setattr(options, name, value)
        return options

    def token(self, token: Any, user_data: int | None) -> int:
        self.foreign += user_data != address(self.given)
        self.calls += 1
        self.tokens = digest(struct.pack("<if", token[0].id, token[0].probability), self.tokens)
        if self.inside is not None:
            self.busy = self.inside()
        return int(self.calls == self.stop_at)

    def progress(self, done: float, total: float, user_data: int | None) -> int:
        self.foreign += user_data != address(self.given)
        self.progressed += 1
        self.times = done, total
        return 0


def main(interface: str, library: str, whisper: str, clip: str, picture_path: str) -> None:
    cases = Cases(json.loads(Path(interface).read_text(encoding="utf-8")), library)
    cases.declarations()
    cases.version()
    cases.files(whisper)
    cases.audio_cases()
    cases.speech(whisper)
    model, picture = c_void_p(), Path(picture_path).read_bytes()
    cases.mm.mm_clip_open(clip.encode(), None, byref(model), None)
    cases.pictures(model, picture)
    cases.texts_cases(model, picture)
    cases.mm.mm_clip_close(model)
    show("free_null", cases.free_null)


if __name__ == "__main__":
    main(*sys.argv[1:])
