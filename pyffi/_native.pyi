"""The compiled module: what clib/include/multimodal.h declares, and the four functions that C calls."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

CValue: TypeAlias = Any  # any C value: cffi has no static types for them
_Function = TypeVar("_Function", bound=Callable[..., Any])

class FFI:
    NULL: CValue
    error: type[Exception]
    def new(self, cdecl: str, init: Any = ..., /) -> CValue: ...
    CData: type
    def typeof(self, cdecl: str | CValue, /) -> Any: ...
    def cast(self, cdecl: str, value: Any, /) -> CValue: ...
    def sizeof(self, cdecl: str | CValue, /) -> int: ...
    def alignof(self, cdecl: str, /) -> int: ...
    def callback(self, cdecl: str, /) -> Callable[[_Function], _Function]: ...
    def offsetof(self, cdecl: str, /, *fields: str | int) -> int: ...
    def string(self, cdata: CValue, maxlen: int = ..., /) -> bytes: ...
    def unpack(self, cdata: CValue, length: int, /) -> Any: ...
    def buffer(self, cdata: CValue, size: int = ..., /) -> memoryview: ...
    def from_buffer(self, cdecl: str, python_buffer: Any, require_writable: bool = ..., /) -> CValue: ...
    def gc(self, cdata: CValue, destructor: Callable[[CValue], Any] | None, size: int = ...) -> CValue: ...
    def release(self, cdata: CValue, /) -> None: ...
    def new_handle(self, value: object, /) -> CValue: ...
    def from_handle(self, handle: CValue, /) -> Any: ...
    def def_extern(
        self,
        name: str = ...,
        error: int = ...,
        onerror: Callable[[type[BaseException], BaseException, TracebackType | None], Any] | None = ...,
    ) -> Callable[[_Function], _Function]: ...

ffi: FFI

class Lib:
    MM_ABI_VERSION: int
    MM_VERSION_MAJOR: int
    MM_VERSION_MINOR: int
    MM_VERSION_PATCH: int

    MM_OK: int
    MM_ERROR_INVALID_ARGUMENT: int
    MM_ERROR_INVALID_HANDLE: int
    MM_ERROR_NO_MEMORY: int
    MM_ERROR_IO: int
    MM_ERROR_BAD_MODEL: int
    MM_ERROR_UNSUPPORTED: int
    MM_ERROR_ABORTED: int
    MM_ERROR_BUSY: int
    MM_ERROR_INTERNAL: int
    MM_SWITCH_DEFAULT: int
    MM_SWITCH_ON: int
    MM_SWITCH_OFF: int
    MM_LOG_DEBUG: int
    MM_LOG_INFO: int
    MM_LOG_WARNING: int
    MM_TASK_TRANSCRIBE: int
    MM_TASK_TRANSLATE: int
    MM_STEP_MORE: int
    MM_STEP_NEEDS_AUDIO: int
    MM_STEP_DONE: int
    MM_FILTER_BICUBIC: int
    MM_FILTER_BILINEAR: int

    pyffi_on_token: CValue
    pyffi_on_progress: CValue
    pyffi_should_abort: CValue
    pyffi_on_log: CValue

    def mm_abi_version(self) -> int: ...
    def mm_version_string(self) -> CValue: ...
    def mm_build_info(self) -> CValue: ...
    def mm_status_string(self, status: int, /) -> CValue: ...
    def mm_free(self, buffer: CValue, /) -> None: ...
    def mm_set_log_callback(self, callback: CValue, user_data: CValue, /) -> None: ...
    def mm_resample(
        self, chunk: CValue, target_rate: int, run: CValue, out: CValue, out_len: CValue, error_out: CValue, /
    ) -> int: ...
    def mm_vad_open(self, path: CValue, out: CValue, error_out: CValue, /) -> int: ...
    def mm_vad_close(self, vad: CValue, /) -> None: ...
    def mm_vad_options_init(self, options: CValue, struct_size: int, /) -> int: ...
    def mm_vad_process(self, vad: CValue, samples: CValue, len: int, probability: CValue, /) -> int: ...
    def mm_vad_reset(self, vad: CValue, /) -> int: ...
    def mm_vad_probabilities(
        self, vad: CValue, chunk: CValue, run: CValue, out: CValue, out_len: CValue, error_out: CValue, /
    ) -> int: ...
    def mm_vad_segments(
        self,
        vad: CValue,
        chunk: CValue,
        options: CValue,
        run: CValue,
        out: CValue,
        out_len: CValue,
        error_out: CValue,
        /,
    ) -> int: ...
    def mm_whisper_open(self, path: CValue, options: CValue, out: CValue, error_out: CValue, /) -> int: ...
    def mm_whisper_close(self, model: CValue, /) -> None: ...
    def mm_whisper_info_get(self, model: CValue, info: CValue, /) -> int: ...
    def mm_model_verify(self, path: CValue, sha256: CValue, json: CValue, error_out: CValue, /) -> int: ...
    def mm_transcribe_options_init(self, options: CValue, struct_size: int, /) -> int: ...
    def mm_whisper_transcribe(
        self, model: CValue, chunk: CValue, options: CValue, out: CValue, error_out: CValue, /
    ) -> int: ...
    def mm_transcript_open(self, model: CValue, options: CValue, out: CValue, error_out: CValue, /) -> int: ...
    def mm_transcript_close(self, transcript: CValue, /) -> None: ...
    def mm_transcript_push(self, transcript: CValue, chunk: CValue, /) -> int: ...
    def mm_transcript_finish(self, transcript: CValue, /) -> int: ...
    def mm_transcript_step(self, transcript: CValue, state: CValue, /) -> int: ...
    def mm_transcript_abort(self, transcript: CValue, /) -> int: ...
    def mm_transcript_last_error(self, transcript: CValue, /) -> CValue: ...
    def mm_transcript_info_get(self, transcript: CValue, info: CValue, /) -> int: ...
    def mm_transcript_segment(self, transcript: CValue, index: int, segment: CValue, /) -> int: ...
    def mm_transcript_token(self, transcript: CValue, segment: int, index: int, token: CValue, /) -> int: ...
    def mm_transcript_word(self, transcript: CValue, segment: int, index: int, word: CValue, /) -> int: ...
    def mm_whisper_detect_language(
        self, model: CValue, chunk: CValue, run: CValue, out: CValue, out_len: CValue, error_out: CValue, /
    ) -> int: ...
    def mm_whisper_log_mel(
        self, model: CValue, chunk: CValue, run: CValue, out: CValue, frames: CValue, error_out: CValue, /
    ) -> int: ...
    def mm_whisper_encode(
        self,
        model: CValue,
        mel: CValue,
        frames: int,
        audio_ctx: int,
        run: CValue,
        out: CValue,
        out_len: CValue,
        error_out: CValue,
        /,
    ) -> int: ...
    def mm_whisper_logits(
        self,
        model: CValue,
        encoded: CValue,
        audio_ctx: int,
        tokens: CValue,
        n_tokens: int,
        run: CValue,
        out: CValue,
        out_len: CValue,
        error_out: CValue,
        /,
    ) -> int: ...
    def mm_whisper_tokenize(
        self, model: CValue, text: CValue, text_len: int, out: CValue, out_len: CValue, error_out: CValue, /
    ) -> int: ...
    def mm_whisper_detokenize(
        self, model: CValue, tokens: CValue, n_tokens: int, out: CValue, out_len: CValue, error_out: CValue, /
    ) -> int: ...
    def mm_image_decode(
        self,
        data: CValue,
        len: int,
        options: CValue,
        run: CValue,
        out: CValue,
        width: CValue,
        height: CValue,
        error_out: CValue,
        /,
    ) -> int: ...
    def mm_image_resize(
        self, pixels: CValue, width: int, height: int, filter: int, run: CValue, out: CValue, error_out: CValue, /
    ) -> int: ...
    def mm_clip_open(self, path: CValue, options: CValue, out: CValue, error_out: CValue, /) -> int: ...
    def mm_clip_close(self, model: CValue, /) -> None: ...
    def mm_clip_info_get(self, model: CValue, info: CValue, /) -> int: ...
    def mm_clip_space_id(self, model: CValue, options: CValue, out: CValue, error_out: CValue, /) -> int: ...
    def mm_clip_encode_image(
        self,
        model: CValue,
        images: CValue,
        n: int,
        options: CValue,
        run: CValue,
        out: CValue,
        out_len: CValue,
        error_out: CValue,
        /,
    ) -> int: ...
    def mm_clip_encode_pixels(
        self,
        model: CValue,
        images: CValue,
        n: int,
        options: CValue,
        run: CValue,
        out: CValue,
        out_len: CValue,
        error_out: CValue,
        /,
    ) -> int: ...
    def mm_clip_encode_text(
        self,
        model: CValue,
        texts: CValue,
        n: int,
        options: CValue,
        run: CValue,
        out: CValue,
        out_len: CValue,
        error_out: CValue,
        /,
    ) -> int: ...
    def mm_clip_encode_tokens(
        self,
        model: CValue,
        tokens: CValue,
        n_tokens: int,
        options: CValue,
        run: CValue,
        out: CValue,
        out_len: CValue,
        error_out: CValue,
        /,
    ) -> int: ...
    def mm_clip_preprocess_image(
        self,
        model: CValue,
        image: CValue,
        options: CValue,
        run: CValue,
        out: CValue,
        out_len: CValue,
        error_out: CValue,
        /,
    ) -> int: ...
    def mm_clip_preprocess_pixels(
        self,
        model: CValue,
        image: CValue,
        options: CValue,
        run: CValue,
        out: CValue,
        out_len: CValue,
        error_out: CValue,
        /,
    ) -> int: ...
    def mm_clip_tokenize(
        self, model: CValue, text: CValue, text_len: int, out: CValue, out_len: CValue, error_out: CValue, /
    ) -> int: ...
    def mm_clip_detokenize(
        self, model: CValue, tokens: CValue, n_tokens: int, out: CValue, out_len: CValue, error_out: CValue, /
    ) -> int: ...

lib: Lib
